from __future__ import annotations

from collections import Counter
from pathlib import Path

import pytest
import torch
from nets import hooks_on
from torch import Tensor

from dreamscope import images, photos
from dreamscope.dissection import greedy
from dreamscope.dissection.blind import _count, blind
from dreamscope.dissection.dissect import Search, dissect
from dreamscope.dissection.dose_response import DOSES, Comparison
from dreamscope.dissection.evaluation import recall
from dreamscope.dissection.first_order import Channels, Score
from dreamscope.dissection.scores import ChannelScores
from dreamscope.errors import DreamscopeError
from dreamscope.models.classifier import Classifier
from dreamscope.models.wrapping import wrap
from dreamscope.recipes import Recipe


def others(coloured: Path) -> list[Path]:
    return [coloured / "green", coloured / "blue"]


def test_without_the_planted_channel_the_class_is_gone_and_the_others_are_exactly_as_they_were(
    planted: Classifier, coloured: Path
) -> None:
    found = blind(planted, coloured / "red", others(coloured), class_name="red", layers=["act"], top=1, draws=30)
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
    found = blind(planted, coloured / "red", others(coloured), class_name="red", top=1, draws=1)
    (fold,) = found.recipe.parameters["folds"]
    assert not {*fold[0]} & {*fold[1]}
    assert len(found.recipe.parameters["measured_on"]) == 24


def test_few_photos_are_split_into_folds(planted: Classifier, coloured: Path) -> None:
    few = sorted((coloured / "red").iterdir())[:5]
    found = blind(planted, few, others(coloured), class_name="red", layers=["act"], top=1, draws=2)
    assert found.folds == 5
    assert sorted(len(fold[1]) for fold in found.recipe.parameters["folds"]) == [1] * 5
    assert sorted(name for fold in found.recipe.parameters["folds"] for name in fold[1]) == [p.name for p in few]
    assert found.result.recall_after.count == 5
    assert found.result.recall_after.high > 0.3  # five photos prove little, and the interval says so
    assert found.result.changed.count == 24  # not 5 x 24
    assert sum(each.count for each in found.result.worst) == 24


