from __future__ import annotations

from collections import Counter
from pathlib import Path

import pytest
import torch
from nets import hooks_on
from torch import nn

from dreamscope import images
from dreamscope.dissection.dissect import dissect
from dreamscope.dissection.frequency import Frequency
from dreamscope.dissection.scores import ChannelScores
from dreamscope.errors import DreamscopeError
from dreamscope.exploration.responses import Responses
from dreamscope.models.classifier import Classifier
from dreamscope.models.wrapping import wrap
from dreamscope.probes import probe

# Three photos, two layers of four channels: 0 is loud on all, 1 and 2 on two, 3 on one, and 2 is louder than 1.
NORMS = torch.tensor([[9.0, 5, 0, 1, 1, 0, 0, 0], [9, 0, 8, 1, 0, 0, 0, 0], [9, 5, 8, 1, 0, 0, 0, 2]])


def heard(loudest: int = 2) -> Responses:
    responses = Responses([4, 4], loudest=loudest)
    responses.add(NORMS[:2], NORMS[:2])
    responses.add(NORMS[2:], NORMS[2:])
    return responses


def test_silent_channels_are_never_among_the_loudest() -> None:
    assert heard().times_loud.tolist() == [3, 1, 2, 0, 1, 0, 0, 1]
    assert torch.allclose(heard().loudness, torch.tensor([1, 10 / 27, 16 / 27, 3 / 27, 0.5, 0, 0, 1]))


@pytest.mark.parametrize(
    ("rule", "chosen"),
    [
        (Frequency(2), [0, 1, 2, 4, 7]),
        (Frequency(2, at_least=2), [0, 2]),
        (Frequency(2, at_least=3), [0]),
        # Of the second layer both are loud once, and the last is louder.
        (Frequency(2, per_layer=1), [0, 7]),
        (Frequency(2, per_layer=2), [0, 2, 4, 7]),
    ],
)
def test_which_channels_a_rule_leaves(rule: Frequency, chosen: list[int]) -> None:
    scores = rule.scores(heard(), [4, 4])
    assert scores.nonzero().flatten().tolist() == chosen
    assert torch.equal(scores[chosen], heard().loud[chosen])


def test_ties_are_broken_by_the_mean_norm_and_not_by_order() -> None:
    # All four channels of each layer count, so that three are equally frequent.
    scores = Frequency(4, per_layer=2).scores(heard(4), [4, 4])
    assert heard(4).times_loud.tolist()[:4] == [3, 2, 2, 3]
    assert scores[:4].nonzero().flatten().tolist() == [0, 3]
    assert Frequency(4, per_layer=3).scores(heard(4), [4, 4])[:4].nonzero().flatten().tolist() == [0, 2, 3]
    known = ChannelScores(
        {"a": 4, "b": 4}, 0, "", {"frequency": heard(4).loud}, {"loudness": heard(4).loudness}, {}, {}, None
    )
    assert known.ranking().tolist() == [0, 3, 2, 1, 7, 4]
    # Files written before have no loudness.
    assert ChannelScores(
        {"a": 4, "b": 4}, 0, "", {"frequency": heard(4).loud}, {}, {}, {}, None
    ).ranking().tolist() == [0, 3, 1, 2, 4, 7]  # fmt: skip


@pytest.mark.parametrize(("count", "needed"), [(5, 4), (4, 4), (3, 3), (2, 2), (1, 1)])
def test_of_a_part_of_the_photos_as_large_a_share_is_asked(count: int, needed: int) -> None:
    assert Frequency(at_least=4, of=5).needed(count) == needed
    assert Frequency(at_least=4).needed(count) == 4


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"loudest": 0}, "loudest is a whole number, 1 or more, not 0"),
        ({"per_layer": 0}, "per_layer is a whole number"),
        ({"at_least": 0.5}, "at_least is a whole number"),
        ({"at_least": 6, "of": 5}, "on at least 6 photos: there are 5"),
    ],
)
def test_rules_that_cannot_be(values: dict, message: str) -> None:
    with pytest.raises(DreamscopeError, match=message):
        Frequency(**values)


