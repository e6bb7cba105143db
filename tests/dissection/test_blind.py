from __future__ import annotations

from pathlib import Path

import pytest
import torch
from nets import hooks_on

from dreamscope import images, photos
from dreamscope.dissection.blind import _count, blind
from dreamscope.dissection.dissect import dissect
from dreamscope.dissection.dose_response import DOSES, Comparison
from dreamscope.dissection.evaluation import recall
from dreamscope.dissection.scores import ChannelScores
from dreamscope.errors import DreamscopeError
from dreamscope.models.classifier import Classifier
from dreamscope.recipes import Recipe


def others(coloured: Path) -> list[Path]:
    return [coloured / "green", coloured / "blue"]


def test_without_the_planted_channel_the_class_is_gone_and_the_others_are_exactly_as_they_were(
    planted: Classifier, coloured: Path
) -> None:
    found = blind(planted, coloured / "red", others(coloured), class_="red", layers=["act"], top=1, draws=30)
    result = found.result
    assert [str(removed.address) for removed in found.removed] == ["act:8"]
    assert (result.recall_before.value, result.recall_before.count) == (1, 12)
    assert result.recall_after.value == 0
    assert result.confidence_after.value == pytest.approx(1 / 3, abs=0.01)
    assert (result.loss.value, result.loss.low, result.loss.high) == (0, 0, 0)
    assert (result.changed.value, result.changed.count) == (0, 24)
    assert found.verdict().startswith("Blind to red, at little cost")
    # Eight of nine random channels leave red alone.
    assert 0.6 < found.random.recall.value < 1
    assert found.curve_frequency[0].recall.value == 1
    assert found.counts == {
        "targets to find on": 12,
        "targets to measure on": 12,
        "controls to find on": 24,
        "others to measure on": 24,
    }
    for path in (coloured / "green").iterdir():
        picture = images.read(path)
        assert torch.equal(found.model.logits(picture), planted.logits(picture))
    assert hooks_on(planted.module) == 0
    assert not planted.edits


def test_what_is_measured_on_was_not_searched(planted: Classifier, coloured: Path) -> None:
    found = blind(planted, coloured / "red", others(coloured), class_="red", top=1, draws=1)
    (turn,) = found.recipe.parameters["turns"]
    assert not {*turn[0]} & {*turn[1]}
    assert len(found.recipe.parameters["others measured on"]) == 24


def test_few_photos_take_turns(planted: Classifier, coloured: Path) -> None:
    few = sorted((coloured / "red").iterdir())[:5]
    found = blind(planted, few, others(coloured), class_="red", layers=["act"], top=1, draws=2)
    assert found.turns == 5
    assert sorted(len(turn[1]) for turn in found.recipe.parameters["turns"]) == [1] * 5
    assert sorted(name for turn in found.recipe.parameters["turns"] for name in turn[1]) == [p.name for p in few]
    assert found.result.recall_after.count == 5
    assert found.result.recall_after.high > 0.3  # five photos prove little, and the interval says so
    assert found.result.changed.count == 24  # not 5 x 24
    assert sum(each.count for each in found.result.worst) == 24


def test_photos_given_for_measuring(planted: Classifier, coloured: Path) -> None:
    found = blind(
        planted,
        coloured / "red",
        coloured / "green",
        measure=_moved(coloured / "red", coloured / "more"),
        rest=coloured / "blue",
        class_="red",
        top=1,
        draws=1,
    )
    assert list(found.counts.values()) == [16, 8, 12, 24]
    assert found.on_controls is not None
    assert (found.on_controls.top1_after.value, found.on_controls.top1_after.count) == (1, 12)
    with pytest.raises(DreamscopeError, match="to measure on are the ones that channels are found on"):
        blind(planted, coloured / "red", coloured / "green", measure=coloured / "red", class_="red")


def _moved(folder: Path, to: Path) -> Path:
    to.mkdir()
    for path in sorted(folder.iterdir())[:8]:
        path.rename(to / path.name)
    return to


def test_what_was_searched_is_not_measured_on(planted: Classifier, coloured: Path) -> None:
    found = blind(planted, coloured / "red", coloured / "green", rest=others(coloured), class_="red", top=1, draws=1)
    assert found.counts["others to measure on"] == 24
    with pytest.raises(DreamscopeError, match="looked at already"):
        blind(planted, coloured / "red", coloured / "green", rest=coloured / "green", class_="red")


def test_channels_found_before(planted: Classifier, coloured: Path) -> None:
    scores = dissect(planted, coloured / "red", others(coloured), class_="red", methods=["contrast"])
    found = blind(planted, coloured / "red", others(coloured), scores=scores, top=1, draws=1)
    assert found.result.recall_after.value == 0
    assert found.counts["targets to find on"] == 0
    assert found.label == "red"
    assert found.frequency is None


def test_the_dose_response(planted: Classifier, coloured: Path) -> None:
    found = blind(
        planted, coloured / "red", others(coloured), class_="red", layers=["act"], top=3, draws=1, method="contrast"
    )
    # Only one channel answers to red more than to the others; there are not three to take away.
    assert [dose.channels for dose in found.curve] == [1]
    assert [dose.channels for dose in found.curve_frequency] == [1, 2, 3, 4]
    assert all(dose.recall.value == 0 for dose in found.curve)
    assert DOSES == (1, 2, 4, 8, 16, 32, 64, 128, 256)


