from __future__ import annotations

import pytest
import torch

from dreamscope.errors import DreamscopeError
from dreamscope.figures.contact_sheets import Cell
from dreamscope.figures.grids import MANY, SIDE, Heading, grid

RED, GREEN = (1.0, 0.0, 0.0), (0.0, 1.0, 0.0)


def plain(color: tuple[float, ...], width: int = 120, height: int = 60) -> torch.Tensor:
    return torch.tensor(color).view(1, 3, 1, 1).expand(1, 3, height, width)


def found(page: torch.Tensor, color: tuple[float, ...]) -> torch.Tensor:
    return (page[0] == torch.tensor(color).view(3, 1, 1)).all(0)


def grid_of(rows: int, columns: int, **given: object) -> torch.Tensor:
    cells = [[Cell(plain(RED), "") for _ in range(columns)] for _ in range(rows)]
    headings = ([Heading(f"{what} {n}") for n in range(count)] for what, count in (("row", rows), ("column", columns)))
    return grid(cells, *headings, **given)  # type: ignore[arg-type]


def test_every_picture_is_there_whole_beside_its_headings() -> None:
    page = grid_of(3, 4)
    red = found(page, RED)
    assert int(red.sum()) == 12 * 120 * 60
    where = red.nonzero()
    top, left = where.amin(0).tolist()
    ink = page[0].mean(0) < 0.5
    # Headings stand above and to the left, none on the pictures.
    assert ink[:top, left:].any()
    assert ink[top:, :left].any()
    assert not ink[top:, left:][~red[top:, left:]].any()


def test_a_picture_where_the_headings_meet() -> None:
    page = grid_of(2, 2, corner=Cell(plain(GREEN, 300, 150), "photo.jpg", "untouched"))
    assert int(found(page, GREEN).sum()) == SIDE * SIDE // 2
    red, green = (found(page, color).nonzero() for color in (RED, GREEN))
    assert green.amax(0)[0] < red.amin(0)[0]
    assert green.amax(0)[1] < red.amin(0)[1]


def test_of_many_rows_columns_are_named_below_too() -> None:
    for rows, again in ((MANY, False), (MANY + 1, True)):
        page = grid_of(rows, 2)
        bottom = int(found(page, RED).nonzero().amax(0)[0])
        assert bool((page[0, :, bottom + 1 :].mean(0) < 0.5).any()) == again


def test_what_is_missing_says_why_inside_its_place() -> None:
    note = "not finite at step 1: try a smaller --rate"
    cells = [[Cell(plain(RED, 100, 20), ""), Cell(None, "", note)]]
    page = grid(cells, [Heading("row")], [Heading("a"), Heading("b")])
    assert int(found(page, RED).sum()) == 100 * 20
    right, bottom = int(found(page, RED).nonzero().amax(0)[1]), page.shape[2]
    written = (page[0, :, :, right + 1 :].mean(0) < 0.9).nonzero()
    # Four lines of it, and the outline is there below.
    assert int(written.amax(0)[0] - written.amin(0)[0]) > 4 * 17
    assert int(written.amax(0)[0]) < bottom - 5


def test_long_headings_titles_and_remarks_wrap() -> None:
    long = "holidays/in/the/mountains/with/a/long/name/IMG_20260721_183045.jpeg"
    page = grid([[Cell(plain(RED), "")]], [Heading(long, long)], [Heading(long)], title=long, remarks=[long])
    assert (page[0, :, :, -6:] == 1).all()
    assert (page[0, :, -6:] == 1).all()
    assert page.shape[3] < SIDE + 120 + 40


def test_it_needs_a_picture_for_each() -> None:
    with pytest.raises(DreamscopeError, match="2 rows and 1 columns needs a picture for each"):
        grid([[Cell(None, "")]], [Heading("a"), Heading("b")], [Heading("c")])
    with pytest.raises(DreamscopeError, match="0 rows"):
        grid([], [], [Heading("c")])
