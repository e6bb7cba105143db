from __future__ import annotations

from pathlib import Path

import pytest
import torch
from torchvision.datasets import ImageFolder

from dreamscope import images, photos
from dreamscope.augmentation.augment import Augmented, augment
from dreamscope.errors import DreamscopeError
from dreamscope.figures.before_after import before_after
from dreamscope.models.classifier import Classifier
from dreamscope.recipes import Recipe

QUICK = {"steps": 2, "octaves": 1, "at": "act", "size": 24}


@pytest.fixture
def out(tmp_path: Path) -> Path:
    return tmp_path / "made"


def made(model: Classifier, coloured: Path, out: Path, **given: object) -> Augmented:
    return augment(model, coloured / "green", coloured / "red", out, **{**QUICK, "count": 5, **given})


def content(folder: Path) -> dict[str, bytes]:
    return {str(path.relative_to(folder)): path.read_bytes() for path in sorted(folder.rglob("*")) if path.is_file()}


def test_green_photos_become_less_green_and_redder(planted: Classifier, coloured: Path, out: Path) -> None:
    found = made(planted, coloured, out, filter="mean", natural=0.0, strength=1)
    assert (found.label, found.made, found.skipped, len(found.pictures)) == ("red", 5, {}, 5)
    for each in found.pictures:
        before, after = images.read(each.source), images.read(each.path)
        change = after.mean((2, 3)) - before.mean((2, 3))
        # Channel 8 is silent on green: what there is to climb is less of channel 6, 2 G - R - B.
        assert change[0, 0] > 0.005
        assert change[0, 1] < -0.01
    assert before_after(found).shape[1] == 3


def test_others_read_the_folder(planted: Classifier, coloured: Path, out: Path) -> None:
    made(planted, coloured, out)
    read = ImageFolder(str(out))
    assert (read.classes, len(read)) == (["red"], 5)
    assert {each.label for each in photos.find(out)} == {"red"}
    assert len(photos.find(out / "labels.csv")) == 5


def test_each_has_its_recipe_and_no_paths(planted: Classifier, coloured: Path, out: Path) -> None:
    pictures = made(planted, coloured, out).pictures
    assert len({each.strength for each in pictures}) == 5
    for number, each in enumerate(pictures):
        assert 0.5 <= each.strength <= 1
        recipe = Recipe.read(each.path)
        assert recipe.parameters["number"] == number
        assert recipe.parameters["drawn"] == each.strength
        assert recipe.inputs["image"]["name"] == each.source.name
        assert str(coloured.parent) not in recipe.to_json()
        assert str(out) not in (out / "labels.csv").read_text()


@pytest.mark.parametrize("aim", ["direction", "guide", "head"])
def test_what_was_interrupted_goes_on(planted: Classifier, coloured: Path, out: Path, aim: str) -> None:
    made(planted, coloured, out, aim=aim, mask="spot", keep=["pixels:1", "features:1"])
    whole = content(out)
    for name in [*whole][1:4]:
        (out / name).unlink()
    # What somebody who was killed had begun.
    (out / "red" / ".dreamscope-0.png").write_bytes(b"torn")
    again = made(planted, coloured, out, aim=aim, mask="spot", keep=["pixels:1", "features:1"], engine="here")
    assert again.made == len(whole) - len([*whole][:1]) - len([*whole][4:]) - ("labels.csv" in [*whole][1:4])
    assert content(out) == whole


def test_more_pictures_leave_those_before(planted: Classifier, coloured: Path, out: Path) -> None:
    first = content(out / "red") if made(planted, coloured, out) else {}
    more = made(planted, coloured, out, count=30)
    assert more.made == 25
    assert content(out / "red").items() >= first.items()
    # Every photo once before any twice.
    assert len({each.source for each in more.pictures[:24]}) == 24


def test_other_arguments_are_refused(planted: Classifier, coloured: Path, out: Path) -> None:
    made(planted, coloured, out)
    before = content(out)
    with pytest.raises(DreamscopeError, match="was made with other steps; give another folder"):
        made(planted, coloured, out, steps=3)
    with pytest.raises(DreamscopeError, match="was made with other photos"):
        augment(planted, coloured / "green", coloured / "blue", out, label="red", count=5, **QUICK)
    assert content(out) == before


def test_gray_photos_stay_gray(planted: Classifier, coloured: Path, tmp_path: Path, out: Path) -> None:
    (tmp_path / "gray").mkdir()
    for number in range(2):
        picture = torch.rand((1, 1, 24, 24), generator=torch.Generator().manual_seed(number))
        images.write(picture.expand(-1, 3, -1, -1), tmp_path / "gray" / f"{number}.png")
    found = augment(planted, tmp_path / "gray", coloured / "red", out, **QUICK)
    assert len(found.pictures) == 2
    for each in found.pictures:
        after = images.read(each.path)
        assert torch.equal(after[:, 0], after[:, 1])
        assert torch.equal(after[:, 0], after[:, 2])
        assert not torch.equal(after, images.read(each.source))


def test_a_photo_that_can_not_be_read_is_skipped(planted: Classifier, coloured: Path, out: Path) -> None:
    (coloured / "green" / "torn.png").write_bytes(b"")
    found = made(planted, coloured, out, count=None)
    assert (len(found.pictures), [*found.skipped]) == (24, ["torn.png"])


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"aim": "direktion"}, "did you mean 'direction'"),
        ({"count": 0}, "1 or more, not 0"),
        ({"strength": (1, 0.5)}, "between 0 and 4"),
        ({"strength": 5}, "between 0 and 4"),
        ({"mask": "nowhere.png"}, "no such mask: 'nowhere.png'"),
        ({"keep": "pixel:1"}, "did you mean 'pixels'"),
        ({"label": "a/b"}, "a label names a folder"),
        ({"at": "act:8"}, "whole layers"),
    ],
)
def test_refusals(planted: Classifier, coloured: Path, out: Path, given: dict, message: str) -> None:
    with pytest.raises(DreamscopeError, match=message):
        made(planted, coloured, out, **given)
    assert not out.exists()


def test_no_photo_is_of_both_kinds(planted: Classifier, coloured: Path, out: Path) -> None:
    with pytest.raises(DreamscopeError, match="among the photos with the thing and among those without it"):
        augment(planted, coloured / "red", coloured, out, **QUICK)
    assert not out.exists()
