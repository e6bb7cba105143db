"""What each page knows when it is opened: layers, presets, labels."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from itertools import takewhile
from typing import Any

from dreamscope.dissection.search import METHODS
from dreamscope.dissection.shares import FEW_PHOTOS
from dreamscope.dreaming.presets import CLASS_PRESET, DEFAULT_PRESET, PRESETS
from dreamscope.errors import DreamscopeError
from dreamscope.exploration.blocks import blocks_of
from dreamscope.images import SAMPLES
from dreamscope.models.addresses import Address, resolve
from dreamscope.models.classifier import Classifier
from dreamscope.pages.report_text import FEW
from dreamscope.studio.actions import film, fool, invert, live
from dreamscope.studio.actions import map as map_
from dreamscope.studio.actions.blind import FEWEST, MOST_PHOTOS
from dreamscope.studio.actions.dream import SIZES, preview_layers
from dreamscope.studio.actions.explain import methods

PAGES: Mapping[str, str] = {
    name: name.capitalize() for name in ("dream", "look", "explain", "blind", "live", "fool", "invert", "map", "film")
}
"""Pages by name, in the order of the bar at the top, and what they are called there."""


def facts(page: str, model: Classifier, path: Mapping[str, str]) -> dict[str, Any]:
    """Return what a page knows when it is opened.

    Parameters
    ----------
    page
        Its name.
    model
        What is looked into.
    path
        The parts of its address.
    """
    known: dict[str, Any] = {"model": model.name, "samples": list(SAMPLES), "labels": list(model.labels)}
    return known | (_MORE[page](model, path) if page in _MORE else {})


def _dream(model: Classifier, _: Mapping[str, str]) -> dict[str, Any]:
    return {
        "layers": preview_layers(model),
        "default": model.default_address,
        "presets": [name for name in PRESETS if name != CLASS_PRESET],
        "sizes": list(SIZES),
    }


def _look(model: Classifier, path: Mapping[str, str]) -> dict[str, Any]:
    layers = [
        {"name": name, "type": layer.type, "channels": layer.channels, "grid": list(layer.grid)}
        for name, layer in model.layers.items()
    ]
    found: dict[str, Any] = {"layers": layers, "blocks": blocks_of(model), "default": model.default_address}
    try:
        return found | {"at": _address(model, path), "wrong": ""}
    except DreamscopeError as error:
        # The page says it, and shows what there is.
        return found | {"at": {"layer": None, "channel": None}, "wrong": str(error)}


def _address(model: Classifier, path: Mapping[str, str]) -> dict[str, Any]:
    """Return the layer and the channel that a page's address names, as in ``/m/MODEL/LAYER/CHANNEL``."""
    if path.get("model", model.name) != model.name:
        raise DreamscopeError(f"this studio looks into {model.name}, not into '{path['model']}'")
    layer, slash, channel = path.get("address", "").partition("/")
    if not layer:
        return {"layer": None, "channel": None}
    if slash and not channel.isdecimal():
        raise DreamscopeError(f"'{channel}' is no channel's number; channels are counted from 0, as in {layer}/0")
    (address, *more) = resolve([Address(layer, (int(channel),) if slash else None)], model)
    if more:
        raise DreamscopeError(f"'{layer}' names {1 + len(more)} layers; here one is looked at at a time")
    return {"layer": address.layer, "channel": int(channel) if slash else None}


def _explain(_: Classifier, __: Mapping[str, str]) -> dict[str, Any]:
    return {"methods": methods()}


def _fool(_: Classifier, __: Mapping[str, str]) -> dict[str, Any]:
    return {"sizes": list(fool.SIZES)}


def _invert(model: Classifier, _: Mapping[str, str]) -> dict[str, Any]:
    return {"layers": preview_layers(model), "steps": list(invert.STEPS)}


def _map(model: Classifier, _: Mapping[str, str]) -> dict[str, Any]:
    return {"layers": preview_layers(model), "most": map_.MOST_PHOTOS}


def _film(model: Classifier, _: Mapping[str, str]) -> dict[str, Any]:
    return {
        "layers": preview_layers(model),
        "default": model.default_address,
        "presets": [name for name in PRESETS if name != CLASS_PRESET],
        "preset": DEFAULT_PRESET,
        "sizes": list(film.SIZES),
        "rates": list(film.RATES),
        "longest": film.LONGEST,
        "pixels": film.MOST_PIXELS,
        "places": film.MOST_PLACES,
    }


def _live(model: Classifier, _: Mapping[str, str]) -> dict[str, Any]:
    names = live.layers(model)
    # What all begin with is said once, above them.
    steps = zip(*(name.split(".")[:-1] for name in names), strict=False)
    shared = len(list(takewhile(lambda each: len(set(each)) == 1, steps)))
    return {
        "layers": [
            {
                "name": name,
                "short": ".".join(name.split(".")[shared:]),
                "channels": model.layers[name].channels,
                "grid": f" of {' × '.join(map(str, reversed(model.layers[name].grid)))}"
                if model.layers[name].grid
                else "",
            }
            for name in names
        ],
        "first": live.first_layer(model),
        "size": {"width": model.input_size[1], "height": model.input_size[0]},
    }


_FINDING: Mapping[str, str] = {
    "joint": "chosen together (best)",
    "contrast": "louder on the class (quick)",
    "attribution": "moving its score (quick)",
    "frequency": "often the loudest (quick)",
    "single": "each switched off alone (slow)",
}
"""The methods of `dissect` in plain words."""


def _blind(_: Classifier, __: Mapping[str, str]) -> dict[str, Any]:
    return {
        "methods": {name: _FINDING[name] for name in METHODS},
        "fewest": FEWEST,
        "most": MOST_PHOTOS,
        "few": FEW_PHOTOS,
        "enough": FEW,
    }


_MORE: Mapping[str, Callable[[Classifier, Mapping[str, str]], dict[str, Any]]] = {
    "dream": _dream,
    "look": _look,
    "explain": _explain,
    "blind": _blind,
    "live": _live,
    "fool": _fool,
    "invert": _invert,
    "map": _map,
    "film": _film,
}
