"""Class activation maps: which positions of a layer's map speak for the subject?

Both are a line over a layer's activation and its gradient. captum has the first alone, and takes channels to come
second, maps to have two sides, and nothing to change a layer's output in place.
"""

from __future__ import annotations

import math
from abc import abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import ClassVar, Self

import torch
from torch import Tensor
from torch.nn import functional as F

from dreamscope.attribution.base import Attribution, Method, Question
from dreamscope.errors import DreamscopeError
from dreamscope.models.addresses import resolve
from dreamscope.models.classifier import Classifier
from dreamscope.models.layers import Layer
from dreamscope.probes import tapped


@dataclass(frozen=True)
class _Map(Method):
    """A map of a layer, laid over the picture.

    Attributes
    ----------
    layer : str
        Where; if empty, the last layer with a map all over which the subject depends.
    """

    layer: str = ""

    @property
    def layers(self) -> tuple[str, ...]:
        """The layer that is looked at."""
        return (self.layer,) if self.layer else ()

    def settled(self, question: Question) -> Self:
        """Return the same with the layer's full name."""
        if not self.layer:
            return replace(self, layer=last_map(question))
        names = [address.layer for address in resolve([self.layer], question.model)]
        if len(names) > 1:
            raise DreamscopeError(f"{self.name} looks at one layer, but '{self.layer}' names {len(names)}")
        if not _has_map(question.model.layers[names[0]]):
            raise DreamscopeError(
                f"'{names[0]}' of {question.model.name} puts out no map, so {self.name} can't look at it; "
                f"the last that does: '{last_map(question)}'"
            )
        return replace(self, layer=names[0])

    def __call__(self, question: Question) -> Attribution:
        """Return the map, as large as the picture, (1, H, W)."""
        (name,) = self.settled(question).layers
        activation, gradient = _with_gradients(question, [name]).get(name, (None, None))
        if activation is None or gradient is None:
            raise DreamscopeError(
                f"'{question.subject.name}' does not depend on '{name}', so {self.name} shows nothing"
            )
        coarse = self._map(activation, gradient).clamp_min(0)
        fine = F.interpolate(coarse, question.image.shape[-2:], mode="bilinear")
        return Attribution(fine[0].float().cpu())

    @abstractmethod
    def _map(self, activation: Tensor, gradient: Tensor) -> Tensor:
        """Return (1, 1, rows, columns) from an activation (1, C, rows, columns) and the score's gradient to it."""


@dataclass(frozen=True)
class GradCam(_Map):
    """Grad-CAM: the channels of a late map, added up by the mean of their gradients, where the sum is above 0.

    Selvaraju et al., "Grad-CAM: Visual Explanations from Deep Networks" (2016).
    """

    name: ClassVar[str] = "gradcam"
    unit: ClassVar[str] = "activation x mean gradient"

    def _map(self, activation: Tensor, gradient: Tensor) -> Tensor:
        return (gradient.mean((2, 3), keepdim=True) * activation).sum(1, keepdim=True)


@dataclass(frozen=True)
class LayerCam(_Map):
    """LayerCAM: each position of each channel counts by its own gradient, where that is above 0; also early layers.

    Jiang et al., "LayerCAM: Exploring Hierarchical Class Activation Maps for Localization" (2021).
    """

    name: ClassVar[str] = "layercam"
    unit: ClassVar[str] = "activation x own gradient"

    def _map(self, activation: Tensor, gradient: Tensor) -> Tensor:
        return (gradient.clamp_min(0) * activation).sum(1, keepdim=True)


def last_map(question: Question) -> str:
    """Return the last layer with a map to whose every part the score has a gradient.

    In a vision transformer that answers from its class token, the layers behind the last attention have none: the
    picture's other tokens no longer count there.

    Raises
    ------
    DreamscopeError
        If there is none between the picture and the subject.
    """
    names = _maps(question.model)
    found = _with_gradients(question, names)
    for name in reversed(names):
        if name in found and bool(found[name][1].any()):
            return name
    raise DreamscopeError(
        f"no layer of {question.model.name} between the picture and '{question.subject.name}' has a map to look at"
    )


def _maps(model: Classifier) -> list[str]:
    """Return the layers that have a map: of tokens in a transformer, of rows and columns elsewhere."""
    found = [each for each in model.layers.values() if _has_map(each)]
    tokens = [each for each in found if len(each.grid) == 1]
    maps = [each for each in found if len(each.grid) == 2]
    if len(tokens) > len(maps):
        # Queries, keys and hidden units of a block are no picture of what it hands on; that is what norms take.
        widths = {each.channels for each in found if "Norm" in each.type}
        maps = [each for each in tokens if each.channels in widths]
    return [each.name for each in maps]


def _has_map(layer: Layer) -> bool:
    return math.isqrt(layer.grid[0]) > 1 if len(layer.grid) == 1 else len(layer.grid) == 2 and min(layer.grid) > 1


def _with_gradients(question: Question, names: Sequence[str]) -> dict[str, tuple[Tensor, Tensor]]:
    """Return, for those layers on the way to the score, activation and gradient as (1, C, rows, columns)."""
    with torch.enable_grad(), tapped(question.model, names) as caught:
        score = question.score(question.leaf())
    there = {name: caught[name] for name in names if name in caught and caught[name].requires_grad}
    if not there or not score.requires_grad:
        return {}
    gradients = torch.autograd.grad(score.sum(), list(there.values()), allow_unused=True)
    return {
        name: (_as_map(activation.detach(), axis), _as_map(gradient, axis))
        for (name, activation), gradient in zip(there.items(), gradients, strict=True)
        # Windows of a picture lie along the batch in some transformers: those are no map of the whole.
        if gradient is not None and len(activation) == 1
        for axis in [question.model.layers[name].channel_axis]
    }


def _as_map(values: Tensor, axis: int) -> Tensor:
    """Return (1, C, rows, columns) from what a layer puts out; class and register tokens come first, and go."""
    values = values.movedim(axis, 1).float()
    if values.dim() == 4:
        return values
    side = math.isqrt(values.shape[2])
    picture: Tensor = values[..., -side * side :].unflatten(2, (side, side))
    return picture
