from __future__ import annotations

from collections import Counter
from pathlib import Path

import pytest
import torch
from nets import hooks_on
from torch import Tensor

from dreamscope import images, photos
from dreamscope.dissection.arms import CHOSEN, FREQUENCY, RANDOM_CHANNELS, RANDOM_DIRECTIONS
from dreamscope.dissection.finder import Approach, Finder, Found
from dreamscope.dissection.frequency import Frequency
from dreamscope.dissection.scores import ChannelScores
from dreamscope.dissection.sites import sites
from dreamscope.errors import DreamscopeError
from dreamscope.models.classifier import Classifier
from dreamscope.models.edits import Ablation
from dreamscope.models.erase import Erase
from dreamscope.models.randomize import Randomize
from dreamscope.photos import Photo
from dreamscope.recipes import Recipe

RED = 2


def approach(units: str, **options: object) -> Approach:
    given = {
        "aim": "answer",
        "depth": None,
        "methods": ("joint",),
        "top": None,
        "how": "zero",
        "curve": False,
        "draws": 3,
    }
    return Approach(units, **{**given, **options})


def finder(
    model: Classifier, coloured: Path, how: Approach, layers: tuple[str, ...] = ("act",), **options: object
) -> tuple[Finder, list[Photo], list[Photo]]:
    targets, controls = photos.find(coloured / "red"), photos.find([coloured / "green", coloured / "blue"])
    made = Finder(
        model, RED, how, layers=layers, sites=sites(model), targets=targets, controls=controls, **options
    )  # fmt: skip
    return made, targets, controls


def found(model: Classifier, coloured: Path, how: Approach, **options: object) -> Found:
    made, targets, controls = finder(model, coloured, how, **options)
    result = made.run(targets, controls)
    assert hooks_on(model.module) == 0
    return result


def channels(edits: object) -> dict[str, int]:
    """Return the number of channels that edits take from each layer."""
    count: Counter[str] = Counter()
    for edit in edits:
        assert isinstance(edit, Ablation)
        count[edit.address.layer] += len(set(edit.address.channels))
    return dict(count)


def test_channels_and_what_they_are_compared_with(planted: Classifier, coloured: Path) -> None:
    result = found(planted, coloured, approach("channels"))
    assert [str(edit.address) for edit in result.edits[CHOSEN]] == ["act:8"]
    assert set(result.edits) == {CHOSEN, FREQUENCY, *((RANDOM_CHANNELS, draw) for draw in range(3))}
    # As many from the same layers.
    for name in result.edits:
        assert channels(result.edits[name]) == {"act": 1}
    # Loud in every photo of red, whatever it carries.
    assert str(result.edits[FREQUENCY][0].address) in {f"act:{channel}" for channel in range(6)}
    assert result.scores.method == "joint"


def test_so_many_channels_as_asked_for_and_as_it_says(planted: Classifier, coloured: Path) -> None:
    how = approach("channels", methods=("contrast", "joint"), top=2, how="scale:-1", draws=20)
    result = found(planted, coloured, how, layers=("conv", "act"))
    chosen = channels(result.edits[CHOSEN])
    assert chosen == {"conv": 1, "act": 1}
    drawn = [result.edits[RANDOM_CHANNELS, draw] for draw in range(20)]
    assert all(channels(edits) == chosen for edits in drawn)
    assert len({str(edits) for edits in drawn}) > 10
    assert all(edit.how == "scale:-1" for edits in result.edits.values() for edit in edits)
    assert result.scores.method == "contrast"


def test_directions_and_what_they_are_compared_with(planted: Classifier, coloured: Path) -> None:
    result = found(planted, coloured, approach("directions", aim="readout"))
    (edit,) = result.edits[CHOSEN]
    assert isinstance(edit, Erase)
    assert str(edit.address) == "act"
    assert [name for name in result.edits if name[0] == RANDOM_DIRECTIONS] == [(RANDOM_DIRECTIONS, n) for n in range(3)]
    for draw in range(3):
        assert [(str(e.address), e.count) for e in result.edits[RANDOM_DIRECTIONS, draw]] == [("act", edit.count)]
    # Of what is not taken away one set is enough, as large as the network allows.
    assert [name for name in result.edits if name[0] == RANDOM_CHANNELS] == [(RANDOM_CHANNELS, 0)]
    assert channels(result.edits[RANDOM_CHANNELS, 0]) == {"act": 9}
    # The loudest five of a layer in each photo: no more are ever loud.
    assert channels(result.edits[FREQUENCY]) == {"act": 5}
    assert result.scores is None


