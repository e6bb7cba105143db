"""Rectifiers kept awake: a gradient through units that are silent, so that an ascent can wake them."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any

import torch
from torch import Tensor
from torch.nn import functional as F
from torch.overrides import TorchFunctionMode


@contextmanager
def awake() -> Iterator[None]:
    """Let gradients pass rectifiers that block them for a whole picture, for the length of the block.

    Where a ReLU, or one of its clamping kind, hands back no gradient at all for a picture, every unit of it that
    is asked to rise gets its gradient as if it were not silent. The redirected ReLU of lucid (Olah, Mordvintsev
    and Schubert, "Feature Visualization", Distill 2017). Outputs stay what they are, and so do the gradients of
    pictures that have some. It holds for modules and functions alike, in place or not.
    """
    with _Awake():
        yield


class _Awake(TorchFunctionMode):
    def __torch_function__(
        self, func: Any, types: Any, args: Sequence[Any] = (), kwargs: Mapping[str, Any] | None = None
    ) -> Any:
        kwargs = kwargs or {}
        x = args[0] if args else kwargs.get("input")
        if func in _RECTIFIERS and isinstance(x, Tensor) and x.requires_grad:
            return _Redirected.apply(x, _RECTIFIERS[func](*args, **{k: v for k, v in kwargs.items() if k != "inplace"}))
        return func(*args, **kwargs)


class _Redirected(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, *arguments: Any) -> Tensor:
        x, (low, high) = arguments
        ctx.save_for_backward(x)
        ctx.limits = low, high
        clamped: Tensor = x.clamp(low, high)
        return clamped

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor | None, ...]:
        (x,), gradient = ctx.saved_tensors, gradients[0]
        low, high = ctx.limits
        passed = torch.where((x > low) & (x < high), gradient, 0)
        blocked = passed.flatten(1).abs().amax(1) == 0
        wakeful = torch.where((x <= low) & (gradient < 0), 0, gradient)
        return torch.where(blocked.view(-1, *[1] * (x.dim() - 1)), wakeful, passed), None


_INFINITE = float("inf")


def _relu(*_: Any, **__: Any) -> tuple[float, float]:
    return 0.0, _INFINITE


def _relu6(*_: Any, **__: Any) -> tuple[float, float]:
    return 0.0, 6.0


def _hardtanh(_x: Tensor, min_val: float = -1.0, max_val: float = 1.0, *_: Any, **__: Any) -> tuple[float, float]:
    return min_val, max_val


_RECTIFIERS: Mapping[Any, Callable[..., tuple[float, float]]] = {
    F.relu: _relu,
    F.relu_: _relu,
    torch.relu: _relu,
    torch.relu_: _relu,
    Tensor.relu: _relu,
    Tensor.relu_: _relu,
    F.relu6: _relu6,
    F.hardtanh: _hardtanh,
    F.hardtanh_: _hardtanh,
}
"""PyTorch's functions that clamp (its modules call them), and between which limits."""
