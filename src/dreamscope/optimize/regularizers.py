"""Regularizers: image -> penalty, one number an image, taken from the objective."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from torch import Tensor

from dreamscope import images as pictures
from dreamscope.errors import DreamscopeError
from dreamscope.optimize.ingredients import named

Regularizer = Callable[[Tensor], Tensor]
"""Images (N, 3, H, W) in [0, 1] -> the penalty of each, (N,); any such function is one."""


@dataclass(frozen=True)
class L1:
    """`weight` times the mean distance of colours from middle gray."""

    weight: float = 1.0

    def __call__(self, images: Tensor) -> Tensor:
        """Return the penalty of (N, 3, H, W) as (N,)."""
        return self.weight * (images - 0.5).abs().mean((1, 2, 3))


@dataclass(frozen=True)
class L2:
    """`weight` times the mean squared distance of colours from middle gray (Simonyan et al. 2013)."""

    weight: float = 1.0

    def __call__(self, images: Tensor) -> Tensor:
        """Return the penalty of (N, 3, H, W) as (N,)."""
        return self.weight * (images - 0.5).square().mean((1, 2, 3))


@dataclass(frozen=True)
class TotalVariation:
    """`weight` times the mean absolute difference between neighbouring pixels (Mahendran and Vedaldi 2014)."""

    weight: float = 1.0

    def __call__(self, images: Tensor) -> Tensor:
        """Return the penalty of (N, 3, H, W) as (N,)."""
        down = (images[..., 1:, :] - images[..., :-1, :]).abs().mean((1, 2, 3))
        across = (images[..., 1:] - images[..., :-1]).abs().mean((1, 2, 3))
        return self.weight * (down + across)


@dataclass(frozen=True)
class Unblurred:
    """`weight` times the mean squared distance from the picture's own blur, `width` pixels wide.

    What blurring away at each step does (Yosinski et al. 2015), as a penalty.
    """

    weight: float = 1.0
    width: float = 1.0

    def __post_init__(self) -> None:
        if not self.width > 0:
            raise DreamscopeError(f"a blur is more than 0 pixels wide, not {self.width:g}")

    def __call__(self, images: Tensor) -> Tensor:
        """Return the penalty of (N, 3, H, W) as (N,)."""
        return self.weight * (images - pictures.blur(images, self.width).detach()).square().mean((1, 2, 3))


REGULARIZERS: Mapping[str, Callable[..., Regularizer]] = {
    "l1": L1,
    "l2": L2,
    "tv": TotalVariation,
    "blur": Unblurred,
}
"""The regularizers by name."""


def ensure(given: Any) -> Regularizer:
    """Return the regularizer that a text names (``tv:0.1``), or a function of images as it is."""
    found: Regularizer = named(given, REGULARIZERS, "regularizer")
    if not callable(found):
        raise DreamscopeError(f"a penalty is a text such as tv:0.1, or a function of images, not {found!r}")
    return found
