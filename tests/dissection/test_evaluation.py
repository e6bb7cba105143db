from __future__ import annotations

from pathlib import Path

import pytest
import torch
from nets import hooks_on

from dreamscope import images, photos
from dreamscope.dissection.evaluation import compare, evaluate, lost, recall
from dreamscope.dissection.predictions import Measured, by_photo, predictions
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
    assert len(found.controls) == 48
    assert {(row.before, row.after, row.changed, row.edits) for row in found.controls} == {
        ("green", "green", 0, 1), ("blue", "green", 1, 1)
    }  # fmt: skip
    assert hooks_on(planted.module) == 0


def test_photos_without_labels_keep_their_answer_or_not(
    planted: Classifier, without_red_and_blue: Classifier, coloured: Path
) -> None:
    rest = [Photo(path) for path in (coloured / "blue").iterdir()]
    found = evaluate(planted, without_red_and_blue, photos.find(coloured / "red"), rest, class_index=2)
    assert (found.top1_before.value, found.top1_after.value) == (1, 0)
    assert (found.loss.value, found.labelled) == (100, 0)
    assert (found.loss.low, found.loss.high) == (100 * found.changed.low, 100)


def test_what_is_lost_is_named_as_what_was_counted(planted: Classifier, coloured: Path) -> None:
    labelled = [photo for photo in photos.find(coloured) if photo.label == "green"]
    # A label that is none of the network's classes is none.
    plain = [Photo(path, "a folder") for path in sorted((coloured / "blue").iterdir())]

    def named(rest: list[Photo], folds: int = 1) -> str:
        measured = predicted(planted, rest)
        found = compare(([], []), (measured, measured * folds), class_index=2, model=planted)
        assert found.loss.count == found.changed.count == len(rest)
        name = found.loss_name(" on the rest")
        assert name in found._repr_html_()
        return name

    assert named(labelled) == named(labelled, folds=3) == "top-1 lost on the rest (points)"
    assert named(plain) == named(plain, folds=3) == "answers changed on the rest (%)"
    mixed = "top-1 lost or answers changed on the rest (points; 24 of 29 photos labelled)"
    assert named([*labelled, *plain[:5]]) == named([*labelled, *plain[:5]], folds=3) == mixed
    assert named([]) == "top-1 lost on the rest (points)"
    # Fewer than ten are counted.
    assert named(labelled[:5]) == "top-1 lost on the rest (photos)"
    assert named(plain[:5]) == "answers changed on the rest (photos)"
    few = [*labelled[:4], *plain[:5]]
    assert named(few) == "top-1 lost or answers changed on the rest (photos; 4 of 9 photos labelled)"


def test_a_photo_measured_after_several_edits_counts_once(
    planted: Classifier, without_red_and_blue: Classifier, coloured: Path
) -> None:
    blue, red = photos.find(coloured / "blue"), photos.find(coloured / "red")
    before, same, worse = predicted(planted, blue), predicted(planted, blue), predicted(without_red_and_blue, blue)
    # All wrong after one edit, all right after the other.
    assert (lost(before, [*worse, *same]).value, lost(before, [*worse, *same]).count) == (50, 24)
    after = [*predicted(without_red_and_blue, red), *predicted(planted, red[:12])]
    assert (recall(after, 2).value, recall(after, 2).count) == (0.25, 24)
    found = compare((predicted(planted, red), after), (before, [*worse, *same]), class_index=2, model=planted)
    assert (found.recall_after.value, found.top1_after.value, found.changed.value) == (0.25, 0.5, 0.5)
    assert [(each.count, each.right_before, each.right_after) for each in found.worst] == [(24, 24, 12)]
    assert len(found.photos) == found.confidence_after.count == 24


def test_only_what_was_measured_after_an_edit_is_compared(planted: Classifier, coloured: Path) -> None:
    blue = predicted(planted, photos.find(coloured / "blue"))
    assert lost(blue, blue[:5]).count == 5
    assert by_photo([(blue[0][0], 1), (blue[1][0], 0), (blue[0][0], 0)]) == [0.5, 0]


def test_an_unreadable_photo_is_left_out(planted: Classifier, without_red_and_blue: Classifier, coloured: Path) -> None:
    (coloured / "red" / "torn.png").write_bytes(b"")
    red = photos.find(coloured / "red")
    found = evaluate(planted, without_red_and_blue, red, photos.find(coloured / "green"), class_index=2)
    assert found.recall_after.count == len(found.photos) == len(red) - 1 == 24


def predicted(model: Classifier, given: list[Photo]) -> list[Measured]:
    if not given:
        return []
    logits = torch.cat([model.logits(model.prepared(images.read(photo.path))) for photo in given])
    return list(zip(given, predictions(logits, given, 2, model.labels), strict=True))