def test_both_are_channels_and_what_can_be_read_without_them(planted: Classifier, coloured: Path) -> None:
    result = found(planted, coloured, approach("both", aim="readout", draws=2))
    first, last = result.edits[CHOSEN]
    assert str(first.address) == "act:8"
    assert isinstance(last, Erase)
    # Channel 8 is gone already.
    assert float(last.center[8]) == 0
    alone = found(planted, coloured, approach("directions", aim="readout")).edits[CHOSEN][0]
    assert last != alone
    assert {name[0] for name in result.edits} == {"chosen", "frequency", RANDOM_CHANNELS, RANDOM_DIRECTIONS}
    assert sum(name[0] == RANDOM_DIRECTIONS for name in result.edits) == 2
    assert sum(name[0] == RANDOM_CHANNELS for name in result.edits) == 2
    assert channels(result.edits[RANDOM_CHANNELS, 0]) == channels(result.edits[FREQUENCY]) == {"act": 1}


def test_doses(planted: Classifier, coloured: Path) -> None:
    of_channels = found(planted, coloured, approach("channels", curve=True, top=1)).edits
    assert [name for name in of_channels if name[0] == "frequency dose"] == [("frequency dose", n) for n in (1, 2, 4)]
    for name, edits in of_channels.items():
        if "dose" in name[0]:
            assert channels(edits) == {"act": name[1]}
    of_directions = found(planted, coloured, approach("directions", curve=True)).edits
    whole = of_directions[CHOSEN][0]
    assert [name[1] for name in of_directions if name[0] == "dose"] == [20, 40, 60, 80]
    for percent in (20, 40, 60, 80):
        (part,) = of_directions["dose", percent]
        assert torch.allclose(part.remove, whole.remove * percent / 100)
        assert torch.equal(part.read, whole.read)


@pytest.mark.parametrize("units", ["channels", "directions", "both"])
def test_the_same_seed_finds_the_same_and_photos_are_read_once(
    planted: Classifier, coloured: Path, units: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    reads: Counter[str] = Counter()
    read = images.read

    def count(source: Path, *, side: int) -> Tensor:
        reads[source.parent.name] += 1
        return read(source, side=side)

    one, targets, controls = finder(planted, coloured, approach(units, draws=1))
    monkeypatch.setattr(images, "read", count)
    first = one.run(targets[:12], controls)
    one.run(targets[12:], controls)
    # Once for the search of channels, for all folds with these controls; those of directions are in memory already.
    assert reads["green"] == (24 if units != "directions" else 0)
    again, _, _ = finder(planted, coloured, approach(units, draws=1))
    second = again.run(targets[:12], controls)
    assert {name: list(edits) for name, edits in first.edits.items()} == {
        name: list(edits) for name, edits in second.edits.items()
    }


def test_channels_found_before_are_not_looked_for(planted: Classifier, coloured: Path) -> None:
    scores = found(planted, coloured, approach("channels")).scores
    made, _, _ = finder(planted, coloured, approach("channels"), scores=scores)
    result = made.run([], [])
    assert result.scores is scores
    assert [str(edit.address) for edit in result.edits[CHOSEN]] == ["act:8"]


@pytest.mark.parametrize(
    ("aim", "top", "enough", "targets", "expected"),
    [
        ("answer", None, None, 100, 50),
        ("answer", None, 20, 100, 21),
        ("answer", None, 20, 4, 40),
        ("answer", None, 45, 4, 50),
        ("readout", None, 45, 4, 90),
        ("answer", 7, 20, 4, 7),
    ],
)
def test_how_many_channels_go(
    planted: Classifier, coloured: Path, *, aim: str, top: int | None, enough: int | None, targets: int, expected: int
) -> None:
    scores = ChannelScores(
        layers={"act": 9}, class_index=0, label="a", scores={}, numbers={}, counts={"targets": targets}, unreadable={},
        recipe=Recipe("dissect", {}, {}, {}, "0"), enough=enough,
    )  # fmt: skip
    made, _, _ = finder(planted, coloured, approach("channels", aim=aim, top=top), scores=scores)
    assert made.count(scores) == expected


def test_photos_that_cannot_be_read(planted: Classifier, coloured: Path) -> None:
    torn = coloured / "red" / "torn.png"
    torn.write_bytes(b"")
    made, targets, controls = finder(planted, coloured, approach("directions"))
    assert list(made.unreadable) == ["torn.png"]
    assert made.run(targets, controls).edits[CHOSEN]
    with pytest.raises(DreamscopeError, match="none of the targets to find directions on can be read"):
        made.run([photo for photo in targets if photo.path == torn], controls)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"units": "direction"}, "no kind of units 'direction'"),
        ({"units": "channels", "aim": "reading"}, "no aim 'reading'"),
        ({"units": "channels", "depth": "act"}, "depth is for directions"),
        ({"units": "both", "draws": 0}, "1 or more, not None and 0"),
        ({"units": "both", "top": 0}, "1 or more, not 0 and 3"),
        ({"units": "channels", "how": "erase"}, "no way to ablate"),
    ],
)
def test_approaches_that_cannot_be(options: dict, message: str) -> None:
    with pytest.raises(DreamscopeError, match=message):
        approach(**options)


