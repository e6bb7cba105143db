"""What an objective is, how objectives add up, and how any function becomes one."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from dreamscope.errors import DreamscopeError


class Objective(ABC):
    """The `layers` that it needs, and a call from activations to one number an image.

    Objectives are values: they add, subtract, and scale by numbers, and numbers are added to them;
    ``a + b - b == a``, ``0 * a + b == b``, and ``sum([a, b]) == a + b``.
    """

    @property
    @abstractmethod
    def layers(self) -> Sequence[str]:
        """Names of the layers to record."""

    @abstractmethod
    def __call__(self, activations: Mapping[str, Tensor]) -> Tensor:
        """Return one number for each image, (N,)."""

    @staticmethod
    def of(function: Callable[[Mapping[str, Tensor]], Tensor], layers: str | Sequence[str]) -> Custom:
        """Make an objective of any function.

        Parameters
        ----------
        function
            From activations by layer name, (N, C, ...) each, to one number an image, (N,).
        layers
            Full names of the layers that it reads; `dreamscope.probes.LOGITS` for the class scores.

        Examples
        --------
        >>> brightest = Objective.of(lambda seen: seen["features.28"].amax((1, 2, 3)), layers=["features.28"])
        >>> (2 * brightest - 1).layers
        ['features.28']
        """
        return Custom(function, (layers,) if isinstance(layers, str) else tuple(layers))

    def __add__(self, other: Objective | float) -> Objective:
        if isinstance(other, int | float):
            return _sum(_terms(self), _constant(self) + other)
        if isinstance(other, Objective):
            return _sum([*_terms(self), *_terms(other)], _constant(self) + _constant(other))
        return NotImplemented

    __radd__ = __add__

    def __sub__(self, other: Objective | float) -> Objective:
        return self + -1 * other

    def __rsub__(self, other: float) -> Objective:
        return -1 * self + other

    def __neg__(self) -> Objective:
        return -1 * self

    def __mul__(self, factor: float) -> Objective:
        return _sum([(weight * factor, term) for weight, term in _terms(self)], _constant(self) * factor)

    __rmul__ = __mul__

    def __truediv__(self, divisor: float) -> Objective:
        return self * (1 / divisor)


@dataclass(frozen=True)
class Sum(Objective):
    """A weighted sum of objectives; what ``+``, ``-`` and ``*`` make.

    Attributes
    ----------
    terms : tuple of (float, Objective)
        Weights and objectives, no objective twice. None are left where all cancel out: nothing to climb.
    constant : float
        Added to them.
    """

    terms: tuple[tuple[float, Objective], ...]
    constant: float = 0.0

    @property
    def layers(self) -> Sequence[str]:
        """Names of the layers to record."""
        return list(dict.fromkeys(layer for _, term in self.terms for layer in term.layers))

    def __call__(self, activations: Mapping[str, Tensor]) -> Tensor:
        """Return one number for each image, (N,)."""
        if not self.terms:
            raise DreamscopeError("the objectives cancel out; nothing is left to climb")
        total = torch.stack([weight * term(activations) for weight, term in self.terms]).sum(0)
        return total + self.constant if self.constant else total


@dataclass(frozen=True)
class Custom(Objective):
    """A function from activations to one number an image; what `Objective.of` makes.

    Attributes
    ----------
    function : callable
        Activations by layer name, (N, C, ...) each -> (N,).
    reads : tuple of str
        The layers that it reads.
    """

    function: Callable[[Mapping[str, Tensor]], Tensor]
    reads: tuple[str, ...]

    @property
    def layers(self) -> Sequence[str]:
        """Names of the layers to record."""
        return self.reads

    def __call__(self, activations: Mapping[str, Tensor]) -> Tensor:
        """Return one number for each image, (N,).

        Raises
        ------
        DreamscopeError
            If the function returns something else.
        """
        count = len(next(iter(activations.values())))
        value = self.function(activations)
        if not isinstance(value, Tensor) or value.shape != (count,):
            found = f"shape {tuple(value.shape)}" if isinstance(value, Tensor) else type(value).__name__
            raise DreamscopeError(f"an objective returns one number an image, shape ({count},), not {found}")
        return value


def ensure(given: object) -> Objective:
    """Return an objective as it is, and a callable that has ``layers`` as one.

    Raises
    ------
    DreamscopeError
        If it can't be called, or does not say which layers it reads.
    """
    if isinstance(given, Objective):
        return given
    layers = getattr(given, "layers", None)
    if not callable(given) or layers is None:
        raise DreamscopeError(
            f"an objective is an address, an Objective, or a function with its layers, "
            f"Objective.of(function, layers=[...]), not {given!r}"
        )
    return Objective.of(given, layers)


def _terms(objective: Objective) -> Sequence[tuple[float, Objective]]:
    return objective.terms if isinstance(objective, Sum) else ((1.0, objective),)


def _constant(objective: Objective) -> float:
    return objective.constant if isinstance(objective, Sum) else 0.0


def _sum(terms: Sequence[tuple[float, Objective]], constant: float) -> Objective:
    """Return the sum of terms, the same ones together, and the term itself if one is left, once."""
    weights: dict[Objective, float] = {}
    for weight, term in terms:
        weights[term] = weights.get(term, 0.0) + weight
    left = tuple((weight, term) for term, weight in weights.items() if weight != 0)
    alone = len(left) == 1 and left[0][0] == 1 and constant == 0
    return left[0][1] if alone else Sum(left, constant)


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
