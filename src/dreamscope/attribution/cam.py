"""Class activation maps: which positions of a layer speak for the target?

Both are one line over a layer's activation and its gradient. captum has only the first, and assumes that channels
come second, that maps have two sides, and that nothing changes a layer's output in place.
"""

from __future__ import annotations

import math
from abc import abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import ClassVar, Self
from weakref import WeakKeyDictionary

import torch
from torch import Tensor
from torch.nn import functional as F

from dreamscope.attribution.base import Attribution, Case, Method
from dreamscope.errors import DreamscopeError
from dreamscope.models.addresses import resolve
from dreamscope.models.classifier import Classifier
from dreamscope.models.layers import Layer
from dreamscope.objectives import Objective
from dreamscope.probes import probe, tapped


@dataclass(frozen=True)
class _Map(Method):
    """A map of a layer, enlarged to the size of the image.

    Attributes
    ----------
    layer : str
        Its name; if empty, the last layer with a map that the target depends on, see `last_map`.
    """

    layer: str = ""

    @property
    def layers(self) -> tuple[str, ...]:
        """The layer whose activation is used."""
        return (self.layer,) if self.layer else ()

    def resolved(self, case: Case) -> Self:
        """Return the same with the layer's full name."""
        if not self.layer:
            return replace(self, layer=last_map(case))
        names = [address.layer for address in resolve([self.layer], case.model)]
        if len(names) > 1:
            raise DreamscopeError(f"{self.name} takes one layer, but '{self.layer}' names {len(names)}")
        if not _has_map(case.model.layers[names[0]]):
            raise DreamscopeError(
                f"'{names[0]}' of {case.model.name} has no map for {self.name}; "
                f"the last layer with one: '{last_map(case)}'"
            )
        return replace(self, layer=names[0])

    def attribute(self, case: Case) -> Attribution:
        """Return the map, as large as the image, (N, 1, H, W)."""
        (name,) = self.resolved(case).layers
        with torch.enable_grad(), tapped(case.model, [name]) as caught:
            score = case.score(case.leaf())
        gradient = _gradient(case, score, caught, name)
        if gradient is None:
            raise DreamscopeError(f"'{case.target.name}' does not depend on '{name}', so {self.name} shows nothing")
        activation = _as_map(caught[name].detach(), case.model.layers[name].channel_axis)
        coarse = self._map(activation, gradient).clamp_min(0)
        return Attribution(F.interpolate(coarse, case.images.shape[-2:], mode="bilinear").float().cpu())

    @abstractmethod
    def _map(self, activation: Tensor, gradient: Tensor) -> Tensor:
        """Return (N, 1, rows, columns) from an activation (N, C, rows, columns) and the score's gradient at it."""


@dataclass(frozen=True)
class GradCam(_Map):
    """Grad-CAM: the channels of a late layer, weighted by their mean gradients and summed; what is above 0.

    Selvaraju et al., "Grad-CAM: Visual Explanations from Deep Networks" (2016).
    """

    name: ClassVar[str] = "gradcam"
    unit: ClassVar[str] = "activation x mean gradient"

    def _map(self, activation: Tensor, gradient: Tensor) -> Tensor:
        return (gradient.mean((2, 3), keepdim=True) * activation).sum(1, keepdim=True)


@dataclass(frozen=True)
class LayerCam(_Map):
    """LayerCAM: each position of each channel is weighted by its own gradient, if above 0; suits early layers too.

    Jiang et al., "LayerCAM: Exploring Hierarchical Class Activation Maps for Localization" (2021).
    """

    name: ClassVar[str] = "layercam"
    unit: ClassVar[str] = "activation x own gradient"

    def _map(self, activation: Tensor, gradient: Tensor) -> Tensor:
        return (gradient.clamp_min(0) * activation).sum(1, keepdim=True)


def last_map(case: Case) -> str:
    """Return the last layer with a map at which the first image's score has a gradient, each term of it if it is a sum.

    In a vision transformer that reads its class token, the layers behind the last attention have none: the other
    tokens no longer count there. It is looked for once for each target of a model.

    Raises
    ------
    DreamscopeError
        If there is none between the image and the target.
    """
    first = next(case.split(1))
    found = _LAST.setdefault(case.model, {})
    if first.objective not in found:
        found[first.objective] = _find_last(first)
    return found[first.objective]


_LAST: WeakKeyDictionary[Classifier, dict[Objective, str]] = WeakKeyDictionary()


def _find_last(case: Case) -> str:
    names = _maps(case.model)
    objective = case.objective
    # Channels of several layers: behind the first of them a map would be of the others alone.
    terms = [replace(case.target, terms=(term,)).objective("mean") for term in case.target.terms] or [objective]
    with torch.enable_grad(), tapped(case.model, names) as caught, probe(case.model, objective.layers) as seen:
        seen(case.leaf())
        score, scores = objective(seen).float(), [term(seen).float() for term in terms]
    for name in reversed(names):
        # One by one from the end: a gradient at a late layer costs little, at all layers a whole backward pass.
        gradient = _gradient(case, score, caught, name)
        if gradient is None or not bool(gradient.any()):
            continue
        if all(_gradient(case, each, caught, name) is not None for each in scores):
            return name
    raise DreamscopeError(f"no layer of {case.model.name} between the picture and '{case.target.name}' has a map")


def _maps(model: Classifier) -> list[str]:
    """Return the layers that have a map: of tokens in a transformer, of rows and columns elsewhere."""
    found = [each for each in model.layers.values() if _has_map(each)]
    tokens = [each for each in found if len(each.grid) == 1]
    maps = [each for each in found if len(each.grid) == 2]
    if len(tokens) > len(maps):
        # Queries, keys and hidden units of a block are not what it passes on; that is what norms take.
        widths = {each.channels for each in found if "Norm" in each.type}
        maps = [each for each in tokens if each.channels in widths]
    return [each.name for each in maps]


def _has_map(layer: Layer) -> bool:
    return math.isqrt(layer.grid[0]) > 1 if len(layer.grid) == 1 else len(layer.grid) == 2 and min(layer.grid) > 1


def _gradient(case: Case, score: Tensor, caught: Mapping[str, Tensor], name: str) -> Tensor | None:
    """Return the score's gradient at a layer, (N, C, rows, columns), or ``None`` if the score does not depend on it."""
    activation = caught.get(name)
    # Windows of an image lie along the batch in some transformers: those are no map of the whole.
    if activation is None or len(activation) != len(case.images):
        return None
    if not (activation.requires_grad and score.requires_grad):
        return None
    (gradient,) = torch.autograd.grad(score.sum(), activation, retain_graph=True, allow_unused=True)
    return None if gradient is None else _as_map(gradient, case.model.layers[name].channel_axis)


def _as_map(values: Tensor, axis: int) -> Tensor:
    """Return (N, C, rows, columns) from a layer's output, without class and register tokens, which come first."""
    values = values.movedim(axis, 1).float()
    if values.dim() == 4:
        return values
    side = math.isqrt(values.shape[2])
    grid: Tensor = values[..., -side * side :].unflatten(2, (side, side))
    return grid
