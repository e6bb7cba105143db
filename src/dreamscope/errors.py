"""What dreamscope raises: one base class, and messages that name the nearest right thing."""

from __future__ import annotations

from collections.abc import Collection, Iterable
from difflib import get_close_matches
from typing import Any


class DreamscopeError(Exception):
    """Anything dreamscope refuses or cannot do.

    The message is one line: what was wrong, what was expected, the nearest right thing.
    """

    def __init__(self, message: str) -> None:
        super().__init__(" ".join(message.split()))


class DivergedError(DreamscopeError):
    """An ascent left the finite numbers.

    Attributes
    ----------
    step : int
        The step, from 1, whose numbers were no longer finite.
    result : Any
        The technique's result with the last finite picture, or ``None`` below the technique.
    """

    def __init__(self, message: str, *, step: int, result: Any = None) -> None:
        super().__init__(message)
        self.step = step
        self.result = result


class Interrupted(KeyboardInterrupt):
    """Ctrl-C during a technique; ``result`` holds the last good picture.

    A subclass of ``KeyboardInterrupt``, so that a loop over many pictures stops as it should.
    """

    def __init__(self, message: str, *, result: Any = None) -> None:
        super().__init__(message)
        self.result = result


def ensure_one_of(name: str, choices: Collection[str], what: str) -> None:
    """Raise a `DreamscopeError` that lists `choices`, the nearest first in mind, if `name` is not one of them."""
    if name not in choices:
        raise DreamscopeError(f"no {what} '{name}'; there are {', '.join(choices)}{did_you_mean(name, choices)}")


def ensure_seed(seed: int) -> None:
    """Raise a `DreamscopeError` if a generator can't be seeded with that."""
    if not 0 <= seed < 2**63:
        raise DreamscopeError(f"seed lies between 0 and 2**63 - 1, not at {seed}")


def did_you_mean(word: str, choices: Iterable[str], *, most: int = 3) -> str:
    """Return `` ; did you mean ...?`` with the nearest of `choices`, or an empty string.

    >>> did_you_mean("feature.28", ["features.28", "classifier"])
    "; did you mean 'features.28'?"
    >>> did_you_mean("elefant", ["African elephant", "electric fan"], most=1)
    "; did you mean 'African elephant'?"
    """
    # Of a name of several words one may be enough.
    named: dict[str, list[str]] = {}
    for name in choices:
        for part in dict.fromkeys((name.casefold(), *name.casefold().split())):
            named.setdefault(part, []).append(name)
    near = get_close_matches(word.casefold(), named, n=most, cutoff=0.6)
    close = list(dict.fromkeys(name for part in near for name in named[part]))[:most]
    if not close:
        return ""
    return "; did you mean " + " or ".join(f"'{name}'" for name in close) + "?"
