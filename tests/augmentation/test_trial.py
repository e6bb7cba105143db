"""Trials on features whose answers are known on paper."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pytest

from dreamscope.augmentation.arms import ARMS, LEVELS, Known
from dreamscope.augmentation.gain import Gain, gathered
from dreamscope.augmentation.heads import Training, scores
from dreamscope.augmentation.trial import Measured, trial

FEATURES, APART = 12, 2.0


class Planted:
    """Photos are noise; those with the thing lie `APART` further along the first axis.

    A dream moves a healthy photo along that axis; standard augmentation and dreams towards nothing change nothing.
    """

    def __init__(self, labels: np.ndarray, seed: int = 0) -> None:
        self.values = np.random.default_rng(seed).normal(size=(len(labels), FEATURES))
        self.values[labels == 1, 0] += APART
        self.asked: list[set[int]] = []

    def photos(self, numbers: Sequence[int]) -> np.ndarray:
        return self.values[list(numbers)]

    def augmented(self, numbers: Sequence[int], level: int) -> np.ndarray:
        self.asked.append({*numbers})
        return self.photos(numbers)

    def dreamt(self, positives: Sequence[int], negatives: Sequence[int], level: int) -> tuple[np.ndarray, np.ndarray]:
        self.asked.append({*positives, *negatives})
        moved = self.photos(negatives).copy()
        moved[:, 0] += APART * (level + 1) / LEVELS
        return moved, self.photos(negatives)


def drawn(shuffled: bool) -> Gain:
    """Three draws of three positives; the labels of all photos at random if `shuffled`."""
    found = {}
    for draw in range(3):
        random = np.random.default_rng(draw)
        truth = np.repeat([1, 0], 60)
        labels = random.permutation(truth) if shuffled else truth
        material = Planted(truth if not shuffled else np.zeros(120), seed=draw)
        mine, others = (random.permutation(np.flatnonzero(labels == kind)) for kind in (1, 0))
        known = Known(tuple(mine[:3]), tuple(others[:20]), draw)
        found[3, draw] = trial(material, known, Measured(tuple(mine[20:]), tuple(others[20:])))
    return Gain(gathered(found, [3]), "planted", (40, 40), 20, 0.0, None)


def test_a_certain_gain_is_found() -> None:
    gain = drawn(shuffled=False)
    assert gain.reached(3, "hallucinated").value > gain.reached(3, "photos").value + 0.05
    assert gain.difference(3).low > 0
    # At best: the two normal distributions overlap.
    assert gain.reached(3, "standard + hallucinated").value < 0.97


def test_none_is_found_where_there_is_none() -> None:
    gain = drawn(shuffled=True)
    for arm in ARMS:
        assert abs(gain.reached(3, arm).value - 0.5) < 0.1
    assert gain.difference(3, than="photos").low < 0.03


def test_nothing_is_learnt_from_what_is_measured_on() -> None:
    material = Planted(np.repeat([1, 0], 20))
    known, measured = (
        Known(tuple(range(4)), tuple(range(20, 30)), 0),
        Measured(tuple(range(10, 20)), tuple(range(30, 40))),
    )
    trial(material, known, measured)
    assert material.asked
    for each in material.asked:
        assert each <= {*known.positives, *known.negatives}
    # Inside, some are held back in turns.
    assert min(len(each) for each in material.asked) < len(known.positives) + len(known.negatives)
    with pytest.raises(ValueError, match="1 photos are measured on and learnt from"):
        trial(material, known, Measured((3, 10), (30, 31)))


def test_weights_are_repeats() -> None:
    random = np.random.default_rng(0)
    positives, negatives, measured = (
        random.normal(1, 1, (4, 3)),
        random.normal(0, 1, (8, 3)),
        random.normal(0, 1, (9, 3)),
    )
    once = Training.of([(positives, 1)], [(negatives, 1)])
    twice = Training.of([(np.concatenate([positives, positives]), 1)], [(negatives, 1)])
    assert once.balanced.sum() == pytest.approx(12)
    assert once.balanced[:4] == pytest.approx(1.5)
    # The strength of the penalty is of the whole: as many rows, or the same weight of all.
    same = scores(once, measured, [12.0])[12], scores(twice, measured, [9.0])[9]
    assert same[0] == pytest.approx(same[1], abs=2e-2)


def test_a_mixture_of_halves_says_nothing() -> None:
    random = np.random.default_rng(0)
    values = random.normal(size=(6, 3))
    found = scores(Training(values, np.full(6, 0.5), np.ones(6)), random.normal(size=(5, 3)), [1.0])[1]
    assert np.abs(found).max() < 1e-4
