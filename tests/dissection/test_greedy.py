from __future__ import annotations

from pathlib import Path

import pytest
import torch
from nets import hooks_on

from dreamscope import images
from dreamscope.dissection.first_order import Channels
from dreamscope.dissection.greedy import Chosen, joint
from dreamscope.models.classifier import Classifier

RED = 2


def read(folder: Path) -> torch.Tensor:
    return torch.cat([images.read(path) for path in sorted(folder.iterdir())])


@pytest.fixture
def shared_channel(planted: Classifier) -> Classifier:
    """Red is carried by 8, which is red's own, and more by 0, which answers to green as well."""
    with torch.no_grad():
        planted.module.conv.weight[0, :, 0, 0] = torch.tensor([1.0, 1.0, -2.0])
        planted.module.conv.bias[0] = 0
        planted.module.head.weight[RED, 8] = 4
        planted.module.head.weight[RED, 0] = 12
    return planted


def choose(model: Classifier, coloured: Path, most: int = 4) -> Chosen:
    channels = Channels.of(model, ["act"])
    controls = torch.cat([read(coloured / "green"), read(coloured / "blue")])
    reports: list[tuple[int, int]] = []
    found = joint(
        model,
        channels,
        read(coloured / "red"),
        controls,
        RED,
        responses=torch.ones(9),
        most=most,
        report=lambda done, total: reports.append((done, total)),
    )
    assert not channels.removed.any()
    assert hooks_on(model.module) == 0
    assert reports[-1][0] == int((found.scores > 0).sum())
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
    monkeypatch.setattr("dreamscope.dissection.greedy.SLACK", -0.1)
    # Without 8 red is still red by 0; without both it is nothing.
    assert choose(shared_channel, coloured).enough == 2
    assert choose(shared_channel, coloured, most=1).enough is None
