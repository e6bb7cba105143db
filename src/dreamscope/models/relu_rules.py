"""Rectifiers with another backward: redirected for an ascent, or with the rules of guided and deconvolved gradients.

One mechanism for all of them: a mode that sees PyTorch's own functions, so that modules and functions, reused,
in place or not, are the same to it. Outputs always stay what they are.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any

import torch
from torch import Tensor
from torch.nn import functional as F
from torch.overrides import TorchFunctionMode

from dreamscope.errors import DreamscopeError

Rule = Callable[[Tensor, Tensor, Tensor], Tensor]
"""The gradient behind a rectifier, where its input was above its low limit, where below its high one -> before it."""


@contextmanager
def redirected() -> Iterator[None]:
    """Let gradients pass rectifiers that block them for a whole picture, for the length of the block.

    Where a ReLU, or one of its clamping kind, passes no gradient at all for a picture, every unit of it that
    that is to rise gets its gradient as if it were active. The redirected ReLU of lucid (Olah, Mordvintsev
    and Schubert, "Feature Visualization", Distill 2017). Outputs stay what they are, and so do the gradients of
    pictures that have some. It holds for modules and functions alike, in place or not.
    """
    with _Mode(_redirected, _RECTIFIERS):
        yield


@contextmanager
def guided() -> Iterator[Counted]:
    """Let rectifiers pass a gradient only where they are active and it is above 0, for the length of the block.

    Guided backpropagation: Springenberg et al., "Striving for Simplicity: The All Convolutional Net" (2014). It
    yields what `ensure_only_rectifiers` needs.
    """
    mode = _Mode(_guided, _ALL)
    with mode:
        yield mode


@contextmanager
def deconvolved() -> Iterator[Counted]:
    """Let rectifiers pass a gradient wherever it is above 0, active or not, for the length of the block.

    The deconvnet: Zeiler and Fergus, "Visualizing and Understanding Convolutional Networks" (2013). It yields
    what `ensure_only_rectifiers` needs.
    """
    mode = _Mode(_deconvolved, _ALL)
    with mode:
        yield mode


class Counted:
    """Counts the rectifiers that ran."""

    count = 0


def ensure_only_rectifiers(result: Tensor, ran: Counted, *, what: str, name: str) -> None:
    """Raise unless every activation behind a result is a rectifier whose rule was put in place.

    It reads the graph that PyTorch will walk backwards, not the modules: what is not in the graph does not
    matter, and what slipped past the mode is found. The gates of squeeze and excitation (a sigmoid of one number
    a channel) weigh what rectifiers let through, and keep their own gradient.

    Parameters
    ----------
    result
        What the gradient is taken of.
    ran
        What `guided` or `deconvolved` yielded.
    what, name
        The rule and the network, for the message.

    Raises
    ------
    DreamscopeError
        If there is another activation, or no rectifier at all: the rule says nothing of it, and what came out
        would be, in part or whole, the plain gradient.
    """
    others = _other_activations(result)
    if others:
        listed = ", ".join(f"{each} ({times} times)" if times > 1 else each for each, times in others.most_common(3))
        raise DreamscopeError(
            f"{what} is a rule for ReLUs and their clamping kind, but {name} computes with {listed}, whose gradient "
            "would stay the plain one; take saliency, smoothgrad or integrated"
        )
    if not ran.count:
        raise DreamscopeError(
            f"{what} is a rule for ReLUs, but none of {name} lies between the picture and what is explained: it would "
            "be the plain gradient; take saliency"
        )


class _Mode(TorchFunctionMode, Counted):
    def __init__(self, rule: Rule, table: Mapping[Any, _Limits]) -> None:
        super().__init__()
        self._rule = rule
        self._table = table

    def __torch_function__(
        self, func: Any, types: Any, args: Sequence[Any] = (), kwargs: Mapping[str, Any] | None = None
    ) -> Any:
        kwargs = dict(kwargs or {})
        x = args[0] if args else kwargs.get("input")
        if func in self._table and isinstance(x, Tensor) and x.requires_grad and torch.is_grad_enabled():
            rest = {key: value for key, value in kwargs.items() if key != "input"}
            found = self._table[func](*args[1:], **rest)
            if found is not None:
                self.count += 1
                low, high, inplace = found
                return _Rectifier.apply(x, low, high, inplace, self._rule)
        return func(*args, **kwargs)


class _Rectifier(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, *arguments: Any) -> Tensor:
        x, low, high, inplace, ctx.rule = arguments
        ctx.bounded = high < _INFINITE
        # Masks of their own: a network may go on to change input or output in place.
        ctx.save_for_backward(x > low, x < high)
        if inplace:
            ctx.mark_dirty(x)
        clamped: Tensor = x.clamp_(low, high) if inplace else x.clamp(low, high)
        return clamped

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor | None, ...]:
        return ctx.rule(gradients[0], *ctx.saved_tensors), None, None, None, None


def _redirected(gradient: Tensor, above: Tensor, below: Tensor) -> Tensor:
    passed = torch.where(above & below, gradient, 0)
    blocked = passed.flatten(1).abs().amax(1) == 0
    wanted = torch.where(~above & (gradient < 0), 0, gradient)
    return torch.where(blocked.view(-1, *[1] * (gradient.dim() - 1)), wanted, passed)


def _guided(gradient: Tensor, above: Tensor, below: Tensor) -> Tensor:
    return torch.where(above & below, gradient, 0).clamp_min(0)


def _deconvolved(gradient: Tensor, _above: Tensor, _below: Tensor) -> Tensor:
    return gradient.clamp_min(0)


_INFINITE = float("inf")
_Limits = Callable[..., tuple[float, float, bool] | None]
"""A function's arguments after its input -> low limit, high limit, whether in place; ``None`` for no rectifier."""


