"""Objectives: activations -> one number an image, to climb."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

import torch
from torch import Tensor

from dreamscope.errors import DreamscopeError, did_you_mean
from dreamscope.models.addresses import Address
from dreamscope.models.edits import at_position


class Objective(Protocol):
    """Anything with the `layers` that it needs and a call from activations to (N,)."""

    @property
    def layers(self) -> Sequence[str]:
        """Names of the layers to record."""
        ...

    def __call__(self, activations: Mapping[str, Tensor]) -> Tensor:
        """Return one number for each image, (N,)."""
        ...


def norm(features: Tensor) -> Tensor:
    """L2 norm of features (N, C, P)."""
    length: Tensor = torch.linalg.vector_norm(features.flatten(1), dim=1)
    return length


def mean_square(features: Tensor) -> Tensor:
    """Mean of squares: what the DeepDream post of 2015 climbs, up to a factor."""
    return features.flatten(1).square().mean(1)


def mean(features: Tensor) -> Tensor:
    """Mean."""
    return features.flatten(1).mean(1)


def gram(features: Tensor) -> Tensor:
    """Sum of the Gram matrix over positions, sum_ij sum_p f_ip f_jp.

    Summed over channels first, so that the matrix is never made: the square of the sum over channels at
    each position.
    """
    return features.sum(1).square().sum(1)


LOSSES: Mapping[str, Callable[[Tensor], Tensor]] = {
    "norm": norm,
    "mean_square": mean_square,
    "mean": mean,
    "gram": gram,
}
"""The losses by name; each takes features (N, C, P) to (N,)."""


def select(activations: Mapping[str, Tensor], address: Address) -> Tensor:
    """Return what an address names as features (N, C, P) in float32, P positions (1 for a vector).

    Raises
    ------
    DreamscopeError
        If the address has a position outside the map.
    """
    activation = activations[address.layer].float()
    where = at_position(activation, address)
    if where is not None:
        index: tuple[Any, ...] = (slice(None), slice(None), *where)
        activation = activation[index]
    if address.channels is not None:
        activation = activation[:, list(address.channels)]
    return activation.reshape(activation.shape[0], activation.shape[1], -1)


@dataclass(frozen=True)
class Excite:
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
        if self.loss not in LOSSES:
            raise DreamscopeError(
                f"no loss '{self.loss}'; there are {', '.join(LOSSES)}{did_you_mean(self.loss, LOSSES)}"
            )

    @property
    def layers(self) -> Sequence[str]:
        """Names of the layers to record."""
        return [address.layer for address in self.addresses]

    def __call__(self, activations: Mapping[str, Tensor]) -> Tensor:
        """Return one number for each image, (N,)."""
        loss = LOSSES[self.loss]
        return _total(address.weight * loss(select(activations, address)) for address in self.addresses)


@dataclass(frozen=True)
class Follow:
    """The likeness to a guide picture: at each position, the dot product with the guide's best match.

    From the DeepDream post and notebook of 2015 ("controlling dreams").

    Attributes
    ----------
    addresses : tuple of Address
        Resolved ones.
    guides : tuple of Tensor
        For each address the guide's features there, (1, C, Q), see `select`.
    """

    addresses: tuple[Address, ...]
    guides: tuple[Tensor, ...]

    @property
    def layers(self) -> Sequence[str]:
        """Names of the layers to record."""
        return [address.layer for address in self.addresses]

    def __call__(self, activations: Mapping[str, Tensor]) -> Tensor:
        """Return one number for each image, (N,)."""
        return _total(
            address.weight * self._likeness(select(activations, address), guide)
            for address, guide in zip(self.addresses, self.guides, strict=True)
        )

    @staticmethod
    def _likeness(features: Tensor, guide: Tensor) -> Tensor:
        wanted = guide[0].to(features)
        # In blocks of positions: the whole table of products would be P x Q.
        blocks = features.detach().split(4096, dim=2)
        best = torch.cat([(wanted.T @ block).argmax(1) for block in blocks], dim=1)
        matched = wanted[:, best].movedim(1, 0)
        return (features * matched).flatten(1).sum(1)


@dataclass(frozen=True)
class Each:
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


def _total(values: Iterable[Any]) -> Tensor:
    total = sum(values)
    if not isinstance(total, Tensor):
        raise DreamscopeError("an objective needs at least one address")
    return total
