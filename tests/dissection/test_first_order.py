from __future__ import annotations

from dataclasses import replace

import torch
from torch import Tensor

from dreamscope.dissection.first_order import Channels, effects, margin
from dreamscope.models.classifier import Classifier
from dreamscope.models.edits import Ablation
from dreamscope.probes import probe


def pick(logits: Tensor) -> Tensor:
    return logits[:, 1]


def test_behind_a_linear_end_the_effect_is_exact(planted: Classifier) -> None:
    images = torch.rand((3, 3, 16, 16), generator=torch.Generator().manual_seed(0))
    (found,) = effects(planted, Channels.of(planted, ["act"]), images, pick)
    whole = planted.logits(images)
    assert torch.equal(found.output, whole)
    for channel in range(9):
        without = planted.edited(Ablation(f"act:{channel}")).logits(images)
        assert torch.allclose(found.changes[:, channel], pick(without) - pick(whole), atol=1e-4)


def test_from_where_channels_are_removed_already(planted: Classifier) -> None:
    images = torch.rand((2, 3, 16, 16), generator=torch.Generator().manual_seed(0))
    channels = Channels.of(planted, ["act"])
    removed = channels.removed.clone()
    removed[7] = True
    (found,) = effects(planted, replace(channels, removed=removed), images, pick)
    assert torch.allclose(found.output, planted.edited(Ablation("act:7")).logits(images))
    # What taking it away did, seen from here: the head is linear, so the same as from there.
    assert torch.allclose(found.changes[:, 7], pick(found.output) - pick(planted.logits(images)), atol=1e-4)


def test_against_a_mean_instead_of_zero(planted: Classifier) -> None:
    images = torch.rand((2, 3, 16, 16), generator=torch.Generator().manual_seed(0))
    fill = torch.arange(9).float()
    (found,) = effects(planted, Channels.of(planted, ["act"]), images, pick)
    weight = planted.module.head.weight[1]
    response = planted.module.act(planted.module.conv(images)).mean((2, 3))
    assert torch.allclose(found.changes + fill * found.slopes, weight * (fill - response), atol=1e-3)


def test_what_is_scored_need_not_be_the_logits(planted: Classifier) -> None:
    images = torch.rand((3, 3, 16, 16), generator=torch.Generator().manual_seed(0))

    def responses(pictures: Tensor) -> Tensor:
        with probe(planted, ["act"]) as seen:
            return seen(pictures)["act"].mean((2, 3))

    (found,) = effects(planted, Channels.of(planted, ["act"]), images, lambda read: read[:, 7], of=responses)
    assert torch.allclose(found.output, responses(images))
    assert torch.allclose(found.changes[:, 7], -found.output[:, 7])
    assert not found.changes[:, :7].any()


def test_margin() -> None:
    logits = torch.tensor([[3.0, 1, 2], [0, 5, 9]])
    assert margin(logits, torch.tensor([0, 1])).tolist() == [1, -4]