def test_in_folds_each_control_is_read_once_and_goes_through_the_intact_network_once(
    planted: Classifier, coloured: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    reads: Counter[str] = Counter()
    passes: Counter[bytes] = Counter()
    intact_gradients: list[int] = []
    read, forward, of_effects = images.read, Classifier.forward, greedy.effects

    def count_read(source: Path) -> Tensor:
        reads[f"{source.parent.name}/{source.name}"] += 1
        return read(source)

    def count_pass(model: Classifier, pictures: Tensor) -> object:
        if not model.edits and not torch.is_grad_enabled():
            passes.update(picture.numpy().tobytes() for picture in pictures)
        return forward(model, pictures)

    def count_gradients(model: Classifier, channels: Channels, pictures: Tensor, *scores: Score) -> object:
        if len(scores) == 2 and not channels.removed.any():
            intact_gradients.append(len(pictures))
        return of_effects(model, channels, pictures, *scores)

    monkeypatch.setattr(images, "read", count_read)
    monkeypatch.setattr(Classifier, "forward", count_pass)
    monkeypatch.setattr(greedy, "effects", count_gradients)
    few = sorted((coloured / "red").iterdir())[:4]
    found = blind(planted, few, others(coloured), class_name="red", layers=["act"], draws=2)
    monkeypatch.undo()
    assert found.folds == 4
    controls = [path for folder in others(coloured) for path in folder.iterdir()]
    assert [reads[f"{path.parent.name}/{path.name}"] for path in controls] == [1] * 48
    assert [passes[planted.prepared(images.read(path)).numpy().tobytes()] for path in controls] == [1] * 48
    # Beside it, one pass for the gradients from which all folds set out.
    assert sum(intact_gradients) == found.counts["controls to find on"] == 24


def test_scores_of_one_fold_are_those_of_a_search_of_its_own(planted: Classifier, coloured: Path) -> None:
    reds, rest = photos.find(coloured / "red"), photos.find(others(coloured))
    search = Search(planted, 2, ["act"], rest, ["joint", "contrast"], seed=3)
    first, second = search.run(reds[:6]), search.run(reds[6:12])
    for found, targets in ((first, reds[:6]), (second, reds[6:12])):
        alone = dissect(planted, targets, rest, class_name="red", layers="act", method=["joint", "contrast"], seed=3)
        assert all(torch.equal(alone.scores[name], found.scores[name]) for name in ("joint", "contrast"))
        assert alone.enough == found.enough


def test_a_photo_that_cannot_be_read_is_skipped_in_folds_too(planted: Classifier, coloured: Path) -> None:
    few = sorted((coloured / "red").iterdir())[:5]
    few[2].write_bytes(b"")
    found = blind(planted, few, others(coloured), class_name="red", layers=["act"], top=1, draws=1)
    assert (found.folds, found.result.recall_after.count) == (5, 4)
    assert list(found.unreadable) == [few[2].name]
    torn = coloured / "torn.png"
    torn.write_bytes(b"")
    with pytest.raises(DreamscopeError, match=r"none of the photos of the class to measure on .* 'torn.png' is empty"):
        blind(planted, coloured / "red", others(coloured), measure=torn, class_name="red", top=1, draws=1)


def test_it_shows_itself_in_a_notebook(planted: Classifier, coloured: Path) -> None:
    model = wrap(planted.module, input_size=16, labels=["green", "blue", "<b>red"])
    found = blind(model, coloured / "red", others(coloured), class_name="<b>red", layers=["act"], top=1, draws=1)
    for shown in (found, found.scores, found.result):
        html = shown._repr_html_()
        assert "<table>" in html
        assert "<b>red" not in html
    assert "Blind to &lt;b&gt;red" in found._repr_html_()
    assert "<td>act:8</td>" in found.scores._repr_html_()


def test_without_a_recipe(planted: Classifier, coloured: Path, tmp_path: Path) -> None:
    found = blind(planted, coloured / "red", others(coloured), class_name="red", top=1, draws=1, recipe=False)
    assert found.recipe is None
    assert found.scores.recipe is None
    again = ChannelScores.load(found.scores.save(tmp_path / "scores.json"), planted)
    assert again.recipe is None


def test_the_recipe_holds_every_parameter(planted: Classifier, coloured: Path) -> None:
    found = blind(planted, coloured / "red", others(coloured), class_name="red", from_layer="act", top=1, draws=1)
    names = {"class_name", "layers", "from_layer", "method", "top", "how", "draws", "seed"}
    assert {*found.recipe.parameters} == names | {"folds", "measured_on", "removed"}
    assert found.recipe.inputs.keys() == {"targets", "controls"}
    scores = dissect(planted, coloured / "red", others(coloured), from_layer="act", method="contrast")
    assert scores.recipe.parameters == {
        "class_name": 2, "layers": ["act"], "from_layer": None, "method": ["contrast"], "seed": 0
    }  # fmt: skip
    kept = blind(planted, coloured / "red", others(coloured), scores=scores, top=1, draws=1).recipe
    assert kept.inputs["scores"]["parameters"] == scores.recipe.parameters
    assert str(coloured) not in kept.to_json()


def test_stages_are_reported(planted: Classifier, coloured: Path) -> None:
    reported: list[tuple[str, int, int]] = []
    few = sorted((coloured / "red").iterdir())[:3]
    blind(
        planted, few, others(coloured), class_name="red", layers=["act"], top=1, draws=1,
        callback=lambda *now: reported.append(now),
    )  # fmt: skip
    stages = list(dict.fromkeys(stage for stage, _, _ in reported))
    assert stages[:3] == ["controls", "targets (fold 1 of 3)", "choosing channels together (fold 1 of 3)"]
    assert stages[-3:] == ["targets (all photos)", "choosing channels together (all photos)", "measuring"]
    assert reported[-1][1] == reported[-1][2]


def test_photos_given_for_measuring(planted: Classifier, coloured: Path) -> None:
    found = blind(
        planted,
        coloured / "red",
        coloured / "green",
        measure=_moved(coloured / "red", coloured / "more"),
        rest=coloured / "blue",
        class_name="red",
        top=1,
        draws=1,
    )
    assert list(found.counts.values()) == [16, 8, 12, 24]
    assert found.on_controls is not None
    assert (found.on_controls.top1_after.value, found.on_controls.top1_after.count) == (1, 12)
    with pytest.raises(DreamscopeError, match="to measure on are the ones that channels are found on"):
        blind(planted, coloured / "red", coloured / "green", measure=coloured / "red", class_name="red")


def _moved(folder: Path, to: Path) -> Path:
    to.mkdir()
    for path in sorted(folder.iterdir())[:8]:
        path.rename(to / path.name)
    return to


def test_what_was_searched_is_not_measured_on(planted: Classifier, coloured: Path) -> None:
    found = blind(
        planted, coloured / "red", coloured / "green", rest=others(coloured), class_name="red", top=1, draws=1
    )
    assert found.counts["others to measure on"] == 24
    with pytest.raises(DreamscopeError, match="used for finding"):
        blind(planted, coloured / "red", coloured / "green", rest=coloured / "green", class_name="red")


def test_channels_found_before(planted: Classifier, coloured: Path) -> None:
    scores = dissect(planted, coloured / "red", others(coloured), class_name="red", method=["contrast"])
    found = blind(planted, coloured / "red", others(coloured), scores=scores, top=1, draws=1)
    assert found.result.recall_after.value == 0
    assert found.counts["targets to find on"] == 0
    assert found.label == "red"
    assert found.frequency is None


def test_the_dose_response(planted: Classifier, coloured: Path) -> None:
    found = blind(
        planted, coloured / "red", others(coloured), class_name="red", layers=["act"], top=3, draws=1, method="contrast"
    )
    # Only one channel responds to red more than to the others; there are not three to remove.
    assert [dose.channels for dose in found.curve] == [1]
    assert [dose.channels for dose in found.curve_frequency] == [1, 2, 3, 4]
    assert all(dose.recall.value == 0 for dose in found.curve)
    assert DOSES == (1, 2, 4, 8, 16, 32, 64, 128, 256)


def test_the_course_is_the_dose_response_photo_by_photo(planted: Classifier, coloured: Path) -> None:
    few = sorted((coloured / "red").iterdir())[:5]
    for targets, measured in ((coloured / "red", 12), (few, 5)):
        found = blind(planted, targets, others(coloured), class_name="red", layers=["act"], top=3, draws=1)
        result, before = found.result, found.course[0]
        assert (before.channels, recall(before.predictions, 2)) == (0, result.recall_before)
        assert [stage.channels for stage in found.course[1:]] == [dose.channels for dose in found.curve]
        for stage, dose in zip(found.course[1:], found.curve, strict=True):
            assert recall(stage.predictions, 2) == dose.recall
            assert dose.recall.count == measured == len(result.photos)
        (chosen,) = (stage for stage in found.course if stage.chosen)
        assert [answer.top[0] == 2 for answer in chosen.predictions] == [row.still for row in result.photos]
        assert [answer.confidence for answer in chosen.predictions] == [row.confidence_after for row in result.photos]


def test_folds_that_chose_different_numbers_have_no_chosen_dose(
    planted: Classifier, coloured: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    numbers = iter([1, 3, 2, 3, 2, 3])
    monkeypatch.setattr("dreamscope.dissection.blind._count", lambda *_: next(numbers))
    few = sorted((coloured / "red").iterdir())[:5]
    found = blind(planted, few, others(coloured), class_name="red", layers=["act"], method="frequency", draws=1)
    assert [stage.channels for stage in found.course] == [0, 1, 2, 4]
    assert not any(stage.chosen for stage in found.course)
    assert {len(stage.predictions) for stage in found.course} == {5}


@pytest.mark.parametrize("counts", [(2, 4), (4, 2)])
def test_a_dose_that_not_all_folds_have_is_left_out(planted: Classifier, coloured: Path, counts: tuple) -> None:
    comparison = Comparison(planted, 2, how="zero", draws=1, seed=0)
    reds, rest = photos.find(coloured / "red"), photos.find(coloured / "green")
    for fold, count in enumerate(counts):
        values = torch.zeros(9)
        values[[8, 0, 1, 2]] = torch.tensor([4.0, 3, 2, 1]) * (torch.arange(4) < count)
        scores = ChannelScores(
            layers={"act": 9}, class_index=2, label="red", scores={"contrast": values}, numbers={}, counts={},
            unreadable={}, recipe=Recipe("dissect", {}, {}, {}, "0"),
        )  # fmt: skip
        comparison.add(scores, 1, reds[3 * fold : 3 * fold + 3])
    comparison.measure(rest)
    assert [stage.channels for stage in comparison.course("contrast")] == [0, 1, 2]
    mine, _ = comparison.curves("contrast")
    assert [(dose.channels, dose.recall.value, dose.recall.count) for dose in mine] == [(1, 0, 6), (2, 0, 6)]


@pytest.mark.parametrize("how", ["mean", "noise", "scale:-1"])
def test_other_ways_to_remove(planted: Classifier, coloured: Path, how: str) -> None:
    found = blind(planted, coloured / "red", others(coloured), class_name="red", top=1, draws=1, how=how)
    assert found.model.edits[0].how == how


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"layers": ["act"], "from_layer": "act"}, "exclude each other"),
        ({"top": 0}, "1 or more"),
        ({"how": "erase"}, "no way to ablate"),
        ({"method": "jont"}, "no method 'jont'"),
    ],
)
def test_refusals(planted: Classifier, coloured: Path, options: dict, message: str) -> None:
    with pytest.raises(DreamscopeError, match=message):
        blind(planted, coloured / "red", others(coloured), class_name="red", **options)


def test_no_channel_carries_it(planted: Classifier, coloured: Path) -> None:
    with pytest.raises(DreamscopeError, match="no channel carries 'blue' by joint; do the photos show it"):
        blind(planted, coloured / "red", coloured / "green", class_name="blue")


def test_two_photos_are_too_few(planted: Classifier, coloured: Path) -> None:
    few = sorted((coloured / "red").iterdir())[:2]
    with pytest.raises(DreamscopeError, match="at least 3 are needed"):
        blind(planted, few, others(coloured), class_name="red")


def test_the_best_patch_of_a_channel(planted: Classifier, coloured: Path) -> None:
    found = blind(planted, coloured / "red", others(coloured), class_name="red", layers=["act"], top=1, draws=1)
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
