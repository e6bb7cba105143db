from __future__ import annotations

import pytest
import torch

from dreamscope.errors import DreamscopeError
from dreamscope.figures.contact_sheets import Cell, sheet


def red(width: int, height: int) -> torch.Tensor:
    picture = torch.zeros(1, 3, height, width)
    picture[:, 0] = 1
    return picture


def test_every_picture_is_there_whole() -> None:
    page = sheet([Cell(red(40, 30), f"number {index}") for index in range(7)])
    reds = (page[:, 0] == 1) & (page[:, 1] == 0) & (page[:, 2] == 0)
    assert int(reds.sum()) == 7 * 40 * 30


def test_large_ones_are_made_smaller() -> None:
    page = sheet([Cell(red(640, 320), "wide")], most=100)
    reds = (page[0, 0] > 0.99) & (page[0, 1] < 0.01)
    assert int(reds.sum()) == 100 * 50


def test_a_missing_one_leaves_an_outline() -> None:
    there, gone = (sheet([Cell(red(40, 30), "a"), Cell(image, "b")], columns=2) for image in (red(40, 30), None))
    assert there.shape == gone.shape
    assert int(((gone[:, 0] == 1) & (gone[:, 1] == 0)).sum()) == 40 * 30


def test_columns_rows_and_title() -> None:
    cells = [Cell(red(40, 30), "x") for _ in range(6)]
    wide, tall, titled = sheet(cells, columns=6), sheet(cells, columns=1), sheet(cells, columns=6, title="Six")
    assert wide.shape[3] == 6 * 50 + 10
    assert tall.shape[3] == 60
    assert titled.shape[2] > wide.shape[2]
    noted = sheet([Cell(red(40, 30), "x", "error 0.1")], columns=6)
    assert noted.shape[2] > sheet(cells[:1], columns=6).shape[2]


def test_nothing_to_show() -> None:
    with pytest.raises(DreamscopeError, match="no pictures"):
        sheet([])
