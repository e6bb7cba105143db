"""How sure a measured share or mean is: 95 % intervals.

References
----------
E. B. Wilson, "Probable inference, the law of succession, and statistical inference" (1927);
B. Efron, "Bootstrap methods: another look at the jackknife" (1979).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from math import inf, nan, sqrt

import numpy as np

_Z = 1.959964
_RESAMPLES = 4000
_AT_ONCE = 4_000_000  # numbers drawn at once: some 64 MB, however many photos there are


@dataclass(frozen=True)
class Estimate:
    """A number with its 95 % interval, and the number of photos (or draws) that it rests on."""

    value: float
    low: float
    high: float
    count: int

    def __str__(self) -> str:
        return f"{self.value:.3g} ({self.low:.3g} to {self.high:.3g})"


_UNKNOWN = Estimate(nan, -inf, inf, 0)


def share(hits: Sequence[bool], repeats: int = 1) -> Estimate:
    """Return the share of hits, with Wilson's interval: right for few photos and for shares near 0 and 1.

    Parameters
    ----------
    hits
        Whether each photo was one.
    repeats
        The number of times that the same photos occur in `hits`, one whole set after the other. Each photo counts
        once, with its mean: measuring it again says nothing new about other photos.
    """
    count = len(hits) // repeats
    if not count:
        return Estimate(nan, 0.0, 1.0, 0)
    p = sum(hits) / len(hits)
    # Written out, since SciPy's binomtest takes whole numbers of hits only; a mean over repeats is a fraction.
    middle = (p + _Z**2 / (2 * count)) / (1 + _Z**2 / count)
    half = _Z / (1 + _Z**2 / count) * sqrt(p * (1 - p) / count + _Z**2 / (4 * count**2))
    # At the ends the interval touches them, but for rounding.
    return Estimate(p, 0.0 if p == 0 else max(0.0, middle - half), 1.0 if p == 1 else min(1.0, middle + half), count)


def mean(values: Sequence[float], repeats: int = 1, seed: int = 0) -> Estimate:
    """Return the mean, with the bootstrap's percentiles; of paired differences it is a paired interval.

    Memory is bounded, whatever the number of photos. `repeats` as in `share`; `seed` is that of the resampling.
    """
    from scipy.stats import bootstrap

    array = np.asarray(values, dtype=np.float64).reshape(repeats, -1).mean(0)
    if not array.size:
        return _UNKNOWN
    value = float(array.mean())
    if array.size == 1:
        return Estimate(value, value, value, 1)
    interval = bootstrap(
        (array,),
        np.mean,
        n_resamples=_RESAMPLES,
        batch=max(1, _AT_ONCE // array.size),
        vectorized=True,
        method="percentile",
        rng=np.random.default_rng(seed),
    ).confidence_interval
    return Estimate(value, float(interval.low), float(interval.high), int(array.size))


def spread(draws: Sequence[float]) -> Estimate:
    """Return the mean of repeated draws, and the range in which 95 % of single draws lie."""
    array = np.asarray(draws, dtype=np.float64)
    if not array.size:
        return _UNKNOWN
    low, high = np.percentile(array, [2.5, 97.5])
    return Estimate(float(array.mean()), float(low), float(high), int(array.size))
