"""The base of all attribution methods: a case to explain, a method, and the attribution that it returns."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, fields, replace
from functools import cached_property
from typing import Any, ClassVar, Self

import torch
from torch import Tensor

from dreamscope import images as pictures
from dreamscope.errors import DreamscopeError, did_you_mean, ensure_one_of
from dreamscope.models.classifier import Classifier
from dreamscope.objectives import Each, Objective
from dreamscope.objectives.targets import Class, Target
from dreamscope.probes import LOGITS, probe

BATCH = 32
"""Images that go through the network at a time."""

FILLS: Mapping[str, Callable[[Tensor], Tensor]] = {
    "mean": lambda images: images.mean((2, 3), keepdim=True).expand_as(images),
    # Wide enough that a 224 pixel photo keeps its colours and nothing that has a shape.
    "blur": lambda images: pictures.blur(images, max(images.shape[-2:]) / 20),
    "zero": torch.zeros_like,
}
"""What replaces a part that is removed: the image's mean colour, the image blurred, black."""

Evaluate = Callable[[Tensor], tuple[Tensor, Tensor | None]]


def is_class(target: Target) -> bool:
    """Return whether a target is one class and nothing else, so that its value is a probability."""
    (first, *others) = target.terms
    # A weight, and be it only a sign, makes it a sum of scores: probabilities have no negative.
    return not others and isinstance(first, Class) and first.weight == 1


def evaluated(target: Target, activations: Mapping[str, Tensor]) -> tuple[Tensor, Tensor | None]:
    """Return the values of a target (N,), and the predicted classes (N,), from what a probe recorded.

    Of a class the value is its probability. Of anything else it is the activation (or the weighted sum of
    activations and class scores), and the predictions are ``None``.
    """
    (first, *_) = target.terms
    if is_class(target) and isinstance(first, Class):
        probabilities = activations[LOGITS].softmax(1).cpu()
        return probabilities[:, first.index], probabilities.argmax(1)
    return target.objective("mean")(activations).float().cpu(), None


@dataclass(frozen=True)
class Case:
    """What is to be explained: some images, a network, and for each image a target among the network's outputs.

    Attributes
    ----------
    model : Classifier
        It may be a faster form of itself.
    images : Tensor
        (N, 3, H, W) in [0, 1], prepared, where the network is.
    targets : tuple of Target
        For each image a class, channel or neuron, or a weighted sum of them.
    seed : int
        Seed of all random numbers, for each image anew.
    callback : callable
        Called with how much is done, of how much.
    """

    model: Classifier
    images: Tensor
    targets: tuple[Target, ...]
    seed: int = 0
    callback: Callable[[int, int], None] = lambda _done, _total: None

    @property
    def target(self) -> Target:
        """The target of the first image: the only one, where a method takes the images one by one."""
        return self.targets[0]

    @cached_property
    def objective(self) -> Objective:
        """What gradients are taken of: class scores before softmax, means of channels, neurons."""
        each = [target.objective("mean") for target in self.targets]
        return each[0] if len(set(each)) == 1 else Each(tuple(each))

    @cached_property
    def value(self) -> float:
        """The value of the first image's target, see `evaluated`."""
        with self.evaluator() as evaluate:
            return float(evaluate(self.images[:1])[0])

    def generator(self) -> torch.Generator:
        """Return a new generator from the seed."""
        return torch.Generator().manual_seed(self.seed)

    def score(self, images: Tensor) -> Tensor:
        """Return what gradients are taken of, (N,)."""
        with probe(self.model, self.objective.layers) as seen:
            score: Tensor = self.objective(seen(images)).float()
        return score

    @contextmanager
    def evaluator(self) -> Iterator[Evaluate]:
        """Give a function from images (N, 3, H, W) to the first target's values and predictions, see `evaluated`.

        It records no gradients.
        """
        layers = self.target.objective("mean").layers
        with torch.no_grad(), probe(self.model, layers) as seen:
            yield lambda images: evaluated(self.target, seen(images))

    def leaf(self) -> Tensor:
        """Return the images, ready for a gradient to be taken with respect to them."""
        return self.images.detach().clone().requires_grad_()

    def split(self, size: int) -> Iterator[Case]:
        """Yield cases of at most `size` images; their progress counts as that of this one."""
        count = len(self.images)
        for begin in range(0, count, size):
            some = slice(begin, begin + size)

            def callback(done: int, total: int, begin: int = begin) -> None:
                self.callback(begin * total + done * min(size, count - begin), count * total)

            yield replace(self, images=self.images[some], targets=self.targets[some], callback=callback)


@dataclass(frozen=True)
class Change:
    """A class that is predicted instead while a part of the image is covered.

    Attributes
    ----------
    index, label : int, str
        The class.
    share : float
        The share of the windows for which it is predicted.
    """

    index: int
    label: str
    share: float


