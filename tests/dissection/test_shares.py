from __future__ import annotations

from math import nan

import pytest

from dreamscope.dissection import intervals
from dreamscope.dissection.shares import averaged, loss_text, lost, share_text, shared


@pytest.mark.parametrize(
    ("share", "count", "said"),
    [(0.6, 5, "3 of 5"), (0.5, 5, "2.5 of 5"), (1 / 3, 9, "3 of 9"), (0.6, 10, "60%"), (0, 5, "0 of 5"), (nan, 0, "–")],
)
def test_shares_of_few_photos_are_counts(share: float, count: int, said: str) -> None:
    assert share_text(share, count) == said


@pytest.mark.parametrize(
    ("points", "count", "said"), [(20, 5, "1 of 5"), (-20, 5, "-1 of 5"), (20, 10, "20.00"), (-0.001, 100, "0.00")]
)
def test_losses_of_few_photos_are_counts(points: float, count: int, said: str) -> None:
    assert loss_text(points, count) == said


def test_intervals_stay_in_percent_and_points() -> None:
    few, many = [1, 0, 0, 0, 0], [1] * 50 + [0] * 50
    assert shared(intervals.share(few)) == "1 of 5 (4% to 62%)"
    assert shared(intervals.share(many)) == "50% (40% to 60%)"
    assert lost(intervals.paired_difference(few, [0] * 5)) == "1 of 5 (-33 to 62 points)"
    assert lost(intervals.paired_difference(many, many)) == "0.00 (-2.72 to 2.72)"
    # A mean of probabilities is no number of photos.
    assert averaged(intervals.share(few)) == "20% (4% to 62%)"


def test_draws_are_not_photos() -> None:
    draws = intervals.spread([1.0, 0.8])
    assert shared(draws, 5) == "4.5 of 5 (80% to 100%)"
    assert shared(draws, 50) == "90% (80% to 100%)"
