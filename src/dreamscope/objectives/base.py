"""What an objective is, and how objectives add up."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from dreamscope.errors import DreamscopeError


class Objective(ABC):
    """The `layers` that it needs, and a call from activations to one number an image.

    Objectives are values: they add, subtract, and scale by numbers; ``a + b - b == a``.
    """

    @property
    @abstractmethod
    def layers(self) -> Sequence[str]:
        """Names of the layers to record."""

    @abstractmethod
    def __call__(self, activations: Mapping[str, Tensor]) -> Tensor:
        """Return one number for each image, (N,)."""

    def __add__(self, other: Objective) -> Objective:
        return _sum([*_terms(self), *_terms(other)])

    def __sub__(self, other: Objective) -> Objective:
        return self + -1 * other

    def __neg__(self) -> Objective:
        return -1 * self

    def __mul__(self, factor: float) -> Objective:
        return _sum([(weight * factor, term) for weight, term in _terms(self)])

    __rmul__ = __mul__

    def __truediv__(self, divisor: float) -> Objective:
        return self * (1 / divisor)


@dataclass(frozen=True)
class Sum(Objective):
    """A weighted sum of objectives; what ``+``, ``-`` and ``*`` make.

    Attributes
    ----------
    terms : tuple of (float, Objective)
        Weights and objectives, no objective twice.
    """

    terms: tuple[tuple[float, Objective], ...]

    @property
    def layers(self) -> Sequence[str]:
        """Names of the layers to record."""
        return list(dict.fromkeys(layer for _, term in self.terms for layer in term.layers))

    def __call__(self, activations: Mapping[str, Tensor]) -> Tensor:
        """Return one number for each image, (N,)."""
        return torch.stack([weight * term(activations) for weight, term in self.terms]).sum(0)


def _terms(objective: Objective) -> Sequence[tuple[float, Objective]]:
    return objective.terms if isinstance(objective, Sum) else ((1.0, objective),)


def _sum(terms: Sequence[tuple[float, Objective]]) -> Objective:
    """Return the sum of terms, the same ones together, and the term itself if one is left, once."""
    weights: dict[Objective, float] = {}
    for weight, term in terms:
        weights[term] = weights.get(term, 0.0) + weight
    left = tuple((weight, term) for term, weight in weights.items() if weight != 0)
    if not left:
        raise DreamscopeError("the objectives cancel out; nothing is left to climb")
    return left[0][1] if len(left) == 1 and left[0][0] == 1 else Sum(left)


@dataclass(frozen=True)
class Each(Objective):
    """One objective for each image of a batch: image i climbs objective i.

    Images do not influence each other, so a batch ends where its items would alone, in less time.
    """

    objectives: tuple[Objective, ...]

    @property
    def layers(self) -> Sequence[str]:
        """Names of the layers to record."""
        return [layer for objective in self.objectives for layer in objective.layers]

    def __call__(self, activations: Mapping[str, Tensor]) -> Tensor:
        """Return one number for each image, (N,)."""
        count = len(next(iter(activations.values())))
        if count != len(self.objectives):
            raise DreamscopeError(f"{len(self.objectives)} objectives need as many images, not {count}")
        return torch.cat(
            [
                objective({layer: activations[layer][index : index + 1] for layer in objective.layers})
                for index, objective in enumerate(self.objectives)
            ]
        )
