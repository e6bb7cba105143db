"""Tiles: the gradient of a picture that does not fit into memory, part by part.

Each tile is a part of the picture with a margin around it. A position of a layer's map counts in the one
tile whose part it lies over, so that sums over positions are those of the whole picture; what a position
sees beyond the margin is lost. The grid is shifted anew at each step, so that no seam stays in a place.
Networks that pad as TensorFlow does see pictures of odd sizes one pixel further on; their tiles do not.
"""

from __future__ import annotations

import ctypes
import os
import platform
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from math import isqrt
from pathlib import Path

import torch
from torch import Generator, Tensor

from dreamscope.errors import DreamscopeError
from dreamscope.images import Size
from dreamscope.models.classifier import Classifier
from dreamscope.models.layers import Layer
from dreamscope.objectives import Gathered, Parts
from dreamscope.probes import Probe, probe

PICTURES_HELD = 7
"""Copies of the whole picture that a dream holds besides the tile: photo, detail, gradient, its bands ..."""

SMALLEST = 128
"""Pixels: the side of the smallest tile."""

_UNITS = {"": 1, "B": 1, "KB": 10**3, "MB": 10**6, "GB": 10**9, "KIB": 2**10, "MIB": 2**20, "GIB": 2**30}


@dataclass(frozen=True)
class _Part:
    """The pixels of a tile, from (inclusive) and to (exclusive), with and without its margin, in one direction."""

    first: int
    last: int
    outer_first: int
    outer_last: int
    at_the_end: bool

    def owned(self, stride: int) -> slice:
        """Return the positions of the tile's map that lie over its own pixels."""
        begin = (self.first - self.outer_first) // stride
        return slice(begin, None if self.at_the_end else begin + (self.last - self.first) // stride)


def release_memory() -> None:
    """Give free memory back to the system now: a tile's is of no use to what needs the whole picture."""
    if platform.libc_ver()[0] == "glibc":
        ctypes.CDLL(None).malloc_trim(0)


def bytes_of(text: str | int) -> int:
    """Read a size of memory: ``2GB``, ``500MB`` or a number of bytes."""
    match = re.fullmatch(r"\s*(\d+(?:\.\d+)?)\s*([A-Za-z]*)\s*", str(text))
    if match is None or match[2].upper() not in _UNITS:
        raise DreamscopeError(f"'{text}' is no size of memory such as 2GB or 500MB")
    return int(float(match[1]) * _UNITS[match[2].upper()])


def side_for(model: Classifier, layers: Sequence[str], size: Size, budget: int | None, count: int = 1) -> int:
    """Return the side of the tiles for a picture of that size, or 0 if it fits as a whole.

    Parameters
    ----------
    model
        In the form in which it will run.
    layers
        Names of the layers that will be recorded.
    size
        Of the whole picture.
    budget
        Bytes for all that the ascent holds; half of what is free if not given.
    count
        Number of pictures that are climbed together.

    Raises
    ------
    DreamscopeError
        If the budget is too small even for the smallest tile.
    """
    pixels = size.width * size.height * count
    if budget is None and pixels <= 512 * 512:
        return 0
    limit = _free(model.device) // 2 if budget is None else budget
    left = limit - PICTURES_HELD * pixels * 12
    each = _bytes_per_pixel(model, layers)
    if pixels * each <= left:
        return 0
    each *= count
    unit = _unit(model, layers)
    side = isqrt(max(0, int(left / each))) - 2 * _margin(model, layers)
    side = side // unit * unit
    if side < min(SMALLEST, max(size.width, size.height)):
        needed = PICTURES_HELD * pixels * 12 + each * (SMALLEST + unit + 2 * _margin(model, layers)) ** 2
        raise DreamscopeError(
            f"a picture of {size} does not fit into {limit / 1e9:.2g} GB, not even in tiles; "
            f"it takes {needed / 1e9:.2g} GB"
        )
    return side


def gradient(
    seen: Probe, picture: Tensor, objective: Gathered, side: int, generator: Generator
) -> tuple[Tensor, Tensor]:
    """Return the gradient of the objective with respect to the picture, and its value, tile by tile.

    Parameters
    ----------
    seen
        A probe at the objective's layers.
    picture
        (N, 3, H, W).
    objective
        Gathered over positions.
    side
        Of a tile without its margin, in pixels; rounded up to the layers' strides.
    generator
        Draws where the grid begins.
    """
    for address in objective.addresses:
        if address.position is not None:
            raise DreamscopeError(f"'{address}' names one position; a picture in tiles has no such place")
    model, layers = seen.model, list(objective.layers)
    unit, margin = _unit(model, layers), _margin(model, layers)
    side = -(-side // unit) * unit
    offsets = (torch.randint(0, side // unit, (2,), generator=generator) * unit).tolist()
    rows, columns = (
        list(_parts(length, side, margin, offset)) for length, offset in zip(picture.shape[-2:], offsets, strict=True)
    )

    def run(leaf: Tensor, row: _Part, column: _Part) -> Parts:
        return objective.parts(_owned(seen(leaf), model.layers, row, column))

    def crops() -> Iterator[tuple[Tensor, _Part, _Part]]:
        for row in rows:
            for column in columns:
                crop = picture[..., row.outer_first : row.outer_last, column.outer_first : column.outer_last]
                yield crop, row, column

    # One address: its gradient is a sum over tiles times a number known at the end. Several need theirs before.
    slopes: list[Tensor] | None = None
    if len(objective.addresses) > 1:
        with torch.no_grad():
            totals = _added([run(*crop) for crop in crops()])
        slopes = _slopes(objective.whole, totals)
    gradient_, gathered = torch.zeros_like(picture), []
    for crop, row, column in crops():
        leaf = crop.detach().clone().requires_grad_()
        parts = run(leaf, row, column)
        weighted = [part if slopes is None else part * slopes[i] for i, (part, _) in enumerate(parts)]
        (share,) = torch.autograd.grad(torch.stack(weighted).sum(), leaf)
        gradient_[..., row.outer_first : row.outer_last, column.outer_first : column.outer_last] += share
        gathered.append([(part.detach(), count) for part, count in parts])
    totals = _added(gathered)
    if slopes is None:
        gradient_ *= _slopes(objective.whole, totals)[0].view(-1, 1, 1, 1).to(gradient_)
    return gradient_, objective.whole(totals)


def _parts(length: int, side: int, margin: int, offset: int) -> Iterator[_Part]:
    edges = sorted({0, *range(offset, length, side), length})
    for first, last in pairwise(edges):
        yield _Part(first, last, max(0, first - margin), min(length, last + margin), last == length)


def _owned(seen: Mapping[str, Tensor], layers: Mapping[str, Layer], row: _Part, column: _Part) -> dict[str, Tensor]:
    owned = {}
    for name, activation in seen.items():
        down, across = _stride(layers[name])
        owned[name] = activation[..., row.owned(down), column.owned(across)]
    return owned


def _added(tiles: list[Parts]) -> Parts:
    return [
        (torch.stack([part for part, _ in same]).sum(0), sum(count for _, count in same))
        for same in zip(*tiles, strict=True)
    ]


def _slopes(whole: Callable[[Parts], Tensor], totals: Parts) -> list[Tensor]:
    """Return how the objective changes with each address's sum, (N,) each."""
    leaves = [total.detach().requires_grad_() for total, _ in totals]
    value = whole([(leaf, count) for leaf, (_, count) in zip(leaves, totals, strict=True)])
    return list(torch.autograd.grad(value.sum(), leaves))


def _stride(layer: Layer) -> tuple[int, int]:
    if layer.stride is None or len(layer.grid) != 2:
        raise DreamscopeError(f"'{layer.name}' is no map over the picture: such a large picture can't be dreamt there")
    return layer.stride


def _unit(model: Classifier, layers: Sequence[str]) -> int:
    """Return the largest stride: where tiles may begin, so that maps of tiles and of the whole coincide."""
    return max(max(_stride(model.layers[name])) for name in layers)


def _margin(model: Classifier, layers: Sequence[str]) -> int:
    """Return two positions' worth of pixels, or half the receptive field if that is less."""
    unit = _unit(model, layers)
    fields = [model.layers[name].receptive_field for name in layers]
    reach = max((max(field) // 2 for field in fields if field is not None), default=2 * unit)
    return min(2 * unit, -(-reach // unit) * unit)


def _bytes_per_pixel(model: Classifier, layers: Sequence[str]) -> float:
    """Measure what a step keeps for its backward pass, and the largest piece thrice for what it makes meanwhile."""
    side = max(model.input_size)
    kept: dict[int, int] = {}

    def pack(tensor: Tensor) -> Tensor:
        storage = tensor.untyped_storage()
        kept[storage.data_ptr()] = storage.nbytes()
        return tensor

    weights = {parameter.untyped_storage().data_ptr() for parameter in model.module.parameters()}
    with (
        probe(model, layers) as seen,
        torch.autograd.graph.saved_tensors_hooks(pack, lambda tensor: tensor),
    ):
        seen(torch.zeros((1, 3, side, side), device=model.device, requires_grad=True))
    sizes = [size for pointer, size in kept.items() if pointer not in weights]
    return (sum(sizes) + 3 * max(sizes, default=0)) / side**2


def _free(device: torch.device) -> int:
    """Return the bytes that are free on a device."""
    if device.type == "cuda":
        return int(torch.cuda.mem_get_info(device)[0])
    table = Path("/proc/meminfo")
    if table.exists():
        for line in table.read_text().splitlines():
            if line.startswith("MemAvailable:"):
                return int(line.split()[1]) * 1024
    if hasattr(os, "sysconf") and "SC_PHYS_PAGES" in os.sysconf_names:
        return os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
    return 8 * 10**9
