from __future__ import annotations

import pytest
import torch
from nets import Vgg, seeded
from torch import Tensor, nn

from dreamscope.exploration.blocks import blocks_of, layers
from dreamscope.models.classifier import Classifier
from dreamscope.models.wrapping import wrap


class Block(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.first, self.second = nn.Conv2d(3, 3, 1), nn.Conv2d(3, 3, 1)

    def forward(self, x: Tensor) -> Tensor:
        return x + self.second(self.first(x).relu())


class Stage(nn.Module):
    def __init__(self, count: int) -> None:
        super().__init__()
        self.blocks = nn.Sequential(*(Block() for _ in range(count)))

    def forward(self, x: Tensor) -> Tensor:
        return self.blocks(x)


def wrapped(*parts: nn.Module) -> Classifier:
    return wrap(nn.Sequential(*parts), input_size=8)


def test_blocks_are_neither_what_holds_them_nor_what_they_hold() -> None:
    assert blocks_of(wrapped(nn.Conv2d(3, 3, 1), nn.Sequential(Block(), Block()), Block())) == ["1.0", "1.1", "2"]


def test_few_stages_are_taken_apart_and_many_are_not() -> None:
    assert blocks_of(wrapped(Stage(2), Block(), Stage(1))) == ["0.blocks.0", "0.blocks.1", "1", "2.blocks.0"]
    assert blocks_of(wrapped(*(Stage(2) for _ in range(6)))) == ["0", "1", "2", "3", "4", "5"]


def test_of_a_plain_stack_what_comes_before_convolutions_and_pooling() -> None:
    assert blocks_of(wrap(seeded(Vgg()), input_size=32)) == ["features.1", "features.4"]


@pytest.mark.embedded
@pytest.mark.parametrize(
    ("name", "count", "first", "last"),
    [("efficientnet_lite0", 16, "blocks.0.0", "blocks.6.0"), ("oxford_vgg19", 16, "features.1", "features.35")],
)
def test_of_the_embedded_models(name: str, count: int, first: str, last: str) -> None:
    import dreamscope as ds

    found = blocks_of(ds.load(name))
    assert (len(found), found[0], found[-1]) == (count, first, last)


def test_a_glob_takes_only_layers_with_positions(vgg: Classifier) -> None:
    assert [each.layer for each in layers(vgg)] == ["features.1", "features.4"]
    assert all(vgg.layers[each.layer].grid for each in layers(vgg, ["*"]))
    assert len(layers(vgg, ["*"])) > 4
    assert torch.is_grad_enabled()
