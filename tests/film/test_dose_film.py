from __future__ import annotations

from dataclasses import replace
from fractions import Fraction
from pathlib import Path

import colours
import pytest
import torch
from blindings import made
from filmed import decoded
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.text import Text
from nets import Planted
from torch import Tensor

from dreamscope import images
from dreamscope.dissection.blind import blind
from dreamscope.dissection.blinding import Blinding
from dreamscope.dissection.dose_response import Stage
from dreamscope.errors import DreamscopeError
from dreamscope.film import dose_film, writer
from dreamscope.models.wrapping import wrap


@pytest.fixture
def blinding(tmp_path: Path) -> Blinding:
    """Of 11 red photos; the ``frequency`` rule takes the loud channels first, and red's own last."""
    colours.draw(tmp_path / "photos", 22)
    red, green, blue = (tmp_path / "photos" / name for name in ("red", "green", "blue"))
    model = wrap(Planted(), input_size=16, labels=list(colours.COLOURS))
    asked = {"units": "channels", "method": "frequency", "layers": ["act"], "top": 3}
    return blind(model, red, [green, blue], class_name="red", folds=1, draws=1, curve=True, **asked)


def blank(blinding: Blinding, number: int, place: int) -> Blinding:
    """The same, but at one stage one photo is taken for something else."""
    stages = list(blinding.course.stages)
    predictions = list(stages[number].predictions)
    predictions[place] = replace(predictions[place], top=(1, 2, 0), confidence=0.2)
    stages[number] = replace(stages[number], predictions=tuple(predictions))
    return replace(blinding, course=replace(blinding.course, stages=tuple(stages)))


