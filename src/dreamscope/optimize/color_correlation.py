"""Colours as photos have them: how red, green and blue vary together."""

from __future__ import annotations

from functools import cache

import torch
from torch import Tensor

COLOR_ROOT = ((0.26, 0.09, 0.02), (0.27, 0.00, -0.05), (0.27, -0.09, 0.03))
"""The square root of the covariance of ImageNet's colours, measured by lucid (Olah, Mordvintsev and Schubert,
"Feature Visualization", Distill 2017): from colours that vary independently (columns: lightness, blue against
yellow, green against magenta) to R, G and B (rows)."""


def correlated(independent: Tensor) -> Tensor:
    """Return R, G, B (N, 3, H, W) of colours that vary independently; lightness of 1 becomes about 1."""
    return torch.einsum("ij,njhw->nihw", _root().to(independent), independent)


def independent(rgb: Tensor) -> Tensor:
    """Undo `correlated`."""
    return torch.einsum("ij,njhw->nihw", torch.linalg.inv(_root()).to(rgb), rgb)


@cache
def _root() -> Tensor:
    root = torch.tensor(COLOR_ROOT)
    largest: Tensor = torch.linalg.vector_norm(root, dim=0).max()
    return root / largest
