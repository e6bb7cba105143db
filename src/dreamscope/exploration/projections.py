"""Many dimensions in two.

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
"""Of t-SNE: about how many neighbours a photo is kept near to; at most a third of the photos."""

Array = NDArray[np.float64]


def tsne(features: Array, seed: int) -> tuple[Array, None]:
    """Keep neighbours together."""
    from sklearn.manifold import TSNE

    perplexity = min(PERPLEXITY, (len(features) - 1) / 3)
    return TSNE(2, perplexity=perplexity, init="pca", random_state=seed).fit_transform(features), None


def umap(features: Array, seed: int) -> tuple[Array, None]:
    """Keep neighbours together, and more of what lies between."""
    # By name: whoever checks the types need not have it.
    reducer = import_module("umap").UMAP
    with warnings.catch_warnings():
        # That a seed costs it its threads is the price of the same call giving the same map.
        warnings.simplefilter("ignore")
        return reducer(n_neighbors=min(15, len(features) - 1), random_state=seed).fit_transform(features), None


def pca(features: Array, seed: int) -> tuple[Array, tuple[str, str]]:  # noqa: ARG001
    """Keep the two directions in which the photos differ most."""
    from sklearn.decomposition import PCA

    found = PCA(2, svd_solver="full")
    plane = found.fit_transform(features)
    first, second = (f"{100 * share:.0f} % of the variance" for share in found.explained_variance_ratio_)
    return plane, (f"first principal component, {first}", f"second, {second}")


METHODS: dict[str, Callable[[Array, int], tuple[Array, tuple[str, str] | None]]] = {
    "tsne": tsne,
    "umap": umap,
    "pca": pca,
}
"""By name: of features (photos, features) and a seed, (photos, 2), and what the axes are if they are anything."""
