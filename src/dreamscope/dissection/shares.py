"""Shares as text: in percent, or a count such as 3 of 5 where photos are so few that percent would promise too much."""

from __future__ import annotations

from math import isfinite

from dreamscope.dissection.intervals import Estimate

FEW_PHOTOS = 10
"""Of fewer photos shares are counts."""


def are_few(count: int) -> bool:
    """Return whether shares of so many photos are said as counts."""
    return 0 < count < FEW_PHOTOS


def share_text(share: float, count: int, digits: int = 0) -> str:
    """Write a share of photos.

    >>> share_text(0.6, 50), share_text(0.6, 5), share_text(0.5, 5)
    ('60%', '3 of 5', '2.5 of 5')
    """
    if not isfinite(share):
        return "–"
    return f"{_number(share * count)} of {count}" if are_few(count) else percent_text(share, digits)


def percent_text(share: float, digits: int = 0) -> str:
    """Write a share in percent."""
    return f"{_rounded(100 * share, digits)}%"


def loss_text(points: float, count: int, digits: int = 2) -> str:
    """Write what was lost of photos, given in points.

    >>> loss_text(1.5, 200), loss_text(20, 5)
    ('1.50', '1 of 5')
    """
    if not isfinite(points):
        return "–"
    if are_few(count):
        return f"{_number(points * count / 100)} of {count}"
    return _rounded(points, digits)


def share_interval(estimate: Estimate, digits: int = 0) -> str:
    """Write the 95 % interval of a share."""
    return f"{percent_text(estimate.low, digits)} to {percent_text(estimate.high, digits)}"


def loss_interval(estimate: Estimate, count: int, digits: int = 2) -> str:
    """Write the 95 % interval of a loss, with its unit where the loss itself is a count."""
    if are_few(count):
        return f"{_rounded(estimate.low, 0)} to {_rounded(estimate.high, 0)} points"
    return f"{_rounded(estimate.low, digits)} to {_rounded(estimate.high, digits)}"


def shared(estimate: Estimate, count: int | None = None) -> str:
    """Write a share with its interval; `count` is the number of photos, where the estimate rests on draws."""
    text = share_text(estimate.value, estimate.count if count is None else count)
    return f"{text} ({share_interval(estimate)})"


def averaged(estimate: Estimate) -> str:
    """Write a mean of probabilities with its interval: in percent, however few they are."""
    return f"{percent_text(estimate.value)} ({share_interval(estimate)})"


def lost(estimate: Estimate, count: int | None = None) -> str:
    """Write a loss with its interval; `count` as for `shared`."""
    number = estimate.count if count is None else count
    return f"{loss_text(estimate.value, number)} ({loss_interval(estimate, number)})"


def _number(value: float) -> str:
    return f"{round(value, 1) + 0.0:g}"


def _rounded(value: float, digits: int) -> str:
    # -0 is 0.
    return f"{round(value, digits) + 0.0:.{digits}f}"
