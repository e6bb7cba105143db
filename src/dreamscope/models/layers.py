"""The layer table: what each module puts out in one real forward pass."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn

from dreamscope.errors import DreamscopeError
from dreamscope.models.hooks import Hook, attached
from dreamscope.models.receptive_field import Field, FieldTracer


@dataclass(frozen=True)
class Layer:
    """One row of the table.

    Attributes
    ----------
    name : str
        Dotted name.
    type : str
        The module's class.
    channels : int
        Feature maps (or features of a token, or of a vector).
    grid : tuple of int
        Positions: (rows, columns) of a map, (tokens,) of a sequence, () of a vector.
    channel_axis : int
        Where the channels are in what the module puts out.
    stride : (rows, columns) or None
        Input pixels between neighbouring positions; ``None`` where there are no positions.
    receptive_field : (rows, columns) or None
        Input pixels that one position can depend on; ``None`` is the whole picture.
    calls : int
        Number of times that the module runs in one forward pass; recorded is the last one.
    """

    name: str
    type: str
    channels: int
    grid: tuple[int, ...]
    channel_axis: int
    stride: tuple[int, int] | None
    receptive_field: tuple[int, int] | None
    calls: int


def tensor_of(output: Any) -> Tensor | None:
    """Return what counts as a module's activation: its tensor, or the first of a tuple; else ``None``."""
    if isinstance(output, tuple | list) and output:
        output = output[0]
    return output if isinstance(output, Tensor) and output.is_floating_point() else None


def with_tensor(output: Any, tensor: Tensor) -> Any:
    """Return a module's output with `tensor` in place of what `tensor_of` finds in it."""
    return tensor if isinstance(output, Tensor) else type(output)([tensor, *output[1:]])


def survey(module: nn.Module, images: Tensor) -> dict[str, Layer]:
    """Run `module` once on a picture and describe every submodule that ran.

    Parameters
    ----------
    module
        The network, in eval mode; no other thread may run it meanwhile.
    images
        (1, 3, H, W), as the module takes it. The axes of a map that shrink as H and W do are its positions.

    Returns
    -------
    dict
        Name -> `Layer`, in the order in which the modules first finished.

    Raises
    ------
    DreamscopeError
        If the module can't run on such a picture.
    """
    tracer = FieldTracer()
    seen: dict[str, Layer] = {}
    calls: dict[str, int] = {}

    def describe(name: str) -> Hook:
        def hook(submodule: nn.Module, _inputs: tuple[Any, ...], output: Any) -> None:
            tensor = tensor_of(output)
            if tensor is not None and 2 <= tensor.dim() <= 4:
                calls[name] = calls.get(name, 0) + 1
                seen[name] = _describe(name, submodule, tensor, tracer.of(tensor), images, calls=calls[name])

        return hook

    hooks = {name: describe(name) for name, _ in module.named_modules() if name}
    with torch.no_grad(), attached(module, hooks), tracer:
        tracer.begin(images)
        try:
            module(images)
        except Exception as error:
            size = "x".join(map(str, images.shape[-2:]))
            raise DreamscopeError(
                f"the model can't run on a {size} picture: {type(error).__name__}: {error}"
            ) from error
    return seen


def _describe(
    name: str, module: nn.Module, tensor: Tensor, field: Field | None, images: Tensor, *, calls: int
) -> Layer:
    shape = tuple(tensor.shape)
    jump = (1, 1) if field is None else field.jump
    axis = _channel_axis(module, shape, (images.shape[-2] / jump[0], images.shape[-1] / jump[1]))
    grid = tuple(side for i, side in enumerate(shape) if i not in (0, axis))
    return Layer(
        name=name,
        type=type(module).__name__,
        channels=shape[axis],
        grid=grid,
        channel_axis=axis,
        stride=field.jump if field is not None and grid else None,
        receptive_field=field.size if field is not None else None,
        calls=calls,
    )


def _channel_axis(module: nn.Module, shape: tuple[int, ...], expected: tuple[float, float]) -> int:
    """Return where the channels are in an output of this shape, whose map should have `expected` rows and columns."""
    if len(shape) == 3:
        return 2
    if len(shape) < 4 or shape[2:] == (1, 1) != shape[1:3]:
        return 1
    if expected[0] == expected[1]:
        # Equal sides are positions.
        first, last = float(shape[1] != shape[2]), float(shape[2] != shape[3])
    else:
        first, last = _misfit(shape[1:3], expected), _misfit(shape[2:], expected)
    behind = first < last or (first == last == 0 and isinstance(module, nn.Linear | nn.LayerNorm))
    return 3 if behind or shape[1:3] == (1, 1) != shape[2:] else 1


def _misfit(grid: tuple[int, ...], expected: tuple[float, float]) -> float:
    return sum(abs(math.log(side / wanted)) for side, wanted in zip(grid, expected, strict=True))
