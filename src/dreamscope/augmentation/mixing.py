"""Mixing: new training features between those of real photos, with no picture made.

References
----------
H. Zhang et al., "mixup: beyond empirical risk minimization" (2018); N. V. Chawla et al., "SMOTE: synthetic minority
over-sampling technique" (2002).
"""

from __future__ import annotations

from typing import Any

import numpy as np

Array = np.ndarray[Any, Any]


def smote(positives: Array, count: int, neighbours: int, random: np.random.Generator) -> Array:
    """Return features on the way from one positive to one of its nearest others.

    Parameters
    ----------
    positives
        (k, features).
    count
        How many are made.
    neighbours
        Among how many of the nearest the other one is drawn; fewer where there are fewer.
    random
        The source of all random numbers.

    Returns
    -------
    ndarray
        (count, features); copies of a positive that is alone.
    """
    first = random.integers(len(positives), size=count)
    nearest = min(neighbours, len(positives) - 1)
    if nearest < 1:
        return positives[first]
    distances = np.linalg.norm(positives[:, None] - positives[None], axis=2)
    np.fill_diagonal(distances, np.inf)
    order = distances.argsort(1, kind="stable")[:, :nearest]
    second = order[first, random.integers(nearest, size=count)]
    share = random.random((count, 1))
    between: Array = positives[first] + share * (positives[second] - positives[first])
    return between


def mixup(
    positives: Array, negatives: Array, count: int, alpha: float, random: np.random.Generator
) -> tuple[Array, Array]:
    """Return features between photos drawn from both kinds alike, and the share of each that is of positives.

    Parameters
    ----------
    positives, negatives
        (photos, features).
    count
        How many are made.
    alpha
        Of the symmetric beta distribution from which shares are drawn: small ones leave most photos nearly as they are.
    random
        The source of all random numbers.

    Returns
    -------
    (ndarray, ndarray)
        (count, features) and (count,) in [0, 1].
    """
    values = np.concatenate([positives, negatives])
    truth = np.repeat([1.0, 0.0], [len(positives), len(negatives)])
    # Both kinds as often, however many there are of each.
    chance = np.where(truth == 1, 0.5 / len(positives), 0.5 / len(negatives))
    first, second = random.choice(len(values), size=(2, count), p=chance)
    share = random.beta(alpha, alpha, size=count)
    mixed = share[:, None] * values[first] + (1 - share[:, None]) * values[second]
    return mixed, share * truth[first] + (1 - share) * truth[second]
