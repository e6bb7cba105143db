"""What an explanation answers: why does this network give this subject that much, for this picture?"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field, fields
from functools import cached_property
from typing import Any, ClassVar, Self

import torch
from torch import Tensor

from dreamscope import images
from dreamscope.errors import DreamscopeError, did_you_mean, ensure_one_of
from dreamscope.models.classifier import Classifier
from dreamscope.objectives.targets import Class, Target
from dreamscope.probes import LOGITS, probe

BATCH = 32
"""Pictures that go through the network at a time."""

FILLS: Mapping[str, Callable[[Tensor], Tensor]] = {
    "mean": lambda picture: picture.mean((2, 3), keepdim=True).expand_as(picture),
    # Wide enough that a 224 pixel photo keeps its colours and nothing that has a shape.
    "blur": lambda picture: images.blur(picture, max(picture.shape[-2:]) / 20),
    "zero": torch.zeros_like,
}
"""What stands for a part that is taken away: the picture's mean colour, the picture blurred, black."""

Looks = Callable[[Tensor], tuple[Tensor, Tensor | None]]


@dataclass(frozen=True)
class Question:
    """A picture, a network, and what of its answer is to be explained. Methods ask, and hand back an `Attribution`.

    Attributes
    ----------
    model : Classifier
        It may be a faster form of itself.
    image : Tensor
        (1, 3, H, W) in [0, 1], prepared, where the network is.
    subject : Target
        A class, channel, neuron, or a sum of them.
    generator : torch.Generator
        Of all randomness.
    report : callable
        Told how much is done, of how much.
    """

    model: Classifier
    image: Tensor
    subject: Target
    generator: torch.Generator = field(default_factory=lambda: torch.Generator().manual_seed(0))
    report: Callable[[int, int], None] = lambda _done, _total: None

    @cached_property
    def value(self) -> float:
        """What the network gives the subject for the picture as it is, see `looking`."""
        with self.looking() as look:
            return float(look(self.image)[0])

    @property
    def asks_for_class(self) -> bool:
        """Whether the subject is one class, so that the value is a probability."""
        return len(self.subject.terms) == 1 and isinstance(self.subject.terms[0], Class)

    def score(self, pictures: Tensor) -> Tensor:
        """Return what gradients are taken of, (N,): class scores before softmax, means of channels, neurons."""
        objective = self.subject.objective("mean")
        with probe(self.model, objective.layers) as seen:
            score: Tensor = objective(seen(pictures)).float()
        return score

    @contextmanager
    def looking(self) -> Iterator[Looks]:
        """Give a function from pictures (N, 3, H, W) to values (N,) and answers (N,), without gradients.

        Of a class the value is its probability, and the answer the class that each picture is taken for. Of
        anything else the value is its activation, and there is no answer.
        """
        objective = self.subject.objective("mean")
        with torch.no_grad(), probe(self.model, objective.layers) as seen:

            def look(pictures: Tensor) -> tuple[Tensor, Tensor | None]:
                seen(pictures)
                if self.asks_for_class:
                    shares = seen[LOGITS].softmax(1).cpu()
                    return shares[:, self.subject.terms[0].index], shares.argmax(1)  # type: ignore[union-attr]
                return objective(seen).float().cpu(), None

            yield look

    def leaf(self) -> Tensor:
        """Return the picture, ready for a gradient to be taken to it."""
        return self.image.detach().clone().requires_grad_()


@dataclass(frozen=True)
class Windows:
    """What the network said with a part of the picture covered, for each place of the cover.

    Attributes
    ----------
    tops, lefts : tuple of int
        Where the covers begin, in pixels.
    size : int
        Their side, in pixels.
    values : Tensor
        (rows, columns): the probability of the class, or the activation.
    answers : Tensor or None
        (rows, columns): the class that the picture is taken for; ``None`` where no class is explained.
    """

    tops: tuple[int, ...]
    lefts: tuple[int, ...]
    size: int
    values: Tensor
    answers: Tensor | None


@dataclass(frozen=True)
class Attribution:
    """What a method says each pixel counts for.

    Attributes
    ----------
    values : Tensor
        (3, H, W) where a method tells colours apart, (1, H, W) elsewhere; float32, on the CPU.
    windows : Windows or None
        Of occlusion.
    """

    values: Tensor
    windows: Windows | None = None


class Method(ABC):
    """A way to explain: a frozen dataclass of its options, called with a `Question`.

    Its text form is ``NAME`` or ``NAME:A,B`` or ``NAME:OPTION=A,...``, as in ``occlusion:32,8`` or
    ``occlusion:fill=blur``.

    Attributes
    ----------
    name : str
        What it is called by.
    signed : bool
        Whether a value below 0 speaks against the subject.
    unit : str
        What the numbers are, for colour bars; ``{value}`` stands for the probability or activation explained.
    """

    name: ClassVar[str]
    signed: ClassVar[bool] = False
    unit: ClassVar[str]

    @property
    def layers(self) -> tuple[str, ...]:
        """The layers that it looks at, beside what is explained."""
        return ()

    @abstractmethod
    def __call__(self, question: Question) -> Attribution:
        """Return what each pixel counts for."""

    def settled(self, question: Question) -> Self:  # noqa: ARG002
        """Return the same with everything decided that depends on the network, found out on the network as it is."""
        return self

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