RED_CHANNEL = 8
RULE = Frequency(loudest=7, at_least=20, per_layer=3, of=24)
"""Leaves three of the six channels that are always on; all seven are loud on every photo."""


def test_a_rule_says_itself_how_many(planted: Classifier, coloured: Path) -> None:
    how = approach("channels", methods=("frequency",), rule=RULE)
    result = found(planted, coloured, how)
    assert result.scores.rule == RULE
    assert channels(result.edits[CHOSEN]) == channels(result.edits[FREQUENCY]) == {"act": 3}
    # Scores from a file say the same; a number that is asked for counts more.
    made, _, _ = finder(planted, coloured, approach("channels"), scores=result.scores)
    assert made.count(result.scores) == 3
    made, _, _ = finder(planted, coloured, approach("channels", top=2), scores=result.scores)
    assert made.count(result.scores) == 2


def test_the_rule_stands_beside_another_choice_with_all_its_channels(planted: Classifier, coloured: Path) -> None:
    result = found(planted, coloured, approach("channels", top=1, rule=RULE))
    assert channels(result.edits[CHOSEN]) == {"act": 1}
    assert channels(result.edits[FREQUENCY]) == {"act": 3}
    result = found(planted, coloured, approach("directions", rule=RULE))
    assert channels(result.edits[FREQUENCY]) == {"act": 3}


def test_a_rule_that_nothing_meets_is_said(planted: Classifier, coloured: Path) -> None:
    rule = Frequency(loudest=1, at_least=24, of=24)
    scores = ChannelScores(
        {"act": 9}, RED, "red", {"frequency": torch.zeros(9)}, {}, {"targets": 24}, {}, None, rule=rule
    )  # fmt: skip
    made, targets, controls = finder(planted, coloured, approach("channels"), scores=scores)
    with pytest.raises(DreamscopeError, match="no channel is among the 1 loudest of their layer on at least 24 of 24"):
        made.run(targets, controls)


@pytest.mark.parametrize("units", ["channels", "both"])
def test_random_weights_go_where_weights_are(planted: Classifier, coloured: Path, units: str) -> None:
    result = found(planted, coloured, approach(units, methods=("contrast",), top=1, how="randomize"))
    edit = result.edits[CHOSEN][0]
    assert isinstance(edit, Randomize)
    assert str(edit.address) == f"conv:{RED_CHANNEL}"
    # As many random ones of the layer that was searched.
    assert {len(edits[0].address.channels) for name, edits in result.edits.items() if name[0] == RANDOM_CHANNELS} == {1}
    assert planted.edited(result.edits[CHOSEN]).edits[0] == edit
