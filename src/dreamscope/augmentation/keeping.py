"""Keeping: what holds a dream to the photo that it began with."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from dreamscope import images
from dreamscope.errors import DreamscopeError
from dreamscope.models.addresses import Address
from dreamscope.models.classifier import Classifier
from dreamscope.objectives import Objective
from dreamscope.objectives.likeness import Kept
from dreamscope.optimize.ingredients import named
from dreamscope.optimize.regularizers import Regularizer
from dreamscope.probes import probe


@dataclass(frozen=True)
class Pixels:
    """`weight` times the mean squared change of colours, in units of the photo's own variance."""

    weight: float

    def penalty(self, photo: Tensor) -> Regularizer:
        """Return the penalty of pictures made of a photo, whatever their size."""
        variance = photo.var((1, 2, 3), correction=0).clamp_min(1e-4)

        def changed(picture: Tensor) -> Tensor:
            before = images.resize(photo, images.size_of(picture)).to(picture)
            return self.weight * (picture - before).square().mean((1, 2, 3)) / variance.to(picture)

        return changed


@dataclass(frozen=True)
class Features:
    """`weight` times the squared change of an early layer's activations, as a share of their own squares."""

    weight: float

    def objective(self, model: Classifier, photo: Tensor, layer: str) -> Objective:
        """Return what is added to the objective: what is lost."""
        address = Address(layer)
        with torch.no_grad(), probe(model, [layer]) as seen:
            found = seen(photo)[layer].float()
        return self.weight * Kept(address, found)


Keep = Pixels | Features

KEEPS: Mapping[str, Callable[..., Any]] = {"pixels": Pixels, "features": Features}
"""The ways by name."""


def ensure(given: Any) -> Keep:
    """Return what a text names (``pixels:2``, ``features:1``), or what is given as it is.

    Raises
    ------
    DreamscopeError
        If there is no such way, or its weight is missing.
    """
    found: Any = named(given, KEEPS, "way to keep the photo")
    if not isinstance(found, Pixels | Features):
        raise DreamscopeError(f"a way to keep the photo is a text such as pixels:1, not {given!r}")
    return found
