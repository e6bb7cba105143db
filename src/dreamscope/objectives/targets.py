"""Targets: what a picture is to show - as text (``features.28:3 + 0.5*features.28:7``, ``class:bee``), or one's own."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import torch
from torch import Tensor

from dreamscope.errors import DreamscopeError
from dreamscope.models import labels
from dreamscope.models.addresses import Address, resolve, weight_of
from dreamscope.models.classifier import Classifier
from dreamscope.models.directions import Directions, directions_of
from dreamscope.models.erase import Erase
from dreamscope.objectives.base import Custom, Objective, ensure
from dreamscope.objectives.class_scores import Logit
from dreamscope.objectives.excite import Excite
from dreamscope.objectives.likeness import Direction
from dreamscope.probes import LOGITS

_SIGN = re.compile(r"\s([+-])\s")
_CLASS = re.compile(r"\s*(?:(?P<weight>[-+]?(?:\d+\.?\d*|\.\d+)(?:[eE][-+]?\d+)?)\s*\*\s*)?class:(?P<label>.+)")


@dataclass(frozen=True)
class Class:
    """A class of the network, with a weight."""

    index: int
    weight: float = 1.0

    def __str__(self) -> str:
        return f"{weight_of(self.weight)}class:{self.index}"


@dataclass(frozen=True)
class Target:
    """What a picture is to show: a weighted sum of places and classes, or an objective of one's own.

    Attributes
    ----------
    terms : tuple of Address or Class
        Resolved ones; none of one's own objective, or of a direction.
    name : str
        For people.
    own : Objective or None
        What is climbed in place of terms.
    direction : Erase or None
        The one direction that is climbed in place of terms.
    """

    terms: tuple[Address | Class, ...]
    name: str
    own: Objective | None = None
    direction: Erase | None = None

    def __str__(self) -> str:
        return " + ".join(map(str, self.terms)).replace("+ -1*", "- ").replace("+ -", "- ")

    @property
    def parameters(self) -> dict[str, Any]:
        """What names this target alone, in a recipe."""
        if self.direction is not None:
            return {"of": [], "directions": [self.direction.to_dict()]}
        return {"of": str(self), "directions": []}

    @property
    def classes(self) -> list[int]:
        """The classes among the terms."""
        return [term.index for term in self.terms if isinstance(term, Class)]

    @property
    def is_at_a_place(self) -> bool:
        """Whether one position is named."""
        addresses = [self.direction.address] if self.direction is not None else self.terms
        return any(isinstance(each, Address) and each.position is not None for each in addresses)

    def objective(self, loss: str) -> Objective:
        """Return what is climbed: scores of classes, and one of `dreamscope.objectives.LOSSES` of places.

        Of a direction it is the mean over positions of how far activations point in it, whatever the loss.
        """
        if self.own is not None:
            return self.own
        if self.direction is not None:
            return Direction(self.direction.address, self.direction.read[0])
        each = [
            term.weight * Logit(term.index)
            if isinstance(term, Class)
            else term.weight * Excite((replace(term, weight=1.0),), loss)
            for term in self.terms
        ]
        return sum(each[1:], start=each[0])


Given = str | Address | Objective | Callable[[Mapping[str, Tensor]], Tensor]
"""What names a target: an address, a text, an objective, or a function of activations that has ``layers``."""


def with_classes(of: Given | Sequence[Given], class_name: str | int | Sequence[str | int]) -> list[Given]:
    """Return what is named, one or several, followed by classes as ``class:NAME``.

    >>> with_classes("features.28:3", ["bee", 7])
    ['features.28:3', 'class:bee', 'class:7']
    """
    classes = [class_name] if isinstance(class_name, str | int) else class_name
    return [*_listed(of), *(f"class:{each}" for each in classes)]


def targets(model: Classifier, given: Given | Sequence[Given]) -> list[Target]:
    """Read what is to be shown.

    Parameters
    ----------
    model
        Whose layers and classes are meant.
    given
        One or several: texts, each a sum of weighted addresses and of classes (``class:LABEL``), signs standing
        between spaces; objectives; functions that have ``layers``. An address that stands alone and names channels is
        one target for each of them.

    Raises
    ------
    DreamscopeError
        Nothing named; no such layer, channel or class; a function without layers.
    """
    found: list[Target] = []
    for each in _listed(given):
        if not isinstance(each, str | Address):
            found.append(_own(each, model))
            continue
        terms = _terms(str(each), model)
        alone = terms[0] if len(terms) == 1 else None
        if isinstance(alone, Address) and alone.channels is not None:
            addresses = [replace(alone, channels=(channel,)) for channel in alone.channels]
            found += [Target((address,), str(address)) for address in addresses]
        else:
            name = model.label(alone.index) if isinstance(alone, Class) else ""
            target = Target(tuple(terms), name)
            found.append(target if name else replace(target, name=str(target)))
    if not found:
        raise DreamscopeError("nothing to show; give an address such as features.28:40, or a class")
    return found


def along(model: Classifier, directions: Directions) -> list[Target]:
    """Return a target for each direction that edits erase; raise a `DreamscopeError` if one does not fit."""
    return [Target((), name, direction=edit) for name, edit in directions_of(model, directions).items()]


def _listed(given: Given | Sequence[Given]) -> Sequence[Given]:
    return given if isinstance(given, list | tuple) else [given]  # type: ignore[list-item]


def at_places(model: Classifier, at: Given | Sequence[str | Address] | None, loss: str) -> Objective:
    """Return what is climbed at addresses, the model's default if not given; or one's own objective.

    Raises
    ------
    DreamscopeError
        No such layer or channel; a function without layers.
    """
    if at is None or isinstance(at, str | Address | list | tuple):
        return Excite(tuple(resolve(at, model)), loss)
    objective = ensure(at)
    _ensure_layers(objective, model)
    return objective


def towards(model: Classifier, class_name: str | int | Sequence[str | int]) -> Target:
    """Return the target of one class, or of several on one picture: the sum of their scores before softmax.

    Raises
    ------
    DreamscopeError
        No such class, or a network that has none.
    """
    given = [class_name] if isinstance(class_name, str | int) else class_name
    found = tuple(dict.fromkeys(Class(labels.index_of(each, model.labels, model=model.name)) for each in given))
    with torch.no_grad():
        count = model.logits(torch.full((1, 3, *model.input_size), 0.5)).shape[1]
    for each in found:
        labels.ensure_class(each.index, count, model=model.name)
    return Target(found, " + ".join(model.label(each.index) for each in found))


def between(first: Target, last: Target, count: int) -> list[Target]:
    """Return `count` targets on the way from the one to the other, both included."""
    if not first.terms or not last.terms:
        raise DreamscopeError("between takes addresses and classes; add objectives of your own yourself: 0.5*a + 0.5*b")
    shares = [index / (count - 1) for index in range(1, count - 1)]
    middle = [
        Target(
            tuple(
                replace(term, weight=round(term.weight * share, 6))
                for target, share in ((first, 1 - share), (last, share))
                for term in target.terms
            ),
            f"{1 - share:.0%} {first.name}, {share:.0%} {last.name}",
        )
        for share in shares
    ]
    return [first, *middle, last]


def _ensure_layers(objective: Objective, model: Classifier) -> None:
    names = [layer for layer in objective.layers if layer != LOGITS]
    if names:
        resolve(names, model)


def _own(given: Objective | Callable[[Mapping[str, Tensor]], Tensor], model: Classifier) -> Target:
    objective = ensure(given)
    _ensure_layers(objective, model)
    function = objective.function if isinstance(objective, Custom) else objective
    return Target((), getattr(function, "__name__", type(function).__name__).strip("<>"), objective)


def _terms(text: str, model: Classifier) -> list[Address | Class]:
    pieces = _SIGN.split(text.strip())
    signs = [1.0, *(1.0 if sign == "+" else -1.0 for sign in pieces[1::2])]
    found: list[Address | Class] = []
    for sign, piece in zip(signs, pieces[::2], strict=True):
        match = _CLASS.fullmatch(piece)
        new: Sequence[Address | Class]
        if match is not None and "class" not in model.layers:
            index = labels.index_of(match["label"], model.labels, model=model.name)
            new = [Class(index, float(match["weight"] or 1))]
        else:
            new = resolve([piece], model)
        found += [replace(term, weight=sign * term.weight) for term in new]
    return found
