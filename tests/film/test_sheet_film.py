from __future__ import annotations

from dataclasses import replace
from itertools import pairwise
from pathlib import Path

import pytest
import torch
from torch import Tensor

from dreamscope import images
from dreamscope.errors import DreamscopeError
from dreamscope.figures import sheet_picture
from dreamscope.film import sheet_film, writer
from dreamscope.film.reader import Clip
from dreamscope.film.sheet_film import HOLD, fading, growing
from dreamscope.models.classifier import Classifier
from dreamscope.optimize.ascent import Step
from dreamscope.optimize.parameterizations import Pixel
from dreamscope.recipes import Recipe
from dreamscope.sheets.gallery import Gallery, gallery
from dreamscope.sheets.plan import plan
from dreamscope.sheets.snapshots import Snapshots

HELD = round(10 * HOLD)
WIDE, HIGH = 80, 60
# Below a title of two or three lines.
TOP, GAP = 75, 10


def plain(level: float) -> Tensor:
    return torch.full((1, 3, HIGH, WIDE), level)


@pytest.fixture
def made(vgg: Classifier, tmp_path: Path) -> Gallery:
    """Two cells over gray, a dark one that took two steps and a light one that took four."""
    sets = {"dark": (1.0,), "light": (-1.0,)}
    settings = {"preset": "plain", "steps": 0, "size": f"{WIDE}x{HIGH}"}
    found = gallery(
        plan("weights", [vgg], ["gray"], at=["features.1"], sets=sets, **settings), folder=tmp_path / "cells"
    )
    for each, sign, total in zip(found.cells, (-1, 1), (2, 4), strict=True):
        assert each.path is not None
        images.write(plain(0.5 + sign * 0.3), each.path)
        with Snapshots(each.path, 1).taken() as take:
            for number in range(1, total + 1):
                take(Step(number, total, (0.0,), Pixel.of(plain(0.5 + sign * 0.3 * number / (total + 1)))))
    return found


def levels(path: Path, first: int = 1) -> list[tuple[float, float]]:
    """How light the middles of two pictures of each frame are: of the dreams, that stand beside the photo."""
    places = [slice(GAP + n * (WIDE + GAP) + 10, GAP + n * (WIDE + GAP) + WIDE - 10) for n in (first, first + 1)]
    frames = [frame.image[..., TOP : TOP + 30, :] for frame in Clip.open(path).frames()]
    return [(frame[..., places[0]].mean().item(), frame[..., places[1]].mean().item()) for frame in frames]


def test_dreams_grow_from_the_photo_to_what_they_are(made: Gallery, tmp_path: Path) -> None:
    done = growing(made, tmp_path / "a.mp4", fps=10)
    seen = levels(done.path)
    # The photo, four steps, the finished ones; the shorter dream is finished after two.
    assert len(seen) == done.count == 6 + HELD
    assert [dark for dark, _ in seen[:6]] == pytest.approx([0.5, 0.4, 0.3, 0.2, 0.2, 0.2], abs=0.02)
    assert [light for _, light in seen[:6]] == pytest.approx([0.5, 0.56, 0.62, 0.68, 0.74, 0.8], abs=0.02)
    assert seen[-1] == pytest.approx((0.2, 0.8), abs=0.02)
    assert done.fps == 10
    assert Recipe.from_json(writer.read_note(done.path) or "") == made.recipe
    assert sorted(path.suffix for path in (tmp_path / "cells").iterdir()) == [".png", ".png"]


def test_the_last_frame_is_the_sheet(made: Gallery, tmp_path: Path) -> None:
    *_, last = Clip.open(growing(made, tmp_path / "a.mp4", fps=10).path).frames()
    sheet = sheet_picture.picture(made)
    assert (last.image[..., : sheet.shape[2], : sheet.shape[3]] - sheet).abs().mean() < 0.01


def test_rows_and_columns_grow_too(vgg: Classifier, tmp_path: Path) -> None:
    settings = {"preset": "plain", "steps": 2, "size": "80x60", "values": ["mean", "gram"]}
    made = gallery(
        plan(("layers", "losses"), [vgg], ["gray"], at=["0", "3"], **settings), folder=tmp_path / "cells", every=1
    )
    done = growing(made, tmp_path / "a.mp4", fps=10)
    assert done.count == 4 + HELD
    *_, last = Clip.open(done.path).frames()
    sheet = sheet_picture.picture(made)
    assert (last.image[..., : sheet.shape[2], : sheet.shape[3]] - sheet).abs().mean() < 0.01


def test_a_long_label_does_not_change_the_size_of_a_frame(made: Gallery, tmp_path: Path) -> None:
    long = replace(made.cells[1], label="a label that takes several lines under a picture as narrow as this one")
    done = fading(replace(made, cells=(made.cells[0], long)), tmp_path / "a.mp4", seconds=0, fps=10)
    assert len({frame.image.shape for frame in Clip.open(done.path).frames()}) == 1
    assert done.size.height > HIGH + 6 * 17


