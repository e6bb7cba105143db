"""Subjects: what a picture is to show, as text - ``features.28:3 + 0.5*features.28:7``, ``class:bee``."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, replace

from dreamscope.errors import DreamscopeError
from dreamscope.models import labels
from dreamscope.models.addresses import Address, resolve, weight_of
from dreamscope.models.classifier import Classifier
from dreamscope.objectives.answers import Logit
from dreamscope.objectives.base import Objective
from dreamscope.objectives.excite import Excite

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
class Subject:
    """What a picture is to show: a weighted sum of places and classes.

    Attributes
    ----------
    terms : tuple of Address or Class
        Resolved ones.
    name : str
        For people.
    """

    terms: tuple[Address | Class, ...]
    name: str

    def __str__(self) -> str:
        return " + ".join(map(str, self.terms)).replace("+ -1*", "- ").replace("+ -", "- ")

    def objective(self, loss: str) -> Objective:
        """Return what is climbed: scores of classes, and one of `dreamscope.objectives.LOSSES` of places."""
        each = [
            term.weight * Logit(term.index)
            if isinstance(term, Class)
            else term.weight * Excite((replace(term, weight=1.0),), loss)
            for term in self.terms
        ]
        return sum(each[1:], start=each[0])


def subjects(model: Classifier, texts: Sequence[str]) -> list[Subject]:
    """Read what is to be shown.

    Parameters
    ----------
    model
        Whose layers and classes are meant.
    texts
        Sums of weighted addresses and of classes (``class:LABEL``), signs standing between spaces. An address
        that stands alone and names channels is one subject for each of them.

    Raises
    ------
    DreamscopeError
        Nothing named; no such layer, channel or class.
    """
    found: list[Subject] = []
    for text in texts:
        terms = _terms(text, model)
        alone = terms[0] if len(terms) == 1 else None
        if isinstance(alone, Address) and alone.channels is not None:
            each = [replace(alone, channels=(channel,)) for channel in alone.channels]
            found += [Subject((address,), str(address)) for address in each]
        else:
            name = model.label(alone.index) if isinstance(alone, Class) else ""
            subject = Subject(tuple(terms), name)
            found.append(subject if name else replace(subject, name=str(subject)))
    if not found:
        raise DreamscopeError("nothing to show; give an address such as features.28:40, or a class")
    return found


def between(first: Subject, last: Subject, count: int) -> list[Subject]:
    """Return `count` subjects on the way from the one to the other, both included."""
    shares = [index / (count - 1) for index in range(1, count - 1)]
    middle = [
        Subject(
            tuple(
                replace(term, weight=round(term.weight * share, 6))
                for subject, share in ((first, 1 - share), (last, share))
                for term in subject.terms
            ),
            f"{1 - share:.0%} {first.name}, {share:.0%} {last.name}",
        )
        for share in shares
    ]
    return [first, *middle, last]


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
