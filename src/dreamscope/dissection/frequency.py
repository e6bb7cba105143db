"""Frequency: channels that are often among the loudest of their layer on photos of a class, whatever others do.

The rule of the write-ups that cut channels out by hand.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any, TypedDict

import torch
from torch import Tensor

from dreamscope.dissection.statistics import places
from dreamscope.errors import DreamscopeError
from dreamscope.exploration.responses import Responses


class FrequencySettings(TypedDict, total=False):
    """What may be given of a `Frequency` rule, by the names of its attributes."""

    loudest: int
    at_least: int
    per_layer: int | None


@dataclass(frozen=True)
class Frequency:
    """Which channels count as often loud.

    Attributes
    ----------
    loudest : int
        The number of channels of a layer that are loud on a photo: those with the largest L2 norm over positions.
    at_least : int
        The number of photos on which a channel is to be among them.
    per_layer : int or None
        The most channels of one layer; of equally frequent ones the louder on average. ``None`` for all.
    of : int or None
        The number of photos that `at_least` was said of: of a part of them as large a share is asked, rounded up.
        ``None`` to ask the same number of any.

    Examples
    --------
    >>> Frequency(loudest=10, at_least=4, of=5).needed(2)
    2
    """

    loudest: int = 5
    at_least: int = 1
    per_layer: int | None = None
    of: int | None = None

    def __post_init__(self) -> None:
        for name, value in asdict(self).items():
            if value is not None and (not isinstance(value, int) or value < 1):
                raise DreamscopeError(f"{name} is a whole number, 1 or more, not {value}")
        if self.of is not None and self.at_least > self.of:
            raise DreamscopeError(
                f"no channel can be among the loudest on at least {self.at_least} photos: there are {self.of}"
            )

    @property
    def chooses(self) -> bool:
        """Whether it leaves channels out, and does not only rank them."""
        return self.at_least > 1 or self.per_layer is not None

    def needed(self, count: int) -> int:
        """Return on how many of `count` photos a channel is to be among the loudest."""
        if self.of is None or count == self.of:
            return self.at_least
        return math.ceil(self.at_least * count / self.of)

    def scores(self, targets: Responses, widths: Sequence[int]) -> Tensor:
        """Return the share of photos on which each channel is among the loudest, 0 for those that the rule leaves out.

        Parameters
        ----------
        targets
            Responses to the class's photos, of which `loudest` channels a layer were counted.
        widths
            The layers' numbers of channels.

        Returns
        -------
        Tensor
            (channels of all layers,).
        """
        chosen = targets.times_loud >= self.needed(targets.count)
        parts = (each.split(list(widths)) for each in (chosen, targets.times_loud, targets.loudness))
        for mine, times, loudness in zip(*parts, strict=True):
            if self.per_layer is not None:
                mine[places(times, loudness)[self.per_layer :]] = False
        return torch.where(chosen, targets.loud, 0.0)

    def settings(self) -> dict[str, Any]:
        """Return what `FrequencySettings` names, for a recipe."""
        return {name: getattr(self, name) for name in FrequencySettings.__annotations__}

    def __str__(self) -> str:
        said = f"among the {self.loudest} loudest of their layer on at least {self.at_least}"
        said += " photos" if self.of is None else f" of {self.of} photos"
        return said + ("" if self.per_layer is None else f", at most {self.per_layer} a layer")
