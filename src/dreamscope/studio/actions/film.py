"""The page ``film``: a dive into a picture, with what is dreamt and how fast it zooms on a timeline."""

from __future__ import annotations

import shutil
import time
from collections.abc import Generator, Mapping
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from typing import Any

from torch import Tensor

from dreamscope import images
from dreamscope.dreaming import zoom as technique
from dreamscope.dreaming.frames import Frame
from dreamscope.dreaming.presets import DEFAULT_PRESET
from dreamscope.dreaming.zoom import Zoom
from dreamscope.errors import DreamscopeError, Interrupted
from dreamscope.film.frame_store import FrameStore, make_film
from dreamscope.film.writer import Film
from dreamscope.models.classifier import Classifier
from dreamscope.recipes import Recipe
from dreamscope.studio.actions.dream import OFFERED, preview_layers
from dreamscope.studio.given import Given
from dreamscope.studio.jobs import Job
from dreamscope.studio.state import Studio

SIZES = (192, 256, 384, 512, 768)
"""Longer sides of a film in pixels."""

RATES = (8, 12, 16, 24)
"""Frames a second."""

MOST_PLACES = 12
LONGEST = 60
"""Seconds."""

MOST_PIXELS = 90_000_000
"""Of all frames together: half a minute at 384 pixels and 24 frames a second."""

MOST_SECONDS = 600.0
"""Of computing, after which a film ends where it is, so that others get their turn."""

_LONGEST_ENTRY = 120


@dataclass(frozen=True)
class _Watched:
    """A dive that shows its frames while it is made."""

    plan: Zoom
    job: Job

    @property
    def recipe(self) -> Recipe | None:
        return self.plan.recipe

    @property
    def fps(self) -> Fraction:
        return self.plan.fps

    @property
    def count(self) -> int:
        return self.plan.count

    @property
    def overlap(self) -> int:
        return self.plan.overlap

    def frames(self, first: int, before: Tensor | None) -> Generator[Frame, None, None]:
        for frame in self.plan.frames(first, before):
            self.job.frame(frame.image)
            yield frame


def facts(model: Classifier, _: Mapping[str, str]) -> dict[str, Any]:
    """Return what the page knows when it is opened."""
    return {
        "layers": preview_layers(model),
        "default": model.default_address,
        "presets": OFFERED,
        "preset": DEFAULT_PRESET,
        "sizes": list(SIZES),
        "rates": list(RATES),
        "longest": LONGEST,
        "pixels": MOST_PIXELS,
        "places": MOST_PLACES,
    }


def run(studio: Studio, job: Job, *, given: Given) -> dict[str, Any]:
    """Make a film; stopped, or if it takes too long, keep the film so far."""
    picture, options = given.picture("picture"), _options(given)
    _ensure_not_too_much(picture, options)
    plan = technique.zoom(studio.model, picture, **options)
    made: list[Film] = []

    def write(path: Path) -> None:
        try:
            made.append(make_film(path, _Watched(plan, job), callback=_heard(job)))
        except Interrupted as stop:
            if stop.result is None:
                raise
            made.append(stop.result)
        finally:
            shutil.rmtree(FrameStore(path).folder, ignore_errors=True)

    kept = job.visit.keep(f"{given.stem('picture')}-dive.mp4", write, kind="film")
    (film,) = made
    return {
        "name": kept.name,
        "title": kept.title,
        "frames": film.count,
        "of": plan.count - plan.overlap,
        "seconds": float(film.count / film.fps),
        "width": film.size.width,
        "height": film.size.height,
        "stopped": job.stopped,
    }


def _heard(job: Job) -> Any:
    """Return a callback that stops a film while it is dreamt, but not while what there is of it is written."""
    until = time.monotonic() + MOST_SECONDS

    def heard(stage: str, done: int, total: int) -> None:
        if stage == "writing":
            job.event("progress", stage=stage, done=done, total=total)
            return
        job.progress(stage, done, total)
        if time.monotonic() > until:
            raise KeyboardInterrupt

    return heard


def _options(given: Given) -> dict[str, Any]:
    seconds = given.number("seconds", 5, least=0.5, most=LONGEST)
    fps = given.whole("fps", RATES[1], least=RATES[0], most=RATES[-1])
    places, speeds = _entries(given, "schedule"), _entries(given, "zoom")
    return {
        "schedule": " ".join(places) if places else None,
        "zoom": " ".join(speeds) if speeds else 1.3,
        "seconds": seconds,
        "fps": fps,
        "rotate": given.number("rotate", 0, least=-90, most=90),
        "size": given.whole("size", SIZES[1], least=64, most=SIZES[-1]),
        "preset": given.choice("preset", OFFERED, DEFAULT_PRESET),
        "loop": given.flag("loop"),
        "seed": given.whole("seed", 0, least=0, most=2**31),
    }


def _entries(given: Given, name: str) -> list[str]:
    found = given.texts(name, most=MOST_PLACES)
    if any(len(each) > _LONGEST_ENTRY or len(each.split()) != 1 for each in found):
        raise DreamscopeError(f"{name} has entries such as 2s:LAYER or 2s:1.3, each for itself")
    return found


def _ensure_not_too_much(picture: str | Path, options: dict[str, Any]) -> None:
    own = images.size_of(images.read(picture))
    scale = options["size"] / max(own.width, own.height)
    frames = (options["seconds"] + options["loop"]) * options["fps"]
    share = frames * own.width * own.height * scale**2 / MOST_PIXELS
    if share > 1:
        raise DreamscopeError(
            f"that is {share:.1f} times as much as one film may take here: make it shorter, smaller, or with fewer "
            "frames a second"
        )
