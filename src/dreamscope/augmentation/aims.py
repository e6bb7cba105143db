"""Aims: what photos with a thing have in common that photos without it lack, as something to climb.

None of them needs a class of the network: a few photos of each kind are enough.

References
----------
Direction: B. Kim et al., "Interpretability beyond feature attribution: quantitative testing with concept activation
vectors" (2018), which learns the direction that is the difference of means here; ``guide``: Mordvintsev, Olah and
Tyka's DeepDream notebook (2015).
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import torch
from torch import Tensor

from dreamscope import images
from dreamscope.errors import DreamscopeError, ensure_one_of
from dreamscope.models.addresses import Address, resolve
from dreamscope.models.blocks import blocks
from dreamscope.models.classifier import Classifier
from dreamscope.objectives import Follow, Objective, select
from dreamscope.objectives.likeness import Direction
from dreamscope.photos import Photo, Stream
from dreamscope.probes import means, probe
from dreamscope.progress import Callback

AIMS = ("direction", "guide", "head")
"""Names: the difference of the mean features; the best matches in one photo with the thing, drawn for each picture;
the score of a linear head that tells both kinds of photos apart."""

_STRENGTH = 1e-2
"""Of the head's penalty, in scikit-learn's ``C``: weak ones fit a handful of photos exactly, and any direction does."""

Features = Mapping[str, Tensor]
"""Layer -> (photos, channels): means over positions."""


@dataclass(frozen=True)
class Aim:
    """What is climbed towards.

    Attributes
    ----------
    name : str
        One of `AIMS`.
    addresses : tuple of Address
        Whole layers.
    vectors : tuple of Tensor
        For each, (channels,): a step of this length along itself leads from the mean photo without the thing to where
        photos with it are. Empty for ``guide``.
    """

    name: str
    addresses: tuple[Address, ...]
    vectors: tuple[Tensor, ...] = ()

    def objective(self, model: Classifier, guide: Tensor | None = None) -> Objective:
        """Return what is climbed: 1 higher where a photo has come as far as the two kinds lie apart.

        Parameters
        ----------
        model
            The classifier.
        guide
            For the aim ``guide``: a photo with the thing, (1, 3, H, W) in [0, 1], at the size of the dream.
        """
        if self.name == "guide":
            if guide is None:
                raise DreamscopeError("the aim 'guide' follows a photo with the thing; give one")
            with torch.no_grad(), probe(model, self.addresses) as seen:
                seen(guide)
                features = [select(seen, address).float() for address in self.addresses]
            each: list[Objective] = [
                (1 / max(float(found.square().sum()), 1e-12)) * Follow((address,), (found,))
                for address, found in zip(self.addresses, features, strict=True)
            ]
        else:
            each = [
                (1 / float(vector.norm().clamp_min(1e-12))) * Direction(address, vector)
                for address, vector in zip(self.addresses, self.vectors, strict=True)
            ]
        return sum(each[1:], start=each[0])


def default_layers(model: Classifier) -> list[str]:
    """Return the blocks where two thirds of a network, and all of it, are over: parts of things, and things."""
    found = blocks(model)
    return list(dict.fromkeys([found[2 * len(found) // 3], found[-1]]))


def layers_at(model: Classifier, at: str | Address | Sequence[str | Address] | None) -> tuple[Address, ...]:
    """Return the whole layers that are named, see `default_layers` if none are.

    Raises
    ------
    DreamscopeError
        If there is no such layer, or only some of its channels are named.
    """
    found = tuple(resolve(default_layers(model) if at is None else at, model))
    for address in found:
        if address.channels is not None or address.position is not None:
            raise DreamscopeError(f"photos are told apart by whole layers, not by '{address}': give {address.layer}")
    return tuple(replace(address, weight=1.0) for address in found)


def features(
    model: Classifier,
    layers: Sequence[str],
    photos: Sequence[Photo],
    *,
    what: str = "photos",
    callback: Callback | None = None,
) -> Features:
    """Return the means over positions of the photos that can be read.

    Raises
    ------
    DreamscopeError
        If none can be read.
    """

    def gone(count: int) -> None:
        if callback is not None:
            callback(what, count, len(photos))

    return means_of(model, layers, (batch for _, batch in Stream(photos, model, gone=gone)))


def means_of(model: Classifier, layers: Sequence[str], batches: Iterable[Tensor]) -> Features:
    """Return the means over positions of pictures (N, 3, H, W) in [0, 1], as the network is given them."""
    found: dict[str, list[Tensor]] = {layer: [] for layer in layers}
    with torch.no_grad(), probe(model, layers, keep=means) as seen:
        for batch in batches:
            seen(batch)
            for layer, rows in found.items():
                rows.append(seen[layer].float().cpu())
    return {layer: torch.cat(rows) for layer, rows in found.items()}


def aim(name: str, addresses: Sequence[Address], positives: Features, healthy: Features) -> Aim:
    """Return an aim, from the features of photos with the thing and of photos without it.

    Raises
    ------
    DreamscopeError
        If there is no such aim, or the features of both kinds are the same.
    """
    ensure_one_of(name, AIMS, "aim")
    if name == "guide":
        return Aim(name, tuple(addresses))
    vectors = []
    for address in addresses:
        with_it, without = positives[address.layer], healthy[address.layer]
        vector = with_it.mean(0) - without.mean(0)
        apart = float(vector.norm())
        if name == "head" and apart:
            weights = _weights(with_it, without)
            # As far along these weights as leads from the mean of the one kind to that of the other.
            vector = weights * (vector @ weights / weights.square().sum())
        if not apart or not bool(vector.isfinite().all()):
            raise DreamscopeError(f"both kinds of photos are the same to {address.layer}; give other photos or layers")
        vectors.append(vector)
    return Aim(name, tuple(addresses), tuple(vectors))


def _weights(positives: Tensor, healthy: Tensor) -> Tensor:
    """Return the weights of a logistic regression on standardised features, in units of the features."""
    from sklearn.linear_model import LogisticRegression

    values = torch.cat([positives, healthy]).double()
    deviation = values.std(0)
    deviation[deviation <= 1e-7 * values.abs().max()] = torch.inf
    scaled: Any = ((values - values.mean(0)) / deviation).numpy()
    truth = [1] * len(positives) + [0] * len(healthy)
    fitted = LogisticRegression(C=_STRENGTH, class_weight="balanced", max_iter=1000).fit(scaled, truth)
    return (torch.from_numpy(fitted.coef_[0]) / deviation).float()


def guide_at(picture: Tensor, size: images.Size) -> Tensor:
    """Return a guide as large as the dream, so that its things have the size at which the network sees them."""
    return images.resize(picture, images.fit_to(picture, max(size.width, size.height))).clamp(0, 1)
