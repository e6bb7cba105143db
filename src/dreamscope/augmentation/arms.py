"""Arms: the ways to train a head on few positives that are measured side by side."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np

from dreamscope.augmentation.heads import Training
from dreamscope.augmentation.mixing import mixup, smote

Array = np.ndarray[Any, Any]

LEVELS = 3
"""Settings that each arm chooses from, the most cautious first."""

MAGNITUDES = (4, 9, 14)
"""Of torchvision's ``RandAugment``."""
NEIGHBOURS = (1, 3, 10)
"""Of SMOTE."""
ALPHAS = (0.2, 0.5, 1.0)
"""Of mixup's beta distribution."""
STRENGTHS = (0.3, 0.6, 1.0)
"""The share of a dream that is put on its photo."""

SHARE = 0.5
"""Of a kind's weight that made pictures get: the photos themselves keep the other half."""


class Material(Protocol):
    """Features of everything that arms learn from; photos are meant by their numbers."""

    def photos(self, numbers: Sequence[int]) -> Array:
        """Return the features of photos, (N, features)."""
        ...

    def augmented(self, numbers: Sequence[int], level: int) -> Array:
        """Return the features of photos varied as is standard, several for each photo."""
        ...

    def dreamt(self, positives: Sequence[int], negatives: Sequence[int], level: int) -> tuple[Array, Array]:
        """Return the features of hallucinated positives, and of healthy photos dreamt on towards nothing."""
        ...


@dataclass(frozen=True)
class Known:
    """What is known in a draw: photos by their numbers.

    Attributes
    ----------
    positives, negatives : tuple of int
        The photos that may be learnt from.
    seed : int
        Of everything that is drawn.
    """

    positives: tuple[int, ...]
    negatives: tuple[int, ...]
    seed: int


Arm = Callable[[Material, Known, int], Training]
"""From what is known and a level to what a head learns from; made of these photos alone."""


def plain(material: Material, known: Known, _level: int) -> Training:
    """Return the photos as they are."""
    return Training.of([(material.photos(known.positives), 1)], [(material.photos(known.negatives), 1)])


def standard(material: Material, known: Known, level: int) -> Training:
    """Return the photos and standard augmentations of them."""
    parts = [
        [(material.photos(each), 1 - SHARE), (material.augmented(each, level), SHARE)]
        for each in (known.positives, known.negatives)
    ]
    return Training.of(*parts)


def smoted(material: Material, known: Known, level: int) -> Training:
    """Return the photos and positives between positives."""
    positives, negatives = material.photos(known.positives), material.photos(known.negatives)
    random = np.random.default_rng(known.seed)
    made = smote(positives, len(negatives), NEIGHBOURS[level], random)
    return Training.of([(positives, 1 - SHARE), (made, SHARE)], [(negatives, 1)])


def mixed(material: Material, known: Known, level: int) -> Training:
    """Return the photos and mixtures of both kinds."""
    positives, negatives = material.photos(known.positives), material.photos(known.negatives)
    real = Training.of([(positives, 1)], [(negatives, 1)])
    values, truth = mixup(positives, negatives, 2 * len(negatives), ALPHAS[level], np.random.default_rng(known.seed))
    # As much weight as both kinds have together.
    weights = np.full(len(values), 2 / len(values))
    return Training(
        np.concatenate([real.values, values]),
        np.concatenate([real.truth, truth]),
        np.concatenate([(1 - SHARE) * real.weights, SHARE * weights]),
    )


def hallucinated(material: Material, known: Known, level: int) -> Training:
    """Return the photos, hallucinated positives, and healthy photos with as much dream on them that shows nothing."""
    dreams, controls = material.dreamt(known.positives, known.negatives, level)
    return Training.of(
        [(material.photos(known.positives), 1 - SHARE), (dreams, SHARE)],
        [(material.photos(known.negatives), 1 - SHARE), (controls, SHARE)],
    )


def both(material: Material, known: Known, level: int) -> Training:
    """Return the photos, standard augmentations and dreams: a third each."""
    dreams, controls = material.dreamt(known.positives, known.negatives, level)
    third = 1 / 3
    parts = [
        [(material.photos(each), third), (material.augmented(each, level), third), (made, third)]
        for each, made in ((known.positives, dreams), (known.negatives, controls))
    ]
    return Training.of(*parts)


ARMS: Mapping[str, Arm] = {
    "photos": plain,
    "standard": standard,
    "smote": smoted,
    "mixup": mixed,
    "hallucinated": hallucinated,
    "standard + hallucinated": both,
}
"""By name."""

PEERS = ("standard", "smote", "mixup")
"""What is done without dreams: the best of these is what dreams have to beat."""
