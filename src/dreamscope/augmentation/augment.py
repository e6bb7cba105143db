"""Augment: photos without a thing, dreamt towards what photos with it have in common.

Not for diagnosis: what is dreamt looks to the network as if the thing were there, and to nobody else need it.
"""

from __future__ import annotations

import csv
import io
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Unpack

import numpy as np
from torch import Tensor

from dreamscope import files, images, photos
from dreamscope.augmentation import masks
from dreamscope.augmentation.aims import AIMS, features, layers_at
from dreamscope.augmentation.aims import aim as aimed
from dreamscope.augmentation.hallucination import (
    SETTINGS,
    Hallucinator,
    blended,
    ensure_keep,
    is_gray,
    kept_layer,
    seeded,
)
from dreamscope.augmentation.keeping import KEEPS, Keep
from dreamscope.augmentation.plan import STRENGTHS, Planned, ensure_strength, plan
from dreamscope.dreaming import presets
from dreamscope.dreaming.presets import Overrides
from dreamscope.engines.base import Engine, Failure, Here
from dreamscope.engines.photo_parts import opened, placed
from dreamscope.errors import DreamscopeError, ensure_one_of, ensure_seed
from dreamscope.images import Size
from dreamscope.models.addresses import Address
from dreamscope.models.classifier import Classifier
from dreamscope.optimize.ingredients import text_of, values_of
from dreamscope.optimize.regularizers import REGULARIZERS
from dreamscope.optimize.transforms import TRANSFORMS
from dreamscope.photos import LABELS_FILE, Photo, Source
from dreamscope.progress import Callback, reported
from dreamscope.recipes import Recipe, note_of, reference

STAGE = "dreaming"
MOST_LEARNT = 1000
"""Photos without the thing that the aim is learnt from; of more, so many are drawn."""


@dataclass(frozen=True)
class Synthetic:
    """One picture that was made.

    Attributes
    ----------
    path : Path
        The file.
    source : Path
        The photo that was dreamt on.
    strength : float
        The share of the dream that is on it.
    """

    path: Path
    source: Path
    strength: float


@dataclass(frozen=True)
class Augmented:
    """A folder of synthetic pictures, as torchvision's ``ImageFolder`` reads it.

    Attributes
    ----------
    folder : Path
        In it a folder named as the label, and ``labels.csv``.
    label : str
        What all of the pictures show.
    pictures : tuple of Synthetic
        In the order of their numbers.
    skipped : dict
        Photos of which nothing could be made, by file name, and why.
    made : int
        How many were made by this call; the others were there.
    seconds : float
        How long it took.
    """

    folder: Path
    label: str
    pictures: tuple[Synthetic, ...]
    skipped: dict[str, str]
    made: int
    seconds: float


