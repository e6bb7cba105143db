from __future__ import annotations

import numpy as np
import pytest

from dreamscope.augmentation.mixing import mixup, smote


def test_smote_lies_between_neighbours() -> None:
    positives = np.array([[0.0, 0.0], [1.0, 0.0], [10.0, 0.0]])
    made = smote(positives, 200, 1, np.random.default_rng(0))
    assert (made[:, 1] == 0).all()
    # Each one's nearest: 0 and 1 have each other, 10 has 1.
    assert ((made[:, 0] <= 1) | ((made[:, 0] >= 1) & (made[:, 0] <= 10))).all()
    far = made[made[:, 0] > 1]
    assert 0.2 < len(far) / 200 < 0.5


def test_a_positive_alone_is_copied() -> None:
    assert (smote(np.array([[3.0]]), 4, 5, np.random.default_rng(0)) == 3).all()


def test_mixtures_say_how_much_of_each_kind_they_are() -> None:
    positives, negatives = np.full((2, 1), 1.0), np.zeros((50, 1))
    values, truth = mixup(positives, negatives, 4000, 0.5, np.random.default_rng(0))
    assert values[:, 0] == pytest.approx(truth)
    # Both kinds count the same, though there are 25 times as many of one.
    assert truth.mean() == pytest.approx(0.5, abs=0.02)
    assert 0.1 < ((truth > 0.05) & (truth < 0.95)).mean() < 0.6
