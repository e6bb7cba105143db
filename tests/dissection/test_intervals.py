from __future__ import annotations

import math
import tracemalloc

import numpy as np
import pytest

from dreamscope.dissection import intervals


def test_wilson_against_published_numbers() -> None:
    # Newcombe 1998, table I: 81 of 263, 15 of 148, 0 of 20, 1 of 29.
    for hits, count, low, high in (
        (81, 263, 0.2553, 0.3662),
        (15, 148, 0.0624, 0.1605),
        (0, 20, 0, 0.1611),
        (1, 29, 0.0061, 0.1718),
    ):
        found = intervals.share([True] * hits + [False] * (count - hits))
        assert found.value == pytest.approx(hits / count)
        assert (found.low, found.high) == pytest.approx((low, high), abs=1e-4)


def test_a_photo_that_was_a_hit_half_of_the_times_is_half_a_hit() -> None:
    assert intervals.share([0.5, 0.5]).value == intervals.share([True, False]).value == 0.5
    # The photos count, not how often each was measured.
    assert intervals.share([0.75] * 4) == intervals.share([True, True, True, False])


def test_at_its_ends_a_share_touches_them() -> None:
    assert (intervals.share([0.0] * 7).low, intervals.share([1.0] * 7).high) == (0, 1)
    assert intervals.share([1.0] * 7).low == pytest.approx(1 - intervals.share([0.0] * 7).high)


def test_bonett_and_price() -> None:
    # By hand: of 20 photos 5 fell and 1 rose; with one added to each and 2 photos, 6/22 and 2/22.
    before = [1] * 5 + [0] * 1 + [1] * 10 + [0] * 4
    after = [0] * 5 + [1] * 1 + [1] * 10 + [0] * 4
    found = intervals.paired_difference(before, after)
    fell, rose = 6 / 22, 2 / 22
    half = 1.959964 * math.sqrt((fell + rose - (fell - rose) ** 2) / 22)
    assert (found.value, found.count) == (20, 20)
    assert (found.low, found.high) == pytest.approx((100 * (fell - rose - half), 100 * (fell - rose + half)))


def test_no_change_seen_is_not_none_for_sure() -> None:
    found = intervals.paired_difference([1] * 300, [1] * 300)
    assert found.value == 0
    # 2 of 302 discordant pairs: 1.96 * sqrt(2 / 302 / 302).
    assert (found.low, found.high) == pytest.approx((-0.918, 0.918), abs=0.001)
    assert intervals.paired_difference([1] * 30, [1] * 30).high > 5


def test_a_difference_has_its_sign_and_its_bounds() -> None:
    fell, rose = intervals.paired_difference([1, 1, 1], [0, 0, 0]), intervals.paired_difference([0, 0, 0], [1, 1, 1])
    assert (fell.value, rose.value) == (100, -100)
    assert (fell.low, fell.high) == (-rose.high, -rose.low)
    assert fell.high <= 100
    # Right in one of two folds, where it was right: half a photo.
    assert intervals.paired_difference([1, 1], [0.5, 1]).value == 25


def test_the_area_with_hanley_and_mcneils_interval() -> None:
    positives, negatives = [3.0, 2.0, 0.5, 1.0], [2.5, 0.0, -1.0, 0.7, 0.2]
    found = intervals.auc(positives, negatives)
    area = 16 / 20
    one, two = area / (2 - area), 2 * area**2 / (1 + area)
    error = math.sqrt((area * (1 - area) + 3 * (one - area**2) + 4 * (two - area**2)) / 20)
    assert (found.value, found.count) == (pytest.approx(area), 4)
    assert (found.low, found.high) == (pytest.approx(area - 1.959964 * error), 1)
    # The same photos scored again prove no more, and ties are half.
    twice = intervals.auc(positives * 2, negatives * 3, (4, len(negatives)))
    assert (twice.value, twice.low) == pytest.approx((found.value, found.low))
    assert intervals.auc([1.0, 1.0], [1.0, 1.0]).value == 0.5


def test_bootstrap() -> None:
    assert intervals.mean([2.0] * 9) == intervals.Estimate(2.0, 2.0, 2.0, 9)
    found = intervals.mean([0.0, 1.0] * 200)
    assert found.value == 0.5
    # A share of one half over 400: 1.96 * 0.025 on each side.
    assert (found.low, found.high) == pytest.approx((0.451, 0.549), abs=0.01)


def test_memory_does_not_grow_with_the_photos(monkeypatch: pytest.MonkeyPatch) -> None:
    values = np.random.default_rng(0).normal(size=2000).tolist()
    whole = intervals.mean(values)
    monkeypatch.setattr(intervals, "_AT_ONCE", 50_000)
    tracemalloc.start()
    bounded = intervals.mean(values)
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert peak < 3e6  # all resamples at once: 2000 x 4000 x 8 bytes, twice
    assert (bounded.low, bounded.high) == pytest.approx((whole.low, whole.high), abs=1e-12)


def test_one_photo_proves_nothing_of_others() -> None:
    assert intervals.mean([0.3]) == intervals.Estimate(0.3, 0.3, 0.3, 1)


def test_spread_is_of_draws_not_of_their_mean() -> None:
    found = intervals.spread([float(n) for n in range(101)])
    assert (found.value, found.low, found.high, found.count) == (50, 2.5, 97.5, 101)


def test_nothing_measured() -> None:
    assert math.isnan(intervals.share([]).value)
    assert math.isnan(intervals.mean([]).value)
    assert math.isnan(intervals.spread([]).value)
    assert math.isnan(intervals.paired_difference([], []).value)
