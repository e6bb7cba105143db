"""Schedules: what a film does when.

Which addresses it dreams at: ``0s:features.14 8s:features.28:3+0.5*features.19``; how fast it zooms: ``0s:1.3 8s:0.9``.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, replace
from fractions import Fraction
from itertools import pairwise

from dreamscope.errors import DreamscopeError
from dreamscope.models.addresses import Address, resolve
from dreamscope.models.classifier import Classifier

_ENTRY = re.compile(r"(\d+(?:\.\d+)?|\.\d+)s?:(.+)")
_SPEED = "a factor, such as 1.3, or SECONDSs:FACTOR, separated by spaces, such as '0s:1.3 8s:0.9'"
_GRAMMAR = "SECONDSs:ADDRESS[+ADDRESS...], separated by spaces, such as '0s:features.14 8s:features.28'"


@dataclass(frozen=True)
class Schedule:
    """Times, rising, and the addresses that hold at each of them; in between both count, by how near they are.

    Attributes
    ----------
    entries : tuple of (Fraction, tuple of Address)
        Seconds and addresses.
    """

    entries: tuple[tuple[Fraction, tuple[Address, ...]], ...]

    @classmethod
    def parse(cls, text: str, model: Classifier) -> Schedule:
        """Read a schedule.

        Raises
        ------
        DreamscopeError
            If it does not have the form, if times do not rise, or if there is no such address in `model`.
        """
        entries = []
        for part in text.split():
            match = _ENTRY.fullmatch(part)
            if match is None:
                raise DreamscopeError(f"'{part}' is no entry of a schedule; expected {_GRAMMAR}")
            entries.append((Fraction(match[1]), tuple(resolve(match[2].split("+"), model))))
        if not entries:
            raise DreamscopeError(f"the schedule is empty; expected {_GRAMMAR}")
        _ensure_rising([time for time, _ in entries])
        return cls(tuple(entries))

    @property
    def addresses(self) -> list[Address]:
        """All of them."""
        return [address for _, addresses in self.entries for address in addresses]

    def __str__(self) -> str:
        return " ".join(f"{float(time):g}s:{'+'.join(map(str, addresses))}" for time, addresses in self.entries)

    def at(self, time: Fraction, strengths: Sequence[float]) -> tuple[Address, ...]:
        """Return the addresses at a time, weighted.

        `strengths`, one for each entry, are how large its gradients are: entries count the same although one layer's
        numbers may be a hundred times those of another.
        """
        later = next((place for place, (start, _) in enumerate(self.entries) if start > time), len(self.entries))
        if later in (0, len(self.entries)):
            return self.entries[min(later, len(self.entries) - 1)][1]
        (begin, before), (end, after) = self.entries[later - 1 : later + 1]
        share = float((time - begin) / (end - begin))
        return tuple(
            replace(address, weight=address.weight * weight / strength)
            for addresses, weight, strength in (
                (before, 1 - share, strengths[later - 1]),
                (after, share, strengths[later]),
            )
            for address in addresses
            if weight > 0
        )


@dataclass(frozen=True)
class Speeds:
    """Times, rising, and how much larger things get in a second at each; in between by equal factors.

    Attributes
    ----------
    entries : tuple of (Fraction, float)
        Seconds and factors.

    Examples
    --------
    >>> speeds = Speeds.parse("0s:1 4s:4")
    >>> speeds.at(Fraction(2)), speeds.at(Fraction(9))
    (2.0, 4.0)
    """

    entries: tuple[tuple[Fraction, float], ...]

    @classmethod
    def parse(cls, given: float | str) -> Speeds:
        """Read one speed for all of a film, or what it is when; raise a `DreamscopeError` if it is neither."""
        parts = str(given).split()
        entries = []
        for part in parts if ":" in str(given) else [f"0:{given}"]:
            time, _, factor = part.partition(":")
            try:
                entries.append((Fraction(time.removesuffix("s")), float(factor)))
            except (ValueError, ZeroDivisionError):
                raise DreamscopeError(f"'{part.removeprefix('0:')}' is no speed of a zoom; expected {_SPEED}") from None
        _ensure_rising([time for time, _ in entries])
        return cls(tuple(entries))

    def __str__(self) -> str:
        return " ".join(f"{float(time):g}s:{factor:g}" for time, factor in self.entries)

    def at(self, time: Fraction) -> float:
        """Return the factor at a time."""
        later = next((place for place, (start, _) in enumerate(self.entries) if start > time), len(self.entries))
        if later in (0, len(self.entries)):
            return self.entries[min(later, len(self.entries) - 1)][1]
        (begin, before), (end, after) = self.entries[later - 1 : later + 1]
        return float(before * (after / before) ** float((time - begin) / (end - begin)))


def _ensure_rising(times: Sequence[Fraction]) -> None:
    for before, after in pairwise(times):
        if after <= before:
            raise DreamscopeError(f"the times of a schedule rise: {float(after):g}s comes after {float(before):g}s")
