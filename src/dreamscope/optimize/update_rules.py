"""Moves: numbers and their gradient -> the next numbers. What one step of an ascent does."""

from __future__ import annotations

import math
from collections.abc import Callable

import torch
from torch import Tensor

from dreamscope.errors import DreamscopeError
from dreamscope.optimize.gradient_filters import Filter

Move = Callable[[Tensor, Tensor, Tensor, float], Tensor]
"""Numbers, their gradient (which it may overwrite), each image's value, and the share of the ascent that is over
-> the next numbers."""


class Climb:
    """``numbers + rate * filter(gradient)``, `mask` saying how far each pixel follows: the dream's step.

    With a filter of unit mean, `rate` is the mean change a step. `mask` is (1, 1, H, W) in [0, 1].
    """

    def __init__(self, rate: float, filter: Filter, mask: Tensor | None = None) -> None:
        self.rate, self.filter, self.mask = rate, filter, mask

    def __call__(self, numbers: Tensor, gradient: Tensor, values: Tensor, progress: float) -> Tensor:  # noqa: ARG002
        """Return the next numbers."""
        # In place: pictures may be large.
        change = self.filter(gradient).mul_(self.rate)
        if self.mask is not None:
            change.mul_(self.mask)
        return change.add_(numbers)

    def __repr__(self) -> str:
        return f"rate {self.rate:g}"


class Adam:
    """Each number by its own step: the gradient over how large it usually is (Kingma and Ba 2014).

    The rate falls to a tenth along a cosine; each call to one object continues the same ascent.
    """

    def __init__(self, rate: float, *, betas: tuple[float, float] = (0.9, 0.99), fade: bool = True) -> None:
        if not 0 < rate <= 1e6:
            raise DreamscopeError(f"Adam's rate is more than 0 and at most 1e6, not {rate}")
        self.rate, self.betas, self.fade = rate, betas, fade
        self._optimizer: torch.optim.Adam | None = None

    def __call__(self, numbers: Tensor, gradient: Tensor, values: Tensor, progress: float) -> Tensor:  # noqa: ARG002
        """Return the next numbers."""
        if self._optimizer is None:
            self._leaf = torch.nn.Parameter(numbers.clone())
            self._optimizer = torch.optim.Adam([self._leaf], betas=self.betas, eps=1e-12, maximize=True)
        # Whoever keeps numbers within bounds did so since.
        self._leaf.data.copy_(numbers)
        self._leaf.grad = gradient
        share = 0.1 + 0.45 * (1 + math.cos(math.pi * progress)) if self.fade else 1.0
        self._optimizer.param_groups[0]["lr"] = self.rate * share
        self._optimizer.step()
        return self._leaf.detach().clone()

    def __repr__(self) -> str:
        return f"rate {self.rate:g}"
