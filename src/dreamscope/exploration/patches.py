"""Patches: what a position of a layer can see of an image."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import torch
from torch import Tensor

from dreamscope.errors import DreamscopeError
from dreamscope.images import SMALLEST_SIDE
from dreamscope.models.addresses import Address, resolve
from dreamscope.models.classifier import Classifier
from dreamscope.models.receptive_field import FieldTracer
from dreamscope.probes import probe

CLOSE = 0.45
"""Of a picture's side: what a patch of the middle of a large receptive field has at most."""


@dataclass(frozen=True)
class Window:
    """The receptive fields of a layer's positions, in pixels of a prepared image (of `Classifier.input_size`).

    Attributes
    ----------
    grid : tuple of int
        Positions: (rows, columns) of a map, (tokens,) of a sequence, () of a vector.
    size : (rows, columns) or None
        What one position can depend on; ``None`` is the whole picture.
    start : (row, column)
        The first pixel that position (0, 0) depends on, negative inside the padding.
    stride : (rows, columns)
        From one position to the next.
    """

    grid: tuple[int, ...]
    size: tuple[int, int] | None
    start: tuple[int, int]
    stride: tuple[int, int]

    def position(self, place: int) -> tuple[int, ...]:
        """Return the position of a place that was counted row by row: (row, column), (token,) or ()."""
        if len(self.grid) != 2:
            return (place,) if self.grid else ()
        return divmod(place, self.grid[1])

    def box(self, place: int, picture: tuple[int, int], smallest: int = SMALLEST_SIDE) -> tuple[int, int, int, int]:
        """Return (top, left, bottom, right) of what a place can see of a picture of (rows, columns) pixels.

        A field that reaches over the edge is moved inside, so that patches of one layer are equally large; no
        side is under `smallest`, nor larger than the picture. Where there is no map, it is the whole picture.
        """
        if len(self.grid) != 2 or self.size is None:
            return (0, 0, *picture)
        firsts, lasts = [], []
        for row, size, start, stride, side in zip(
            self.position(place), self.size, self.start, self.stride, picture, strict=True
        ):
            length = min(side, max(smallest, size))
            # Grown or shrunk around its middle.
            first = start + row * stride + (size - length) // 2
            firsts.append(min(max(0, first), side - length))
            lasts.append(firsts[-1] + length)
        return (firsts[0], firsts[1], lasts[0], lasts[1])

    def share(self, place: int) -> tuple[float, float, float, float] | None:
        """Return (top, left, bottom, right), 0 to 1, of the part of the picture that a place stands over."""
        if len(self.grid) != 2:
            return None
        (row, column), (rows, columns) = self.position(place), self.grid
        return (row / rows, column / columns, (row + 1) / rows, (column + 1) / columns)

    def closer(self, picture: tuple[int, int], share: float = CLOSE) -> Window:
        """Return a window of the middle of what positions see, at most a share of each side of a picture.

        Late layers can see the whole picture, but what lies far from the middle counts for little (Luo et al.,
        "Understanding the Effective Receptive Field in Deep Convolutional Neural Networks", 2016): a patch of the
        middle shows better what a channel is excited by. Where there is no map, it stays the whole picture.
        """
        if self.size is None:
            return self
        rows, columns = (min(size, round(share * side)) for size, side in zip(self.size, picture, strict=True))
        start = (self.start[0] + (self.size[0] - rows) // 2, self.start[1] + (self.size[1] - columns) // 2)
        return replace(self, size=(rows, columns), start=start)

    def cut(self, picture: Tensor, place: int, smallest: int = SMALLEST_SIDE) -> Tensor:
        """Return what a place can see of a prepared picture (N, C, H, W), see `box`."""
        top, left, bottom, right = self.box(place, (int(picture.shape[-2]), int(picture.shape[-1])), smallest)
        return picture[..., top:bottom, left:right].clone()


def windows(model: Classifier, names: Sequence[str]) -> Mapping[str, Window]:
    """Return the receptive fields of some layers, read off one forward pass at the network's own size."""
    picture = torch.rand((1, 3, *model.input_size), generator=torch.Generator().manual_seed(0))
    # The tensors themselves: copies would do, but cost memory.
    with torch.no_grad(), FieldTracer() as tracer, probe(model, names, keep=lambda tensor: tensor) as seen:
        tracer.begin(picture)
        activations = dict(seen(picture))
        found = {}
        for name, activation in activations.items():
            field = tracer.of(activation)
            grid = tuple(activation.shape[2:])
            if field is None:
                found[name] = Window(grid, None, (0, 0), (1, 1))
            else:
                found[name] = Window(grid, field.size, field.start, field.jump)
    return found


def channels_of(model: Classifier, texts: Sequence[str | Address]) -> list[Address]:
    """Read addresses of layers and channels, without positions and weights.

    Raises
    ------
    DreamscopeError
        If there is no such layer or channel, or an address has a position or a weight.
    """
    found = resolve(texts, model)
    for address in found:
        if address.position is not None or address.weight != 1:
            raise DreamscopeError(
                f"'{address}' has a position or a weight; here an address is LAYER[:CHANNELS], such as "
                f"{Address(address.layer, address.channels or (0,))}"
            )
    return found