def _relu(inplace: bool = False) -> tuple[float, float, bool]:
    return 0.0, _INFINITE, inplace


def _relu_(**_: Any) -> tuple[float, float, bool]:
    return 0.0, _INFINITE, True


def _relu6(inplace: bool = False) -> tuple[float, float, bool]:
    return 0.0, 6.0, inplace


def _hardtanh(min_val: float = -1.0, max_val: float = 1.0, inplace: bool = False) -> tuple[float, float, bool]:
    return min_val, max_val, inplace


def _hardtanh_(min_val: float = -1.0, max_val: float = 1.0) -> tuple[float, float, bool]:
    return min_val, max_val, True


def _threshold(threshold: float, value: float, inplace: bool = False) -> tuple[float, float, bool] | None:
    # Only this one leaves no gap between the limit and what stands in its place.
    return (threshold, _INFINITE, inplace) if threshold == value else None


def _clamp(inplace: bool) -> _Limits:
    def limits(min: Any = None, max: Any = None) -> tuple[float, float, bool] | None:
        # With another low limit it keeps numbers in range; it is no activation.
        number = not isinstance(min, Tensor) and not isinstance(max, Tensor) and min == 0
        return (0.0, _INFINITE if max is None else float(max), inplace) if number else None

    return limits


_RECTIFIERS: Mapping[Any, _Limits] = {
    F.relu: _relu,
    F.relu_: _relu_,
    torch.relu: _relu,
    torch.relu_: _relu_,
    Tensor.relu: _relu,
    Tensor.relu_: _relu_,
    F.relu6: _relu6,
    F.hardtanh: _hardtanh,
    F.hardtanh_: _hardtanh_,
    F.threshold: _threshold,
}
"""PyTorch's functions that clamp (its modules call them), and between which limits."""

_ALL: Mapping[Any, _Limits] = {
    **_RECTIFIERS,
    **dict.fromkeys((torch.clamp, torch.clip, Tensor.clamp, Tensor.clip), _clamp(inplace=False)),
    **dict.fromkeys((torch.clamp_, torch.clip_, Tensor.clamp_, Tensor.clip_), _clamp(inplace=True)),
    **dict.fromkeys((torch.clamp_min, Tensor.clamp_min), _clamp(inplace=False)),
    **dict.fromkeys((torch.clamp_min_, Tensor.clamp_min_), _clamp(inplace=True)),
}
"""With those that can be used as one; an ascent must not redirect what only keeps its picture in range."""


_SMOOTH = {
    "Relu", "Hardtanh", "Threshold", "LeakyRelu", "Elu", "Gelu", "Silu", "Hardswish", "Mish", "Softplus", "Prelu",
    "PreluKernel", "Rrelu", "RreluWithNoise", "Celu", "Selu", "Tanh", "Erf", "LogSigmoid", "Softshrink", "Hardshrink",
    "Glu", "Maximum", "Minimum", "Where",
}  # fmt: skip
"""Of activations, as PyTorch's graphs name them; a ReLU among them is one that the mode did not see."""
_GATES = {"Sigmoid", "Hardsigmoid"}


def _other_activations(result: Tensor) -> Counter[str]:
    found: Counter[str] = Counter()
    seen: set[Any] = set()
    waiting = [result.grad_fn]
    while waiting:
        node: Any = waiting.pop()
        if node is None or node in seen:
            continue
        seen.add(node)
        waiting += _before(node)
        name = _name(node)
        if isinstance(node, torch.autograd.function.BackwardCFunction):
            if name != _Rectifier.__name__:
                found[f"{name}, with a backward of its own"] += 1
        elif name == "Mul" and len(_before(node)) == 2 and any(map(_is_scaled_rectifier, _before(node))):
            found["Hardswish, or something like it"] += 1
        elif (
            name in _SMOOTH
            or (name in _GATES and not _one_a_channel(node._saved_result if name == "Sigmoid" else node._saved_self))
            or (name in ("Clamp", "ClampMin") and node._saved_min == 0)
        ):
            found[name] += 1
    return found


def _name(node: Any) -> str:
    return type(node).__name__.partition("Backward")[0]


def _before(node: Any) -> list[Any]:
    return [before for before, _ in node.next_functions if before is not None]


def _is_scaled_rectifier(node: Any) -> bool:
    """Return whether a node is ``relu6(x + 3) / 6`` over a map: what Hardswish, written out, multiplies by."""
    inner = _before(node)
    if _name(node) not in ("Div", "Mul") or len(inner) != 1 or _name(inner[0]) != _Rectifier.__name__:
        return False
    shifted = [before for before in _before(inner[0]) if _name(before) == "Add" and len(_before(before)) == 1]
    return bool(shifted) and inner[0].bounded and not _one_a_channel(inner[0].saved_tensors[0])


def _one_a_channel(values: Tensor) -> bool:
    """Return whether there is one number a channel, or one a position: a weight, not an activation."""
    return values[0, 0].numel() == 1 or (values.dim() == 4 and values.shape[1] == 1)