def augment(
    model: Classifier,
    healthy: Source | Sequence[Source | Photo],
    towards: Source | Sequence[Source | Photo],
    out: str | Path,
    *,
    aim: str = "direction",
    at: str | Address | Sequence[str | Address] | None = None,
    count: int | None = None,
    strength: float | Sequence[float] = STRENGTHS,
    size: int | str | Size | None = None,
    mask: str | Path | None = None,
    keep: str | Keep | Sequence[str | Keep] = (),
    label: str | None = None,
    seed: int = 0,
    engine: str | Engine | None = None,
    callback: Callback | None = None,
    progress: bool = False,
    **settings: Unpack[Overrides],
) -> Augmented:
    """Make synthetic pictures of a thing, from photos without it and a few photos with it.

    Not for diagnosis. The pictures show what the network takes for the thing; whether a classifier that learns from
    them gets better has to be measured.

    Parameters
    ----------
    model
        The classifier whose layers tell both kinds of photos apart; its classes play no part.
    healthy
        Photos without the thing, see `dreamscope.photos.find`.
    towards
        Photos with it.
    out
        The folder that is written: ``OUT/LABEL/NUMBER-NAME.png``, each with its recipe inside, and ``labels.csv``.
        What is there already, made with the same arguments, is not made again.
    aim
        What is climbed: the ``direction`` that is the difference of both kinds' mean features; ``guide``, the best
        matches in one of the photos with the thing, drawn for each picture; ``head``, the score of a linear head that
        tells both kinds apart.
    at
        Layers; the blocks where two thirds of the network, and all of it, are over, if not given.
    count
        Number of pictures; one of each photo without the thing if not given. Of more, photos take turns.
    strength
        The share of the dream that is put on the photo, 0 to 4, or two such numbers between which it is drawn for each
        picture.
    size
        The longer side in pixels, or ``WIDTHxHEIGHT``; each photo's own if not given.
    mask
        Where a picture may change: a picture for all, white where it may; a folder with one for each photo by name;
        ``foreground``, all but the dark background of a scan; ``spot``, a round place in it, drawn for each picture.
    keep
        What holds a picture to its photo: ``pixels:WEIGHT``, ``features:WEIGHT``, or both. The aim is 1 higher where
        a photo has come as far as both kinds lie apart; a weight multiplies the share of a photo's variance, or of an
        early layer's activations, that has changed.
    label
        What the pictures show; the folder's name in which the photos with the thing lie if not given.
    seed
        Seed of all random numbers.
    engine
        Where pictures are made side by side: ``local``, ``ray``, see `dreamscope.engines.choose.engine`; in this
        process if not given.
    callback
        ``callback(stage, done, total)``.
    progress
        Draw a bar.
    **settings
        Of the dream, see `dreamscope.dreaming.presets.Settings`: ``steps=20``. Gray photos are dreamt on in gray.

    Returns
    -------
    Augmented

    Raises
    ------
    DreamscopeError
        If an argument is invalid, a photo is of both kinds, or `out` holds pictures that were made with other
        arguments.
    """
    arguments = locals()
    started = time.perf_counter()
    ensure_seed(seed)
    ensure_one_of(aim, AIMS, "aim")
    sets = {"healthy": photos.find(healthy), "towards": photos.find(towards)}
    ensure_apart(sets["healthy"], sets["towards"])
    strengths = ensure_strength(strength)
    count = len(sets["healthy"]) if count is None else count
    if count < 1:
        raise DreamscopeError(f"the number of pictures is 1 or more, not {count}")
    mask = masks.ensure(mask)
    keeps = ensure_keep(keep)
    addresses = layers_at(model, at)
    chosen = presets.settings(SETTINGS, **settings)
    label = label or _label_of(sets["towards"])
    resolved = {
        **values_of(chosen, transform=TRANSFORMS, penalty=REGULARIZERS),
        "at": [str(address) for address in addresses],
        "strength": list(strengths),
        "size": None if size is None else str(size),
        "mask": mask if mask is None or mask in masks.AUTOMATIC else Path(mask).name,
        "keep": [text_of(each, KEEPS) for each in keeps],
        "label": label,
    }
    recipe = _recipe(arguments, sets, resolved)
    folder = _folder(Path(out), label)
    files.sweep(folder)
    pictures: list[Synthetic] = []
    skipped: dict[str, str] = {}
    with opened(engine) as ready, reported(callback, progress=progress) as report:
        names = [address.layer for address in addresses]
        learnt = photos.shuffled(sets["healthy"], seed)[:MOST_LEARNT]
        found = [
            features(model, names, each, what=what, callback=report)
            for each, what in ((sets["towards"], "photos with it"), (learnt, "photos without it"))
        ]
        hallucinator = Hallucinator(model, aimed(aim, addresses, *found), chosen, keeps, kept_layer(model))
        work = _Work(hallucinator, size, mask, seed)
        made = 0
        todo: list[Planned] = []
        for each in plan(sets["healthy"], sets["towards"], count, strengths, seed):
            path = folder / f"{each.stem}.png"
            if path.is_file():
                _ensure_same(path, _recipe_of(recipe, each))
                pictures.append(Synthetic(path, each.photo.path, each.strength))
            else:
                todo.append(each)
        for done, (each, picture) in enumerate((ready or Here()).run(work, todo), 1):
            if isinstance(picture, Failure):
                skipped[each.photo.path.name] = picture.message
            else:
                path = images.write(
                    images.read(picture), folder / f"{each.stem}.png", note=note_of(_recipe_of(recipe, each))
                )
                pictures.append(Synthetic(path, each.photo.path, each.strength))
                made += 1
            if report is not None:
                report(STAGE, count - len(todo) + done, count)
    if not pictures:
        name, reason = next(iter(skipped.items()))
        raise DreamscopeError(f"nothing could be made of any photo; '{name}': {reason}")
    pictures.sort(key=lambda each: each.path.name)
    _write_labels(Path(out) / LABELS_FILE, Path(out), label, pictures)
    return Augmented(Path(out), label, tuple(pictures), skipped, made, time.perf_counter() - started)


