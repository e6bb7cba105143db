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


def test_the_same_photos_again_prove_no_more() -> None:
    once = intervals.share([True, False, True, True])
    assert intervals.share([True, False, True, True] * 5, repeats=5) == once
    assert intervals.mean([1, 0, 0, 1] * 3, repeats=3) == intervals.mean([1, 0, 0, 1])


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
