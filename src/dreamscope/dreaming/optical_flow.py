"""Optical flow: how things moved between two frames, and what can be carried along.

The flow is OpenCV's DIS: Kroeger et al., "Fast Optical Flow using Dense Inverse Search" (2016). What counts as hidden:
Sundaram, Brox and Keutzer, "Dense Point Trajectories by GPU-accelerated Large Displacement Optical Flow" (2010), as
Ruder et al. used it for stylized films (2016).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional as F

from dreamscope import images
from dreamscope.images import Size

SMALLEST = 64
"""Pixels: the flow of smaller frames is that of enlarged ones."""

LOOKS_ALIKE = 0.1
"""Mean difference of a colour up to which a pixel is taken for the one it came from."""

SAME_SCENE = 0.4
"""The share of pixels that have to be found in the frame before; with fewer, it is another scene."""


@dataclass(frozen=True)
class Motion:
    """From one frame to the next.

    Attributes
    ----------
    flow : Tensor
        (1, 2, H, W) in pixels, right and down: where each pixel of the later frame was in the earlier one, relative to
        where it is.
    seen : Tensor
        (1, 1, H, W) of 0 and 1: whether it was to be seen there.
    """

    flow: Tensor
    seen: Tensor

    @property
    def cut(self) -> bool:
        """Whether the later frame begins another scene."""
        return bool(self.seen.mean() < SAME_SCENE)

    def carry(self, earlier: Tensor) -> Tensor:
        """Move what lay over the earlier frame (1, C, H, W) along; 0 where it was not to be seen."""
        return warped(earlier, self.flow) * self.seen


def motion(earlier: Tensor, later: Tensor) -> Motion:
    """Measure the motion between two frames (1, 3, H, W), and what of the later one was to be seen in the earlier."""
    back, forth = flow(later, earlier), flow(earlier, later)
    # There and back again leads home, unless something came between.
    away = (back + warped(forth, back)).square().sum(1, keepdim=True)
    far = back.square().sum(1, keepdim=True) + warped(forth, back).square().sum(1, keepdim=True)
    alike = (warped(earlier, back) - later).abs().mean(1, keepdim=True) < LOOKS_ALIKE
    seen = (away < 0.01 * far + 0.5) & alike & _inside(back)
    return Motion(back, seen.float())


def flow(start: Tensor, end: Tensor) -> Tensor:
    """Return for each pixel of `start` how far right and down it is found in `end`: (1, 2, H, W), in pixels.

    Both are (1, 3, H, W) in [0, 1].
    """
    import cv2

    size = images.size_of(start)
    scale = max(1, -(-SMALLEST // min(size.width, size.height)))
    enlarged = Size(size.width * scale, size.height * scale)
    search: Any = cv2.DISOpticalFlow.create(cv2.DISOPTICAL_FLOW_PRESET_MEDIUM)
    found = search.calc(_levels(start, enlarged), _levels(end, enlarged), None)
    moved = torch.from_numpy(np.ascontiguousarray(found)).permute(2, 0, 1).unsqueeze(0)
    return F.avg_pool2d(moved, scale) / scale if scale > 1 else moved


def warped(image: Tensor, flow: Tensor) -> Tensor:
    """Return (1, C, H, W) whose pixel at x is that of `image` at x + flow(x): bicubic, edges repeated."""
    height, width = image.shape[-2:]
    rows, columns = torch.meshgrid(torch.arange(height), torch.arange(width), indexing="ij")
    across = (2 * (columns + flow[:, 0]) + 1) / width - 1
    down = (2 * (rows + flow[:, 1]) + 1) / height - 1
    grid = torch.stack([across, down], -1)
    return F.grid_sample(image, grid, mode="bicubic", padding_mode="border", align_corners=False)


def _levels(image: Tensor, size: Size) -> np.ndarray[tuple[int, int], np.dtype[np.uint8]]:
    gray = images.resize(images.gray(image), size).clamp(0, 1)
    return np.ascontiguousarray(gray[0, 0].mul(255).round().to(torch.uint8).numpy())


def _inside(flow: Tensor) -> Tensor:
    height, width = flow.shape[-2:]
    rows, columns = torch.meshgrid(torch.arange(height), torch.arange(width), indexing="ij")
    across, down = columns + flow[:, 0], rows + flow[:, 1]
    return ((across >= 0) & (across <= width - 1) & (down >= 0) & (down <= height - 1)).unsqueeze(1)
