"""How sure a measured share or mean is: 95 % intervals.

References
----------
E. B. Wilson, "Probable inference, the law of succession, and statistical inference" (1927);
B. Efron, "Bootstrap methods: another look at the jackknife" (1979);
D. G. Bonett and R. M. Price, "Adjusted Wald confidence interval for a difference of binomial proportions based on
paired data" (2012); J. A. Hanley and B. J. McNeil, "The meaning and use of the area under a receiver operating
characteristic (ROC) curve" (1982).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from math import fsum, inf, nan, sqrt

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


def share(hits: Sequence[float]) -> Estimate:
    """Return the share of hits, with Wilson's interval: right for few photos and for shares near 0 and 1.

    Parameters
    ----------
    hits
        Whether each photo was one, or the share of times that it was, 0 to 1.
    """
    count = len(hits)
    if not count:
        return Estimate(nan, 0.0, 1.0, 0)
    p = fsum(hits) / count
    # Written out, since SciPy's binomtest takes whole numbers of hits only.
    middle = (p + _Z**2 / (2 * count)) / (1 + _Z**2 / count)
    half = _Z / (1 + _Z**2 / count) * sqrt(p * (1 - p) / count + _Z**2 / (4 * count**2))
    # At the ends the interval touches them, but for rounding.
    return Estimate(p, 0.0 if p == 0 else max(0.0, middle - half), 1.0 if p == 1 else min(1.0, middle + half), count)


def paired_difference(before: Sequence[float], after: Sequence[float]) -> Estimate:
    """Return by how many points a share fell, photo by photo, with Bonett and Price's interval.

    With no change seen it is not zero wide: in 300 photos a point may have gone unseen.

    Parameters
    ----------
    before, after
        Whether each photo was a hit, or the share of times that it was, 0 to 1; the photos in the same order.
    """
    count = len(before)
    if not count:
        return _UNKNOWN
    changes = [was - now for was, now in zip(before, after, strict=True)]
    fell = (sum(change for change in changes if change > 0) + 1) / (count + 2)
    rose = (sum(-change for change in changes if change < 0) + 1) / (count + 2)
    half = _Z * sqrt((fell + rose - (fell - rose) ** 2) / (count + 2))
    return Estimate(
        100 * sum(changes) / count, 100 * max(-1.0, fell - rose - half), 100 * min(1.0, fell - rose + half), count
    )


def auc(positives: Sequence[float], negatives: Sequence[float], counts: tuple[int, int] | None = None) -> Estimate:
    """Return the chance that a positive scores higher than a negative, with Hanley and McNeil's interval.

    Parameters
    ----------
    positives, negatives
        Scores.
    counts
        The numbers of photos among the positives and the negatives, where some were scored several times.
    """
    from sklearn.metrics import roc_auc_score

    area = float(roc_auc_score([1] * len(positives) + [0] * len(negatives), [*positives, *negatives]))
    n, m = counts or (len(positives), len(negatives))
    first, second = area / (2 - area), 2 * area**2 / (1 + area)
    variance = (area * (1 - area) + (n - 1) * (first - area**2) + (m - 1) * (second - area**2)) / (n * m)
    half = _Z * sqrt(max(0.0, variance))
    return Estimate(area, max(0.0, area - half), min(1.0, area + half), n)


def mean(values: Sequence[float], seed: int = 0) -> Estimate:
    """Return the mean, with the bootstrap's percentiles.

    Memory is bounded, whatever the number of photos. `seed` is that of the resampling.
    """
    from scipy.stats import bootstrap

    array = np.asarray(values, dtype=np.float64)
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
