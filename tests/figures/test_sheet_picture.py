from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
import torch
from galleries import COLORS, gallery_of_colors
from torch import Tensor

from dreamscope import images
from dreamscope.figures import sheet_picture
from dreamscope.models.classifier import Classifier
from dreamscope.sheets.gallery import Gallery, gallery
from dreamscope.sheets.plan import plan


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


def test_a_series_is_one_row(vgg: Classifier, image: Tensor) -> None:
    settings = {"preset": "plain", "steps": 0, "size": "100x80"}
    made = gallery(plan("losses", [vgg], [image], **settings))
    count = len(made.cells)
    # And the photo as it was.
    assert sheet_picture.picture(made).shape[3] == (count + 1) * 110 + 10
    assert sheet_picture.picture(made, columns=2).shape[3] == 2 * 110 + 10
    many = gallery(plan("channels", [vgg], [image], at=["3:0-8"], **settings))
    assert sheet_picture.columns_of(many) < 9


def test_photos_are_not_torn_from_their_dreams(vgg: Classifier) -> None:
    made = gallery(plan("photos", [vgg], ["gray"] * 7, preset="plain", steps=0, size=40))
    assert sheet_picture.columns_of(made) % 2 == 0


def test_rows_and_columns(vgg: Classifier, tmp_path: Path) -> None:
    settings = {"preset": "plain", "size": "100x80"}
    made = gallery(
        plan(("layers", "steps"), [vgg], ["gray"], at=["0", "3"], values=[1, 2, 3], **settings), folder=tmp_path / "c"
    )
    for each in made.cells:
        assert each.path is not None
        images.write(torch.tensor(COLORS[0]).view(1, 3, 1, 1).expand(1, 3, 80, 100), each.path)
    page = sheet_picture.picture(made)
    assert count(page, COLORS[0]) == 6 * 80 * 100
    # The untouched photo in the corner, at 8 bits.
    assert count(page, (128 / 255,) * 3) >= 80 * 100
    assert sheet_picture.columns_of(made) == 3


def test_a_film_gives_its_own_pictures(vgg: Classifier) -> None:
    made = gallery(plan(("layers", "losses"), [vgg], ["gray"], at=["0"], preset="plain", steps=0, size="100x80"))
    colors = [torch.tensor(color).view(1, 3, 1, 1).expand(1, 3, 80, 100) for color in COLORS]
    page = sheet_picture.picture(made, instead=[*colors[:1]] * len(made.cells), before=[colors[1]] * len(made.cells))
    assert count(page, COLORS[0]) == len(made.cells) * 80 * 100
    assert count(page, COLORS[1]) == 80 * 100


def test_what_should_be_known_stands_below(vgg: Classifier) -> None:
    sets = {"even": (1, 1), "high": (4, 4)}
    made = gallery(plan("weights", [vgg], ["gray"], at=["0", "3"], sets=sets, preset="plain", steps=0, size=200))
    said = sheet_picture.picture(made)
    silent = sheet_picture.picture(replace(made, plan=replace(made.plan, remarks=())))
    assert said.shape[2] > silent.shape[2] + 17
    assert said[..., : silent.shape[2] - 10, :].equal(silent[..., :-10, :])


@pytest.mark.parametrize(("columns", "rows", "least"), [(5, 37, 150), (12, 12, 280), (3, 2, 320), (20, 20, 165)])
def test_cells_shrink_where_there_are_many(vgg: Classifier, columns: int, rows: int, least: int) -> None:
    made = gallery(plan("losses", [vgg], ["gray"], preset="plain", steps=0, size="400x400"))
    side = sheet_picture._most(made, columns, rows)
    assert least <= side <= sheet_picture.MOST
    assert rows * side < sheet_picture.HIGHEST
    assert columns * side < sheet_picture.WIDEST
