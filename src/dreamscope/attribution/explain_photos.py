"""Explain photos: what counted on each of many, was it right, and did it lie on the object?"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import torch
from torch import Tensor

from dreamscope import images
from dreamscope.attribution.base import Method, method_named
from dreamscope.attribution.explain import DEFAULT_METHOD, METHODS, explain
from dreamscope.attribution.object_masks import find_masks, masks_reference, read_mask, share_outside
from dreamscope.attribution.photo_explanations import SORTS, ExplainedPhoto, PhotoExplanations
from dreamscope.attribution.result import Explanation
from dreamscope.dissection.classification import Answer, answers
from dreamscope.errors import DreamscopeError, ensure_one_of, ensure_seed
from dreamscope.exploration.embedding import has_classes
from dreamscope.models.addresses import Address
from dreamscope.models.classifier import Classifier
from dreamscope.photos import Photo, Source, Stream, find, reference
from dreamscope.progress import Callback, reported
from dreamscope.recipes import Recipe

MOST = 120
"""Photos whose pictures are kept for a sheet, the first in the order asked for."""
SIDE = 192
"""Pixels of the longer side of these pictures."""

_OBJECT = 0.5  # of white, in one pixel at least
_BATCH = 16
_TOP = 5


def explain_photos(
    model: Classifier,
    photos: Source | Sequence[Source | Photo],
    *,
    class_name: str | int | None = None,
    at: str | Address | None = None,
    method: str | Method | Sequence[str | Method] = DEFAULT_METHOD,
    masks: str | Path | None = None,
    sort: str = "mistakes",
    seed: int = 0,
    callback: Callback | None = None,
    progress: bool = False,
    recipe: bool = True,
) -> PhotoExplanations:
    """Measure what counts on each of many photos, beside what it was taken for and what it is.

    Photos are read in batches; numbers are kept of all, pictures of the first `MOST`.

    Parameters
    ----------
    model
        The classifier.
    photos
        Folders, photos or labels files, see `dreamscope.photos.find`; those that can't be read are skipped and
        reported.
    class_name, at
        What to explain on all photos, see `dreamscope.explain`; if neither is given, of each what it is taken for.
    method
        One or several, see `dreamscope.explain`.
    masks
        A folder of PNG files named as the photos, white where the object is: how much of the evidence (what a map has
        above 0) lies outside the object is then measured. A network that decides by snow has much there.
    sort
        ``mistakes`` (the most confident first, then the others, the least confident first), ``confidence``,
        ``outside`` (most of the evidence outside first, by the first method) or ``given``.
    seed
        Seed of all random numbers.
    callback
        Called with what is being done, how much of it is done, and of how much.
    progress
        Show a bar.
    recipe
        Keep a recipe; without one a method of your own can be used.

    Raises
    ------
    DreamscopeError
        If an argument is invalid, no photo can be read, no photo has a mask, or a mask does not fit its photo.
    """
    arguments = locals()
    chosen = [method_named(each, METHODS) for each in ([method] if isinstance(method, str | Method) else method)]
    ensure_one_of(sort, SORTS, "order")
    ensure_seed(seed)
    if sort == "outside" and masks is None:
        raise DreamscopeError("the order 'outside' needs masks: a folder of PNG files named as the photos")
    given = find(photos)
    there = {} if masks is None else find_masks(masks, given)
    made = None
    if recipe:
        inputs = {"photos": reference(given), "masks": reference(masks_reference(there)) if there else None}
        made = Recipe.of_call(explain_photos, arguments, inputs=inputs, resolved={"method": _texts(chosen)})
    knows = at is None or has_classes(model)
    # Of methods that take images one by one, each photo is a step that the time left is counted by.
    stream = Stream(given, model, batch=_BATCH if all(each.batch > 1 for each in chosen) else 1)
    found: list[ExplainedPhoto] = []
    methods = tuple(chosen)
    with reported(callback, progress=progress) as report:
        for named, pictures in stream:
            explanations = explain(
                model, pictures, class_name=class_name, at=at, method=chosen, seed=seed, recipe=False
            )
            methods = tuple(each.method for each in explanations)
            said: Sequence[Answer | None] = [None] * len(named)
            if knows:
                with torch.no_grad():
                    said = answers(model.logits(pictures), named, model, top=_TOP)
            for number, (photo, answer) in enumerate(zip(named, said, strict=True)):
                mine = [explanation[number] for explanation in explanations]
                shares, area = _outside(mine, there.get(photo.path), model)
                targets = tuple(each.targets[0] for each in mine)
                found.append(ExplainedPhoto(photo, answer, targets, shares, area, *_small(mine)))
            found = [
                each if number < MOST else replace(each, image=None, maps=())
                for number, each in enumerate(sorted(found, key=SORTS[sort]))
            ]
            if report is not None:
                report("photos", len(found) + len(stream.unreadable), len(given))
    return PhotoExplanations(
        photos=tuple(found),
        methods=methods,
        sort=sort,
        unreadable=stream.skipped,
        recipe=None if made is None else made.but(method=_texts(methods)),
    )


def _outside(
    explanations: Sequence[Explanation], mask: Path | None, model: Classifier
) -> tuple[tuple[float | None, ...], float | None]:
    """Return the shares of the evidence and of the area outside a mask; none if no object is within it."""
    seen = None if mask is None else read_mask(mask, model)
    if seen is None or float(seen.max()) < _OBJECT:
        return (), None
    shares = tuple(share_outside(each.method.evidence(each.map)[0, 0], seen) for each in explanations)
    return shares, float((1 - seen).mean())


def _small(explanations: Sequence[Explanation]) -> tuple[Tensor, tuple[Tensor, ...]]:
    """Return a photo, uint8, and its maps, made small."""
    photo = images.at_most(explanations[0].images, SIDE)
    size = (photo.shape[-2], photo.shape[-1])
    shown = [each.map if each.picture is None else each.picture for each in explanations]
    maps = tuple(images.resampled(each, size, mode="bilinear")[0] for each in shown)
    return photo[0].mul(255).round().to(torch.uint8), maps


def _texts(methods: Sequence[Method]) -> list[str | Method]:
    return [str(each) if METHODS.get(each.name) is type(each) else each for each in methods]
