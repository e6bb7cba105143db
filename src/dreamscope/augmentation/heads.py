"""Heads: what learns to tell both kinds of photos apart from a network's frozen features."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

Array = np.ndarray[Any, Any]

STRENGTHS = tuple(10.0**power for power in range(-4, 0))
"""Of a logistic regression's penalty, in scikit-learn's ``C``: those that are tried."""

_ROUNDING = 1e-7
"""Deviations of a feature that are no more, as a share of the largest number, are rounding."""


@dataclass(frozen=True)
class Training:
    """What a head learns from.

    Attributes
    ----------
    values : ndarray
        (N, features).
    truth : ndarray
        (N,): the chance that each shows the thing, 0 or 1 but for mixtures.
    weights : ndarray
        (N,): how often each counts.
    """

    values: Array
    truth: Array
    weights: Array

    @classmethod
    def of(cls, positives: list[tuple[Array, float]], negatives: list[tuple[Array, float]]) -> Training:
        """Return a training set from parts, each with the share of its kind that it makes up.

        Both kinds count the same, and so does each within a part.
        """
        values, truth, weights = [], [], []
        for kind, parts in ((1.0, positives), (0.0, negatives)):
            for rows, share in parts:
                values.append(rows)
                truth.append(np.full(len(rows), kind))
                weights.append(np.full(len(rows), share / max(1, len(rows))))
        return cls(np.concatenate(values), np.concatenate(truth), np.concatenate(weights))

    @property
    def balanced(self) -> Array:
        """The weights, made so that both kinds count the same and all together as many as there are."""
        mine, others = (self.weights * self.truth).sum(), (self.weights * (1 - self.truth)).sum()
        scaled = self.weights * (self.truth / mine + (1 - self.truth) / others)
        found: Array = scaled * len(scaled) / scaled.sum()
        return found


def scores(training: Training, measured: Array, strengths: Sequence[float] = STRENGTHS) -> dict[float, Array]:
    """Return the log-odds that logistic regressions on standardised features give what is measured on.

    Parameters
    ----------
    training
        What they learn from.
    measured
        (N, features).
    strengths
        Of the penalty, rising: each regression starts where the one before it ended.

    Returns
    -------
    dict of float to ndarray
        Strength -> (N,).
    """
    from sklearn.linear_model import LogisticRegression

    middle = np.average(training.values, axis=0, weights=training.weights)
    deviation = np.sqrt(np.average((training.values - middle) ** 2, axis=0, weights=training.weights))
    deviation[deviation <= _ROUNDING * np.abs(training.values).max()] = 1
    values, weights = (training.values - middle) / deviation, training.balanced
    # A mixture counts as one of each kind, in its shares.
    mixed = (training.truth > 0) & (training.truth < 1)
    rows = np.concatenate([values, values[mixed]])
    truth = np.concatenate([np.where(mixed, 1, training.truth), np.zeros(mixed.sum())])
    counts = np.concatenate(
        [np.where(mixed, weights * training.truth, weights), (weights * (1 - training.truth))[mixed]]
    )
    shown, found = (measured - middle) / deviation, {}
    model = LogisticRegression(max_iter=1000, warm_start=True)
    for strength in strengths:
        model.set_params(C=strength).fit(rows, truth, sample_weight=counts)
        found[strength] = model.decision_function(shown)
    return found
