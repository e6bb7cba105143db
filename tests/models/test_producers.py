from __future__ import annotations

import pytest
import torch
from baked import a
from nets import hooks_on
from torch import Tensor, nn

from dreamscope.models.classifier import Classifier
from dreamscope.models.wrapping import wrap


class Shuffled(nn.Module):
    """Channels in another order, scaled by all of them, and added to their input."""

    def __init__(self) -> None:
        super().__init__()
        self.one = nn.Conv2d(3, 8, 1)
        self.shuffle = nn.ChannelShuffle(2)
        self.norm = nn.GroupNorm(1, 8)
        self.two = nn.Conv2d(8, 8, 1)
        self.sum = nn.Identity()
        self.pool = nn.AvgPool2d(2)

    def forward(self, x: Tensor) -> Tensor:
        x = self.one(x)
        return self.pool(self.sum(self.two(self.norm(self.shuffle(x))) + x))


@pytest.mark.parametrize(
    ("net", "layers"),
    [
        ("vgg", {"features.1": "features.0", "features.2": "features.0", "features.5": "features.3"}),
        ("residual", {"bn1": "conv1", "relu": "conv1", "layer1.1.bn2": "layer1.1.conv2", "fc": "fc"}),
        # Sums, and what runs twice.
        ("residual", {"layer1.0": None, "layer1": None, "layer1.0.relu": None}),
        ("grouped", {"norm": "stem", "depthwise": "depthwise", "clamp": "depthwise"}),
        ("tokens", {"patch": "patch", "norm": None, "attention": None, "mlp": "mlp"}),
        ("mlp", {"act": "one", "two": "two"}),
    ],
)
def test_who_makes_the_channels(net: str, layers: dict[str, str | None]) -> None:
    model = a(net)
    assert {name: model.producers.get(name) for name in layers} == layers
    assert hooks_on(model.module) == 0
    assert all("forward" not in vars(part) for part in model.module.modules())


def test_not_who_makes_others_of_them_or_all_together() -> None:
    torch.manual_seed(0)
    model = wrap(Shuffled(), input_size=8)
    assert model.producers == {"one": "one", "two": "two"}


@pytest.mark.embedded
def test_lite0(lite0: Classifier) -> None:
    assert lite0.producers["blocks.4.1.bn2.act"] == "blocks.4.1.conv_dw"
    assert lite0.producers["bn2.act"] == lite0.producers["global_pool"] == "conv_head"
    assert "blocks.4.1" not in lite0.producers
