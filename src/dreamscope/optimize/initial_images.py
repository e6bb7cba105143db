"""Initial images besides photos: noise, gray, clouds."""

from __future__ import annotations

from collections.abc import Callable, Mapping

import torch
from torch import Generator, Tensor
from torch.nn import functional as F

from dreamscope.images import Size


def noise(size: Size, generator: Generator) -> Tensor:
    """Gaussian noise around middle gray, each pixel and colour by itself."""
    return (0.5 + 0.06 * torch.randn((1, 3, size.height, size.width), generator=generator)).clamp(0, 1)


def gray(size: Size, generator: Generator) -> Tensor:  # noqa: ARG001 - one signature for all
    """Middle gray."""
    return torch.full((1, 3, size.height, size.width), 0.5)


def clouds(size: Size, generator: Generator) -> Tensor:
    """Fractal noise: layers of smooth noise, each twice as fine and half as strong, in soft colours."""
    total = torch.zeros((1, 3, size.height, size.width))
    cells, strength = 2, 1.0
    while cells <= max(size.height, size.width):
        rows = max(2, cells * size.height // max(size.height, size.width))
        columns = max(2, cells * size.width // max(size.height, size.width))
        # Mostly the same for all three colours, or clouds become confetti.
        shared = torch.randn((1, 1, rows, columns), generator=generator)
        layer = shared + 0.5 * torch.randn((1, 3, rows, columns), generator=generator)
        total += strength * F.interpolate(layer, (size.height, size.width), mode="bicubic", align_corners=False)
        cells, strength = cells * 2, strength / 2
    return (0.5 + 0.16 * total / total.std()).clamp(0, 1)


INITIAL_IMAGES: Mapping[str, Callable[[Size, Generator], Tensor]] = {"noise": noise, "gray": gray, "clouds": clouds}
"""By name; each makes (1, 3, H, W) in [0, 1]."""
