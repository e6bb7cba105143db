"""The classifier: any network in one convention - eval mode, frozen, images in, logits out."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager, nullcontext
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any

import torch
from torch import Tensor, nn

from dreamscope import images as pictures
from dreamscope.errors import DreamscopeError
from dreamscope.models.addresses import resolve
from dreamscope.models.edit_base import Edit
from dreamscope.models.edits import EditLike, edit_hooks, ensure_edits
from dreamscope.models.hooks import Hook, attached
from dreamscope.models.layers import Layer, survey
from dreamscope.models.producers import producers
from dreamscope.models.recent import Recent
from dreamscope.models.residuals import residual_branches
from dreamscope.models.twins import Twins, twin_of

_FORMS = 4
"""Prepared forms of a network that are kept with it; each has weights of its own."""

_TAILS = 64
"""What is remembered of where its passes can start again: names."""


@dataclass(frozen=True)
class Normalization:
    """What a network was trained to expect: ``(image - mean) / std``, a number for each of R, G and B.

    Attributes
    ----------
    mean, std : tuple of float
        For colours in [0, 1].
    scale : float
        By how much the input that it was trained on is larger still: 255 for a network of 0-255 pixels whose first
        layer has taken that factor into its weights.
    """

    mean: tuple[float, float, float] = (0.0, 0.0, 0.0)
    std: tuple[float, float, float] = (1.0, 1.0, 1.0)
    scale: float = 1.0

    @property
    def unit(self) -> float:
        """How far a colour in [0, 1] moves when the input that the network was trained on moves by 1.

        0.226 with ImageNet's usual std, 1/255 for 0-255 pixels; of colours that differ, the mean.
        """
        return sum(self.std) / 3 / self.scale

    def __call__(self, images: Tensor) -> Tensor:
        """Normalise (N, 3, H, W)."""
        mean = images.new_tensor(self.mean).view(1, 3, 1, 1)
        std = images.new_tensor(self.std).view(1, 3, 1, 1)
        return (images - mean) / std


@dataclass(frozen=True)
class Prediction:
    """One class of a prediction: its index, its label, and its probability (softmax)."""

    index: int
    label: str
    probability: float


def class_scores(output: Any) -> Tensor | None:
    """Return the class scores, float32 (N, classes), in what a network put out; ``None`` if it has none."""
    if isinstance(output, dict):
        output = output.get("logits", output.get("out"))
    if isinstance(output, tuple | list):
        output = output[0]
    return output.float() if isinstance(output, Tensor) and output.dim() == 2 else None


class Classifier(nn.Module):
    """A network that can be looked into. Made by `wrap` or by the registry's ``load``.

    Any number of threads may use one: hooks and edits are never on modules that another thread runs.

    Attributes
    ----------
    module : nn.Module
        A private copy of the network: eval mode, no gradients for weights, and none of the edits.
    name : str
        What messages and recipes call it.
    labels : tuple of str
        Class names; empty if there are none.
    normalization : Normalization
        Applied inside `forward` and nowhere else.
    input_size : (height, width)
        The size the network was trained on, for `classify` and the layer table.
    crop : float
        The share of the picture's shorter side that `classify` crops to.
    default_address : str
        Where to dream if no address is given.
    plain_source : dict
        How to load it again, without its edits.
    edits : tuple of Edit
        What was changed, by `edited`.
    forms : Recent
        Prepared forms of the network, by whoever prepares them.
    tails : Recent
        Where a pass can start again, by `cut_before`.
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
        edits: tuple[Edit, ...] = (),
    ) -> None:
        super().__init__()
        self.module = module
        self.name = name
        self.labels = tuple(labels)
        self.normalization = normalization or Normalization()
        self.input_size = input_size
        self.crop = crop
        self.edits = edits
        self.forms = Recent(_FORMS)
        self.tails = Recent(_TAILS)
        self.plain_source = source or {}
        self._default_address = default_address
        self._twins = Twins()

    def train(self, mode: bool = True) -> Classifier:  # noqa: ARG002
        """Do nothing: a classifier stays in eval mode, or its numbers would change by being looked at."""
        return self

    def forward(self, images: Tensor) -> Any:
        """Run the network on images (N, 3, H, W) in [0, 1]; the precision and device are the network's."""
        inputs = self.normalization(images.to(self.device)).to(self.dtype)
        with self._running() as module:
            try:
                return module(inputs)
            except (RuntimeError, AssertionError, ValueError) as error:
                height, width = images.shape[-2:]
                fitting = f"{self.input_size[1]}x{self.input_size[0]}"
                raise DreamscopeError(
                    f"{self.name} can't run on {width}x{height} pixels ({self._reason(error)}); "
                    f"it was made for {fitting}: try that size (a dream also with one octave)"
                ) from error

    def _running(self) -> AbstractContextManager[nn.Module]:
        if self.edits:
            return self._lent()
        return nullcontext(self._twins.current() or self.module)

    def _lent(self) -> AbstractContextManager[nn.Module]:
        return self._twins.lent(self.module, self._edited_twin)

    def _edited_twin(self) -> nn.Module:
        twin = twin_of(self.module)
        for name, hook in (edit_hooks(self.edits, self.layers) if self.edits else {}).items():
            # Edits go first at their layers, so that whoever records there sees what they made.
            twin.get_submodule(name).register_forward_hook(hook, prepend=True)
        return twin

    @contextmanager
    def hooked(self, hooks: Mapping[str, Hook]) -> Iterator[None]:
        """Attach forward hooks for the length of the block, for this thread alone.

        The classifier runs them in this thread, whatever runs it; other threads, and other classifiers around the
        same weights, never see them. Blocks may lie inside each other.

        Parameters
        ----------
        hooks
            Layer name -> ``hook(module, inputs, output)``, run after the edits there; see `attached`.
        """
        with self._lent() as twin, attached(twin, hooks):
            yield

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
        found = class_scores(output)
        if found is None:
            raise DreamscopeError(f"{self.name} has no classes: its output is not one score a class")
        return found

    @torch.no_grad()
    def classify(self, images: Tensor, *, top: int = 5) -> list[list[Prediction]]:
        """Name what is on images.

        Parameters
        ----------
        images
            (N, 3, H, W) in [0, 1], any size: resized and cropped to the middle as the network was tested.
        top
            Number of classes to return for each image.

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

    @property
    def prepared_side(self) -> int:
        """The shorter side in pixels that `prepared` makes a picture smaller to, before it crops."""
        return round(max(self.input_size) / self.crop)

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

    def edited(self, edits: EditLike | Iterable[EditLike]) -> Classifier:
        """Return a new classifier with these edits after the ones it has; this one stays as it is.

        The two share their weights, and nothing else.

        Parameters
        ----------
        edits
            One or several, applied in this order: `Ablation`, `Replace`, `Add`, `Patch`, `Erase`, or a pair of an
            address and a function from the activations there to others (`Custom`). A glob stands for all layers
            that it matches.

        Raises
        ------
        DreamscopeError
            If something is no edit, there is no such layer or channel, or an edit does not fit its layer.

        Examples
        --------
        ::

            blind = model.edited(Ablation("features.28:40"))
            brighter = model.edited(("features.28", lambda activation: 1.2 * activation))
        """
        added: list[Edit] = []
        for edit in ensure_edits(edits):
            for address in resolve([edit.address], self):
                added.append(replace(edit, address=address).settled(self))
        return self.with_module(twin_of(self.module), edits=(*self.edits, *added))

    @property
    def source(self) -> dict[str, Any]:
        """How to load it again, for recipes; raises a `DreamscopeError` if an edit can't be written down."""
        if not self.edits:
            return self.plain_source
        return {**self.plain_source, "edits": [edit.to_dict() for edit in self.edits]}

    def with_module(self, module: nn.Module, **changes: Any) -> Classifier:
        """Return a classifier like this one around another form of its network.

        Parameters
        ----------
        module
            With the same layers.
        changes
            Keyword arguments of `Classifier` in place of what belongs to this one.
        """
        arguments: dict[str, Any] = {
            "name": self.name,
            "labels": self.labels,
            "normalization": self.normalization,
            "input_size": self.input_size,
            "crop": self.crop,
            "default_address": self._default_address,
            "source": self.plain_source,
            "edits": self.edits,
        }
        twin = Classifier(module, **{**arguments, **changes})
        if twin.input_size == self.input_size:
            # The table is the same; no need to run the network again for it.
            twin.layers = self.layers
        return twin

    def weights_version(self) -> tuple[Any, ...]:
        """Return what is another after every change of a weight in place, or of the tensor that holds it."""
        tensors = [*self.module.parameters(), *self.module.buffers()]
        return tuple((id(each), 0 if each.is_inference() else each._version) for each in tensors)

    def _apply(self, fn: Callable[[Tensor], Tensor], recurse: bool = True) -> Classifier:
        # To another device or precision: the classifiers that share these weights stay where they are.
        self.module = twin_of(self.module, own_parameters=True)
        self.forms = Recent(_FORMS)
        self._twins = Twins()
        super()._apply(fn, recurse)
        return self

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
        return self.layers_at(self.input_size)

    def layers_at(self, size: int | tuple[int, int]) -> dict[str, Layer]:
        """Return the layer table for a picture of `size` pixels: (height, width), or one number for a square."""
        return survey(twin_of(self.module), self.example(size))

    def example(self, size: int | tuple[int, int] | None = None) -> Tensor:
        """Return an input as the network itself takes it, for a pass that shows its layers; by default of its own size.

        `size` is (height, width) in pixels, or one number for a square.
        """
        height, width = (size, size) if isinstance(size, int) else size or self.input_size
        # Noise, not a constant: a constant can make a norm divide by zero.
        generator = torch.Generator().manual_seed(0)
        image = torch.rand((1, 3, height, width), generator=generator).to(self.device)
        return self.normalization(image).to(self.dtype)

    @cached_property
    def producers(self) -> dict[str, str]:
        """Layer -> the convolution or linear layer whose channels it shows, one by one; see `producers`."""
        return producers(twin_of(self.module), self.layers, self.example())

    @cached_property
    def residual_branches(self) -> list[str]:
        """Layers whose output is added to what went around them, see `dreamscope.models.residuals`."""
        return residual_branches(twin_of(self.module), self.example())

    @cached_property
    def main_stack(self) -> str | None:
        """The name of the first child if it is a plain stack (``features`` of VGG); bare indices count in it."""
        first = next(iter(self.module.named_children()), None)
        if first is None or not isinstance(first[1], nn.Sequential):
            return None
        return first[0] if all(name.isdigit() for name, _ in first[1].named_children()) else None

    @cached_property
    def default_address(self) -> str:
        """Where to dream if no address is given: chosen by eye for the embedded models, at 60 % depth for others."""
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
