from __future__ import annotations

import time
from collections import Counter
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from nets import Residual, Vgg, hooks_on, seeded
from torch import Tensor

from dreamscope import images, photos
from dreamscope.dissection import arms, intervals, readout
from dreamscope.dissection.arms import CHOSEN, FREQUENCY, INTACT, RANDOM_CHANNELS, Name
from dreamscope.dissection.evaluation import evaluate
from dreamscope.dissection.trials import Trial, Trials
from dreamscope.dissection.views import VIEWS
from dreamscope.errors import DreamscopeError
from dreamscope.folds import Fold
from dreamscope.models.classifier import Classifier
from dreamscope.models.edits import Ablation
from dreamscope.models.wrapping import wrap
from dreamscope.photos import Photo
from dreamscope.probes import means, probe

RED = 2
EDITS = {CHOSEN: [Ablation("act:8")], FREQUENCY: [Ablation("act:7")]}


@pytest.fixture(autouse=True)
def quick_probes(monkeypatch: pytest.MonkeyPatch) -> None:
    """What is read is plain here, whatever the strength."""
    monkeypatch.setattr(readout, "_strength", lambda *_: 1.0)


def fold(coloured: Path, start: int = 0, stop: int = 8, probe_: int = 0) -> Fold:
    reds = photos.find(coloured / "red")
    return Fold([], reds[-probe_:] if probe_ else [], reds[start:stop])


def controls(coloured: Path, count: int = 6) -> list[Photo]:
    return [photo for name in ("green", "blue") for photo in photos.find(coloured / name)[:count]]


def measured(
    model: Classifier, *folds: tuple[Fold, list[Photo], dict], layers: tuple[str, ...] = ("act",), **options: object
) -> dict[str, Trial]:
    found = Trials(model, RED, layers)
    for each in folds:
        found.add(*each)
    found.measure(**options)
    assert hooks_on(model.module) == 0
    return {trial.name: trial for trial in found.table()}


def test_what_each_edit_does(planted: Classifier, coloured: Path) -> None:
    # Without a channel that nobody reads nothing happens, without red's own it is gone: half and half.
    draws = {(RANDOM_CHANNELS, 0): [Ablation("act:0")], (RANDOM_CHANNELS, 1): [Ablation("act:8")]}
    found = measured(planted, (fold(coloured), controls(coloured), EDITS | draws))
    assert list(found) == ["intact", "output deleted", "random channels", "frequency", "chosen"]
    assert {name: trial.count for name, trial in found.items()} == {
        "intact": 0, "output deleted": 1, "random channels": 1, "frequency": 1, "chosen": 1
    }  # fmt: skip
    assert {name: trial.recall.value for name, trial in found.items()} == {
        "intact": 1, "output deleted": 0, "random channels": 0.5, "frequency": 1, "chosen": 0
    }  # fmt: skip
    # Blue, half of the others, is carried by 7.
    assert {name: trial.loss.value for name, trial in found.items()} == {
        "intact": 0, "output deleted": 0, "random channels": 0, "frequency": 50, "chosen": 0
    }  # fmt: skip
    assert [found[name].recall.count for name in ("intact", "output deleted", "frequency", "chosen")] == [8] * 4
    assert found["chosen"].loss.count == 12
    assert found["random channels"].recall.count == 2
    assert [name for name, trial in found.items() if trial.robust is None] == ["random channels", "frequency"]
    # Red without 8 is still what is neither green nor blue.
    assert found["intact"].readouts["act"].auc == 1
    assert found["chosen"].readouts["act"].auc > 0.8


def test_the_output_deleted_leaves_what_is_read_and_changes_who_was_taken_for_it(
    planted: Classifier, coloured: Path
) -> None:
    # Of photos without a label only the answer is known: these were taken for red.
    rest = [*controls(coloured), *(Photo(photo.path) for photo in photos.find(coloured / "red")[-4:])]
    found = measured(planted, (fold(coloured), rest, EDITS))
    deleted = found["output deleted"]
    assert (deleted.recall, deleted.robust) == (intervals.share([0.0] * 8),) * 2
    assert (deleted.loss.value, deleted.loss.count) == (25, 16)
    assert deleted.readouts is found["intact"].readouts
    assert deleted.readouts["act"].auc > 0.5


