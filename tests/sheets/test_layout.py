from __future__ import annotations

import pytest
from torch import Tensor

from dreamscope.models.classifier import Classifier
from dreamscope.sheets.gallery import Gallery, gallery
from dreamscope.sheets.layout import grid, series
from dreamscope.sheets.plan import plan

STILL = {"preset": "plain", "size": 32}


def shown(found: Gallery) -> list[tuple[str, bool]]:
    return [(each.label, each.untouched) for group in series(found) for each in group]


def made(vgg: Classifier, over: object, pictures: object = ("gray",), **given: object) -> Gallery:
    steps = {} if "steps" in over else {"steps": 0}  # type: ignore[operator]
    return gallery(plan(over, [vgg], pictures, **STILL, **steps, **given))  # type: ignore[arg-type]


def test_the_untouched_photo_comes_first(vgg: Classifier) -> None:
    assert shown(made(vgg, "losses", values=["mean", "gram"])) == [("gray", True), ("mean", False), ("gram", False)]
    # Dreams of no steps are just that.
    assert shown(made(vgg, "steps", values=[0, 1])) == [("0 steps", False), ("1 step", False)]
    assert shown(made(vgg, "steps", values=[1])) == [("gray", True), ("1 step", False)]


def test_over_photos_each_stands_beside_its_dream(vgg: Classifier, image: Tensor) -> None:
    found = series(made(vgg, "photos", ["gray", image]))
    assert [[(each.number, each.untouched) for each in pair] for pair in found] == [
        [(0, True), (0, False)],
        [(1, True), (1, False)],
    ]
    assert [each.note for each in found[1]] == ["untouched", ""]


def test_rows_and_columns(vgg: Classifier) -> None:
    found = grid(made(vgg, ("layers", "losses"), at=["0", "3"], values=["mean", "gram", "norm"]))
    assert [place.label for place in found.rows] == ["features.0", "features.3"]
    assert [place.note for place in found.rows] == ["Conv2d", "Conv2d"]
    assert [place.label for place in found.columns] == ["mean", "gram", "norm"]
    assert [[each.number for each in row] for row in found.cells] == [[0, 1, 2], [3, 4, 5]]
    assert found.corner is not None
    assert (found.corner.label, found.corner.note, found.corner.untouched) == ("gray", "untouched", True)


def test_dreams_of_no_steps_leave_the_corner_empty(vgg: Classifier) -> None:
    assert grid(made(vgg, ("layers", "steps"), at=["0"], values=[0, 1])).corner is None
    assert grid(made(vgg, ("layers", "steps"), at=["0"], values=[1])).corner is not None


@pytest.mark.parametrize("over", [("photos", "losses"), ("losses", "photos")])
def test_a_column_or_row_of_untouched_photos(vgg: Classifier, over: tuple[str, str]) -> None:
    found = grid(made(vgg, over, ["gray", "noise"], values=["mean", "gram"]))
    assert found.corner is None
    numbers = [[each.number for each in row] for row in found.cells]
    untouched = [[each.untouched for each in row] for row in found.cells]
    if over[0] == "photos":
        assert [place.label for place in found.columns] == ["untouched", "mean", "gram"]
        assert numbers == [[0, 0, 1], [2, 2, 3]]
        assert untouched == [[True, False, False]] * 2
    else:
        assert [place.label for place in found.rows] == ["untouched", "mean", "gram"]
        assert numbers == [[0, 1], [0, 1], [2, 3]]
        assert untouched == [[True] * 2, [False] * 2, [False] * 2]
