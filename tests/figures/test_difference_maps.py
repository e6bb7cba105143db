from __future__ import annotations

import math

import pytest
import torch
from torch import Tensor

from dreamscope.errors import DreamscopeError
from dreamscope.figures import difference_maps
from dreamscope.sheets.differences import BANDS, Change, change

NASTY = "<b>$x$ of $y"


def changed(place: int, by: float = 0.3, side: int = 40) -> Change:
    """Differs in one square of 10 pixels."""
    before = torch.full((1, 3, side, side), 0.5)
    after = before.clone()
    after[..., place : place + 10, 4:14] += by
    return change(before, after)


def bright(page: Tensor) -> int:
    """Count pixels of the brightest colour of the scale, which is a pale yellow."""
    return int(((page[0, 0] > 0.95) & (page[0, 1] > 0.95) & (page[0, 2] < 0.75)).sum())


def black(page: Tensor) -> int:
    return int((page[0].amax(0) < 0.03).sum())


def test_where_and_how_much() -> None:
    page = difference_maps.maps({"a": changed(4)})
    # A sheet's text is dark too, but not on the map.
    assert bright(page) == 100
    assert black(page) == 40 * 40 - 100


def test_all_in_one_scale() -> None:
    strong, weak = changed(4, 0.3), changed(4, 0.1)
    assert bright(difference_maps.maps({"weak": weak})) == 100
    assert bright(difference_maps.maps({"strong": strong, "weak": weak})) == 100
    assert difference_maps.scale([strong, weak]) == pytest.approx(0.3)


def test_a_few_pixels_do_not_darken_all_others() -> None:
    before = torch.zeros(1, 3, 50, 50)
    after = before + 0.1
    after[..., 0, 0] = 1
    assert difference_maps.scale([change(before, after)]) == pytest.approx(0.1)


def test_nothing_changed() -> None:
    same = changed(4, 0.0)
    page = difference_maps.maps({"same": same})
    assert black(page) == 40 * 40
    assert difference_maps.frequencies({"same": same}).shape[1] == 3


def test_the_table_is_bright_where_the_energy_is() -> None:
    rows, columns = torch.meshgrid(torch.arange(64), torch.arange(64), indexing="ij")
    before = torch.full((1, 3, 64, 64), 0.5)

    def wave(length: float) -> Change:
        return change(before, before + 0.1 * torch.sin(2 * math.pi * (rows + columns) / length))

    page = difference_maps.frequencies({"fine": wave(4.0), "coarse": wave(15.9), NASTY: wave(8.0)}, title=NASTY)
    dots = 110
    left, top = difference_maps._NAME * dots, difference_maps._HEAD * dots
    where = []
    for row in range(3):
        # Beside the number in the middle of each cell.
        y = round(page.shape[2] - (difference_maps._HEAD + (2.5 - row) * difference_maps._ROW) * dots)
        xs = [round(left + (column + 0.12) * difference_maps._COLUMN * dots) for column in range(len(BANDS))]
        where.append(max(range(len(BANDS)), key=lambda column: page[0, :, y, xs[column]].sum().item()))
    assert top < page.shape[2]
    assert [BANDS[column] for column in where] == ["<4 px", "8-16", "4-8"]
    assert page.shape[3] == pytest.approx(
        dots * (difference_maps._NAME + difference_maps._COLUMN * len(BANDS) + 0.2), abs=2
    )


def test_the_users_own_settings_do_not_matter() -> None:
    import matplotlib as mpl

    before = difference_maps.frequencies({"a": changed(4)})
    with mpl.rc_context({"figure.dpi": 30, "font.size": 30}):
        assert difference_maps.frequencies({"a": changed(4)}).equal(before)


@pytest.mark.parametrize("draw", [difference_maps.maps, difference_maps.frequencies])
def test_nothing_to_draw(draw: object) -> None:
    with pytest.raises(DreamscopeError, match="no changes"):
        draw({})  # type: ignore[operator]
