"""What each page knows when it is opened: layers, presets, labels."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from dreamscope.dissection.search import METHODS
from dreamscope.dissection.shares import FEW_PHOTOS
from dreamscope.dreaming.presets import CLASS_PRESET, PRESETS
from dreamscope.images import SAMPLES
from dreamscope.models.classifier import Classifier
from dreamscope.pages.report_text import FEW
from dreamscope.studio.actions.blind import FEWEST, MOST_PHOTOS
from dreamscope.studio.actions.dream import SIZES, preview_layers

PAGES: Mapping[str, str] = {"dream": "Dream", "blind": "Blind"}
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


_MORE: Mapping[str, Callable[[Classifier, Mapping[str, str]], dict[str, Any]]] = {"dream": _dream, "blind": _blind}