@dataclass(frozen=True)
class Windows:
    """What the network predicts with a part of the image covered, for each place of the cover.

    Attributes
    ----------
    tops, lefts : tuple of int
        Where the covers begin, in pixels.
    size : int
        Their side, in pixels.
    values : Tensor
        (rows, columns): the probability of the class, or the activation.
    predictions : Tensor or None
        (rows, columns): the class predicted; ``None`` if the target is no class.
    changes : tuple of Change
        The classes predicted other than that of the uncovered image, the most frequent first.
    """

    tops: tuple[int, ...]
    lefts: tuple[int, ...]
    size: int
    values: Tensor
    predictions: Tensor | None = None
    changes: tuple[Change, ...] = ()


def changes(model: Classifier, predictions: Tensor, uncovered: int) -> tuple[Change, ...]:
    """Return the classes in `predictions` other than `uncovered`, the most frequent first."""
    counted = Counter(predictions.flatten().tolist())
    del counted[uncovered]
    total = predictions.numel()
    return tuple(Change(index, model.label(index), times / total) for index, times in counted.most_common())


@dataclass(frozen=True)
class Attribution:
    """How much each pixel counts for the target.

    Attributes
    ----------
    values : Tensor
        (N, 3, H, W) if the method distinguishes colours, else (N, 1, H, W); float32, on the CPU.
    windows : tuple of Windows
        Of occlusion, one for each image.
    """

    values: Tensor
    windows: tuple[Windows, ...] = ()


class Method(ABC):
    """An attribution method: a frozen dataclass of its options, called with a `Case`.

    Its text form is ``NAME`` or ``NAME:A,B`` or ``NAME:OPTION=A,...``, as in ``occlusion:32,8`` or
    ``occlusion:fill=blur``. One of your own needs a `name`, a `unit` and `attribute`.

    Attributes
    ----------
    name : str
        What it is called by.
    signed : bool
        Whether a value below 0 speaks against the target.
    unit : str
        What the numbers are, for colour bars; ``{value}`` stands for the probability or activation explained.
    batch : int
        How many images `attribute` takes at a time.
    pictured : bool
        Whether its values are colours that are worth seeing as a picture.
    """

    name: ClassVar[str]
    signed: ClassVar[bool] = False
    pictured: ClassVar[bool] = False
    unit: ClassVar[str]
    batch: ClassVar[int] = BATCH

    @property
    def layers(self) -> tuple[str, ...]:
        """The layers that it needs, beside those of the target."""
        return ()

    def __call__(self, case: Case) -> Attribution:
        """Return how much each pixel of each image counts."""
        parts = []
        for part in case.split(self.batch):
            parts.append(self.attribute(part))
            if self.batch > 1:
                part.callback(1, 1)
        values = torch.cat([part.values for part in parts])
        return Attribution(values, tuple(windows for part in parts for windows in part.windows))

    @abstractmethod
    def attribute(self, case: Case) -> Attribution:
        """Return how much each pixel counts, for at most `batch` images."""

    def resolved(self, case: Case) -> Self:  # noqa: ARG002
        """Return the same with everything filled in that depends on the network, read off the network as it is."""
        return self

    def aimed(self, case: Case) -> Case:
        """Return the case with what this method explains of each image: the same targets, or parts of them."""
        return case

    def evidence(self, heat: Tensor) -> Tensor:
        """Return how much of heat maps (N, 1, H, W) speaks for the target: what is above 0."""
        return heat.clamp_min(0)

    def __str__(self) -> str:
        options = ",".join(f"{part.name}={_text(getattr(self, part.name))}" for part in fields(self))  # type: ignore[arg-type]
        return f"{self.name}:{options}" if options else self.name


def method_named(given: str | Method, table: Mapping[str, type[Method]]) -> Method:
    """Return the method that a text names; a `Method` is returned as it is.

    Raises
    ------
    DreamscopeError
        No such method or option, or a value that does not fit.
    """
    if isinstance(given, Method):
        return given
    name, _, text = given.strip().partition(":")
    ensure_one_of(name, table, "method")
    defaults: dict[str, Any] = {part.name: part.default for part in fields(table[name])}  # type: ignore[arg-type]
    parts = {option: type(default) for option, default in defaults.items()}
    form = f"{name}:{','.join(f'{each.upper()}' for each in parts)}" if parts else f"{name}, which has no options"
    options: dict[str, str | float] = {}
    for place, piece in enumerate(text.split(",") if text else []):
        option, equals, value = piece.partition("=")
        if not equals:
            option, value = list(parts)[place] if place < len(parts) else "", piece
        if option.strip() not in parts:
            raise DreamscopeError(
                f"'{given}' is no method; expected {form}" + did_you_mean(option.strip() or piece, parts)
            )
        kind = parts[option.strip()]
        try:
            options[option.strip()] = kind(value.strip())
        except ValueError:
            raise DreamscopeError(
                f"'{given}' is no method: {option.strip()} is a {'whole ' if kind is int else ''}number, not '{value}'"
            ) from None
    return table[name](**options)


def ensure_between(name: str, value: float, low: float, high: float) -> None:
    """Raise a `DreamscopeError` unless `value` lies between `low` and `high`."""
    if not low <= value <= high:
        raise DreamscopeError(f"{name} lies between {low:g} and {high:g}, not at {value:g}")


def _text(value: object) -> str:
    return f"{value:g}" if isinstance(value, float) else str(value)
