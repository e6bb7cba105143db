"""Interleaved timing: machines are shared, so only ratios within one run mean anything."""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass


@dataclass(frozen=True)
class Times:
    """Seconds a step, one number for each round."""

    rounds: tuple[float, ...]

    @property
    def median(self) -> float:
        """The middle one."""
        return statistics.median(self.rounds)

    def ratio(self, other: Times) -> tuple[float, float, float]:
        """Return (median, lowest, highest) of this over another, round by round."""
        ratios = [mine / theirs for mine, theirs in zip(self.rounds, other.rounds, strict=True)]
        return statistics.median(ratios), min(ratios), max(ratios)


def interleaved(contestants: Mapping[str, Callable[[int], None]], *, steps: int, rounds: int) -> dict[str, Times]:
    """Time each contestant's `steps` steps once a round, one after the other, after a round that doesn't count."""
    times: dict[str, list[float]] = {name: [] for name in contestants}
    for number in range(rounds + 1):
        for name, run in contestants.items():
            started = time.perf_counter()
            run(steps)
            if number:
                times[name].append((time.perf_counter() - started) / steps)
    return {name: Times(tuple(rounds_)) for name, rounds_ in times.items()}
