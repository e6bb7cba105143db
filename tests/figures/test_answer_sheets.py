from __future__ import annotations

import shutil
from dataclasses import replace
from pathlib import Path

import dogs
import pytest
import torch
from nets import ByBackground

from dreamscope.attribution.explain_photos import explain_photos
from dreamscope.attribution.photo_explanations import PhotoExplanations
from dreamscope.dissection.classify import classify
from dreamscope.figures import answer_sheets
from dreamscope.figures.answer_sheets import sure
from dreamscope.models.classifier import Classifier
from dreamscope.models.wrapping import wrap


def reddish(sheet: torch.Tensor) -> int:
    return int((sheet[0, 0] > sheet[0, 1] + 0.3).sum())


def test_only_mistakes_are_shown(planted: Classifier, coloured: Path) -> None:
    shutil.move(coloured / "red" / "0.png", coloured / "green" / "moved.png")
    found = classify(planted, coloured)
    sheet = answer_sheets.of_mistakes(found, planted)
    # One photo of 16 pixels a side, red, and nothing else.
    assert reddish(sheet) > 200
    assert sheet.shape[3] < 200
    assert not bool((sheet[0, 2] > sheet[0, 0] + 0.2).any())
    assert answer_sheets._shown(found)[1] == "its mistakes, the most confident first, 1"


def test_without_mistakes_the_least_sure_are(planted: Classifier, coloured: Path) -> None:
    found = classify(planted, coloured)
    shown, title = answer_sheets._shown(found)
    assert title == "72 photos, no mistakes; the least sure answers"
    assert len(shown) == answer_sheets.MOST
    confidences = [each.predicted.probability for each in found.answers]
    assert [each.predicted.probability for each in shown] == sorted(confidences)[: answer_sheets.MOST]
    unknown = classify(planted, coloured / "red")
    assert answer_sheets._shown(unknown)[1] == "24 photos, truths unknown; the least sure answers"


def test_a_photo_that_is_gone_leaves_an_empty_place(planted: Classifier, coloured: Path) -> None:
    found = classify(planted, coloured / "red" / "0.png")
    before = answer_sheets.of_mistakes(found, planted)
    (coloured / "red" / "0.png").unlink()
    after = answer_sheets.of_mistakes(found, planted)
    assert reddish(before) > 200
    assert reddish(after) == 0


@pytest.mark.parametrize(
    ("probability", "text"), [(1.0, "100%"), (0.123, "12%"), (0.0123, "1.2%"), (0.0001, "0%"), (0.0999, "10.0%")]
)
def test_percentages(probability: float, text: str) -> None:
    assert sure(probability) == text


@pytest.fixture
def explained(tmp_path: Path) -> PhotoExplanations:
    photos, masks = dogs.draw(tmp_path, side=64)
    model = wrap(ByBackground(), input_size=64, labels=dogs.LABELS)
    return explain_photos(model, photos, masks=masks, method=["gradcam", "guided"])


def test_each_photo_is_followed_by_its_maps(explained: PhotoExplanations) -> None:
    first, cam, guided = answer_sheets._cells(explained.photos[0], explained)
    assert (first.label, first.note) == ("✗ dog", "snow.png")
    assert cam.label.endswith("wolf")
    assert cam.note == "gradcam: 100% outside (75%)"
    assert guided.note == "guided: 100% outside (75%)"
    # Of guided the gradient as a picture: gray where the object is, which counts for nothing.
    assert bool((guided.image[..., 20:44, 20:44] == 0.5).all())
    assert answer_sheets._cells(explained.photos[1], explained)[0].label == "✓ dog"


def test_what_speaks_for_it_is_bright_over_the_photo(explained: PhotoExplanations) -> None:
    cam = answer_sheets._cells(explained.photos[0], explained)[1].image.mean(1)[0]
    assert cam[:10].mean() > cam[24:40, 24:40].mean() + 0.3


def test_a_sheet_of_explanations(explained: PhotoExplanations) -> None:
    sheet = answer_sheets.of_explanations(explained)
    # Three photos of three cells each: 64 pixels and a gap.
    assert (sheet.shape[3] - 10) % (3 * 74) == 0
    assert answer_sheets._order(explained) == "mistakes first"
    assert answer_sheets._order(replace(explained, photos=explained.photos[1:])) == "the least sure first"
    assert answer_sheets._order(replace(explained, sort="outside")) == "most outside first by gradcam"
    fewer = replace(explained, photos=(explained.photos[0], replace(explained.photos[1], image=None, maps=())))
    assert answer_sheets.of_explanations(fewer).shape[2] <= sheet.shape[2]


def test_an_empty_map_is_called_empty(explained: PhotoExplanations) -> None:
    photo = explained.photos[0]
    nothing = (torch.zeros_like(photo.maps[0]), torch.full_like(photo.maps[1], 0.5))
    cells = answer_sheets._cells(replace(photo, maps=nothing), explained)
    assert [each.note for each in cells[1:]] == ["gradcam: empty", "guided: empty"]
