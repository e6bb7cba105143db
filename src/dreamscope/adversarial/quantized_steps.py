"""Quantized steps: changes of an 8-bit picture, and update rules that look for the least one that fools.

A change is counted in levels, 1/255 of the range of a colour. The network always sees the rounded one.
"""

from __future__ import annotations

import math
from abc import abstractmethod
from collections.abc import Sequence

import torch
from torch import Tensor

from dreamscope.optimize.ascent import Step
from dreamscope.optimize.update_rules import UpdateRule

LEVELS = 255

SLACK = 0.02
"""Logits by which a change must exceed what is needed: another run of the network may round differently."""


class QuantizedChange:
    """A picture and a change (1, 3, H, W) in levels, rounded; gradients pass the rounding as if it were absent.

    Parameters
    ----------
    original
        (1, 3, H, W) in [0, 1], on the levels of 8 bits.
    most
        The largest change of any one colour, in whole levels.
    """

    def __init__(self, original: Tensor, most: int = LEVELS) -> None:
        self.original = original
        self.change = torch.zeros_like(original)
        self._low = (-original * LEVELS).round().clamp_min(-most)
        self._high = ((1 - original) * LEVELS).round().clamp_max(most)

    def parameters(self) -> Tensor:
        """Return the change."""
        return self.change

    def image(self) -> Tensor:
        """Return the changed picture."""
        held = self.change.detach()
        whole = self.change + (self._within(held.round()) - held)
        return self.original + whole / LEVELS

    def constrain(self) -> None:
        """Keep colours in [0, 1] and changes within the most."""
        self._within(self.change)

    def _within(self, change: Tensor) -> Tensor:
        return torch.minimum(torch.maximum(change, self._low, out=change), self._high, out=change)


class LeastChange(UpdateRule):
    """An update rule that remembers the least change that fooled.

    Attributes
    ----------
    found : Tensor or None
        The least change so far, in whole levels, whose objective was above the slack.
    """

    def __init__(self) -> None:
        self.found: Tensor | None = None

    def __call__(
        self, parameters: Sequence[Tensor], gradients: Sequence[Tensor], values: Tensor, progress: float
    ) -> list[Tensor]:
        """Return the next change."""
        (change,), (gradient,) = parameters, gradients
        self.note(change, values)
        return [self.step(change, gradient, values, progress)]

    def note(self, change: Tensor, values: Tensor) -> None:
        """Remember a change if it fools and is less than the last that did."""
        if values.item() >= SLACK:
            whole = change.detach().round()
            if self.found is None or whole.norm() < self.found.norm():
                self.found = whole

    def ends(self, _: Step) -> bool:
        """Return whether the ascent ends here: at the first change that fools."""
        return self.found is not None

    @abstractmethod
    def step(self, change: Tensor, gradient: Tensor, values: Tensor, progress: float) -> Tensor:
        """Return the next change, see `UpdateRule`."""


class Steepest(LeastChange):
    """Along the gradient by a length of `rate` levels; with a `budget`, no further than that in all."""

    def __init__(self, rate: float, budget: float | None = None) -> None:
        super().__init__()
        self.rate, self.budget = rate, budget

    def step(self, change: Tensor, gradient: Tensor, values: Tensor, progress: float) -> Tensor:  # noqa: ARG002
        """Return the next change."""
        moved: Tensor = change + self.rate * gradient / gradient.norm().clamp_min(1e-30)
        if self.budget is None or moved.round().norm() <= self.budget:
            return moved
        return shortened(moved, self.budget)


class Signed(LeastChange):
    """By `rate` levels in the direction of the gradient's sign, for each colour."""

    def __init__(self, rate: float) -> None:
        super().__init__()
        self.rate = rate

    def step(self, change: Tensor, gradient: Tensor, values: Tensor, progress: float) -> Tensor:  # noqa: ARG002
        """Return the next change."""
        return change + self.rate * gradient.sign()


class Nearest(LeastChange):
    """Direction and length apart: towards the gradient, and shorter if the change fools, longer if it does not.

    Rony et al., "Decoupling direction and norm" (2018), with lengths of whole levels: of a dense direction only
    the strongest colours are changed at all, which is the best that few levels can do.

    Parameters
    ----------
    length
        The length at first, in levels.
    quickness
        The share by which the length changes at first; it falls during the ascent.
    """

    def __init__(self, length: float = 128.0, quickness: float = 0.05) -> None:
        super().__init__()
        self._length, self._quickness = length, quickness
        self._direction: Tensor | None = None

    def ends(self, _: Step) -> bool:
        """Return whether the ascent ends here: never, a shorter change may be found yet."""
        return False

    def step(self, change: Tensor, gradient: Tensor, values: Tensor, progress: float) -> Tensor:  # noqa: ARG002
        """Return the next change."""
        fade = 0.5 * (1 + math.cos(math.pi * progress))
        share = self._quickness * max(fade, 0.05)
        self._length *= 1 - share if values.item() >= SLACK else 1 + share
        new = gradient / gradient.norm().clamp_min(1e-30)
        direction = new if self._direction is None else self._direction + max(fade, 0.02) * new
        self._direction = direction / direction.norm()
        return shortened(self._direction, self._length)


def shortened(change: Tensor, length: float) -> Tensor:
    """Scale a change until, rounded to whole levels, it is just no longer than `length` in L2."""
    largest = change.abs().max().clamp_min(1e-30)
    # Between no colour changed at all, and the one that changes most changed by the whole length.
    low, high = 0.49, length + 1.0
    unit = change / largest
    for _ in range(14):
        middle = math.sqrt(low * high)
        if (unit * middle).round().norm() <= length:
            low = middle
        else:
            high = middle
    return unit * low
