"""Projections of features to two dimensions.

References
----------
L. van der Maaten and G. Hinton, "Visualizing data using t-SNE" (2008); L. McInnes, J. Healy and J. Melville,
"UMAP: Uniform Manifold Approximation and Projection" (2018).
"""

from __future__ import annotations

import warnings
from collections.abc import Callable
from importlib import import_module

import numpy as np
from numpy.typing import NDArray

PERPLEXITY = 30
"""Of t-SNE: about the number of neighbours that a photo stays near to; at most a third of the photos."""

Array = NDArray[np.float64]


def tsne(features: Array, seed: int) -> tuple[Array, None]:
    """Keep neighbours together."""
    from sklearn.manifold import TSNE

    perplexity = min(PERPLEXITY, (len(features) - 1) / 3)
    features = _at_least_two(features)
    return TSNE(2, perplexity=perplexity, init="pca", random_state=seed).fit_transform(features), None


def umap(features: Array, seed: int) -> tuple[Array, None]:
    """Keep neighbours together, and more of what lies between."""
    # By name: whoever checks the types need not have it.
    reducer = import_module("umap").UMAP
    with warnings.catch_warnings():
        # It warns that a seed keeps it to one thread: the price of the same call giving the same map.
        warnings.simplefilter("ignore")
        return reducer(n_neighbors=min(15, len(features) - 1), random_state=seed).fit_transform(features), None


def pca(features: Array, seed: int) -> tuple[Array, tuple[str, str]]:  # noqa: ARG001
    """Keep the two directions in which the photos differ most."""
    from sklearn.decomposition import PCA

    found = PCA(2, svd_solver="full")
    plane = found.fit_transform(_at_least_two(features))
    first, second = (f"{100 * share:.0f} % of the variance" for share in found.explained_variance_ratio_)
    return plane, (f"first principal component, {first}", f"second, {second}")


def _at_least_two(features: Array) -> Array:
    """Return features with a second column of zeros if there is only one: distances stay the same."""
    return np.pad(features, ((0, 0), (0, max(0, 2 - features.shape[1]))))


METHODS: dict[str, Callable[[Array, int], tuple[Array, tuple[str, str] | None]]] = {
    "tsne": tsne,
    "umap": umap,
    "pca": pca,
}
"""By name: functions of features (photos, features) and a seed to positions (photos, 2) and the axes' names, if any."""
