"""The page ``invert``: what is left of a photo at each layer, small at first, and large where a person looks."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from dreamscope import images
from dreamscope.errors import DreamscopeError, Interrupted
from dreamscope.models.classifier import Classifier
from dreamscope.studio import pictures
from dreamscope.studio.actions.dream import preview_layers
from dreamscope.studio.given import Given
from dreamscope.studio.jobs import Job
from dreamscope.studio.state import Studio
from dreamscope.visualization import invert as technique

STEPS = (50, 100, 200, 400)
"""Of a large picture."""

_SMALL, _SMALL_STEPS = 112, 48


def facts(model: Classifier, _: Mapping[str, str]) -> dict[str, Any]:
    """Return what the page knows when it is opened."""
    return {"layers": preview_layers(model), "steps": list(STEPS)}


def small(studio: Studio, job: Job, *, given: Given) -> dict[str, Any]:
    """Make a photo again in small from what one layer holds of it."""
    # The same part of the photo as the large ones show.
    photo = images.at_most(studio.model.prepared(images.read(given.picture("picture"))), _SMALL)
    (found,) = technique.invert(
        studio.model,
        photo,
        _layer(studio, given),
        steps=_SMALL_STEPS,
        size=_SMALL,
        recipe=False,
        callback=lambda _: job.check(),
    )
    return {"image": pictures.uri(found.image), "error": found.error}


def run(studio: Studio, job: Job, *, given: Given) -> dict[str, Any]:
    """Make a photo again from what one layer holds of it; stopped, keep what there is."""
    picture, layer = given.picture("picture"), _layer(studio, given)
    steps = given.whole("steps", STEPS[2], least=1, most=STEPS[-1])
    try:
        (found,) = technique.invert(studio.model, picture, layer, steps=steps, callback=job.step)
    except Interrupted as stop:
        if not stop.result:
            raise
        (found,) = stop.result
    original = job.visit.keep("original.png", lambda path: images.write(found.original, path), kind="original")
    kept = job.visit.keep(f"{given.stem('picture')}-at-{layer}.png", found.save, kind="inversion")
    return {
        "name": kept.name,
        "title": kept.title,
        "original": original.name,
        "layer": layer,
        "error": found.error,
        "seconds": found.seconds,
        "stopped": job.stopped,
    }


def _layer(studio: Studio, given: Given) -> str:
    (layer, *others) = given.addresses("at", studio.model) or [studio.model.default_address]
    if others:
        raise DreamscopeError("one layer at a time is inverted")
    return layer
