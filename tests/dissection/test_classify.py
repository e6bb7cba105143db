from __future__ import annotations

import csv
import json
import shutil
from pathlib import Path

import pytest
import torch
from nets import Linear, hooks_on

from dreamscope import images
from dreamscope.dissection import intervals
from dreamscope.dissection.classification import Classification, Confusion, said, without_truth
from dreamscope.dissection.classify import classify
from dreamscope.errors import DreamscopeError
from dreamscope.models.classifier import Classifier
from dreamscope.models.wrapping import wrap
from dreamscope.photos import Photo, find


@pytest.fixture
def mixed(coloured: Path) -> Path:
    """24 photos of each colour; three red ones lie among the green, and one blue."""
    for number, colour in enumerate(("red", "red", "red", "blue")):
        shutil.move(coloured / colour / f"{number}.png", coloured / "green" / f"moved{number}.png")
    return coloured


def test_accuracy_and_confusions_are_counted(planted: Classifier, mixed: Path) -> None:
    found = classify(planted, mixed)
    assert len(found.answers) == len(found.labelled) == 72
    assert found.top1 == intervals.share([True] * 68 + [False] * 4)
    assert found.top5.value == 1
    assert found.classes == 3
    assert found.confusions == [Confusion("green", "red", 3), Confusion("green", "blue", 1)]
    assert {each.photo.path.name for each in found.mistakes} == {f"moved{number}.png" for number in range(4)}
    sure = [each.predicted.probability for each in found.mistakes]
    assert sure == sorted(sure, reverse=True)
    assert dict(found.frequent) == {"green": 24, "red": 24, "blue": 24}
    assert hooks_on(planted.module) == 0


def test_each_photo_has_the_numbers_of_classify(planted: Classifier, mixed: Path) -> None:
    for each in classify(planted, mixed, top=2).answers[::11]:
        (alone,) = planted.classify(images.read(each.photo.path), top=3)
        assert [other.index for other in each.predictions] == [other.index for other in alone[:2]]
        assert each.predicted.probability == pytest.approx(alone[0].probability, abs=1e-5)
        labels = [other.label for other in alone]
        assert labels[each.rank - 1] == each.truth.label == each.photo.label
        assert each.truth.probability == pytest.approx(alone[each.rank - 1].probability, abs=1e-5)
        assert each.is_mistake == (each.rank > 1)


def test_many_photos_go_through_the_folded_network(residual: Classifier, tmp_path: Path) -> None:
    path = images.write(torch.rand((1, 3, 32, 32), generator=torch.Generator().manual_seed(0)), tmp_path / "0.png")
    for number in range(1, 128):
        shutil.copy(path, tmp_path / f"{number}.png")
    seen: list[tuple[str, int, int]] = []
    found = classify(residual, tmp_path, callback=lambda *step: seen.append(step))
    (alone,) = residual.classify(images.read(path))
    assert {each.predicted.index for each in found.answers} == {alone[0].index}
    assert found.answers[-1].predicted.probability == pytest.approx(alone[0].probability, abs=1e-5)
    assert seen[0] == ("photos", 32, 128)
    assert seen[-1] == ("photos", 128, 128)


def test_photos_without_a_truth_are_left_out(planted: Classifier, coloured: Path, tmp_path: Path) -> None:
    (tmp_path / "some.csv").write_text("file,label\nphotos/red/0.png,red\nphotos/red/1.png,\nphotos/blue/0.png,sky\n")
    found = classify(planted, tmp_path / "some.csv")
    assert (len(found.answers), len(found.labelled), found.top1.count, found.top1.value) == (3, 1, 1, 1)
    assert [each.is_mistake for each in found.answers] == [False] * 3


def test_why_there_is_no_accuracy(planted: Classifier, coloured: Path) -> None:
    assert without_truth(find(coloured), planted) == ""
    assert "put a labels.csv" in without_truth(find(coloured / "red"), planted)
    named = [Photo(coloured / "red" / "0.png", "cherry")]
    assert "such as 'cherry', name no class of Planted" in without_truth(named, planted)
    found = classify(planted, named)
    assert found.labelled == found.mistakes == found.confusions == []
    assert found.to_dict()["top1"] is None
    json.loads(json.dumps(found.to_dict(), allow_nan=False))


def test_an_index_beyond_the_classes_is_no_truth(coloured: Path) -> None:
    model = wrap(torch.nn.Sequential(torch.nn.AdaptiveAvgPool2d(1), torch.nn.Flatten()), input_size=16)
    photos = [Photo(coloured / "red" / "0.png", text) for text in ("0",)]
    assert classify(model, photos).answers[0].rank == 1
    assert classify(model, [Photo(photos[0].path, "3")]).answers[0].truth is None


def test_tables(planted: Classifier, mixed: Path, tmp_path: Path) -> None:
    found = classify(planted, mixed)
    rows = list(csv.DictReader(found.save(tmp_path / "table.csv").open()))
    assert len(rows) == 72
    assert list(rows[0]) == ["file", "truth", "predicted", "confidence", "truth_rank", "truth_confidence"]
    wrong = [row for row in rows if row["truth"] != row["predicted"]]
    assert {(row["truth"], row["predicted"]) for row in wrong} == {("green", "red"), ("green", "blue")}
    assert all(int(row["truth_rank"]) > 1 and float(row["truth_confidence"]) < 0.5 for row in wrong)
    kept = json.loads(found.save(tmp_path / "table.json").read_text())
    assert kept["recipe"]["command"] == "classify"
    assert kept["recipe"]["parameters"] == {"top": 5}
    assert kept["recipe"]["inputs"]["photos"]["count"] == 72
    assert str(tmp_path) not in json.dumps(kept["recipe"])
    assert (kept["top1"]["count"], kept["labelled"], len(kept["answers"])) == (72, 72, 72)
    with pytest.raises(DreamscopeError, match=r"a table of photos ends in \.csv or \.json"):
        found.save(tmp_path / "table.xls")


def test_it_shows_itself_in_a_notebook(planted: Classifier, mixed: Path) -> None:
    shown = classify(planted, mixed)._repr_html_()
    assert "72 photos, 72 with a truth: top-1 94.4 % (68 of 72" in shown
    assert shown.count("<tr>") == 1 + 4


def test_few_are_counted() -> None:
    assert said(intervals.share([1, 1, 0])) == "2 of 3 (95 % interval 21 to 94 %)"
    assert said(intervals.share([1] * 9 + [0])).startswith("90.0 % (9 of 10; 95 % interval")


def test_torn_photos_are_skipped(planted: Classifier, mixed: Path) -> None:
    (mixed / "red" / "torn.png").write_bytes(b"")
    found = classify(planted, mixed)
    assert list(found.unreadable) == ["torn.png"]
    assert len(found.answers) == 72
    assert isinstance(found, Classification)


def test_what_is_refused(planted: Classifier, coloured: Path) -> None:
    with pytest.raises(DreamscopeError, match="has no classes"):
        classify(wrap(Linear(), input_size=16), coloured)
    with pytest.raises(DreamscopeError, match="top is 1 or more, not 0"):
        classify(planted, coloured, top=0)
    with pytest.raises(DreamscopeError, match="no such folder"):
        classify(planted, coloured / "nowhere")
