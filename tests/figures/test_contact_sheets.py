from __future__ import annotations

import pytest
import torch

from dreamscope.errors import DreamscopeError
from dreamscope.figures.contact_sheets import NARROW, Cell, sheet


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


def test_labels_wrap_and_rows_give_them_room() -> None:
    long = "a label of many words that is wider than its picture"
    plain, wrapped = (sheet([Cell(red(100, 30), label)]) for label in ("short", long))
    assert plain.shape[3] == wrapped.shape[3] == 120
    assert wrapped.shape[2] > plain.shape[2] + 2 * 17
    # Nothing reaches the edges.
    assert (wrapped[..., -8:] == 1).all()
    # Only the row that needs it is higher.
    two = sheet([Cell(red(100, 30), long), Cell(red(100, 30), "short")], columns=1)
    assert two.shape[2] == wrapped.shape[2] + plain.shape[2] - 10
    titled = sheet([Cell(red(100, 30), "short")], title=long, remarks=[long])
    assert titled.shape[3] == 120
    assert titled.shape[2] > plain.shape[2] + 4 * 17


def test_labels_of_small_pictures_have_room() -> None:
    assert sheet([Cell(red(8, 8), "features.28")]).shape[3] > 8 + 60
    assert sheet([Cell(red(8, 8), "a label that never ends")]).shape[3] == NARROW + 20


def test_room_for_the_labels_of_other_frames() -> None:
    long = Cell(None, "a label of many words that is wider than its picture", "and a note")
    frames = [sheet([Cell(red(100, 30), label)], room=[long]) for label in ("short", long.label)]
    assert frames[0].shape == frames[1].shape


def test_nothing_to_show() -> None:
    with pytest.raises(DreamscopeError, match="no pictures"):
        sheet([])
