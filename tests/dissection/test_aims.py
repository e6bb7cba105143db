from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch
from nets import Copied, hooks_on
from torch import Tensor

from dreamscope.dissection.aims import Aim, AnswerAim, ReadoutAim, discriminant
from dreamscope.dissection.first_order import Channels
from dreamscope.dissection.greedy import Chosen, Harm, joint
from dreamscope.errors import DreamscopeError
from dreamscope.models.blocks import features
from dreamscope.models.classifier import Classifier
from dreamscope.models.edits import Ablation
from dreamscope.models.wrapping import wrap

RED = 0


@pytest.fixture
def copied() -> Classifier:
    return wrap(Copied(), input_size=4, labels=["red", "green", "blue"])


def plain(red: tuple[float, float], count: int, seed: int) -> Tensor:
    """Return pictures (count, 3, 4, 4) of one colour each: so much red, any green and blue."""
    generator = torch.Generator().manual_seed(seed)
    colours = 0.2 + 0.6 * torch.rand((count, 3), generator=generator)
    colours[:, 0] = red[0] + (red[1] - red[0]) * torch.rand(count, generator=generator)
    return colours[:, :, None, None].expand(-1, -1, 4, 4).contiguous()


REDS, OTHERS = plain((0.8, 1.0), 200, 0), plain((0.0, 0.2), 1000, 1)


def without(model: Classifier, *removed: int) -> Channels:
    channels = Channels.of(model, ["act"])
    mask = channels.removed.clone()
    mask[list(removed)] = True
    return replace(channels, removed=mask)


def choose(model: Classifier, aim: Aim, most: int = 4) -> tuple[list[int], Chosen]:
    harm = Harm(model, OTHERS, model.logits(OTHERS), RED, responses=torch.ones(4))
    found = joint(Channels.of(model, ["act"]), aim, harm, most=most, until_enough=True)
    order = found.scores.argsort(descending=True)
    return order[found.scores[order] > 0].tolist(), found


@pytest.mark.parametrize(("aim", "expected"), [("answer", {0}), ("readout", {0, 1})])
def test_the_answer_needs_one_channel_and_a_fresh_probe_finds_its_copy(
    copied: Classifier, aim: str, expected: set[int], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("dreamscope.dissection.greedy._FIRST", 1)
    aims = {
        "answer": AnswerAim(copied, REDS, RED),
        "readout": ReadoutAim(copied, REDS, OTHERS, features(copied)),
    }
    channels, found = choose(copied, aims[aim])
    assert set(channels) == expected
    assert found.enough == len(expected)
    assert hooks_on(copied.module) == 0
    # Either way the network no longer says red.
    edited = copied.edited([Ablation(f"act:{channel}") for channel in channels])
    assert not (edited.logits(REDS).argmax(1) == RED).any()
    # But only one of the two has taken it from what can be read.
    assert ReadoutAim(edited, REDS, OTHERS, "pool").look(Channels.of(edited, ["act"])).reached == (aim == "readout")


def test_what_is_carried_is_the_distance_along_the_discriminant(copied: Classifier) -> None:
    aim = ReadoutAim(copied, REDS, OTHERS, "pool")
    look = aim.look(without(copied))
    read = [images.mean((2, 3))[:, [0, 0, 1, 2]].double().numpy() for images in (REDS, OTHERS)]
    gap = read[0].mean(0) - read[1].mean(0)
    # Features are linear in the masks, so that first order is exact.
    assert np.allclose(look.carried.numpy(), discriminant(*read) * gap, rtol=1e-3)
    assert not look.reached
    # The two copies share what there is; what is removed already carries nothing for the others to take.
    assert look.carried[0] == pytest.approx(float(look.carried[1]), rel=1e-4)
    alone = aim.look(without(copied, 0))
    assert alone.carried[1] > look.carried[1]
    assert not alone.reached
    assert aim.look(without(copied, 0, 1)).reached


def test_the_discriminant_weighs_down_what_varies_within_the_sets() -> None:
    random = np.random.default_rng(0)
    noise = random.normal(size=(400, 3)) * [1, 10, 1]
    sets = noise[:200] + np.array([2, 2, 0]), noise[200:]
    direction = discriminant(*sets)
    # On paper: the difference of means over the variances, up to a factor.
    assert np.allclose(direction / direction[0], [1, 0.01, 0], atol=0.1)
    assert abs(direction[1] / direction[0]) < 0.05


def test_features_that_are_all_the_same_tell_nothing() -> None:
    constant = np.full((6, 4), 0.1)
    assert np.isfinite(discriminant(constant, constant)).all()
    assert np.allclose((constant * (1 + 1e-8)) @ discriminant(constant * (1 + 1e-8), constant), 0, atol=1e-3)


def test_a_ranking_goes_on_and_a_search_until_enough_is_the_start_of_it(
    copied: Classifier, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("dreamscope.dissection.greedy._FIRST", 1)
    harm = Harm(copied, OTHERS, copied.logits(OTHERS), RED, responses=torch.ones(4))
    aim = ReadoutAim(copied, REDS, OTHERS, "pool")
    whole = joint(Channels.of(copied, ["act"]), aim, harm, most=4)
    short = joint(Channels.of(copied, ["act"]), aim, harm, most=4, until_enough=True)
    assert int((whole.scores > 0).sum()) > int((short.scores > 0).sum()) == 2
    assert whole.enough == short.enough == 2
    chosen = short.scores > 0
    assert torch.equal(short.scores[chosen], whole.scores[chosen])


@pytest.mark.parametrize(("targets", "controls"), [(3, 8), (8, 3)])
def test_too_few_photos_for_a_probe(copied: Classifier, targets: int, controls: int) -> None:
    with pytest.raises(DreamscopeError, match=f"{targets} targets and {controls} controls are too few"):
        ReadoutAim(copied, REDS[:targets], OTHERS[:controls], "pool")
