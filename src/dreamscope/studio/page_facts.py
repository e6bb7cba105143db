"""What each page knows when it is opened: layers, presets, labels."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from dreamscope.dreaming.presets import CLASS_PRESET, DEFAULT_PRESET, PRESETS
from dreamscope.images import SAMPLES
from dreamscope.models.classifier import Classifier
from dreamscope.studio.actions import film, fool, invert
from dreamscope.studio.actions import map as map_
from dreamscope.studio.actions.dream import SIZES, preview_layers

PAGES: Mapping[str, str] = {"dream": "Dream", "fool": "Fool", "invert": "Invert", "map": "Map", "film": "Film"}
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


_MORE: Mapping[str, Callable[[Classifier, Mapping[str, str]], dict[str, Any]]] = {
    "dream": _dream,
    "fool": _fool,
    "invert": _invert,
    "map": _map,
    "film": _film,
}
