from __future__ import annotations

import torch
from nets import Functional, Residual, Tokens, Vgg, hooks_on, seeded
from torch import nn

from dreamscope.models.residuals import residual_branches
from dreamscope.models.wrapping import wrap

IMAGE = torch.rand((1, 3, 32, 32), generator=torch.Generator().manual_seed(0))


class Shrinking(nn.Module):
    """A block whose way around has weights of its own."""

    def __init__(self) -> None:
        super().__init__()
        self.branch = nn.Conv2d(3, 4, 3, stride=2, padding=1)
        self.around = nn.Conv2d(3, 4, 1, stride=2)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.branch(x) + self.around(x)


def test_the_last_layer_of_each_branch() -> None:
    assert wrap(Residual(), input_size=32).residual_branches == ["layer1.0.bn2", "layer1.1.bn2"]


def test_attention_is_one() -> None:
    assert wrap(seeded(Tokens()), input_size=32).residual_branches == ["attention"]


def test_plain_stacks_and_weighted_ways_around_have_none() -> None:
    assert residual_branches(Vgg(), IMAGE) == []
    assert residual_branches(Shrinking(), IMAGE) == []


def test_no_hook_is_left() -> None:
    module = Functional().eval()
    residual_branches(module, IMAGE)
    assert hooks_on(module) == 0
