from __future__ import annotations

import os
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from blindings import NASTY, scores_of
from PIL import Image

from dreamscope.dissection.frequency import Frequency
from dreamscope.dissection.scores import ChannelScores
from dreamscope.errors import DreamscopeError
from dreamscope.figures import frequency_plot


def counted(photos: int, layers: int, rule: Frequency) -> ChannelScores:
    generator = torch.Generator().manual_seed(0)
    widths = {f"a.long.name.of.layer.{number}": 12 for number in range(layers)}
    times = torch.randint(0, photos + 1, (12 * layers,), generator=generator).float()
    return replace(
        scores_of(NASTY),
        layers=widths,
        scores={"frequency": torch.where(times >= rule.needed(photos), times / photos, 0)},
        numbers={"times_loud": times, "loudness": torch.rand(12 * layers, generator=generator)},
        counts={"targets": photos, "controls": 0},
        rule=rule,
    )


@pytest.mark.parametrize(
    ("photos", "layers", "rule"),
    [(5, 1, Frequency(10, 4, 5)), (5, 30, Frequency(10, 4, 5)), (83, 12, Frequency()), (2, 3, Frequency(1, 2))],
)
def test_it_is_a_picture_with_a_row_for_each_layer(tmp_path: Path, photos: int, layers: int, rule: Frequency) -> None:
    path = frequency_plot.counts(counted(photos, layers, rule), tmp_path / "counts.png")
    with Image.open(path) as picture:
        assert picture.height > 150 * 0.25 * layers
        pixels = picture.convert("RGB")
        # Nothing runs over an edge.
        edges = [pixels.crop(box) for box in ((0, 0, pixels.width, 2), (pixels.width - 2, 0, *pixels.size))]
        assert all(edge.getextrema() == ((255, 255),) * 3 for edge in edges)


@pytest.mark.parametrize(("photos", "needed", "first", "last"), [(5, 4, [1, 2, 3, 4, 5], 5), (83, 60, [1, 7], 83)])
def test_the_numbers_of_photos_that_have_a_column(photos: int, needed: int, first: list[int], last: int) -> None:
    columns = frequency_plot._columns(photos, needed)
    assert columns[: len(first)] == first
    assert needed in columns
    assert columns[-1] == last


def test_what_is_picked_is_named_the_most_frequent_first() -> None:
    scores = replace(
        scores_of(), layers={"a": 13, "b": 2}, scores={"frequency": torch.tensor([*[0.5] * 12, 1.0, 0.0, 0.0])},
        numbers={"loudness": torch.arange(15.0)}, rule=Frequency(12, 2),
    )  # fmt: skip
    assert frequency_plot._picked(scores) == ["12, 11, 10, 9, 8, 7, 6, 5, 4, 3 and 3 more", "none"]


def test_refused_without_counts(tmp_path: Path) -> None:
    with pytest.raises(DreamscopeError, match="hold no counts"):
        frequency_plot.counts(scores_of(), tmp_path / "counts.png")
    with pytest.raises(DreamscopeError, match="a plot ends in"):
        frequency_plot.counts(counted(5, 2, Frequency()), tmp_path / "counts.gif")
    assert os.listdir(tmp_path) == []