def test_without_controls_on_a_network(planted: Classifier, coloured: Path, tmp_path: Path) -> None:
    found = dissect(
        planted, coloured / "red", class_name="red", layers=["act"], method="frequency", loudest=7, at_least=20
    )
    # Six channels that are always on, and one that red excites more than green and blue are by it.
    assert found.ranking().tolist()[-1] == 8
    assert sorted(found.ranking().tolist()) == [0, 1, 2, 3, 4, 5, 8]
    assert found.counts == {"targets": 24, "controls": 0}
    assert set(found.numbers) == {"target_mean", "times_loud", "loudness"}
    assert found.rule == Frequency(7, 20, None, 24)
    assert found.chosen_by_rule
    kept = found.recipe.parameters
    assert (kept["loudest"], kept["at_least"], kept["per_layer"]) == (7, 20, None)
    again = ChannelScores.load(found.save(tmp_path / "scores.json"), planted)
    assert (again.rule, again.ranking().tolist()) == (found.rule, found.ranking().tolist())
    assert "24 photos" in again._repr_html_()
    assert "controls" not in again._repr_html_()
    assert hooks_on(planted.module) == 0


def test_scores_by_another_method_are_no_choice_of_the_rule(planted: Classifier, coloured: Path) -> None:
    found = dissect(
        planted, coloured / "red", [coloured / "green", coloured / "blue"], class_name="red", layers=["act"],
        method=["contrast", "frequency"], loudest=7, at_least=20,
    )  # fmt: skip
    assert found.rule is not None
    assert not found.chosen_by_rule
    assert int(found.ranking()[0]) == 8


def test_a_network_without_classes(coloured: Path) -> None:
    model = wrap(nn.Sequential(nn.Conv2d(3, 6, 3), nn.ReLU()), input_size=16)
    found = dissect(model, coloured / "red", class_name="a colour", layers=["0", "1"], method="frequency")
    assert (found.class_index, found.label) == (-1, "a colour")
    with pytest.raises(DreamscopeError, match="no classes"):
        dissect(model, coloured / "red", coloured / "green", layers=["0", "1"], method="contrast")


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({}, "give photos of other things to compare with: --controls FOLDER; only --method frequency"),
        ({"method": ["frequency", "contrast"]}, "only --method frequency, alone, needs none"),
        ({"method": "contrast", "loudest": 3}, "loudest: this is for the method 'frequency'; add it"),
        ({"method": "frequency", "at_least": 25}, "on at least 25 photos: there are 24"),
    ],
)
def test_refusals(planted: Classifier, coloured: Path, options: dict, message: str) -> None:
    with pytest.raises(DreamscopeError, match=message):
        dissect(planted, coloured / "red", class_name="red", **options)


def test_it_is_the_rule_of_the_write_ups_at_every_module(vgg: Classifier, coloured: Path) -> None:
    photos = sorted(coloured.rglob("*.png"))[::14][:5]
    found = dissect(
        vgg, photos, class_name="a", layers="features.*", method="frequency", loudest=4, at_least=4, per_layer=3
    )
    names = list(found.layers)
    times = {name: Counter[int]() for name in names}
    norms = {name: torch.zeros(found.layers[name]) for name in names}
    with torch.no_grad(), probe(vgg, names) as seen:
        for path in photos:
            for name, activation in seen(vgg.prepared(images.read(path))).items():
                loud = activation[0].flatten(1).norm(dim=1)
                norms[name] += loud
                times[name].update(place for place in loud.argsort(descending=True)[:4].tolist() if loud[place] > 0)
    expected = {
        f"{name}:{channel}"
        for name in names
        for channel, count in sorted(times[name].items(), key=lambda pair: (-pair[1], -norms[name][pair[0]]))[:3]
        if count >= 4
    }
    assert {str(found.address(int(place))) for place in found.ranking()} == expected
    # Convolutions, ReLU and pooling alike; later ones are silent here.
    assert {address.partition(":")[0] for address in expected} >= {f"features.{number}" for number in range(4)}
