"""The classifier: any network in one convention - eval mode, frozen, images in, logits out."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import torch
from torch import Tensor, nn

from dreamscope import images as pictures
from dreamscope.errors import DreamscopeError
from dreamscope.models.addresses import resolve
from dreamscope.models.edits import Ablation, edit_hooks
from dreamscope.models.hooks import attached
from dreamscope.models.layers import Layer, survey


@dataclass(frozen=True)
class Normalization:
    """What a network was trained to expect: ``(image - mean) / std``, a number for each of R, G and B."""

    mean: tuple[float, float, float] = (0.0, 0.0, 0.0)
    std: tuple[float, float, float] = (1.0, 1.0, 1.0)

    def __call__(self, images: Tensor) -> Tensor:
        """Normalise (N, 3, H, W)."""
        mean = images.new_tensor(self.mean).view(1, 3, 1, 1)
        std = images.new_tensor(self.std).view(1, 3, 1, 1)
        return (images - mean) / std


@dataclass(frozen=True)
class Prediction:
    """One class of an answer: its index, its label, and its probability (softmax)."""

    index: int
    label: str
    probability: float


class Classifier(nn.Module):
    """A network that can be looked into. Made by `wrap` or by the registry's ``load``.

    Attributes
    ----------
    module : nn.Module
        A private copy of the network: eval mode, no gradients for weights.
    name : str
        What messages and recipes call it.
    labels : tuple of str
        Class names; empty if there are none.
    normalization : Normalization
        Applied inside `forward` and nowhere else.
    input_size : (height, width)
        The size the network was trained on, for `classify` and the layer table.
    crop : float
        The share of the picture's shorter side that `classify` looks at.
    default_address : str
        Where to dream when nothing is said.
    source : dict
        How to load it again, for recipes.
    edits : tuple of Ablation
        What was changed, by `edited`.
    """

    def __init__(
        self,
        module: nn.Module,
        *,
        name: str,
        labels: Sequence[str] = (),
        normalization: Normalization | None = None,
        input_size: tuple[int, int] = (224, 224),
        crop: float = 1.0,
        default_address: str = "",
        source: dict[str, Any] | None = None,
        edits: tuple[Ablation, ...] = (),
    ) -> None:
        super().__init__()
        self.module = module
        self.name = name
        self.labels = tuple(labels)
        self.normalization = normalization or Normalization()
        self.input_size = input_size
        self.crop = crop
        self.source = source or {}
        self.edits = edits
        self._default_address = default_address

    def train(self, mode: bool = True) -> Classifier:  # noqa: ARG002
        """Do nothing: a classifier stays in eval mode, or its numbers would change by being looked at."""
        return self

    def forward(self, images: Tensor) -> Any:
        """Run the network on images (N, 3, H, W) in [0, 1]; the precision and device are the network's."""
        inputs = self.normalization(images.to(self.device)).to(self.dtype)
        # Edits go first at their layers, so that whoever records there sees what they made.
        hooks = edit_hooks(self.edits, self.layers) if self.edits else {}
        with attached(self.module, hooks, first=True):
            try:
                return self.module(inputs)
            except (RuntimeError, AssertionError, ValueError) as error:
                height, width = images.shape[-2:]
                fitting = f"{self.input_size[1]}x{self.input_size[0]}"
                raise DreamscopeError(
                    f"{self.name} can't run on {width}x{height} pixels ({self._reason(error)}); "
                    f"it was made for {fitting}: try that size (a dream also with one octave)"
                ) from error

    @staticmethod
    def _reason(error: Exception) -> str:
        lines = str(error).strip().splitlines()
        return lines[0] if lines else type(error).__name__

    def logits(self, images: Tensor) -> Tensor:
        """Return the class scores before softmax, float32 (N, classes).

        Raises
        ------
        DreamscopeError
            If the network puts out something else: it has no classes.
        """
        return self.scores(self(images))

    def scores(self, output: Any) -> Tensor:
        """Return the class scores in what the network put out, see `logits`."""
        if isinstance(output, dict):
            output = output.get("logits", output.get("out"))
        if isinstance(output, tuple | list):
            output = output[0]
        if not isinstance(output, Tensor) or output.dim() != 2:
            raise DreamscopeError(f"{self.name} has no classes: its output is not one score a class")
        return output.float()

    @torch.no_grad()
    def classify(self, images: Tensor, *, top: int = 5) -> list[list[Prediction]]:
        """Name what is on images.

        Parameters
        ----------
        images
            (N, 3, H, W) in [0, 1], any size: resized and cropped to the middle as the network was tested.
        top
            How many classes to return for each image.

        Returns
        -------
        list of list of Prediction
            For each image, the most probable first.
        """
        probabilities = self.logits(self.prepared(images)).softmax(1)
        best = probabilities.topk(min(top, probabilities.shape[1]))
        return [
            [Prediction(i, self.label(i), p) for p, i in zip(values, indices, strict=True)]
            for values, indices in zip(best.values.tolist(), best.indices.tolist(), strict=True)
        ]

    def prepared(self, images: Tensor) -> Tensor:
        """Resize (N, 3, H, W) by the shorter side and crop the middle, as the network was tested."""
        height, width = self.input_size
        if images.shape[-2:] == (height, width):
            return images
        scale = max(height / images.shape[-2], width / images.shape[-1]) / self.crop
        size = pictures.Size(max(width, round(images.shape[-1] * scale)), max(height, round(images.shape[-2] * scale)))
        resized = pictures.resize(images, size).clamp(0, 1)
        top, left = round((size.height - height) / 2), round((size.width - width) / 2)
        return resized[..., top : top + height, left : left + width]

    def label(self, index: int) -> str:
        """Return the name of a class, or ``class 17`` where there are no names."""
        return self.labels[index] if index < len(self.labels) else f"class {index}"

    def edited(self, edits: Iterable[Ablation] | Ablation) -> Classifier:
        """Return a new classifier with these edits after the ones it has; this one stays as it is.

        The two share their weights; an edit is applied while the new one runs and leaves nothing behind.
        """
        added = []
        for edit in [edits] if isinstance(edits, Ablation) else edits:
            added += [Ablation(address, edit.how) for address in resolve([edit.address], self)]
        all_edits = (*self.edits, *added)
        source = {**self.source, "edits": [edit.to_dict() for edit in all_edits]}
        return self._like_this(self.module, edits=all_edits, source=source)

    def with_module(self, module: nn.Module) -> Classifier:
        """Return a classifier like this one around another form of its network: the same names and layers."""
        return self._like_this(module, edits=self.edits, source=self.source)

    def _like_this(self, module: nn.Module, *, edits: tuple[Ablation, ...], source: dict[str, Any]) -> Classifier:
        twin = Classifier(
            module,
            name=self.name,
            labels=self.labels,
            normalization=self.normalization,
            input_size=self.input_size,
            crop=self.crop,
            default_address=self._default_address,
            source=source,
            edits=edits,
        )
        # The table is the same; no need to run the network again for it.
        twin.layers = self.layers
        return twin

    @property
    def device(self) -> torch.device:
        """Where the weights are."""
        first = self._first_weight
        return torch.device("cpu") if first is None else first.device

    @property
    def dtype(self) -> torch.dtype:
        """The precision of the weights."""
        first = self._first_weight
        return torch.float32 if first is None else first.dtype

    @property
    def _first_weight(self) -> Tensor | None:
        return next((p for p in self.module.parameters() if p.is_floating_point()), None)

    @cached_property
    def layer_names(self) -> list[str]:
        """All module names, whether they run or not."""
        return [name for name, _ in self.module.named_modules() if name]

    @cached_property
    def layers(self) -> dict[str, Layer]:
        """The layer table at the network's own size, in the order of the forward pass."""
        return self.layers_at(max(self.input_size))

    def layers_at(self, side: int) -> dict[str, Layer]:
        """Return the layer table for a square picture of `side` pixels."""
        return survey(self.module, self.example(side))

    def example(self, side: int) -> Tensor:
        """Return a square input of `side` pixels as the network itself takes it, for a pass that shows its layers."""
        # Noise, not a constant: a constant can make a norm divide by zero.
        generator = torch.Generator().manual_seed(0)
        image = torch.rand((1, 3, side, side), generator=generator).to(self.device)
        return self.normalization(image).to(self.dtype)

    @cached_property
    def main_stack(self) -> str | None:
        """The name of the first child if it is a plain stack (``features`` of VGG); bare indices count in it."""
        first = next(iter(self.module.named_children()), None)
        if first is None or not isinstance(first[1], nn.Sequential):
            return None
        return first[0] if all(name.isdigit() for name, _ in first[1].named_children()) else None

    @cached_property
    def default_address(self) -> str:
        """Where to dream when nothing is said: chosen by eye for the embedded models, at 60 % depth for others."""
        if self._default_address:
            return self._default_address
        maps = [name for name, layer in self.layers.items() if layer.grid and min(layer.grid) > 1]
        if not maps:
            raise DreamscopeError(f"no layer of {self.name} has positions to dream at; give an address")
        # Whole stages or blocks read better than the convolutions inside them: the outermost that are several.
        blocks = [name for name in maps if next(self.module.get_submodule(name).children(), None) is not None]
        for depth in range(4):
            names = [name for name in blocks if name.count(".") <= depth]
            if len(names) >= 4:
                return names[int(len(names) * 0.6)]
        return maps[int(len(maps) * 0.6)]

    def __repr__(self) -> str:
        edits = f", edits={list(self.edits)}" if self.edits else ""
        return f"Classifier({self.name!r}, classes={len(self.labels)}, input_size={self.input_size}{edits})"
