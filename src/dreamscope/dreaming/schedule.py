"""Schedules: which addresses a film dreams at, when: ``0s:features.14 8s:features.28:3+0.5*features.19``."""

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
        for (before, _), (after, _) in pairwise(entries):
            if after <= before:
                raise DreamscopeError(f"the times of a schedule rise: {float(after):g}s comes after {float(before):g}s")
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