@dataclass(frozen=True)
class _Work:
    """The work of an engine: one planned picture after the other."""

    hallucinator: Hallucinator
    size: int | str | Size | None
    mask: str | None
    seed: int

    def __call__(self) -> Callable[[Planned], Any]:
        hallucinator = replace(self.hallucinator, model=placed(self.hallucinator.model))

        def make(planned: Planned) -> Any:
            before, after = made_of(hallucinator, planned, self.size, self.mask, self.seed)
            # A quarter of the numbers to send.
            return np.asarray(images.to_pil(blended(before, after, planned.strength)))

        return make


def made_of(
    hallucinator: Hallucinator, planned: Planned, size: int | str | Size | None, mask: str | None, seed: int
) -> tuple[Tensor, Tensor]:
    """Return a photo at its size, and the whole of what is dreamt on it."""
    # One step further than what was drawn for the plan.
    generator = seeded(seed + 1, planned.number)
    photo = images.read(planned.photo.path)
    photo = images.resize(photo, Size.parse(size, images.size_of(photo))).clamp(0, 1)
    if is_gray(photo):
        photo = images.gray(photo).expand(-1, 3, -1, -1).contiguous()
    where = masks.mask_for(mask, planned.photo, photo, generator)
    guides = [images.read(planned.guide.path)] if hallucinator.aim.name == "guide" else []
    return photo, hallucinator(photo, generator, guides=guides, mask=where)


def ensure_apart(healthy: Sequence[Photo], towards: Sequence[Photo]) -> None:
    """Raise a `DreamscopeError` if a photo is of both kinds."""
    both = {photos.absolute(each.path) for each in healthy} & {photos.absolute(each.path) for each in towards}
    if both:
        raise DreamscopeError(f"'{min(both).name}' is among the photos with the thing and among those without it")


def _label_of(towards: Sequence[Photo]) -> str:
    labels = {each.label for each in towards}
    label = labels.pop() if len(labels) == 1 else None
    return label or towards[0].path.parent.name or "positive"


def _folder(out: Path, label: str) -> Path:
    """Return the folder of the label's pictures, made if it is not there."""
    if not label or label in (".", "..") or any(sign in label for sign in "/\\\0"):
        raise DreamscopeError(f"a label names a folder, which '{label}' can't; give another")
    folder = out / label
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise DreamscopeError(f"can't make the folder '{folder}': {error.strerror or error}") from error
    return folder


def _recipe(arguments: Mapping[str, Any], sets: Mapping[str, Sequence[Photo]], resolved: Mapping[str, Any]) -> Recipe:
    """Return what the recipes of all pictures have in common."""
    inputs = {name: photos.reference(each) for name, each in sets.items()}
    recipe = Recipe.of_call(augment, arguments, inputs=inputs, resolved={**resolved, "out": None})
    # Where it lies, and how many others there are, changes nothing about a picture.
    kept = {name: value for name, value in recipe.parameters.items() if name not in ("out", "count")}
    return replace(recipe, parameters=kept)


def _recipe_of(recipe: Recipe, planned: Planned) -> Recipe:
    """Return the recipe of one picture."""
    inputs: Mapping[str, Any] = {**recipe.inputs, "image": reference(planned.photo.path)}
    if recipe.parameters["aim"] == "guide":
        inputs = {**inputs, "guide": reference(planned.guide.path)}
    return replace(recipe.but(number=planned.number, drawn=planned.strength), inputs=inputs)


def _ensure_same(path: Path, expected: Recipe) -> None:
    """Raise if a picture that is there was made with other arguments."""
    # As plain values: of the one that was read, lists and numbers are what JSON has.
    found, wanted = Recipe.read(path).to_dict(), expected.to_dict()
    other = [name for name, value in wanted["parameters"].items() if found["parameters"].get(name) != value]
    other += [] if found["inputs"] == wanted["inputs"] else ["photos"]
    other += [] if found["model"] == wanted["model"] else ["model"]
    if other:
        raise DreamscopeError(f"'{path}' was made with other {', '.join(other[:3])}; give another folder with --out")


def _write_labels(path: Path, folder: Path, label: str, pictures: Sequence[Synthetic]) -> None:
    text = io.StringIO()
    rows = csv.writer(text, lineterminator="\n")
    rows.writerow(["file", "label", "source", "strength"])
    for each in pictures:
        rows.writerow([each.path.relative_to(folder).as_posix(), label, each.source.name, each.strength])
    with files.written_whole(path) as temporary:
        temporary.write_text(text.getvalue(), "utf-8")
