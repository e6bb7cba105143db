from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
import torch
from nets import hooks_on
from torch import nn

from dreamscope import images
from dreamscope.dissection import greedy
from dreamscope.dissection.aims import Aim, AnswerAim, Look
from dreamscope.dissection.first_order import Channels, Score, effects
from dreamscope.dissection.greedy import Chosen, Harm, joint
from dreamscope.models.classifier import Classifier
from dreamscope.models.wrapping import wrap

RED = 2


def read(folder: Path) -> torch.Tensor:
    return torch.cat([images.read(path) for path in sorted(folder.iterdir())])


@pytest.fixture
def shared_channel(planted: Classifier) -> Classifier:
    """Red is carried by 8, which is red's own, and more by 0, which responds to green as well."""
    with torch.no_grad():
        planted.module.conv.weight[0, :, 0, 0] = torch.tensor([1.0, 1.0, -2.0])
        planted.module.conv.bias[0] = 0
        planted.module.head.weight[RED, 8] = 4
        planted.module.head.weight[RED, 0] = 12
    return planted


def choose(model: Classifier, coloured: Path, most: int = 4) -> Chosen:
    channels = Channels.of(model, ["act"])
    controls = torch.cat([read(coloured / "green"), read(coloured / "blue")])
    harm = Harm(model, controls, model.logits(controls), RED, responses=torch.ones(9))
    reported: list[tuple[str, int, int]] = []
    aim = AnswerAim(model, read(coloured / "red"), RED)
    found = joint(channels, aim, harm, most=most, callback=lambda *now: reported.append(now))
    assert not channels.removed.any()
    assert hooks_on(model.module) == 0
    assert reported[-1][1] == int((found.scores > 0).sum())
    return found


def chosen(model: Classifier, coloured: Path, most: int = 4) -> list[int]:
    scores = choose(model, coloured, most).scores
    order = scores.argsort(descending=True)
    return order[scores[order] > 0].tolist()


def test_what_is_red_alone_goes_before_what_green_needs_too(
    shared_channel: Classifier, coloured: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("dreamscope.dissection.greedy._FIRST", 1)
    assert chosen(shared_channel, coloured)[:2] == [8, 0]


def test_what_carries_nothing_is_not_chosen(shared_channel: Classifier, coloured: Path) -> None:
    assert set(chosen(shared_channel, coloured)) == {0, 8}


def test_no_more_than_asked_for(shared_channel: Classifier, coloured: Path) -> None:
    assert chosen(shared_channel, coloured, most=1) == [8]


def test_it_says_how_many_were_enough(
    shared_channel: Classifier, coloured: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("dreamscope.dissection.greedy._FIRST", 1)
    # Of three classes at 0 none trails, so half a logit of trailing can't be asked for here.
    monkeypatch.setattr("dreamscope.dissection.aims.SLACK", -0.1)
    # Without 8 red is still red by 0; without both it is nothing.
    assert choose(shared_channel, coloured).enough == 2
    assert choose(shared_channel, coloured, most=1).enough is None


@pytest.mark.parametrize("classes", [2, 3, 40])
def test_the_class_to_be_removed_is_never_drawn(classes: int, monkeypatch: pytest.MonkeyPatch) -> None:
    torch.manual_seed(0)
    net = nn.Sequential(nn.Conv2d(3, 5, 1), nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(5, classes))
    with torch.no_grad():
        # So sure that the share of all classes but one is 0 in float32.
        net[3].bias[0] = 5000
    model = wrap(net, input_size=16)
    controls, drawn = torch.rand(6, 3, 16, 16), []
    difference = greedy._difference

    def record(logits: torch.Tensor, pairs: torch.Tensor) -> torch.Tensor:
        drawn.append(pairs)
        return difference(logits, pairs)

    monkeypatch.setattr(greedy, "_difference", record)
    harm = Harm(model, controls, model.logits(controls), 1, responses=torch.ones(5))
    joint(Channels.of(model, ["0"]), AnswerAim(model, torch.rand(2, 3, 16, 16), 1), harm)
    assert bool(drawn) == (classes > 2)
    assert not any((pairs == 1).any() for pairs in drawn)


def test_later_choices_start_from_the_same_harm(shared_channel: Classifier, coloured: Path) -> None:
    controls = torch.cat([read(coloured / "green"), read(coloured / "blue")])
    channels, reds = Channels.of(shared_channel, ["act"]), read(coloured / "red")
    made = [Harm(shared_channel, controls, shared_channel.logits(controls), RED, responses=torch.ones(9)) for _ in "ab"]
    aim = AnswerAim(shared_channel, reds, RED)
    first, again = (joint(channels, aim, made[0]) for _ in "ab")
    assert torch.equal(first.scores, again.scores)
    assert torch.equal(first.scores, joint(channels, aim, made[1]).scores)


def test_parts_of_many_controls_take_turns(shared_channel: Classifier, monkeypatch: pytest.MonkeyPatch) -> None:
    # The first colour numbers the photos.
    controls = torch.rand((150, 3, 8, 8), generator=torch.Generator().manual_seed(0))
    controls[:, 0] = (torch.arange(150) / 1000)[:, None, None]
    harm = Harm(shared_channel, controls, shared_channel.logits(controls), RED, responses=torch.ones(9))
    channels = Channels.of(shared_channel, ["act"])
    seen: list[set[int]] = []

    def spied(model: Classifier, channels: Channels, batch: torch.Tensor, *scores: Score) -> object:
        seen[-1] |= set((batch[:, 0, 0, 0] * 1000).round().int().tolist())
        return effects(model, channels, batch, *scores)

    monkeypatch.setattr(greedy, "effects", spied)
    removed = replace(channels, removed=torch.arange(9) == 0)
    found = []
    for number, each in enumerate([channels, removed, removed, removed]):
        seen.append(set())
        found.append(harm(each, number))
    assert [len(photos) for photos in seen] == [150, 50, 50, 50]
    assert set.union(*seen[1:]) == set(range(150))
    # What was seen before the last three rounds is forgotten: the intact network's harm, too.
    assert harm._last[0] is not harm._intact
    assert torch.allclose(found[-1], torch.stack(harm._last).mean(0))
    seen.append(set())
    assert torch.equal(harm(channels, 0), found[0])
    assert not seen[-1]


class Counting(Aim):
    """Reached without so many channels; the first channels carry most."""

    def __init__(self, photos: int, enough: int) -> None:
        self.photos = photos
        self.enough = enough

    def look(self, channels: Channels) -> Look:
        return Look(torch.arange(40, 0, -1.0), int(channels.removed.sum()) >= self.enough)


@pytest.mark.parametrize(("photos", "expected"), [(400, 8), (8, 12), (4, 16), (1, 20)])
def test_until_enough_with_some_to_spare_where_photos_are_few(photos: int, expected: int) -> None:
    channels = Channels(("any",), (40,), torch.zeros(40, dtype=torch.bool))
    rounds: list[int] = []

    def no_harm(_channels: Channels, number: int) -> torch.Tensor:
        rounds.append(number)
        return torch.zeros(40)

    aim = Counting(photos, 5)
    found = joint(channels, aim, no_harm, most=20, until_enough=True)
    # Four in a round: the aim is seen to be reached after the second.
    assert found.enough == 8
    assert int((found.scores > 0).sum()) == expected
    assert len(rounds) == expected / 4
    whole = joint(channels, aim, no_harm, most=20)
    assert (whole.enough, int((whole.scores > 0).sum())) == (8, 20)
    assert torch.equal(found.scores[:expected], whole.scores[:expected])
