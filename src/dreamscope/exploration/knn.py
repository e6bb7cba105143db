"""Who lies next to whom, and do neighbours agree with labels? Leave-one-out k-NN accuracy."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

NEIGHBOURS = 5


@dataclass(frozen=True)
class Agreement:
    """The share of photos with the label that most of their nearest neighbours have: leave-one-out k-NN accuracy.

    Attributes
    ----------
    k : int
        Number of neighbours.
    count : int
        Number of photos judged: those with a label that another photo has too. All labelled photos are neighbours.
    overall : float
        The share of these that agree; NaN if there are none.
    labels : Mapping of str to float
        The same for each of their labels, the one with the most photos first.
    """

    k: int
    count: int
    overall: float
    labels: Mapping[str, float]


def nearest(features: NDArray[np.float64], k: int = NEIGHBOURS) -> NDArray[np.int64]:
    """Return the k nearest others of each row (Euclidean), the nearest first, (rows, k); all, if there are fewer."""
    from sklearn.neighbors import NearestNeighbors

    # Without arguments each row itself is no neighbour, also where another one is a copy of it.
    found = NearestNeighbors(n_neighbors=min(k, len(features) - 1)).fit(features).kneighbors(return_distance=False)
    return np.asarray(found, np.int64)


def agreement(features: NDArray[np.float64], labels: Sequence[str | None], k: int = NEIGHBOURS) -> Agreement:
    """Predict the label of each photo from its k nearest labelled neighbours (Euclidean); the nearer decides a tie.

    Parameters
    ----------
    features
        (photos, features).
    labels
        Labels of the photos; those with ``None`` are skipped.
    k
        Number of neighbours, or all others if there are fewer.
    """
    known = [index for index, label in enumerate(labels) if label is not None]
    names = [labels[index] or "" for index in known]
    shared = {name: count for name, count in Counter(names).most_common() if count > 1}
    if not shared:
        return Agreement(k, 0, float("nan"), {})
    near = nearest(features[known], k)
    hits: dict[str, list[bool]] = {name: [] for name in shared}
    for own, row in zip(names, near, strict=True):
        if own in shared:
            # Of equally frequent ones `Counter` gives the one it met first.
            hits[own].append(Counter(names[index] for index in row).most_common(1)[0][0] == own)
    every = [hit for each in hits.values() for hit in each]
    shares = {name: sum(each) / len(each) for name, each in hits.items()}
    return Agreement(near.shape[1], len(every), sum(every) / len(every), shares)
