"""Balance: weights of addresses that count equally, whatever the scale of each one's numbers.

The numbers of one layer, and so its gradients, may be a hundred times those of another, which then decides alone. Here
each address is multiplied by what brings its gradient to the size that all of them have on average. That is measured
on the picture that an octave begins with, and holds for the octave: what is climbed stays one objective, and an
address whose gradient dies away along an ascent is not blown up to noise, as it would be if measured at each step.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import torch
from torch import Tensor

from dreamscope.errors import DreamscopeError
from dreamscope.objectives.base import Each, Objective
from dreamscope.objectives.excite import Gathered, Parts


class Balanced(Gathered):
    """A weighted sum over addresses in which each also has a factor for each image.

    Parameters
    ----------
    of
        The sum over addresses without factors.
    factors
        (N, addresses).
    """

    def __init__(self, of: Gathered, factors: Tensor) -> None:
        self.addresses, self._of, self._factors = of.addresses, of, factors

    def alone(self, index: int) -> Gathered:
        """Return the objective of address number `index` alone, neither weighted nor balanced."""
        return self._of.alone(index)

    def parts(self, activations: Mapping[str, Tensor]) -> Parts:
        """Return, for each address, what these positions add: (N,), and the count of their numbers."""
        return self._of.parts(activations)

    def _part(self, index: int, features: Tensor) -> Tensor:
        return self._of._part(index, features)

    def _whole(self, index: int, total: Tensor, count: int) -> Tensor:
        return self._of._whole(index, total, count) * self._factors[:, index].to(total)


def ensure_addresses(objective: Objective) -> None:
    """Raise a `DreamscopeError` if an objective is no weighted sum over addresses, for all images or for each."""
    _sums(objective)


def parts_of(objective: Objective) -> list[Objective]:
    """Return what is climbed at each address alone, its weight left out."""
    sums = _sums(objective)
    indices = range(len(sums[0].addresses))
    if isinstance(objective, Each):
        return [Each(tuple(each.alone(index) for each in sums)) for index in indices]
    return [sums[0].alone(index) for index in indices]


def balanced(objective: Objective, sizes: Tensor) -> Objective:
    """Return an objective whose addresses all have gradients of one size, but for their weights.

    Parameters
    ----------
    objective
        A weighted sum over addresses, or `Each` of such for an image each.
    sizes
        (N, addresses): how large the gradient of each one of `parts_of` is for each image. Their mean is the size that
        all come to, so that weights of 1 move the picture about as far as they would unbalanced. An address without a
        gradient is taken to be as large as the largest.

    Raises
    ------
    DreamscopeError
        If it is another objective.
    """
    sums = _sums(objective)
    known = torch.where(sizes > 0, sizes, sizes.amax(1, keepdim=True))
    factors = known.mean(1, keepdim=True) / known.clamp_min(1e-30)
    if isinstance(objective, Each):
        return Each(tuple(Balanced(each, own) for each, own in zip(sums, factors.split(1), strict=True)))
    return Balanced(sums[0], factors)


def _sums(objective: Objective) -> Sequence[Gathered]:
    objectives = objective.objectives if isinstance(objective, Each) else (objective,)
    sums = [each for each in objectives if isinstance(each, Gathered)]
    if len(sums) < len(objectives):
        raise DreamscopeError("balance weighs addresses against each other; it takes no objective of your own")
    return sums
