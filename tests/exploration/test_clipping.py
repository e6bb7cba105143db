from __future__ import annotations

import pytest
import torch
from nets import hooks_on, seeded
from torch import nn

from dreamscope.exploration.clipping import unclipped
from dreamscope.models.classifier import Classifier
from dreamscope.models.edits import Ablation
from dreamscope.models.wrapping import wrap


def net(function: nn.Module, *after: nn.Module) -> Classifier:
    inner = nn.Sequential(nn.Conv2d(3, 4, 3), nn.BatchNorm2d(4), function)
    module = seeded(nn.Sequential(inner, *after, nn.AdaptiveAvgPool2d(1), nn.Flatten()))
    with torch.no_grad():
        module[0][0].weight.mul_(50)
        module[0][1].running_var.fill_(1)
    return wrap(module, input_size=12)


@pytest.mark.parametrize(
    "function", [nn.ReLU6(), nn.ReLU6(inplace=True), nn.Hardtanh(-0.5, 0.5, inplace=True), nn.Hardsigmoid()]
)
def test_what_is_clipped_and_where_it_comes_from(function: nn.Module) -> None:
    model = net(function)
    # The function, and the block that ends in it.
    assert unclipped(model, ["0", "0.0", "0.1", "0.2"]) == {"0": "0.1", "0.2": "0.1"}
    assert hooks_on(model.module) == 0


@pytest.mark.parametrize("function", [nn.ReLU(), nn.Hardswish(), nn.GELU()])
def test_without_a_ceiling_nothing_is_cut_off(function: nn.Module) -> None:
    assert unclipped(net(function), ["0", "0.2"]) == {}


def test_a_block_that_goes_on_after_its_function_is_not_clipped() -> None:
    class Doubled(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.conv, self.act = nn.Conv2d(3, 3, 1), nn.ReLU6()

        def forward(self, x: torch.Tensor) -> torch.Tensor:
            return x + self.act(self.conv(x))

    model = wrap(nn.Sequential(Doubled(), nn.Flatten()), input_size=8)
    assert unclipped(model, ["0", "0.act"]) == {"0.act": "0.conv"}


def test_an_edit_behind_the_clipping_counts() -> None:
    model = net(nn.ReLU6())
    assert unclipped(model.edited(Ablation("0.2:1")), ["0.2"]) == {}
    assert unclipped(model.edited(Ablation("0.1:1")), ["0.2"]) == {"0.2": "0.1"}


def test_a_clipping_of_what_was_clipped_starts_at_the_first(lite0: Classifier) -> None:
    assert unclipped(net(nn.ReLU6(), nn.ReLU6()), ["1"]) == {"1": "0.1"}
    # timm's batch norms hold their activation.
    assert unclipped(lite0, ["bn2", "bn2.act", "blocks.4.2"]) == {"bn2": "bn2.drop", "bn2.act": "bn2.drop"}
