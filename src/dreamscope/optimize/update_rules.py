"""Update rules: parameters and their gradients -> the next parameters. What one step of an ascent does."""

from __future__ import annotations

import copy
import math
from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence

import torch
from torch import Tensor

from dreamscope.errors import DreamscopeError, ensure_one_of
from dreamscope.optimize.gradient_filters import Filter, unit_mean

OPTIMIZERS = ("adam", "normalized")
"""The update rules by name: `Adam`, and `GradientStep` along the gradient over its own mean size."""


class UpdateRule(ABC):
    """One step of an ascent. One object belongs to one ascent: it may remember what it did."""

    @abstractmethod
    def __call__(
        self, parameters: Sequence[Tensor], gradients: Sequence[Tensor], values: Tensor, progress: float
    ) -> list[Tensor]:
        """Return the next parameters as new tensors.

        Parameters
        ----------
        parameters
            What is climbed, the same objects each time; left as they are.
        gradients
            Of the objective with respect to each of them; may be overwritten.
        values
            Each image's objective, (N,).
        progress
            The share of the ascent that is over, 0 to less than 1.
        """

    def __repr__(self) -> str:
        rate = getattr(self, "rate", None)
        return type(self).__name__ if rate is None else f"{type(self).__name__}(rate={rate:g})"


class GradientStep(UpdateRule):
    """``parameter + rate * filter(gradient)``, `mask` saying how far each pixel follows: the dream's step.

    With a filter of unit mean, `rate` is the mean change a step; ``None`` for a filter that brings its own. `mask` is
    (1, 1, H, W) in [0, 1].
    """

    def __init__(self, rate: float | None, filter: Filter, mask: Tensor | None = None) -> None:
        self.rate, self.filter, self.mask = rate, filter, mask

    def __call__(
        self,
        parameters: Sequence[Tensor],
        gradients: Sequence[Tensor],
        values: Tensor,  # noqa: ARG002
        progress: float,  # noqa: ARG002
    ) -> list[Tensor]:
        """Return the next parameters."""
        moved = []
        for parameter, gradient in zip(parameters, gradients, strict=True):
            # In place: pictures may be large.
            change = self.filter(gradient)
            if self.rate is not None:
                change.mul_(self.rate)
            if self.mask is not None:
                change.mul_(self.mask)
            moved.append(change.add_(parameter))
        return moved


class FromTorch(UpdateRule):
    """A step of an optimizer of ``torch.optim``, or of another one made like those.

    Such optimizers descend, so the gradients that they get are those of minus the objective: leave ``maximize`` as it
    is by default.

    Parameters
    ----------
    factory
        Given the list of parameters, returns the optimizer; ``torch.optim.AdamW`` itself,
        ``functools.partial(torch.optim.SGD, lr=0.1, momentum=0.9)``, or a function.
    """

    def __init__(self, factory: Callable[[list[Tensor]], torch.optim.Optimizer]) -> None:
        self.factory = factory
        self._optimizer: torch.optim.Optimizer | None = None

    def __call__(
        self,
        parameters: Sequence[Tensor],
        gradients: Sequence[Tensor],
        values: Tensor,  # noqa: ARG002
        progress: float,  # noqa: ARG002
    ) -> list[Tensor]:
        """Return the next parameters."""
        if self._optimizer is None:
            self._optimizer = self._made(list(parameters))
        before = [parameter.data for parameter in parameters]
        try:
            for parameter, data, gradient in zip(parameters, before, gradients, strict=True):
                # On a copy: who looks at the step before, or stops in the middle of this one, finds it whole.
                parameter.data, parameter.grad = data.clone(), gradient.neg()
            self._optimizer.step()
            return [parameter.data for parameter in parameters]
        finally:
            for parameter, data in zip(parameters, before, strict=True):
                parameter.data, parameter.grad = data, None

    def _made(self, parameters: list[Tensor]) -> torch.optim.Optimizer:
        optimizer = self.factory(parameters)
        if not callable(getattr(optimizer, "step", None)):
            raise DreamscopeError(
                f"an optimizer is {' or '.join(OPTIMIZERS)}, an UpdateRule, or a function from parameters to an "
                f"optimizer of torch.optim, such as torch.optim.AdamW; it returned {type(optimizer).__name__}"
            )
        if isinstance(optimizer, torch.optim.LBFGS):
            raise DreamscopeError("LBFGS evaluates the objective several times a step, which an ascent does not do")
        return optimizer


class Adam(UpdateRule):
    """Each number by its own step: the gradient over how large it usually is (Kingma and Ba 2014).

    The rate falls to a tenth along a cosine if it is to fade. Written here, since PyTorch's own imports its compiler
    first, which takes longer than most ascents.
    """

    def __init__(self, rate: float, *, betas: tuple[float, float] = (0.9, 0.99), fade: bool = True) -> None:
        if not 0 < rate <= 1e6:
            raise DreamscopeError(f"Adam's rate is more than 0 and at most 1e6, not {rate}")
        self.rate, self.betas, self.fade = rate, betas, fade
        self._steps = 0
        self._means: list[Tensor] = []
        self._squares: list[Tensor] = []

    def __call__(
        self,
        parameters: Sequence[Tensor],
        gradients: Sequence[Tensor],
        values: Tensor,  # noqa: ARG002
        progress: float,
    ) -> list[Tensor]:
        """Return the next parameters."""
        if not self._steps:
            self._means, self._squares = ([torch.zeros_like(each) for each in parameters] for _ in range(2))
        self._steps += 1
        share = 0.1 + 0.45 * (1 + math.cos(math.pi * progress)) if self.fade else 1.0
        slow, slower = self.betas
        # Both averages begin at 0, and are that much too small.
        length = self.rate * share / (1 - slow**self._steps)
        spread = math.sqrt(1 - slower**self._steps)
        moved = []
        for parameter, gradient, mean, square in zip(parameters, gradients, self._means, self._squares, strict=True):
            mean.lerp_(gradient, 1 - slow)
            square.mul_(slower).addcmul_(gradient, gradient, value=1 - slower)
            usual = square.sqrt().div_(spread).add_(_SMALLEST)
            moved.append(torch.addcdiv(parameter.detach(), mean, usual, value=length))
        return moved


_SMALLEST = 1e-12  # what Adam divides by where there was no gradient yet


Chosen = str | UpdateRule | Callable[[list[Tensor]], torch.optim.Optimizer]
"""A name in `OPTIMIZERS`, an update rule, or a function from parameters to an optimizer of ``torch.optim``."""


def ensure(given: Chosen, rate: float) -> UpdateRule:
    """Return a fresh update rule for one ascent.

    Parameters
    ----------
    given
        A name; an update rule, which is copied; or what makes an optimizer of ``torch.optim``.
    rate
        Of those that are named.

    Raises
    ------
    DreamscopeError
        If it is none of these.
    """
    if isinstance(given, UpdateRule):
        return copy.deepcopy(given)
    if isinstance(given, str):
        ensure_one_of(given, OPTIMIZERS, "optimizer")
        return Adam(rate) if given == "adam" else GradientStep(rate, unit_mean)
    if not callable(given):
        raise DreamscopeError(f"an optimizer is a name, an UpdateRule or a function, not {given!r}")
    return FromTorch(given)
