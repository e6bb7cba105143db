"""The page ``fool``: what a photo is taken for, and how little must change for it to be taken for something else."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from dreamscope import images
from dreamscope.adversarial import fool as technique
from dreamscope.adversarial.fool import NORMS
from dreamscope.errors import Interrupted
from dreamscope.models.classifier import Classifier, Prediction
from dreamscope.studio.given import Given
from dreamscope.studio.jobs import Job
from dreamscope.studio.state import Studio

SIZES = (256, 384, 512, 768)
"""Longer sides of a picture in pixels, at most."""

METHODS = ("minimal", "pgd", "fgsm")

_LEVELS = 255


def facts(_: Classifier, __: Mapping[str, str]) -> dict[str, Any]:
    """Return what the page knows when it is opened."""
    return {"sizes": list(SIZES)}


def answers(studio: Studio, _: Job, *, given: Given) -> dict[str, Any]:
    """Say what a picture is taken for."""
    (found,) = studio.model.classify(images.read(given.picture("picture")))
    return {"answers": _told(found)}


def run(studio: Studio, job: Job, *, given: Given) -> dict[str, Any]:
    """Change a picture until it is taken for something else; stopped, keep the best so far."""
    picture, options = given.picture("picture"), _options(given)
    side = given.whole("size", 512, least=64, most=SIZES[-1])
    # No larger than it is: that would be another picture.
    own = images.size_of(images.read(picture))
    size = min(side, max(own.width, own.height))
    try:
        found = technique.fool(studio.model, picture, size=size, callback=job.step, **options)
    except Interrupted as stop:
        if stop.result is None:
            raise
        found = stop.result
    kept = job.visit.keep(f"{given.stem('picture')}-fooled.png", found.save, kind="fooled")
    # What counts is the file as it is read.
    found = found.reread(studio.model, kept.path)
    change = job.visit.keep(
        f"{given.stem('picture')}-change.png", lambda path: images.write(found.difference(), path), kind="difference"
    )
    original = job.visit.keep("original.png", lambda path: images.write(found.original, path), kind="original")
    return {
        "name": kept.name,
        "title": kept.title,
        "change": change.name,
        "original": original.name,
        "success": found.success,
        "wanted": None if found.goal.to is None else studio.model.label(found.goal.to),
        "before": _told(found.before),
        "after": _told(found.after),
        "largest": round(found.linf * _LEVELS),
        # As many dots turned from black to white would be as long a change.
        "dots": found.l2**2 / 3,
        "amplified": 0.5 / found.linf if found.linf else None,
        "steps": found.steps,
        "seconds": found.seconds,
        "stopped": job.stopped,
    }


def _options(given: Given) -> dict[str, Any]:
    method = given.choice("method", METHODS, METHODS[0])
    norm = given.choice("norm", NORMS, NORMS[0])
    to = given.text("to")
    options: dict[str, Any] = {"to": to or None, "method": method, "norm": norm}
    if "sure" in given:
        options["stop_at"] = given.number("sure", 0.5, least=0.01, most=0.999)
    if method != METHODS[0]:
        most = given.number("limit", 1, least=0.01, most=_LEVELS)
        options["budget"] = f"{most:g}/{_LEVELS}" if norm == "linf" else (3 * most) ** 0.5
    return options


def _told(found: tuple[Prediction, ...] | list[Prediction]) -> list[dict[str, Any]]:
    return [{"label": each.label, "probability": each.probability} for each in found]