def test_the_course_is_the_dose_response_photo_by_photo(planted: Classifier, coloured: Path) -> None:
    few = sorted((coloured / "red").iterdir())[:5]
    for targets, measured in ((coloured / "red", 12), (few, 5)):
        found = blind(planted, targets, others(coloured), class_="red", layers=["act"], top=3, draws=1)
        result, before = found.result, found.course[0]
        assert (before.channels, recall(before.answers, 2)) == (0, result.recall_before)
        assert [stage.channels for stage in found.course[1:]] == [dose.channels for dose in found.curve]
        for stage, dose in zip(found.course[1:], found.curve, strict=True):
            assert recall(stage.answers, 2) == dose.recall
            assert dose.recall.count == measured == len(result.photos)
        (chosen,) = (stage for stage in found.course if stage.chosen)
        assert [answer.top[0] == 2 for answer in chosen.answers] == [row.still for row in result.photos]
        assert [answer.confidence for answer in chosen.answers] == [row.confidence_after for row in result.photos]


def test_turns_that_chose_different_numbers_have_no_chosen_dose(
    planted: Classifier, coloured: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    numbers = iter([1, 3, 2, 3, 2, 3])
    monkeypatch.setattr("dreamscope.dissection.blind._count", lambda *_: next(numbers))
    few = sorted((coloured / "red").iterdir())[:5]
    found = blind(planted, few, others(coloured), class_="red", layers=["act"], method="frequency", draws=1)
    assert [stage.channels for stage in found.course] == [0, 1, 2, 4]
    assert not any(stage.chosen for stage in found.course)
    assert {len(stage.answers) for stage in found.course} == {5}


@pytest.mark.parametrize("counts", [(2, 4), (4, 2)])
def test_a_dose_that_not_all_turns_have_is_left_out(planted: Classifier, coloured: Path, counts: tuple) -> None:
    comparison = Comparison(planted, 2, how="zero", draws=1, seed=0, report=lambda *_: None)
    reds, rest = photos.find(coloured / "red"), photos.find(coloured / "green")
    for turn, count in enumerate(counts):
        values = torch.zeros(9)
        values[[8, 0, 1, 2]] = torch.tensor([4.0, 3, 2, 1]) * (torch.arange(4) < count)
        scores = ChannelScores(
            layers={"act": 9}, class_index=2, label="red", scores={"contrast": values}, numbers={}, counts={},
            unreadable={}, recipe=Recipe("dissect", {}, {}, {}, "0"),
        )  # fmt: skip
        comparison.add(scores, 1, reds[3 * turn : 3 * turn + 3], rest)
    assert [stage.channels for stage in comparison.course("contrast")] == [0, 1, 2]
    mine, _ = comparison.curves("contrast")
    assert [(dose.channels, dose.recall.value, dose.recall.count) for dose in mine] == [(1, 0, 6), (2, 0, 6)]


@pytest.mark.parametrize("how", ["mean", "noise", "scale:-1"])
def test_other_ways_to_take_away(planted: Classifier, coloured: Path, how: str) -> None:
    found = blind(planted, coloured / "red", others(coloured), class_="red", top=1, draws=1, how=how)
    assert found.model.edits[0].how == how


@pytest.mark.parametrize(
    ("options", "message"),
    [({"top": 0}, "1 or more"), ({"how": "erase"}, "no way to ablate"), ({"method": "jont"}, "no method 'jont'")],
)
def test_refusals(planted: Classifier, coloured: Path, options: dict, message: str) -> None:
    with pytest.raises(DreamscopeError, match=message):
        blind(planted, coloured / "red", others(coloured), class_="red", **options)


def test_no_channel_carries_it(planted: Classifier, coloured: Path) -> None:
    with pytest.raises(DreamscopeError, match="no channel carries 'blue' by joint; do the photos show it"):
        blind(planted, coloured / "red", coloured / "green", class_="blue")


def test_two_photos_are_too_few(planted: Classifier, coloured: Path) -> None:
    few = sorted((coloured / "red").iterdir())[:2]
    with pytest.raises(DreamscopeError, match="at least 3 are needed"):
        blind(planted, few, others(coloured), class_="red")


def test_the_best_patch_of_a_channel(planted: Classifier, coloured: Path) -> None:
    found = blind(planted, coloured / "red", others(coloured), class_="red", layers=["act"], top=1, draws=1)
    patch = found.removed[0].patch
    assert patch is not None
    assert patch.shape == (1, 3, 16, 16)
    assert patch[:, 0].mean() > patch[:, 1].mean() + 0.3


@pytest.mark.parametrize(
    ("top", "enough", "targets", "expected"),
    [(None, None, 100, 50), (None, 20, 100, 21), (None, 20, 4, 40), (None, 45, 4, 50), (7, 20, 4, 7)],
)
def test_how_many_channels_go(top: int | None, enough: int | None, targets: int, expected: int) -> None:
    found = ChannelScores(
        layers={"act": 9}, class_index=0, label="a", scores={}, numbers={}, counts={"targets": targets}, unreadable={},
        recipe=Recipe("dissect", {}, {}, {}, "0"), enough=enough,
    )  # fmt: skip
    assert _count(found, top) == expected