def test_a_film_of_all_doses(blinding: Blinding, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    drawn, steps, draw = [], [], dose_film._drawn
    monkeypatch.setattr(dose_film, "_drawn", lambda *given: drawn.append(given[2]) or draw(*given))
    film = dose_film.film(blinding, tmp_path / "film.mp4", fps=2, callback=lambda *step: steps.append(step))
    # 0, 1, 2 and 4 channels stay 2 frames, but the last one 4, and the 3 that were chosen 5; 4 frames between them.
    assert [stage.amount for stage in blinding.course.stages] == [0, 1, 2, 3, 4]
    count = 2 + 2 + 2 + 5 + 4 + 4
    frames = decoded(tmp_path / "film.mp4")
    assert (film.count, film.fps, film.size, film.added) == (count, 2, images.Size(1280, 720), images.Size(0, 0))
    assert len(frames) == count
    assert {(frame.width, frame.height) for frame in frames} == {(1280, 720)}
    assert frames[-1].time == pytest.approx((count - 1) / 2)
    assert drawn == [0, 1, 2, 3, 4]
    assert steps[-1] == ("writing", count, count)
    assert writer.read_note(tmp_path / "film.mp4") == blinding.recipe.to_json()


def test_how_long_each_dose_stays() -> None:
    course = [Stage(amount, (), amount == 2) for amount in (0, 1, 2, 4)]
    frames = dose_film._frames(course, lambda number: torch.tensor(float(number)), Fraction(5))
    shown = [round(frame.item(), 3) for frame in frames]
    first, second, third = ([before + 0.333, before + 0.667] for before in (0, 1, 2))
    assert shown == [*[0] * 6, *first, *[1] * 6, *second, *[2] * 13, *third, *[3] * 10]


def test_a_slow_film_shows_each_dose() -> None:
    course = [Stage(amount, ()) for amount in (0, 1, 2)]
    frames = dose_film._frames(course, lambda number: torch.tensor(float(number)), Fraction(1, 2))
    assert [frame.item() for frame in frames] == [0, 1, 2]


def changed(before: Tensor, after: Tensor) -> tuple[int, int, int, int]:
    """Where two images differ: left, top, right, bottom."""
    rows, columns = (before != after).any(1)[0].nonzero(as_tuple=True)
    return int(columns.min()), int(rows.min()), int(columns.max()), int(rows.max())


def test_only_the_photo_that_is_lost_changes(blinding: Blinding) -> None:
    shown = dose_film._photos(blinding)
    assert len(shown) == 11
    each = shown[5]
    left, top, right, bottom = changed(
        dose_film._drawn(blinding, shown, 2), dose_film._drawn(blank(blinding, 2, each.place), shown, 2)
    )
    side = len(each.seen)
    assert each.left - 2 <= left <= right <= each.left + each.width
    assert each.top <= top < each.top + 5
    assert each.top + side < bottom < each.top + side + 45


def test_the_charts_and_numbers_go_on(blinding: Blinding) -> None:
    """The same predictions with more channels removed change nothing but the right side."""
    stages = blinding.course.stages
    stages = tuple(replace(stage, predictions=stages[0].predictions) for stage in stages)
    same = replace(blinding, course=replace(blinding.course, stages=stages))
    shown = dose_film._photos(same)
    left, _, right, bottom = changed(dose_film._drawn(same, shown, 0), dose_film._drawn(same, shown, 1))
    assert left > 780
    assert right < 1260
    assert 450 < bottom < 680


def test_long_names_stay_in_their_places(blinding: Blinding) -> None:
    long = "a $x$ label, \\alpha and much too long for its place, whatever the letters are" * 2
    named = replace(
        blinding,
        model=wrap(Planted(), input_size=16, labels=[long, *"bc"], name=long),
    )
    shown = dose_film._photos(named)
    page = dose_film._drawn(named, shown, 4)
    for left, right in ((0, 28), (780, 790), (1268, 1280)):
        assert bool((page[..., left:right] == 1).all())
    # Between the columns there is paper.
    gap = shown[1].left
    assert bool((page[..., dose_film._TOP :, gap - 10 : gap - 2] == 1).all())


@pytest.mark.parametrize(
    ("seen", "most", "expected"),
    [
        ([True, False, True], 12, [0, 1, 2]),
        ([False, True] * 4, 2, [1, 5]),
        ([False, True, False, False, False], 3, [0, 1, 3]),
        ([True] * 100, 4, [0, 25, 50, 75]),
    ],
)
def test_which_photos_are_shown(seen: list[bool], most: int, expected: list[int]) -> None:
    assert dose_film._picked(seen, most) == expected


def test_a_photo_that_is_no_longer_there_is_gray(blinding: Blinding) -> None:
    blinding.result.photos[3].path.unlink()
    missing = next(each for each in dose_film._photos(blinding) if each.place == 3)
    assert missing.seen.min() == missing.seen.max() == 204


def test_nothing_is_drawn_for_a_file_that_is_no_film(blinding: Blinding, tmp_path: Path) -> None:
    before = sorted(tmp_path.iterdir())
    with pytest.raises(DreamscopeError, match=r"a film ends in \.mp4, \.webm, \.gif"):
        dose_film.film(blinding, tmp_path / "film.avi")
    assert sorted(tmp_path.iterdir()) == before


def test_no_course(blinding: Blinding, tmp_path: Path) -> None:
    with pytest.raises(DreamscopeError, match=r"^this blinding has no course to film; make it with curve=True$"):
        dose_film.film(replace(blinding, course=None), tmp_path / "film.mp4")
    assert not (tmp_path / "film.mp4").exists()


@pytest.mark.parametrize(
    ("units", "number", "expected"),
    [
        ("channels", 1, {"1", "channel removed", "channels found", "as many random channels", "chosen: 2"}),
        ("channels", 2, {"2", "channels removed", "the chosen number", "channels found"}),
        ("directions", 2, {"40%", "of the directions\nerased", "directions found", "as many random directions"}),
        ("both", 5, {"100%", "of the directions\nerased", "as chosen", "chosen: 100%", "directions found"}),
    ],
)
def test_what_is_said(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, units: str, number: int, expected: set[str]
) -> None:
    texts: list[str] = []
    axes: list[Axes] = []
    draw = dose_film._charts

    def charts(figure: Figure, *given: object) -> None:
        draw(figure, *given)
        texts.extend(text.get_text() for text in figure.findobj(Text))
        axes.extend(figure.axes[1:])

    monkeypatch.setattr(dose_film, "_charts", charts)
    blinding = made(tmp_path, units=units)
    dose_film._drawn(blinding, dose_film._photos(blinding), number)
    assert expected <= set(texts)
    assert {each.get_xscale() for each in axes} == {"symlog" if units == "channels" else "linear"}
    assert axes[1].get_xlabel() == blinding.course.unit


def test_what_is_said_stays_apart(tmp_path: Path) -> None:
    """Between the columns of numbers there is paper, also at 100%."""
    blinding = made(tmp_path, units="directions")
    page = dose_film._drawn(blinding, dose_film._photos(blinding), 5)
    left, third = dose_film._CHARTS[0] - 40, (dose_film._CHARTS[1] - dose_film._CHARTS[0] + 40) / 3
    for column in (1, 2):
        start = round(left + column * third)
        assert bool((page[..., 20:110, start - 8 : start - 2] == 1).all())
