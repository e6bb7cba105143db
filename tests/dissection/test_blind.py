from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import colours
import numpy as np
import pytest
import torch
from nets import Copied, Planted, hooks_on
from PIL import Image
from torch import Tensor

import dreamscope as ds
from dreamscope import images, photos
from dreamscope.dissection import intervals, readout
from dreamscope.dissection.blind import blind
from dreamscope.dissection.blinding import Blinding
from dreamscope.dissection.dissect import dissect
from dreamscope.dissection.evaluation import recall
from dreamscope.dissection.intervals import Estimate
from dreamscope.dissection.overlap import agreement
from dreamscope.dissection.readout import Readout
from dreamscope.dissection.scores import ChannelScores
from dreamscope.dissection.search import Search
from dreamscope.errors import DreamscopeError
from dreamscope.models.classifier import Classifier
from dreamscope.models.edits import Ablation
from dreamscope.models.erase import Erase
from dreamscope.models.wrapping import wrap

CHANNELS = {"units": "channels", "class_name": "red", "layers": ["act"], "draws": 1}


@pytest.fixture(autouse=True)
def quick_probes(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """What is read is plain here, whatever the strength; only where a verdict hangs on it, it is chosen."""
    if "mixed" not in request.fixturenames:
        monkeypatch.setattr(readout, "_strength", lambda *_: 1.0)


@pytest.fixture(autouse=True)
def nothing_is_left(planted: Classifier, coloured: Path) -> Iterator[None]:
    """No hook, no edit, no file."""
    yield
    assert hooks_on(planted.module) == 0
    assert not planted.edits
    assert all("forward" not in vars(part) for part in planted.module.modules())
    assert {path.suffix for path in coloured.rglob("*") if path.is_file()} == {".png"}


def others(coloured: Path) -> list[Path]:
    return [coloured / "green", coloured / "blue"]


def few(coloured: Path, count: int = 5) -> list[Path]:
    return sorted((coloured / "red").iterdir())[:count]


# What a blinding proves: blind, or only mute?


@pytest.fixture
def copied() -> Classifier:
    """Red is carried by ``act:0``, and once more by ``act:1``, which no class reads."""
    return wrap(Copied(), input_size=16, labels=["red", "green", "blue"])


@pytest.fixture
def mixed(tmp_path: Path) -> tuple[Path, Path]:
    """Photos that are red or not, each of any green and blue, so that nothing else tells them apart."""
    random = np.random.default_rng(0)
    for name, low, high, count in (("is_red", 180, 250, 40), ("is_not", 0, 15, 80)):
        (tmp_path / name).mkdir()
        for number in range(count):
            colour = [random.integers(low, high), *random.integers(40, 160, 2)]
            pixels = np.clip(np.array(colour) + random.integers(-5, 6, (16, 16, 3)), 0, 255).astype(np.uint8)
            Image.fromarray(pixels).save(tmp_path / name / f"{number}.png")
    return tmp_path / "is_red", tmp_path / "is_not"


@pytest.mark.parametrize(
    ("aim", "removed", "opening"),
    [("answer", {"act:0"}, "Mute about red, not blind"), ("readout", {"act:0", "act:1"}, "Blind to red")],
)
def test_a_redundant_copy_makes_the_difference(
    copied: Classifier, mixed: tuple[Path, Path], *, aim: str, removed: set[str], opening: str
) -> None:
    found = ds.blind(
        copied, *mixed, class_name="red", units="channels", layers=["act"], aim=aim, top=2, draws=1
    )  # fmt: skip
    assert {str(each.address) for each in found.removed} == removed
    assert found.opening() == opening
    assert found.verdict().startswith(f"{opening}: without {len(removed)} channel")
    # Either way the network says it no more, at no cost to the others.
    assert found.result.recall_after.value == 0
    assert found.result.loss.value == 0
    area = found.chosen.readouts["pool"].auc
    assert area > 0.99 if aim == "answer" else 0.3 < area < 0.7
    assert hooks_on(copied.module) == 0


@pytest.mark.parametrize("units", ["directions", "both"])
def test_directions_take_the_copy_with_them(copied: Classifier, mixed: tuple[Path, Path], units: str) -> None:
    found = ds.blind(copied, *mixed, class_name="red", units=units, layers=["act"], draws=1)
    assert found.opening() == "Blind to red"
    assert found.result.recall_after.value == 0
    assert found.chosen.robust.value == 0
    # Only green and blue of nearly the same strength may change places.
    assert found.result.loss.value < 10
    assert found.intact.readouts["pool"].recall().value > 0.9
    assert found.chosen.readouts["pool"].recall().value < 0.1
    assert [each.number for each in found.removed] == [None] * (units == "both") + list(
        range(sum(edit.count for edit in found.model.edits if isinstance(edit, Erase)))
    )
    # Random directions, as many and at the same layers, leave it to be read.
    (random,) = (trial for trial in found.trials if trial.name == "random directions")
    assert random.readouts["pool"].auc > 0.9
    assert hooks_on(copied.module) == 0


def test_a_class_whose_output_is_zeroed_is_mute(copied: Classifier, mixed: tuple[Path, Path]) -> None:
    found = ds.blind(copied, *mixed, class_name="red", units="channels", layers=["head"], top=1, draws=1)
    assert [str(each.address) for each in found.removed] == ["head:0"]
    assert found.opening() == "Mute about red, not blind"
    # As the report's own baseline has it.
    deleted = next(trial for trial in found.trials if trial.name == "output deleted")
    assert (deleted.recall, deleted.loss) == (found.chosen.recall, found.chosen.loss)
    assert deleted.readouts["pool"] == found.chosen.readouts["pool"]


def test_directions_on_a_map(planted: Classifier, coloured: Path) -> None:
    found = blind(planted, coloured / "red", others(coloured), class_name="red", draws=1)
    assert found.design.units == "directions"
    assert found.design.aim == "readout"
    assert found.opening() == "Blind to red"
    assert (found.result.recall_after.value, found.result.loss.value) == (0, 0)
    assert [str(each.address) for each in found.removed] == ["act"] * len(found.removed)
    assert all(each.patch.shape[:2] == (1, 3) for each in found.removed)


@pytest.fixture(scope="module")
def mute(tmp_path_factory: pytest.TempPathFactory) -> Blinding:
    """Red without its own channel: what is neither green nor blue."""
    folder = tmp_path_factory.mktemp("mute") / "photos"
    colours.draw(folder, 24)
    model = wrap(Planted(), input_size=16, labels=list(colours.COLOURS))
    return blind(model, folder / "red", others(folder), **CHANNELS)


def shares(after: float, before: float = 1.0) -> dict[str, Estimate]:
    """Return shares of a thousand photos."""
    hits = (("before", round(1000 * before)), ("after", round(1000 * after)))
    return {f"recall_{when}": intervals.share([True] * count + [False] * (1000 - count)) for when, count in hits}


def counts(before: int, after: int, count: int = 5) -> dict[str, Estimate]:
    hits = (("before", before), ("after", after))
    return {f"recall_{when}": intervals.share([True] * n + [False] * (count - n)) for when, n in hits}


def reads(hits: float) -> Readout:
    """Return what is read where this share is found at 1 % false alarms, and the others are not."""
    found = round(100 * hits)
    return Readout("act", (1.0,) * found + (-1.0,) * (100 - found), (0.0,) * 100, 2, {}, None)


@pytest.mark.parametrize(
    ("recalls", "intact", "after", "opening"),
    [
        (shares(0.05), 1.0, 0.1, "Blind to red"),
        (shares(0.05), 1.0, 0.11, "Mute about red, not blind"),
        # Of what the intact network does not show, that it is not shown afterwards proves nothing.
        (shares(0.05), 0.29, 0.0, "Mute about red; whether it is blind can't be told"),
        (shares(0.06), 1.0, 0.0, "Nearly mute about red"),
        (shares(0.51), 1.0, 0.0, "Not blind to red"),
        # Half of little is little.
        (shares(0.04, 0.07), 1.0, 0.0, "Blind to red"),
        (shares(0.2, 0.3), 1.0, 0.0, "Not blind to red"),
        # What was not recognised before can't be lost, and what hardly was, by chance.
        (shares(0, 0), 1.0, 0.0, "Nothing proved about red"),
        (shares(0, 0.06), 1.0, 0.0, "Little proved about red"),
        (shares(0.04, 0.04), 1.0, 1.0, "Little proved about red"),
        (shares(0.06, 0), 1.0, 0.0, "Not blind to red"),
        (counts(0, 0), 1.0, 0.0, "Nothing proved about red"),
        (counts(2, 0), 1.0, 0.0, "Little proved about red"),
        (counts(1, 1), 1.0, 1.0, "Not blind to red"),
        (counts(3, 0), 1.0, 0.0, "Blind to red, as far as 5 photos tell"),
        (counts(5, 0), 1.0, 1.0, "Mute about red, not blind, as far as 5 photos tell"),
        (counts(5, 1), 1.0, 1.0, "Nearly mute about red, as far as 5 photos tell"),
    ],
)
def test_verdicts(mute: Blinding, *, recalls: dict[str, Estimate], intact: float, after: float, opening: str) -> None:
    by_name = {"intact": reads(intact), "chosen": reads(after)}
    trials = tuple(
        replace(trial, readouts={"act": by_name[trial.name]}) for trial in mute.trials if trial.name in by_name
    )
    found = replace(mute, result=replace(mute.result, **recalls), trials=trials)
    assert found.opening() == opening
    assert found.verdict().startswith(opening)


@pytest.mark.parametrize(
    ("recalls", "said"),
    [
        (counts(0, 0), "none of the 5 photos was recognised before, so none could be lost without 1 channel, and"),
        (
            counts(1, 0),
            "only 1 of 5 photos was recognised before; without 1 channel recall falls from 1 of 5 to 0 of 5 "
            "(so few photos prove little: among many it may be 0% to 43%), and",
        ),
        (counts(5, 3), "without 1 channel recall falls from 5 of 5 to 3 of 5 (so few"),
        (counts(3, 5), "without 1 channel recall rises from 3 of 5 to 5 of 5 (so few"),
        (counts(4, 4), "without 1 channel recall stays at 4 of 5 (so few"),
        (counts(90, 0, 100), "without 1 channel recall falls from 90% to 0% (95% interval 0% to 4%, 100 photos), and"),
        (
            counts(4, 0, 100),
            "only 4 of 100 photos were recognised before; without 1 channel recall falls from 4% to 0%",
        ),
    ],
)
def test_a_verdict_says_what_was_seen(mute: Blinding, recalls: dict[str, Estimate], said: str) -> None:
    trials = tuple(
        replace(each, recall=Estimate(0.8, 0, 1, 1)) if each.name == "random channels" else each for each in mute.trials
    )
    verdict = replace(mute, trials=trials, result=replace(mute.result, **recalls)).verdict()
    assert f": {said}" in verdict
    if recalls["recall_before"].value == 0:
        assert "falls" not in verdict
    # What random channels left stands as a share of the same photos.
    left = "4 of 5" if recalls["recall_before"].count == 5 else "80%"
    assert f"1 random channel leaves {left} and costs" in verdict


def test_of_few_other_photos_the_cost_is_a_count(planted: Classifier, coloured: Path) -> None:
    rest = [path for folder in others(coloured) for path in sorted(folder.iterdir())[:3]]
    found = blind(planted, coloured / "red", rest, **CHANNELS, top=1)
    assert (found.result.loss.count, found.result.labelled) == (6, 0)
    assert "and answers changed on everything else (photos): 0 of 6 (so few photos prove little: " in found.verdict()


def test_folds_that_removed_other_numbers_say_so(mute: Blinding) -> None:
    trials = tuple(
        replace(each, counts=(1, 3)) if each.name in ("chosen", "random channels") else each for each in mute.trials
    )
    verdict = replace(mute, trials=trials).verdict()
    assert "without 1 channel (1 to 3 in the folds) recall falls" in verdict
    assert "1 to 3 random channels leave" in verdict


def test_it_is_blind_only_where_it_is_nowhere_to_be_read(mute: Blinding) -> None:
    def with_(block: float) -> str:
        trials = tuple(
            replace(trial, readouts={"block": reads(block), "act": reads(trial.name == "intact")})
            for trial in mute.trials
        )
        return replace(mute, trials=trials, design=replace(mute.design, read_at=("block", "act"))).opening()

    assert with_(0.1) == "Blind to red"
    assert with_(0.2) == "Mute about red, not blind"
    nothing = tuple(replace(trial, readouts={}) for trial in mute.trials)
    assert replace(mute, trials=nothing).opening() == "Mute about red; whether it is blind can't be told"
    assert "A fresh" not in replace(mute, trials=nothing).verdict()


# How it is found and measured.


def test_without_the_planted_channel_the_class_is_gone_and_the_others_are_exactly_as_they_were(
    planted: Classifier, coloured: Path
) -> None:
    found = blind(planted, coloured / "red", others(coloured), **{**CHANNELS, "top": 1, "draws": 30})
    result = found.result
    assert [str(removed.address) for removed in found.removed] == ["act:8"]
    # Both halves take turns.
    assert (result.recall_before.value, result.recall_before.count) == (1, 24)
    assert result.recall_after.value == 0
    assert result.confidence_after.value == pytest.approx(1 / 3, abs=0.01)
    # No change was seen in 48 photos, which does not mean that there is none.
    assert result.loss.value == 0
    assert result.loss.low < 0 < result.loss.high
    assert (result.changed.value, result.changed.count) == (0, 48)
    assert found.verdict().startswith("Mute about red, not blind: without 1 channel recall falls from 100% to 0%")
    by_name = {trial.name: trial for trial in found.trials}
    assert list(by_name) == ["intact", "output deleted", "random channels", "frequency", "chosen"]
    # Eight of nine random channels leave red alone.
    assert 0.6 < by_name["random channels"].recall.value < 1
    assert by_name["frequency"].recall.value == 1
    assert found.chosen.recall == result.recall_after
    assert found.design.counts == {
        "targets to find on": 12,
        "targets to train probes on": 0,
        "targets to measure on": 24,
        "controls to find on": 24,
        "others to measure on": 48,
    }
    assert (found.design.folds, found.design.agreement, found.design.method) == (2, 1, "joint")
    for path in (coloured / "green").iterdir():
        picture = images.read(path)
        assert torch.equal(found.model.logits(picture), planted.logits(picture))


def test_few_photos_are_split_into_more_folds(planted: Classifier, coloured: Path) -> None:
    found = blind(planted, few(coloured), others(coloured), **CHANNELS, top=1)
    assert (found.design.folds, found.result.recall_after.count) == (5, 5)
    assert found.result.recall_after.high > 0.3  # five photos prove little, and the interval says so
    assert found.result.changed.count == 48  # not 5 x 48
    assert sum(each.count for each in found.result.worst) == 48


def test_each_control_is_read_once_to_find_and_once_to_measure(
    planted: Classifier, coloured: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    reads: Counter[Path] = Counter()
    read = images.read

    def count(source: Path, *, side: int) -> Tensor:
        reads[source] += 1
        return read(source, side=side)

    monkeypatch.setattr(images, "read", count)
    found = blind(planted, few(coloured), others(coloured), **CHANNELS, folds=1)
    assert found.design.folds == 5
    controls = [path for folder in others(coloured) for path in folder.iterdir()]
    # One half is for finding, in all folds; the other to measure on.
    assert {reads[path] for path in controls} == {1}


def test_scores_of_one_fold_are_those_of_a_search_of_its_own(planted: Classifier, coloured: Path) -> None:
    reds, rest = photos.find(coloured / "red"), photos.find(others(coloured))
    search = Search(planted, 2, ["act"], rest, ["joint", "contrast"], seed=3)
    first, second = search.run(reds[:6]), search.run(reds[6:12])
    for found, targets in ((first, reds[:6]), (second, reds[6:12])):
        alone = dissect(planted, targets, rest, class_name="red", layers="act", method=["joint", "contrast"], seed=3)
        assert all(torch.equal(alone.scores[name], found.scores[name]) for name in ("joint", "contrast"))
        assert alone.enough == found.enough


def test_a_photo_that_cannot_be_read_is_skipped_in_folds_too(planted: Classifier, coloured: Path) -> None:
    given = few(coloured, 8)
    given[2].write_bytes(b"")
    found = blind(planted, given, others(coloured), **CHANNELS, top=1)
    assert (found.design.folds, found.result.recall_after.count) == (8, 7)
    assert list(found.unreadable) == [given[2].name]
    torn = coloured / "torn.png"
    torn.write_bytes(b"")
    with pytest.raises(DreamscopeError, match=r"none of the photos of the class to measure on .* 'torn.png' is empty"):
        blind(planted, coloured / "red", others(coloured), measure=torn, **CHANNELS, top=1)


def test_it_shows_itself_in_a_notebook(planted: Classifier, coloured: Path) -> None:
    model = wrap(planted.module, input_size=16, labels=["green", "blue", "<b>red"])
    found = blind(model, coloured / "red", others(coloured), **{**CHANNELS, "class_name": 2}, top=1)
    for shown in (found, found.scores, found.result):
        html = shown._repr_html_()
        assert "<table>" in html
        assert "<b>red" not in html
    assert "Mute about &lt;b&gt;red" in found._repr_html_()
    assert "<td>output deleted</td>" in found._repr_html_()
    assert "<td>act:8</td>" in found.scores._repr_html_()


@pytest.mark.parametrize("units", ["channels", "directions", "both"])
def test_the_recipe_holds_every_parameter(planted: Classifier, coloured: Path, units: str) -> None:
    found = blind(planted, few(coloured), others(coloured), class_name="red", units=units, draws=1)
    names = {"class_name", "units", "aim", "depth", "layers", "from_layer", "method", "top", "how", "folds", "draws"}
    kept = found.recipe.parameters
    assert {*kept} >= names | {"curve", "budget", "seed"}
    assert (kept["units"], kept["aim"]) == (units, "answer" if units == "channels" else "readout")
    assert {*found.recipe.inputs} >= {"targets", "controls"}
    assert str(coloured) not in found.recipe.to_json()
    assert (found.scores is None) == (units == "directions")
    if found.scores is not None:
        again = dissect(planted, few(coloured), others(coloured), class_name="red", method=["joint", "frequency"])
        assert found.scores.recipe.parameters["class_name"] == again.recipe.parameters["class_name"] == 2


def test_without_a_recipe(planted: Classifier, coloured: Path, tmp_path: Path) -> None:
    found = blind(planted, few(coloured), others(coloured), **CHANNELS, recipe=False)
    assert found.recipe is None
    assert found.scores.recipe is None
    again = ChannelScores.load(found.scores.save(tmp_path / "scores.json"), planted)
    assert again.recipe is None


@pytest.mark.parametrize("units", ["channels", "directions"])
def test_the_same_call_gives_the_same(planted: Classifier, coloured: Path, units: str) -> None:
    state = torch.get_rng_state()
    first, second = (
        blind(planted, few(coloured), others(coloured), class_name="red", units=units, draws=2, seed=7) for _ in "ab"
    )
    assert first.trials == second.trials
    assert first.result == second.result
    assert first.model.edits == second.model.edits
    assert torch.equal(torch.get_rng_state(), state)


def test_stages_are_reported(planted: Classifier, coloured: Path) -> None:
    reported: list[tuple[str, int, int]] = []
    blind(
        planted, few(coloured, 4), others(coloured), class_name="red", units="both", layers=["act"], top=1, draws=1,
        callback=lambda *now: reported.append(now),
    )  # fmt: skip
    stages = list(dict.fromkeys(stage for stage, _, _ in reported))
    assert stages[:2] == ["reading targets", "reading controls"]
    for number in (1, 2, 3, 4):
        assert {f"choosing channels together (fold {number} of 4)", f"erasing directions (fold {number} of 4)"} <= {
            *stages
        }
    assert stages.index("erasing directions (all photos)") < stages.index("measuring")
    assert stages[-1] == "training probes (chosen)"
    last = dict.fromkeys(stages, (0, 0)) | {stage: (done, total) for stage, done, total in reported}
    assert all(done == total for stage, (done, total) in last.items() if "choosing" not in stage)


def test_photos_given_for_measuring(planted: Classifier, coloured: Path) -> None:
    found = blind(
        planted,
        coloured / "red",
        coloured / "green",
        measure=_moved(coloured / "red", coloured / "more"),
        rest=coloured / "blue",
        top=1,
        **CHANNELS,
    )
    assert found.design.counts == {
        "targets to find on": 8,
        "targets to train probes on": 8,
        "targets to measure on": 8,
        "controls to find on": 12,
        "others to measure on": 24,
    }
    assert (found.result.recall_after.count, found.result.loss.count) == (8, 24)
    # Two probes of each fold score all eight.
    assert found.chosen.readouts["act"].folds == 4
    with pytest.raises(DreamscopeError, match="to measure on are the ones that channels are found on"):
        blind(planted, coloured / "red", coloured / "green", measure=coloured / "red", **CHANNELS)


def _moved(folder: Path, to: Path) -> Path:
    to.mkdir()
    for path in sorted(folder.iterdir())[:8]:
        path.rename(to / path.name)
    return to


def test_what_was_searched_is_not_measured_on(planted: Classifier, coloured: Path) -> None:
    found = blind(planted, coloured / "red", coloured / "green", rest=others(coloured), **CHANNELS, top=1)
    assert found.design.counts["others to measure on"] == 24
    with pytest.raises(DreamscopeError, match="used for finding"):
        blind(planted, coloured / "red", coloured / "green", rest=coloured / "green", **CHANNELS)


def test_channels_found_before(planted: Classifier, coloured: Path) -> None:
    scores = dissect(planted, coloured / "red", others(coloured), class_name="red", method=["contrast"])
    found = blind(planted, coloured / "red", others(coloured), scores=scores, top=1, draws=1)
    assert found.result.recall_after.value == 0
    assert found.design.counts["targets to find on"] == 0
    assert (found.label, found.design.units, found.design.method) == ("red", "channels", "contrast")
    assert found.recipe.inputs["scores"]["parameters"] == scores.recipe.parameters
    assert found.design.agreement is None
    # There are no photos of red to find what is loud on, beside those that are measured on.
    assert [trial.name for trial in found.trials] == ["intact", "output deleted", "random channels", "chosen"]


def test_by_the_rule_of_the_write_ups_on_five_photos(planted: Classifier, coloured: Path) -> None:
    rule = {"loudest": 7, "at_least": 4, "per_layer": 3}
    five, rest = few(coloured), sorted((coloured / "green").iterdir())[:5]
    # Found on the photos that it is measured on, as the write-ups did; the method is one of channels.
    scores = dissect(planted, five, class_name="red", layers=["act"], method="frequency", **rule)
    found = blind(planted, five, rest, scores=scores, draws=1)
    assert [each.address for each in found.removed] == [scores.address(int(place)) for place in scores.ranking()]
    assert len(found.removed) == 3
    assert all(np.isnan([each.difference, each.auc]).all() for each in found.removed)
    # And on photos apart: of two to find on, as large a share is asked.
    apart = blind(planted, five, rest, class_name="red", layers=["act"], method="frequency", draws=1, **rule)
    assert (apart.design.units, apart.design.method, apart.design.folds) == ("channels", "frequency", 5)
    assert {str(each.address) for each in apart.removed} == {str(each.address) for each in found.removed}
    kept = apart.recipe.parameters
    assert {name: kept[name] for name in rule} == rule
    assert {name: apart.scores.recipe.parameters[name] for name in rule} == rule
    with pytest.raises(DreamscopeError, match="loudest, at_least, per_layer: this is for a search"):
        blind(planted, five, rest, scores=scores, **rule)


@pytest.mark.parametrize("how", ["gaussian", "randomize"])
def test_noise_tells_red_from_nothing(planted: Classifier, coloured: Path, how: str) -> None:
    found = blind(planted, coloured / "red", others(coloured), **CHANNELS, method="contrast", top=1, how=how)
    assert [str(each.address) for each in found.removed] == ["act:8"]
    # What is said of red is then something, but no more of red photos than of others.
    red, rest = (
        torch.cat([images.read(path) for folder in folders for path in folder.iterdir()])
        for folders in ([coloured / "red"], others(coloured))
    )
    before, after = (
        (model.logits(red)[:, 2].min(), model.logits(rest)[:, 2].max()) for model in (planted, found.model)
    )
    assert before[0] > before[1]
    assert after[0] < after[1]
    kind = "randomize" if how == "randomize" else "ablation"
    assert [(edit.kind, edit.address.channels) for edit in found.model.edits] == [(kind, (8,))]
    # The channels of others are as they were.
    with torch.no_grad():
        image = images.read(coloured / "green" / "0.png")
        assert torch.equal(found.model(image)[:, :2], planted(image)[:, :2])


def test_the_course_is_the_dose_response_photo_by_photo(planted: Classifier, coloured: Path) -> None:
    assert blind(planted, few(coloured, 4), others(coloured), **CHANNELS).course is None
    for targets, measured in ((coloured / "red", 24), (few(coloured), 5)):
        found = blind(planted, targets, others(coloured), **CHANNELS, top=1, curve=True)
        course = found.course
        assert course.unit == "channels removed"
        before = course.stages[0]
        assert (before.amount, recall(_photos(before), 2)) == (0, found.result.recall_before)
        # Only one channel responds to red more than to the others; the rule finds five that are loud.
        assert [dose.amount for dose in course.doses] == [1]
        assert [dose.amount for dose in course.frequency] == [1, 2, 4]
        assert all(dose.recall.value == 1 for dose in course.frequency)
        assert [stage.amount for stage in course.stages[1:]] == [dose.amount for dose in course.doses]
        for stage, dose in zip(course.stages[1:], course.doses, strict=True):
            assert recall(_photos(stage), 2) == dose.recall
            assert dose.recall.count == measured == len(found.result.photos)
        (chosen,) = (stage for stage in course.stages if stage.chosen)
        assert [answer.top[0] == 2 for answer in chosen.predictions] == [row.still for row in found.result.photos]
        assert [answer.confidence for answer in chosen.predictions] == [
            row.confidence_after for row in found.result.photos
        ]


def _photos(stage: object) -> list:
    return [(photos.Photo(Path(str(place))), seen) for place, seen in enumerate(stage.predictions)]


def test_directions_have_a_course_in_percent(planted: Classifier, coloured: Path) -> None:
    course = blind(planted, few(coloured), others(coloured), class_name="red", curve=True, draws=1).course
    assert course.unit == "% of the directions erased"
    assert [dose.amount for dose in course.doses] == [20, 40, 60, 80, 100]
    assert [stage.amount for stage in course.stages if stage.chosen] == [100]
    values = [dose.recall.value for dose in course.doses]
    assert values == sorted(values, reverse=True)
    assert (values[0], values[-1]) == (1, 0)


def test_a_budget_leaves_out_what_takes_time(planted: Classifier, coloured: Path) -> None:
    found = blind(planted, few(coloured), others(coloured), **{**CHANNELS, "draws": 9}, budget=1e-3, curve=True)
    by_name = {trial.name: trial for trial in found.trials}
    # One random draw is measured all the same.
    assert by_name["random channels"].recall.count == 5
    assert "output deleted" in by_name
    assert "act" in found.chosen.readouts


@pytest.mark.parametrize("how", ["mean", "noise", "scale:-1"])
def test_other_ways_to_remove(planted: Classifier, coloured: Path, how: str) -> None:
    found = blind(planted, few(coloured), others(coloured), **CHANNELS, top=1, how=how)
    assert found.model.edits[0].how == how


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"layers": ["act"], "from_layer": "act"}, "exclude each other"),
        ({"top": 0}, "1 or more"),
        ({"how": "erase"}, "no way to ablate"),
        ({"method": "jont"}, "no method 'jont'"),
        ({"units": "direction"}, "no kind of units 'direction'.*did you mean 'directions'"),
        ({"aim": "answers"}, "no aim 'answers'.*did you mean 'answer'"),
        ({"units": "channels", "depth": "act"}, "depth is for directions"),
        ({"depth": "akt"}, "no layer 'akt'"),
        ({"depth": "head"}, "nothing of .* can be read from 'head' on"),
        ({"budget": 0}, "more than 0, not 0"),
        ({"folds": 0}, "number of folds is 1 or more, not 0"),
    ],
)
def test_refusals(planted: Classifier, coloured: Path, options: dict, message: str) -> None:
    def too_late(stage: str, done: int, total: int) -> None:
        raise AssertionError(stage, done, total)

    with pytest.raises(DreamscopeError, match=message):
        blind(planted, coloured / "red", others(coloured), class_name="red", callback=too_late, **options)


