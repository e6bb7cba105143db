from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
import torch
from galleries import COLORS, gallery_of_colors
from torch import Tensor

from dreamscope.figures import sheet_picture
from dreamscope.models.classifier import Classifier
from dreamscope.sheets.gallery import Gallery


@pytest.fixture
def made(vgg: Classifier, tmp_path: Path) -> Gallery:
    return gallery_of_colors(vgg, tmp_path)


def count(page: Tensor, color: tuple[float, ...]) -> int:
    return int((page[0] == torch.tensor(color).view(3, 1, 1)).all(0).sum())


def test_the_picture_shows_all(made: Gallery) -> None:
    page = sheet_picture.picture(made)
    assert [count(page, color) for color in COLORS] == [40 * 30] * 3
    small = sheet_picture.picture(made, most=20, columns=1)
    assert [count(small, color) for color in COLORS] == [20 * 15] * 3
    assert small.shape[2] > small.shape[3]


def test_a_series_is_one_row(made: Gallery) -> None:
    series = replace(made, plan=replace(made.plan, over="steps"))
    assert sheet_picture.picture(series).shape[3] == 4 * 50 + 10
    assert sheet_picture.picture(series, columns=2).shape[3] == 2 * 50 + 10
    many = replace(series, cells=series.cells[:3] * 3)
    assert sheet_picture.picture(many).shape[3] < 9 * 50