def test_snapshots_are_needed_and_taken_where_they_are_missing(vgg: Classifier, image: Tensor, tmp_path: Path) -> None:
    photo = images.write(image, tmp_path / "photo.png")
    settings = {"values": ["plain", "classic"], "steps": 3, "octaves": 1}
    both = plan("presets", [vgg], [photo], at=["features.1"], **settings)
    folder = tmp_path / "cells"
    found = gallery(both, folder=folder)
    with pytest.raises(DreamscopeError, match="'plain' has no pictures of every 2 steps"):
        growing(found, tmp_path / "a.mp4", every=2)
    again = gallery(both, folder=folder, every=2)
    assert all(each.fresh for each in again.cells)
    # Kept until the film is there: what was interrupted in between is not dreamt a third time.
    assert not any(each.fresh for each in gallery(both, folder=folder, every=2).cells)
    assert growing(again, tmp_path / "a.mp4", every=2, fps=10).count == 4 + HELD
    for one, two in zip(found.cells, again.cells, strict=True):
        assert one.path == two.path


def test_steps_along_one_run_are_filmed_each(vgg: Classifier, image: Tensor, tmp_path: Path) -> None:
    photo = images.write(image, tmp_path / "photo.png")
    steps = plan("steps", [vgg], [photo], at=["features.1"], values=[1, 3], preset="plain")
    found = gallery(steps, folder=tmp_path / "cells", every=1)
    assert [len(Snapshots(each.path, 1)) for each in found.cells if each.path] == [1, 3]
    alone = gallery(steps, folder=tmp_path / "others")
    for one, two in zip(found.cells, alone.cells, strict=True):
        assert one.path is not None
        assert two.path is not None
        assert one.path.read_bytes() == two.path.read_bytes()


def test_what_did_not_come_out_stays_empty(made: Gallery, tmp_path: Path) -> None:
    lost = replace(made, cells=(made.cells[0], replace(made.cells[1], path=None, note="not finite")))
    seen = levels(growing(lost, tmp_path / "a.mp4", fps=10).path)
    assert [light for _, light in seen] == pytest.approx([1.0] * len(seen), abs=0.02)
    with pytest.raises(DreamscopeError, match="1 dreams can't fade"):
        fading(lost, tmp_path / "b.mp4")


def test_dreams_fade_into_one_another_beside_the_photo(made: Gallery, tmp_path: Path) -> None:
    done = fading(made, tmp_path / "a.mp4", seconds=0.3, fps=10)
    seen = levels(done.path, first=0)
    assert len(seen) == done.count == 2 * (HELD + 3)
    assert [photo for photo, _ in seen] == pytest.approx([0.5] * len(seen), abs=0.02)
    dream = [level for _, level in seen]
    assert dream[:HELD] == pytest.approx([0.2] * HELD, abs=0.02)
    assert dream[HELD : HELD + 3] == pytest.approx([0.35, 0.5, 0.65], abs=0.02)
    # Nowhere a jump, from the last to the first neither.
    assert max(abs(later - earlier) for earlier, later in pairwise([*dream, dream[0]])) < 0.18


@pytest.mark.parametrize("seconds", [-1, 61, float("nan")])
def test_how_long_it_fades(made: Gallery, tmp_path: Path, seconds: float) -> None:
    with pytest.raises(DreamscopeError, match="0 to 60 seconds"):
        fading(made, tmp_path / "a.mp4", seconds=seconds)
    assert not (tmp_path / "a.mp4").exists()


def test_pictures_of_different_sizes_do_not_fade(vgg: Classifier, tmp_path: Path) -> None:
    files = [images.write(plain(0.5)[..., : HIGH - cut, :], tmp_path / f"{cut}.png") for cut in (0, 8)]
    found = gallery(plan("photos", [vgg], files, at=["features.1"], preset="plain", steps=0), folder=tmp_path / "c")
    with pytest.raises(DreamscopeError, match="80x52 and 80x60 can't fade into one another; see --size"):
        fading(found, tmp_path / "a.mp4")


def test_many_side_by_side_are_made_small(made: Gallery, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert growing(made, tmp_path / "a.gif", fps=10).size.width == 3 * (WIDE + GAP) + GAP
    monkeypatch.setattr(sheet_film, "WIDEST", 200)
    monkeypatch.setattr(sheet_film, "SMALLEST", 40)
    for each in made.cells:
        assert each.path is not None
        with Snapshots(each.path, 1).taken() as take:
            take(Step(1, 1, (0.0,), Pixel.of(plain(0.5))))
    assert growing(made, tmp_path / "b.gif", fps=10).size.width <= 200
