"""What each page knows when it is opened: layers, presets, labels."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from itertools import takewhile
from typing import Any

from dreamscope.dreaming.presets import CLASS_PRESET, PRESETS
from dreamscope.images import SAMPLES
from dreamscope.models.classifier import Classifier
from dreamscope.studio.actions import live
from dreamscope.studio.actions.dream import SIZES, preview_layers

PAGES: Mapping[str, str] = {"dream": "Dream", "live": "Live"}
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


_MORE: Mapping[str, Callable[[Classifier, Mapping[str, str]], dict[str, Any]]] = {"dream": _dream, "live": _live}
