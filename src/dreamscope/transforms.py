"""Transforms: image -> image, drawn anew each step, differentiable."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Generator, Tensor

Transform = Callable[[Tensor, Generator], Tensor]


@dataclass(frozen=True)
class Shift:
    """Roll the picture by up to `pixels` each way, around its edges.

    The gradient comes back through the roll, so every pixel is seen at every phase of the network's
    strides, and the network's padded border falls on another place each time.
    """

    pixels: int

    def __call__(self, images: Tensor, generator: Generator) -> Tensor:
        """Shift (N, 3, H, W)."""
        down, right = torch.randint(-self.pixels, self.pixels + 1, (2,), generator=generator).tolist()
        return images.roll((down, right), dims=(2, 3))
