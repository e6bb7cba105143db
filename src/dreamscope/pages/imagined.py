"""What a network imagines: of a class before it was taken away and after, and of each channel that was removed."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor

from dreamscope import archives, images
from dreamscope.dissection.blinding import Blinding
from dreamscope.dreaming.dream import dream
from dreamscope.errors import DreamscopeError
from dreamscope.models.classifier import Classifier
from dreamscope.models.erase import Erase
from dreamscope.objectives.class_scores import Logit
from dreamscope.optimize.ascent import Step, StepCallback
from dreamscope.progress import Callback
from dreamscope.visualization.result import Visualization
from dreamscope.visualization.visualize import visualize

STEPS = 96
"""Of the class image: more show it no better."""
SIDE = 320
"""Pixels of the longer side of the dream, at most."""
MOST_REMOVED = 50
"""The most removed channels and directions of which the report shows what excites them."""

# Pixels and number of steps of those: 50 small ones take about a minute of one core, 6 large ones 15 seconds.
_SMALL, _LARGE, _FEW_REMOVED = (112, 64), (160, 96), 6
# Smaller crops than these show too little of a small picture.
_REMOVED_TRANSFORM, _REMOVED_RATE, _REMOVED_CONTRAST = ("crop:0.5,1,0.85", "flip", "noise:0.05"), 0.08, 0.22

# Stronger than a preset, which keeps the photo in sight: here the class is to come out where it can.
_OCTAVES, _OCTAVE_STEPS, _RATE, _NATURAL = 4, 16, 2.5 / 255, 0.9


@dataclass(frozen=True)
class Picture:
    """A picture that a network made, and what the intact network takes it for.

    Attributes
    ----------
    image : Tensor
        (1, 3, H, W) in [0, 1].
    label : str
        The most probable class.
    probability : float
        Its probability.
    """

    image: Tensor
    label: str
    probability: float


@dataclass(frozen=True)
class Pair:
    """What the intact and the edited network made of the same thing, with the same seed.

    Attributes
    ----------
    kind : str
        ``class image`` or ``dream``.
    photo : Path or None
        What was dreamt on.
    before, after : Picture or None
        ``None`` where nothing could be made.
    """

    kind: str
    photo: Path | None
    before: Picture | None
    after: Picture | None


def imagined(blinding: Blinding, *, callback: Callback | None = None) -> list[Pair]:
    """Return the image of the class, and a dream of it on the first measured photo that was recognised before.

    Both climb the class's score. What a network can't make is left out: some take pictures of one size only.

    Parameters
    ----------
    blinding
        Of a class.
    callback
        ``callback(stage, done, total)``.
    """
    edited, index = blinding.model, blinding.class_index
    intact = edited.with_module(edited.module, edits=())
    recognised = (
        row.path for row in blinding.result.photos if row.before == blinding.label and archives.exists(row.path)
    )
    photo = next(recognised, None)

    def class_image(model: Classifier, note: StepCallback) -> Tensor:
        made = visualize(
            model, class_name=index, steps=STEPS, crops=1, precision="float32", recipe=False, callback=note
        )
        return made[0].image

    def dreamt(model: Classifier, note: StepCallback) -> Tensor:
        assert photo is not None
        picture = images.read(photo)
        return dream(
            model,
            picture,
            Logit(index),
            size=min(SIDE, max(picture.shape[-2:])),
            octaves=_OCTAVES,
            steps=_OCTAVE_STEPS,
            rate=_RATE,
            natural=_NATURAL,
            precision="float32",
            recipe=False,
            callback=note,
        ).image

    wanted = [("class image", None, class_image), *([("dream", photo, dreamt)] if photo else [])]
    found = []
    for number, (kind, on, make) in enumerate(wanted):
        before, after = (
            _made(make, model, intact, _reporting(callback, 2 * number + turn, 2 * len(wanted)))
            for turn, model in enumerate((intact, edited), 1)
        )
        if before is not None or after is not None:
            found.append(Pair(kind, on, before, after))
    return found


def removed_pictures(
    blinding: Blinding, most: int = MOST_REMOVED, *, callback: Callback | None = None
) -> list[Visualization]:
    """Return what excites each removed channel and direction most in the intact network, made from noise.

    Parameters
    ----------
    blinding
        Of a class.
    most
        Only of the first so many of `Blinding.removed`.
    callback
        ``callback(stage, done, total)``.

    Returns
    -------
    list of Visualization
        In the order of `Blinding.removed`; none where the network takes pictures of one other size only.
    """
    edited = blinding.model
    intact = edited.with_module(edited.module, edits=())
    channels = [str(each.address) for each in blinding.removed if each.number is None]
    erased = [edit.along(index) for edit in edited.edits if isinstance(edit, Erase) for index in range(edit.count)]
    wanted, along = channels[:most], erased[: max(0, most - len(channels))]

    def note(step: Step) -> None:
        if callback is not None:
            callback("visualizing what was removed", step.number, step.total)

    if not wanted and not along:
        return []
    side, steps = _LARGE if len(wanted) + len(along) <= _FEW_REMOVED else _SMALL
    try:
        return visualize(
            intact,
            wanted,
            directions=along,
            size=side,
            steps=steps,
            transform=_REMOVED_TRANSFORM,
            crops=1,
            rate=_REMOVED_RATE,
            contrast=_REMOVED_CONTRAST,
            precision="float32",
            recipe=False,
            callback=note,
        )
    except DreamscopeError:
        return []


def _made(
    make: Callable[[Classifier, StepCallback], Tensor], model: Classifier, judge: Classifier, note: StepCallback
) -> Picture | None:
    try:
        image = make(model, note)
        with torch.no_grad():
            (best,) = judge.classify(judge.prepared(image), top=1)[0]
    except DreamscopeError:
        return None
    return Picture(image, best.label, best.probability)


def _reporting(callback: Callback | None, number: int, count: int) -> StepCallback:
    def note(step: Step) -> None:
        if callback is not None:
            callback(f"imagining (picture {number} of {count})", step.number, step.total)

    return note
