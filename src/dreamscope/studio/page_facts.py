"""The studio's pages, and what each of them knows when it is opened: layers, presets, labels."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from dreamscope.images import SAMPLES
from dreamscope.models.classifier import Classifier
from dreamscope.studio.actions import blind, dream, explain, film, fool, invert, live, look
from dreamscope.studio.actions import map as map_

PAGES: Mapping[str, Callable[[Classifier, Mapping[str, str]], dict[str, Any]]] = {
    "dream": dream.facts,
    "look": look.facts,
    "explain": explain.facts,
    "blind": blind.facts,
    "live": live.facts,
    "fool": fool.facts,
    "invert": invert.facts,
    "map": map_.facts,
    "film": film.facts,
}
"""By name, in the order of the bar at the top: ``facts(model, path)`` gives what only this page knows."""


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
    shared = {"model": model.name, "samples": list(SAMPLES), "labels": list(model.labels)}
    return shared | PAGES[page](model, path)
