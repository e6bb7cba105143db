"""Receptive fields, computed from the operations that a forward pass really runs.

Watching tensors instead of modules sees functional calls, residual sums, one-sided padding and shared
modules as they are. The arithmetic for convolutions and pools is that of Araujo, Norris and Sim,
"Computing Receptive Fields of Convolutional Neural Networks", Distill 2019.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from math import prod
from typing import Any

import torch
from torch import Tensor
from torch.utils._pytree import tree_leaves
from torch.utils.weak import WeakTensorKeyDictionary

from dreamscope.models.hooks import Watching

# Operations that keep positions apart, though PyTorch tags them neither as pointwise nor as views.
_KEEPS_POSITIONS = {
    "_prelu_kernel",
    "_to_copy",
    "_unsafe_view",
    "hardswish",
    "index",
    "native_channel_shuffle",
    "native_dropout",
    "roll",
    "stack",
}
_CONTRACTS = {"mm": (0, -1), "addmm": (1, -1), "bmm": (0, -1), "baddbmm": (1, -1), "linear": (0, -1)}
_REDUCES = {"mean", "sum", "amax", "amin", "var", "std", "var_mean", "max", "min", "logsumexp", "norm"}


@dataclass(frozen=True)
class Field:
    """Which input pixels one position of a tensor can depend on, as (rows, columns) pairs.

    Attributes
    ----------
    size
        Extent in input pixels, or ``None`` for the whole picture.
    jump
        Input pixels from one position to the next: the stride.
    start
        First input pixel (negative inside the padding) that position (0, 0) depends on.
    channels
        How many values stand at each position.
    """

    size: tuple[int, int] | None
    jump: tuple[int, int]
    start: tuple[int, int]
    channels: int

    def windowed(self, kernel: Sequence[int], stride: Sequence[int], padding: Sequence[int]) -> Field:
        """Return the field behind a sliding window (convolution, pool)."""
        if self.size is None:
            return replace(self, jump=_times(self.jump, stride))
        return replace(
            self,
            size=_pair(s + (k - 1) * j for s, k, j in zip(self.size, kernel, self.jump, strict=True)),
            start=_pair(a - p * j for a, p, j in zip(self.start, padding, self.jump, strict=True)),
            jump=_times(self.jump, stride),
        )

    def joined(self, other: Field) -> Field:
        """Return the field of a sum or concatenation."""
        if self.size is None or other.size is None:
            return replace(self, size=None, channels=max(self.channels, other.channels))
        start = _pair(map(min, self.start, other.start))
        ends = (
            max(a + s, b + t) - first
            for a, s, b, t, first in zip(self.start, self.size, other.start, other.size, start, strict=True)
        )
        return replace(self, start=start, size=_pair(ends), channels=max(self.channels, other.channels))


class FieldTracer(Watching):
    """While entered, knows the `Field` of every tensor computed from a picture given to `begin`.

    Matrix products and reductions count as local where they run over exactly the values of one position,
    and as the whole picture otherwise; so do attention, group norms and every operation that is not known here: the
    field is exact for convolutional networks and never too small.
    """

    def __init__(self) -> None:
        super().__init__()
        self._fields: Any = WeakTensorKeyDictionary()

    def begin(self, images: Tensor) -> None:
        """Name the picture that everything is measured in."""
        self._fields[images] = Field((1, 1), (1, 1), (0, 0), int(images.shape[1]))

    def of(self, tensor: Tensor) -> Field | None:
        """Return the field of `tensor`, or ``None`` if it does not depend on the picture."""
        field: Field | None = self._fields.get(tensor)
        return field

    def __torch_dispatch__(
        self, func: Any, types: Any, args: Sequence[Any] = (), kwargs: Mapping[str, Any] | None = None
    ) -> Any:
        inputs = [
            (leaf, self._fields[leaf])
            for leaf in tree_leaves((args, kwargs))
            if isinstance(leaf, Tensor) and leaf in self._fields
        ]
        # Taken before the call: an in-place operation may reshape what it is given.
        shapes = [tuple(tensor.shape) for tensor, _ in inputs]
        output = func(*args, **(kwargs or {}))
        if inputs:
            for tensor in tree_leaves(output):
                if isinstance(tensor, Tensor):
                    self._fields[tensor] = _behind(func, args, inputs, shapes, tensor)
        return output


def _behind(
    func: Any,
    args: Sequence[Any],
    inputs: list[tuple[Tensor, Field]],
    shapes: list[tuple[int, ...]],
    output: Tensor,
) -> Field:
    name = func.overloadpacket.__name__.rstrip("_")
    field = inputs[0][1]
    shape = shapes[0]
    for _, other in inputs[1:]:
        field = field.joined(other)
    whole = replace(field, size=None)
    if name == "convolution":
        weight, stride, padding, dilation, transposed = args[1], args[3], args[4], args[5], args[6]
        if transposed or weight.dim() != 4:
            return replace(whole, channels=output.shape[1])
        kernel = [(k - 1) * d + 1 for k, d in zip(weight.shape[2:], _two(dilation), strict=True)]
        return replace(field.windowed(kernel, _two(stride), _two(padding)), channels=output.shape[1])
    if "pool2d" in name and "adaptive" not in name:
        return field.windowed(*_pool_arguments(args))
    if name == "constant_pad_nd" or "pad2d" in name:
        return _padded(field, args[1])
    if name.startswith("upsample_nearest") or "adaptive" in name:
        return field if tuple(output.shape[-2:]) == shape[-2:] else whole
    if name in _CONTRACTS:
        side, axis = _CONTRACTS[name]
        local = args[side].shape[axis] == field.channels
        return replace(field if local else whole, channels=int(output.shape[-1]))
    if name in _REDUCES:
        return field if prod(shape) // max(1, output.numel()) in (1, field.channels) else whole
    if name == "native_layer_norm":
        return field if prod(args[1]) == field.channels else whole
    if name == "cat":
        return _concatenated(field, args, inputs)
    if name == "_softmax":
        return field if shape[args[1]] == field.channels else whole
    pointwise = func.is_view or torch.Tag.pointwise in func.tags or "batch_norm" in name
    if not pointwise and name not in _KEEPS_POSITIONS:
        return whole
    if output.dim() == 4 and len(shape) == 4 and shape[1] == field.channels and output.shape[2:] == shape[2:]:
        # A slice of the channels.
        return replace(field, channels=int(output.shape[1]))
    return field


def _pool_arguments(args: Sequence[Any]) -> tuple[tuple[int, int], tuple[int, int], tuple[int, int]]:
    kernel = _two(args[1])
    stride = _two(args[2]) if len(args) > 2 and args[2] else kernel
    padding = _two(args[3]) if len(args) > 3 else (0, 0)
    dilation = args[4] if len(args) > 4 and not isinstance(args[4], bool) else 1
    return _pair((k - 1) * d + 1 for k, d in zip(kernel, _two(dilation), strict=True)), stride, padding


def _padded(field: Field, pads: Sequence[int]) -> Field:
    left, top = pads[0], (pads[2] if len(pads) > 2 else 0)
    return replace(field, start=(field.start[0] - top * field.jump[0], field.start[1] - left * field.jump[1]))


def _concatenated(field: Field, args: Sequence[Any], inputs: list[tuple[Tensor, Field]]) -> Field:
    axis = args[1] if len(args) > 1 else 0
    along_channels = all(tensor.shape[axis] == each.channels for tensor, each in inputs)
    total = sum(each.channels for _, each in inputs)
    return replace(field, channels=total) if along_channels and len(inputs) > 1 else field


def _two(value: int | Sequence[int]) -> tuple[int, int]:
    values = [value] if isinstance(value, int) else list(value)
    return (values[0], values[-1])


def _times(first: Sequence[int], second: Sequence[int]) -> tuple[int, int]:
    return (first[0] * second[0], first[1] * second[1])


def _pair(values: Iterable[int]) -> tuple[int, int]:
    rows, columns = values
    return (rows, columns)