def test_no_channel_carries_it(planted: Classifier, coloured: Path) -> None:
    with pytest.raises(DreamscopeError, match="no channel carries 'blue' by joint; do the photos show it"):
        blind(planted, coloured / "red", coloured / "green", class_name="blue", units="channels")


def test_two_photos_are_too_few(planted: Classifier, coloured: Path) -> None:
    with pytest.raises(DreamscopeError, match="at least 3 are needed"):
        blind(planted, few(coloured, 2), others(coloured), class_name="red")


def test_cancelled_nothing_is_left(planted: Classifier, coloured: Path) -> None:
    def cancel_at(name: str) -> Callable[[str, int, int], None]:
        def callback(stage: str, _done: int, _total: int) -> None:
            if stage.startswith(name):
                raise KeyboardInterrupt

        return callback

    # The fixture looks for what is left.
    for stage in ("reading targets", "choosing", "erasing", "measuring", "training"):
        with pytest.raises(KeyboardInterrupt):
            blind(
                planted, few(coloured), others(coloured), class_name="red", units="both", layers=["act"], draws=1,
                callback=cancel_at(stage),
            )  # fmt: skip


def test_the_best_patch_of_a_channel(mute: Blinding) -> None:
    patch = mute.removed[0].patch
    assert patch is not None
    assert patch.shape == (1, 3, 16, 16)
    assert patch[:, 0].mean() > patch[:, 1].mean() + 0.3


def test_how_much_folds_agree() -> None:
    one, two = Ablation("act:0-3"), Ablation("act:2-5")
    assert agreement([[one]]) is None
    assert agreement([[one], [one]]) == 1
    # Two of six channels.
    assert agreement([[one], [two]]) == pytest.approx(1 / 3)
    assert agreement([[one], [Ablation("conv:0-3")]]) == 0
    along = torch.eye(4)
    half = (along[0] + along[1]) / 2**0.5
    first, second = Erase("act", along[0], along[0]), Erase("act", half, half)
    assert agreement([[first], [Erase("act", 3 * along[0], along[1])]]) == pytest.approx(1)
    assert agreement([[first], [second]]) == pytest.approx(0.5)
    assert agreement([[first], [Erase("act", along[2], along[2])]]) == pytest.approx(0)
