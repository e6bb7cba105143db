"""Excite: how strongly layers, channels or neurons respond, added up over positions."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import torch
from torch import Tensor

from dreamscope.errors import DreamscopeError, ensure_one_of
from dreamscope.models.addresses import Address
from dreamscope.models.edit_base import at_position
from dreamscope.objectives.base import Objective

Parts = list[tuple[Tensor, int]]
"""For each address a sum over positions, (N,), and how many numbers went into it."""


@dataclass(frozen=True)
class Loss:
    """A number for features, from a sum over their positions - so that it can be gathered tile by tile.

    Attributes
    ----------
    part : callable
        Features (N, C, P) -> (N,), adding up over positions.
    whole : callable
        The sum over all positions (N,) and the count of all numbers -> (N,).
    """

    part: Callable[[Tensor], Tensor]
    whole: Callable[[Tensor, int], Tensor]

    def __call__(self, features: Tensor) -> Tensor:
        """Return the loss of features (N, C, P) as (N,)."""
        return self.whole(self.part(features), features[0].numel())


def _squares(features: Tensor) -> Tensor:
    return features.square().sum((1, 2))


def _root(total: Tensor, _count: int) -> Tensor:
    # At exactly zero the root has no slope; the clamp makes it 0, not NaN.
    return total.clamp_min(1e-37).sqrt()


def _gram_part(features: Tensor) -> Tensor:
    """Sum over channels first, so that the Gram matrix is never made."""
    return features.sum(1).square().sum(1)


def _average(total: Tensor, count: int) -> Tensor:
    return total / count


LOSSES: Mapping[str, Loss] = {
    # The L2 norm.
    "norm": Loss(_squares, _root),
    # What the DeepDream post of 2015 climbs, up to a factor.
    "mean_square": Loss(_squares, _average),
    "mean": Loss(lambda features: features.sum((1, 2)), _average),
    # The sum of the Gram matrix over positions, sum_ij sum_p f_ip f_jp.
    "gram": Loss(_gram_part, lambda total, _count: total),
}
"""The losses by name."""


def select(activations: Mapping[str, Tensor], address: Address) -> Tensor:
    """Return what an address names as features (N, C, P) in float32, P positions (1 for a vector).

    Raises
    ------
    DreamscopeError
        If the address has a position outside the map.
    """
    selected = select_map(activations, address)
    return selected.reshape(selected.shape[0], selected.shape[1], -1)


def select_map(activations: Mapping[str, Tensor], address: Address) -> Tensor:
    """Return what an address names in float32, positions as the layer has them: (N, C, H, W), (N, C, T) or (N, C)."""
    activation = activations[address.layer].float()
    where = at_position(activation, address)
    if where is not None:
        index: tuple[Any, ...] = (slice(None), slice(None), *where)
        activation = activation[index]
    return activation if address.channels is None else activation[:, list(address.channels)]


class Gathered(Objective):
    """An objective that is a weighted sum over addresses, each gathered over positions."""

    addresses: tuple[Address, ...]

    @property
    def layers(self) -> Sequence[str]:
        """Names of the layers to record."""
        return [address.layer for address in self.addresses]

    def parts(self, activations: Mapping[str, Tensor]) -> Parts:
        """Return, for each address, what these positions add: (N,), and the count of their numbers."""
        features = [select(activations, address) for address in self.addresses]
        return [(self._part(index, each), each[0].numel()) for index, each in enumerate(features)]

    def whole(self, parts: Parts) -> Tensor:
        """Return the objective (N,) from what all positions add up to."""
        if not parts:
            raise DreamscopeError("an objective needs at least one address")
        values = [self._whole(index, *part) for index, part in enumerate(parts)]
        return torch.stack([a.weight * v for a, v in zip(self.addresses, values, strict=True)]).sum(0)

    def __call__(self, activations: Mapping[str, Tensor]) -> Tensor:
        """Return one number for each image, (N,)."""
        return self.whole(self.parts(activations))

    @abstractmethod
    def alone(self, index: int) -> Gathered:
        """Return the objective of address number `index` alone, its weight left out."""

    @abstractmethod
    def _part(self, index: int, features: Tensor) -> Tensor:
        """Return what features (N, C, P) at address number `index` add, (N,)."""

    @abstractmethod
    def _whole(self, index: int, total: Tensor, count: int) -> Tensor:
        """Return the value (N,) at address number `index` from the sum over all positions."""


@dataclass(frozen=True)
class Excite(Gathered):
    """The weighted sum, over addresses, of one loss.

    Attributes
    ----------
    addresses : tuple of Address
        Resolved ones, see `dreamscope.models.addresses.resolve`.
    loss : str
        One of `LOSSES`.
    """

    addresses: tuple[Address, ...]
    loss: str = "norm"

    def __post_init__(self) -> None:
        ensure_one_of(self.loss, LOSSES, "loss")

    def alone(self, index: int) -> Excite:
        """Return the objective of address number `index` alone, its weight left out."""
        return Excite((replace(self.addresses[index], weight=1.0),), self.loss)

    def _part(self, _index: int, features: Tensor) -> Tensor:
        return LOSSES[self.loss].part(features)

    def _whole(self, _index: int, total: Tensor, count: int) -> Tensor:
        return LOSSES[self.loss].whole(total, count)
