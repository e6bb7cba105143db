"""Measure: does it help to learn from hallucinated positives? The experiment, on photos that are kept apart."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any, Unpack

import numpy as np
import torch
from torch import Tensor

from dreamscope import photos
from dreamscope.augmentation.aims import AIMS, layers_at, means_of
from dreamscope.augmentation.arms import Known
from dreamscope.augmentation.augment import ensure_apart
from dreamscope.augmentation.gain import Gain, gathered
from dreamscope.augmentation.hallucination import SETTINGS, ensure_keep, kept_layer
from dreamscope.augmentation.keeping import KEEPS, Keep
from dreamscope.augmentation.material import Dreaming, Pictures
from dreamscope.augmentation.trial import FOLDS, Measured, Score, trial
from dreamscope.dreaming import presets
from dreamscope.dreaming.presets import Overrides
from dreamscope.engines.base import Engine, Failure, Here
from dreamscope.engines.photo_parts import opened, placed
from dreamscope.errors import DreamscopeError, ensure_one_of, ensure_seed
from dreamscope.exploration.embedding import before_logits
from dreamscope.models.addresses import Address
from dreamscope.models.classifier import Classifier
from dreamscope.optimize.ingredients import text_of, values_of
from dreamscope.optimize.regularizers import REGULARIZERS
from dreamscope.optimize.transforms import TRANSFORMS
from dreamscope.photos import Photo, Source, Stream
from dreamscope.progress import Callback, reported
from dreamscope.recipes import Recipe

COUNTS = (3, 5, 10, 20, 50)
DRAWS = 20
MADE = 24
"""Dreams of a draw, and healthy photos dreamt on towards nothing."""

STAGE = "draws"
_AT_ONCE = 16


def measure_augmentation(
    model: Classifier,
    healthy: Source | Sequence[Source | Photo],
    towards: Source | Sequence[Source | Photo],
    *,
    positives: Sequence[int] = COUNTS,
    draws: int = DRAWS,
    layer: str | Address | None = None,
    aim: str = "direction",
    at: str | Address | Sequence[str | Address] | None = None,
    count: int = MADE,
    keep: str | Keep | Sequence[str | Keep] = (),
    seed: int = 0,
    engine: str | Engine | None = None,
    callback: Callback | None = None,
    progress: bool = False,
    **settings: Unpack[Overrides],
) -> Gain:
    """Measure what hallucinated positives are worth to a head that learns from few positives.

    Half of the photos of each kind are put away to measure on. Of the others' positives a few are drawn; a logistic
    regression on frozen features learns from them and all photos without the thing: as they are, with standard
    augmentation, with mixtures (SMOTE, mixup), with hallucinated positives, and with standard augmentation and
    hallucinated positives together. Whatever an arm adds counts as much as the photos; each chooses among as many
    settings, by cross-validation inside what it may learn from. So that dreaming itself is no sign of the thing,
    healthy photos dreamt on towards nothing (the difference of their own halves) are learnt as healthy.

    Parameters
    ----------
    model
        The classifier.
    healthy, towards
        Photos without the thing, and with it, see `dreamscope.photos.find`.
    positives
        How many positives are drawn.
    draws
        How often.
    layer
        Whose means over positions heads learn from; what the network's own classes are computed from, or else its last
        block, if not given.
    aim, at, keep
        Of the dreams, see `dreamscope.augment`.
    count
        Number of dreams of a draw.
    seed
        Seed of all that is drawn.
    engine
        Where draws are worked on side by side, see `dreamscope.engines.choose.engine`; in this process if not given.
    callback
        ``callback(stage, done, total)``.
    progress
        Draw a bar.
    **settings
        Of the dream.

    Returns
    -------
    Gain

    Raises
    ------
    DreamscopeError
        If an argument is invalid, or there are too few photos.
    """
    arguments = locals()
    started = time.perf_counter()
    ensure_seed(seed)
    ensure_one_of(aim, AIMS, "aim")
    if draws < 1 or count < 1:
        raise DreamscopeError(f"draws and dreams are 1 or more, not {draws} and {count}")
    sets = {"healthy": photos.find(healthy), "towards": photos.find(towards)}
    ensure_apart(sets["healthy"], sets["towards"])
    keeps, addresses, read_at = ensure_keep(keep), layers_at(model, at), _layer(model, layer)
    chosen = presets.settings(SETTINGS, **settings)
    recipe = Recipe.of_call(
        measure_augmentation,
        arguments,
        inputs={name: photos.reference(each) for name, each in sets.items()},
        resolved={
            **values_of(chosen, transform=TRANSFORMS, penalty=REGULARIZERS),
            "positives": list(positives),
            "layer": read_at,
            "at": [str(address) for address in addresses],
            "keep": [text_of(each, KEEPS) for each in keeps],
        },
    )
    with opened(engine) as ready, reported(callback, progress=progress) as report:
        numbers, pictures = _pictures(model, sets, report)
        known, measured = _split(numbers, positives, seed)
        names = list(dict.fromkeys([read_at, *(address.layer for address in addresses)]))
        found = means_of(model, names, (batch.float() / 255 for batch in pictures.split(_AT_ONCE)))
        dreaming = Dreaming(aim, addresses, chosen, keeps, kept_layer(model), count)
        material = Pictures(model, pictures, read_at, found, dreaming, seed)
        items = [(count_, draw) for draw in range(draws) for count_ in positives]
        scores: dict[tuple[int, int], dict[str, Score]] = {}
        for key, reached in (ready or Here()).run(_Work(material, known, measured, seed), items):
            if isinstance(reached, Failure):
                raise DreamscopeError(reached.message)
            scores[key] = reached
            if report is not None:
                report(STAGE, len(scores), len(items))
    return Gain(
        gathered(scores, positives),
        read_at,
        (len(measured.positives), len(measured.negatives)),
        len(known.negatives),
        time.perf_counter() - started,
        recipe,
    )


@dataclass(frozen=True)
class _Work:
    """The work of an engine: one draw after the other."""

    material: Pictures
    known: Known
    measured: Measured
    seed: int

    def __call__(self) -> Callable[[tuple[int, int]], Any]:
        material = replace(self.material, model=placed(self.material.model))

        def make(item: tuple[int, int]) -> Any:
            count, draw = item
            random = np.random.default_rng([self.seed, count, draw])
            drawn = random.choice(self.known.positives, count, replace=False)
            known = replace(self.known, positives=tuple(int(each) for each in drawn), seed=draw)
            return trial(material, known, self.measured)

        return make


def _pictures(
    model: Classifier, sets: dict[str, list[Photo]], callback: Callback | None
) -> tuple[dict[str, list[int]], Tensor]:
    """Return the numbers of the photos of each kind that can be read, and all of them as the network is given them."""
    numbers: dict[str, list[int]] = {}
    read: list[Tensor] = []
    count = 0
    for name, what in (("towards", "photos with it"), ("healthy", "photos without it")):
        for _, batch in Stream(sets[name], model, gone=_heard(callback, what, len(sets[name]))):
            read.append(batch.mul(255).round().clamp(0, 255).to(torch.uint8))
            numbers.setdefault(name, []).extend(range(count, count + len(batch)))
            count += len(batch)
    return numbers, torch.cat(read)


def _heard(callback: Callback | None, what: str, total: int) -> Callable[[int], None] | None:
    return None if callback is None else lambda done: callback(what, done, total)


def _split(numbers: dict[str, list[int]], positives: Sequence[int], seed: int) -> tuple[Known, Measured]:
    """Return what may be learnt from and what is measured on: half of each kind."""
    random = np.random.default_rng(seed)
    mixed = {name: [int(each) for each in random.permutation(each)] for name, each in sorted(numbers.items())}
    parts = {name: (each[: len(each) // 2], each[len(each) // 2 :]) for name, each in mixed.items()}
    (healthy, healthy_measured), (towards, towards_measured) = parts["healthy"], parts["towards"]
    if not positives or min(positives) < 2 or max(positives) > len(towards):
        raise DreamscopeError(
            f"positives are 2 to {len(towards)}, half of the photos with the thing; not "
            f"{', '.join(map(str, positives)) or 'none'}"
        )
    if len(healthy) < 2 * FOLDS:
        raise DreamscopeError(
            f"{len(healthy)} photos without the thing can be learnt from; at least {2 * FOLDS} are needed"
        )
    return Known(tuple(towards), tuple(healthy), seed), Measured(tuple(towards_measured), tuple(healthy_measured))


def _layer(model: Classifier, layer: str | Address | None) -> str:
    if layer is None:
        return before_logits(model)
    (address,) = layers_at(model, layer)
    return address.layer
