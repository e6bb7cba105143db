from __future__ import annotations

from pathlib import Path

import pytest
from nets import hooks_on

from dreamscope import photos
from dreamscope.dissection.evaluation import compare, evaluate, predict
from dreamscope.models.classifier import Classifier
from dreamscope.models.edits import Ablation
from dreamscope.photos import Photo


@pytest.fixture
def without_red_and_blue(planted: Classifier) -> Classifier:
    return planted.edited(Ablation("act:7,8"))


def test_what_two_channels_cost(planted: Classifier, without_red_and_blue: Classifier, coloured: Path) -> None:
    rest = [photo for photo in photos.find(coloured) if photo.label != "red"]
    red = photos.find(coloured / "red")
    found = evaluate(planted, without_red_and_blue, red, rest, class_index=2)
    assert (found.recall_before.value, found.recall_after.value) == (1, 0)
    assert (found.top1_before.value, found.top1_after.value) == (1, 0.5)
    assert (found.loss.value, found.loss.count) == (50, 48)
    assert 30 < found.loss.low < 50 < found.loss.high < 70
    assert found.changed.value == 0.5
    assert found.top5_after.value == 1  # of three classes
    assert [(each.label, each.count, each.right_before, each.right_after) for each in found.worst] == [
        ("blue", 24, 24, 0),
        ("green", 24, 24, 24),
    ]
    assert found.taken_for == (("green", 24),)
    assert len(found.photos) == 24
    assert (found.photos[0].before, found.photos[0].after, found.photos[0].still) == ("red", "green", False)
    assert hooks_on(planted.module) == 0


def test_photos_without_labels_keep_their_answer_or_not(
    planted: Classifier, without_red_and_blue: Classifier, coloured: Path
) -> None:
    rest = [Photo(path) for path in (coloured / "blue").iterdir()]
    found = evaluate(planted, without_red_and_blue, photos.find(coloured / "red"), rest, class_index=2)
    assert (found.top1_before.value, found.top1_after.value) == (1, 0)
    assert (found.loss.value, found.labelled) == (100, 0)


def test_what_is_lost_is_named_as_what_was_counted(planted: Classifier, coloured: Path) -> None:
    labelled = [photo for photo in photos.find(coloured) if photo.label == "green"]
    # A label that is none of the network's classes is none.
    plain = [Photo(path, "a folder") for path in sorted((coloured / "blue").iterdir())]

    def named(rest: list[Photo], folds: int = 1) -> str:
        (predicted,) = predict([planted], rest, 2).by_model
        found = compare(([], []), [predicted * folds] * 2, [], class_index=2, model=planted, folds=folds)
        name = found.loss_name(" on the rest")
        assert name in found._repr_html_()
        return name

    assert named(labelled) == named(labelled, folds=3) == "top-1 lost on the rest (points)"
    assert named(plain) == named(plain, folds=3) == "answers changed on the rest (%)"
    mixed = "top-1 lost or answers changed on the rest (points; 24 of 29 photos labelled)"
    assert named([*labelled, *plain[:5]]) == named([*labelled, *plain[:5]], folds=3) == mixed
    assert named([]) == "top-1 lost on the rest (points)"


def test_each_photo_is_read_once_for_all_models(
    planted: Classifier, without_red_and_blue: Classifier, coloured: Path
) -> None:
    (coloured / "red" / "torn.png").write_bytes(b"")
    found = predict([planted, without_red_and_blue, planted], photos.find(coloured / "red"), 2)
    assert [len(each) for each in found.by_model] == [24] * 3
    assert [each.top for each in found.by_model[0]] == [each.top for each in found.by_model[2]]
    assert list(found.unreadable) == ["torn.png"]
