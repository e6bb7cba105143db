"""Likeness: how near an image's activations come to another's, to a direction, or to each other."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from math import isqrt

import torch
from torch import Tensor
from torch.nn import functional as F

from dreamscope.errors import DreamscopeError
from dreamscope.images import resampled
from dreamscope.models.addresses import Address
from dreamscope.objectives.base import Objective
from dreamscope.objectives.excite import Gathered, select, select_map


class _AtAddress(Objective):
    """An objective of what one address names."""

    address: Address

    @property
    def layers(self) -> Sequence[str]:
        """Names of the layers to record."""
        return [self.address.layer]


# == of tensors is a tensor, no truth value; each such objective equals itself alone.
@dataclass(frozen=True, eq=False)
class Follow(Gathered):
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

    def alone(self, index: int) -> Follow:
        """Return the objective of address number `index` alone, its weight left out."""
        return Follow((replace(self.addresses[index], weight=1.0),), (self.guides[index],))

    def _part(self, index: int, features: Tensor) -> Tensor:
        wanted = self.guides[index][0].to(features)
        # In blocks of positions: the whole table of products would be P x Q.
        blocks = features.detach().split(4096, dim=2)
        best = torch.cat([(wanted.T @ block).argmax(1) for block in blocks], dim=1)
        matched = wanted[:, best].movedim(1, 0)
        return (features * matched).sum((1, 2))

    def _whole(self, _index: int, total: Tensor, _count: int) -> Tensor:
        return total


@dataclass(frozen=True, eq=False)
class Direction(_AtAddress):
    """How far activations point in a direction of channel space, averaged over positions.

    Attributes
    ----------
    address : Address
        A resolved one.
    vector : Tensor
        (C,), one number for each channel that the address names.
    """

    address: Address
    vector: Tensor

    def __call__(self, activations: Mapping[str, Tensor]) -> Tensor:
        """Return one number for each image, (N,)."""
        features = select(activations, self.address)
        return torch.einsum("ncp,c->n", features, F.normalize(self.vector.to(features), dim=0)) / features.shape[2]


@dataclass(frozen=True, eq=False)
class Similar(_AtAddress):
    """The likeness to another picture's activations, place by place: what a caricature exaggerates.

    The dot product times a power of the cosine, so that growing in the wrong direction does not pay
    (Olah, "Caricatures", in lucid's notebooks, 2018).

    Attributes
    ----------
    address : Address
        A resolved one.
    features : Tensor
        The other picture's features there, (1, C, H, W), (1, C, T) or (1, C), see `select_map`. Where the map that is
        climbed has another size, they are resized to it.
    power : float
        Of the cosine.
    """

    address: Address
    features: Tensor
    power: float = 2.0

    def __call__(self, activations: Mapping[str, Tensor]) -> Tensor:
        """Return one number for each image, (N,)."""
        selected = select_map(activations, self.address)
        theirs = _resized(self.features.to(selected), selected)
        ours = selected.reshape(*selected.shape[:2], -1)
        theirs = theirs.reshape(*theirs.shape[:2], -1)
        product = (ours * theirs).sum(1)
        cosine = F.cosine_similarity(ours, theirs, dim=1).clamp_min(0.1)
        return (product * cosine**self.power).mean(1)


@dataclass(frozen=True, eq=False)
class Match(_AtAddress):
    """Minus the squared distance from given activations, in units of their own squared norm.

    The error of Mahendran and Vedaldi, "Understanding deep image representations by inverting them" (2014).

    Attributes
    ----------
    address : Address
        A resolved one.
    features : Tensor
        (1, C, P), or (N, C, P) for an image each, see `select`.
    """

    address: Address
    features: Tensor

    def __call__(self, activations: Mapping[str, Tensor]) -> Tensor:
        """Return one number for each image, (N,): 0 at best."""
        wanted = self.features.to(activations[self.address.layer]).float()
        missing = select(activations, self.address) - wanted
        squares = wanted.square()
        size = squares.sum() if len(wanted) == 1 else squares.sum((1, 2))
        return -missing.square().sum((1, 2)) / size.clamp_min(1e-30)


@dataclass(frozen=True, eq=False)
class Kept(_AtAddress):
    """Minus the squared change of an image's activations, place by place, as a share of their own squares.

    Attributes
    ----------
    address : Address
        A resolved one.
    features : Tensor
        The features there before, (N, C, H, W), (N, C, T) or (N, C), see `select_map`; (1, ...) for all images. Where
        the map that is climbed has another size, they are resized to it.
    """

    address: Address
    features: Tensor

    def __call__(self, activations: Mapping[str, Tensor]) -> Tensor:
        """Return one number for each image, (N,): 0 at best."""
        selected = select_map(activations, self.address)
        before = _resized(self.features.to(selected), selected)
        size = before.square().flatten(1).sum(1).clamp_min(1e-30)
        return -(selected - before).square().flatten(1).sum(1) / size


@dataclass(frozen=True)
class Diversity(Objective):
    """How little the images of a batch resemble each other: minus the mean cosine of their Gram matrices.

    After Olah, Mordvintsev and Schubert, "Feature Visualization" (Distill 2017).

    Attributes
    ----------
    layer : str
        Where they are compared.
    """

    layer: str

    @property
    def layers(self) -> Sequence[str]:
        """Names of the layers to record."""
        return [self.layer]

    def __call__(self, activations: Mapping[str, Tensor]) -> Tensor:
        """Return one number for each image, (N,), between -1 and 1; 0 for an image alone."""
        features = activations[self.layer].float().flatten(2)
        grams = F.normalize(torch.einsum("ncp,ndp->ncd", features, features).flatten(1), dim=1)
        others = len(grams) - 1
        return -(grams @ grams.T - torch.eye(len(grams)).to(grams)).sum(1) / max(others, 1)


def _resized(features: Tensor, like: Tensor) -> Tensor:
    """Return features (1, C, ...) of a map of another size as if they had been seen at the size of `like`."""
    if features.shape[2:] == like.shape[2:]:
        return features
    if features.dim() == 4:
        return _resampled(features, (like.shape[2], like.shape[3]))
    # Tokens: those before the grid (a class token, registers) stay what they are.
    before = _before_grid(features.shape[2], like.shape[2])
    side, wanted = isqrt(features.shape[2] - before), isqrt(like.shape[2] - before)
    grid = features[..., before:].unflatten(2, (side, side))
    return torch.cat([features[..., :before], _resampled(grid, (wanted, wanted)).flatten(2)], 2)


def _resampled(maps: Tensor, size: tuple[int, int]) -> Tensor:
    smaller = size[0] < maps.shape[2] or size[1] < maps.shape[3]
    if not smaller:
        return F.interpolate(maps, size, mode="bilinear", align_corners=False)
    return resampled(maps, size, mode="bilinear")


def _before_grid(*counts: int) -> int:
    """Return how many tokens come before the square grid, in sequences of different lengths."""
    for before in range(min(counts)):
        if all(isqrt(count - before) ** 2 == count - before for count in counts):
            return before
    raise DreamscopeError(f"{counts[0]} tokens can't be resized to {counts[1]}: they form no square grids")