def test_each_photo_counts_once_over_folds(planted: Classifier, coloured: Path) -> None:
    other = {CHOSEN: [Ablation("act:0,1,7")], FREQUENCY: [Ablation("act:7")]}
    rest = controls(coloured)
    # Measured after both edits: gone by one, still there by the other.
    found = measured(planted, (fold(coloured), rest, EDITS), (fold(coloured), rest, other))
    chosen = found["chosen"]
    assert chosen.recall == intervals.share([0.5] * 8)
    assert chosen.robust == intervals.share([0.5] * 8)
    # The second takes blue, which is half of the others.
    assert (chosen.loss.value, chosen.loss.count) == (25, 12)
    assert (chosen.count, chosen.counts, chosen.number) == (2, (1, 3), "1 to 3")
    assert (found["intact"].counts, found["frequency"].title) == ((), "frequency")
    assert found["intact"].recall == intervals.share([True] * 8)
    # Measured on their own photos of both kinds.
    apart = measured(planted, (fold(coloured), rest[:6], EDITS), (fold(coloured, 8, 12), rest[6:], EDITS))
    assert (apart["chosen"].recall.count, apart["chosen"].loss.count) == (12, 12)


@pytest.mark.parametrize("make", [Vgg, Residual])
@pytest.mark.parametrize("tails", [True, False])
def test_the_numbers_are_those_of_whole_passes(
    make: type, tails: bool, coloured: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    model = wrap(seeded(make()), input_size=32, labels=list("abcde"))
    layer = "features.4" if make is Vgg else "layer1.1.bn1"
    read_at = "features.5" if make is Vgg else "layer1.1"
    if not tails:
        monkeypatch.setattr(arms, "cut_before", lambda *_: None)
    reds, rest = photos.find(coloured / "red")[:9], [Photo(photo.path) for photo in controls(coloured)]
    edit = Ablation(f"{layer}:0-5", "scale:-3")
    pictures = {photo: model.prepared(images.read(photo.path)) for photo in (*reds, *rest)}
    index = int(model.logits(pictures[reds[0]]).argmax())
    edited = model.edited(edit)
    found = Trials(model, index, [read_at])
    found.add(Fold([], [], reds), rest, {CHOSEN: [edit]})
    found.measure()
    intact, _, chosen = found.table()
    expected = evaluate(model, edited, reds, rest, class_index=index)
    assert (intact.recall, chosen.recall, chosen.loss) == (
        expected.recall_before, expected.recall_after, expected.loss
    )  # fmt: skip
    for trial, each in ((intact, model), (chosen, edited)):
        hits = [
            [int(each.logits(view(pictures[photo])).argmax()) == index for view in VIEWS.values()] for photo in reds
        ]
        assert trial.robust == intervals.share([sum(mine) / len(VIEWS) for mine in hits])
    assert chosen.loss.value > 0 or make is Residual
    # What probes learn from is what the edited network puts out.
    (arm,) = [arm for _, _, arms in found._folds for arm in arms if arm.name == CHOSEN]
    assert (arm.cut is not None) == tails
    with torch.no_grad(), probe(edited, [read_at], keep=means) as seen:
        kept = seen(torch.cat([pictures[photo] for photo in reds]))[read_at]
    assert torch.allclose(torch.cat(arm.features["measure"][read_at]), kept, rtol=1e-4, atol=1e-5)
    assert hooks_on(model.module) == 0
    assert all("forward" not in vars(part) for part in model.module.modules())


def test_each_photo_is_read_once_and_goes_through_the_intact_network_once(
    planted: Classifier, coloured: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    reads: Counter[Path] = Counter()
    passes: Counter[bytes] = Counter()
    read, forward = images.read, Classifier.forward

    def count_read(source: Path, *, side: int) -> Tensor:
        reads[source] += 1
        return read(source, side=side)

    def count_pass(model: Classifier, pictures: Tensor) -> object:
        if not model.edits:
            passes.update(picture.numpy().tobytes() for picture in pictures)
        return forward(model, pictures)

    mine, rest = [fold(coloured, 0, 4), fold(coloured, 4, 8)], controls(coloured)
    known = {photo.path: planted.prepared(read(photo.path)).numpy().tobytes() for photo in rest}
    found = Trials(planted, RED, ["act"])
    for each in mine:
        found.add(each, rest, EDITS)
    monkeypatch.setattr(images, "read", count_read)
    monkeypatch.setattr(Classifier, "forward", count_pass)
    found.measure()
    assert set(reads.values()) == {1}
    assert len(reads) == 8 + 12
    assert [passes[known[photo.path]] for photo in rest] == [1] * 12


def test_probes_learn_from_their_own_photos(planted: Classifier, coloured: Path) -> None:
    found = measured(planted, (fold(coloured, 0, 4, probe_=6), controls(coloured), EDITS))
    # Two probes, each of all six and half of the others, and each measures all four.
    assert found["chosen"].readouts["act"].folds == 2
    assert len(found["chosen"].readouts["act"].positives) == 8
    # Which makes them no more.
    assert found["chosen"].readouts["act"].recall().count == found["chosen"].readouts["act"].area().count == 4
    assert found["intact"].recall.count == 4
    # A single photo to measure on can't be learnt from; with photos for the probe it is read all the same.
    alone = measured(planted, (fold(coloured, 0, 1), controls(coloured), EDITS))
    assert alone["chosen"].readouts == {}
    assert "act" in measured(planted, (fold(coloured, 0, 1, probe_=6), controls(coloured), EDITS))["chosen"].readouts


def test_layers_before_are_those_of_the_intact_network(planted: Classifier, coloured: Path) -> None:
    found = Trials(planted, RED, ["act"], ["conv", "act"])
    found.add(fold(coloured), controls(coloured), EDITS)
    found.measure()
    intact, *others = found.table()
    assert list(intact.readouts) == ["conv", "act"]
    for trial in others:
        # What comes before every edit is as it was.
        assert list(trial.readouts) == ["conv", "act"]
        assert trial.readouts["conv"] is intact.readouts["conv"]


def test_everything_else_may_be_measured_apart_from_the_controls(planted: Classifier, coloured: Path) -> None:
    rest = photos.find(coloured / "blue")[-5:]
    found = measured(planted, (fold(coloured), controls(coloured), EDITS), rest=rest)
    assert (found["frequency"].loss.value, found["frequency"].loss.count) == (100, 5)
    assert (found["chosen"].loss.value, found["chosen"].loss.count) == (0, 5)
    assert len(found["chosen"].readouts["act"].negatives) == 12


@pytest.mark.parametrize(("ahead", "kept"), [(-1.0, 1), (1e6, 3)])
def test_where_there_is_no_time_draws_and_doses_are_left_out(
    planted: Classifier, coloured: Path, ahead: float, kept: int
) -> None:
    more: dict[Name, list[Ablation]] = {(RANDOM_CHANNELS, draw): [Ablation(f"act:{draw}")] for draw in range(3)}
    more |= {("dose", 1): [Ablation("act:8")]}
    found = Trials(planted, RED, ["act"])
    found.add(fold(coloured), controls(coloured), EDITS | more)
    found.measure(deadline=time.monotonic() + ahead)
    assert found.names(RANDOM_CHANNELS) == [(RANDOM_CHANNELS, draw) for draw in range(kept)]
    assert found.names("dose") == ([("dose", 1)] if kept > 1 else [])
    by_name = {trial.name: trial for trial in found.table()}
    assert {"intact", "chosen", "frequency", "random channels"} <= set(by_name)
    # Run in two goes, each photo still counts once.
    assert (by_name["chosen"].recall.count, by_name["intact"].loss.count) == (8, 12)
    assert len(found.measured(INTACT)[0]) == 8


def test_sizes_that_folds_have_in_common(planted: Classifier, coloured: Path) -> None:
    found = Trials(planted, RED, ["act"])
    for edit in (Ablation("act:8"), Ablation("act:6,8")):
        found.add(fold(coloured), controls(coloured), {CHOSEN: [edit], FREQUENCY: [Ablation("act:7")]})
    assert (found.size(CHOSEN), found.size(FREQUENCY), found.size(INTACT)) == (None, 1, 0)


def test_photos_that_cannot_be_read(planted: Classifier, coloured: Path) -> None:
    torn = coloured / "torn.png"
    torn.write_bytes(b"")
    mine, rest = fold(coloured), controls(coloured)
    found = Trials(planted, RED, ["act"])
    reported: list[tuple[str, int, int]] = []
    found.add(replace(mine, measure=[*mine.measure, Photo(torn)]), rest, EDITS)
    found.measure(callback=lambda *now: reported.append(now))
    assert list(found.unreadable) == ["torn.png"]
    assert found.table()[0].recall.count == 8
    assert {stage for stage, _, _ in reported} == {"measuring"}
    with pytest.raises(DreamscopeError, match=r"none of the photos of the class to measure on .* 'torn\.png' is empty"):
        measured(planted, (Fold([], [], [Photo(torn)]), rest, EDITS))
    with pytest.raises(DreamscopeError, match=r"none of the photos of other things .* 'torn\.png' is empty"):
        measured(planted, (mine, [Photo(torn)], EDITS))
