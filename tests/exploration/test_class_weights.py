from __future__ import annotations

import pytest
import torch
from torch import Tensor, nn

from dreamscope.errors import DreamscopeError
from dreamscope.exploration.class_weights import class_weights, of_channel
from dreamscope.models.ablation import Ablation
from dreamscope.models.classifier import Classifier
from dreamscope.models.wrapping import wrap


class Small(nn.Module):
    def __init__(self, pooling: nn.Module) -> None:
        super().__init__()
        self.convolution = nn.Conv2d(3, 4, 3, padding=1)
        self.act = nn.ReLU()
        self.pool = pooling
        self.head = nn.Linear(4, 5)

    def forward(self, images: Tensor) -> Tensor:
        return self.head(self.pool(self.act(self.convolution(images))).flatten(1))


def test_the_weights_of_the_last_features_are_the_classifiers() -> None:
    model = wrap(Small(nn.AdaptiveAvgPool2d(1)), input_size=16)
    weight = model.module.get_submodule("head").weight
    for layer in ("act", "pool"):
        found = class_weights(model, layer)
        assert found is not None
        assert torch.equal(found, weight)
    assert torch.equal(of_channel(model, "act:2"), weight[:, 2])  # type: ignore[arg-type]


def test_before_the_activation_nothing_is_claimed() -> None:
    assert class_weights(wrap(Small(nn.AdaptiveAvgPool2d(1)), input_size=16), "convolution") is None


def test_a_maximum_is_no_weighted_sum() -> None:
    model = wrap(Small(nn.AdaptiveMaxPool2d(1)), input_size=16)
    assert class_weights(model, "act") is None
    assert class_weights(model, "pool") is not None


def test_what_is_cut_off_behind_a_layer_counts_for_nothing_there() -> None:
    model = wrap(Small(nn.AdaptiveAvgPool2d(1)), input_size=16).edited(Ablation("pool:1"))
    assert class_weights(model, "act") is None


def test_one_channel_is_asked_for() -> None:
    with pytest.raises(DreamscopeError, match="not one channel"):
        of_channel(wrap(Small(nn.AdaptiveAvgPool2d(1)), input_size=16), "act")


@pytest.mark.embedded
def test_the_embedded_networks_last_features_speak_for_classes(lite0: Classifier) -> None:
    weight = lite0.module.get_submodule("classifier").weight
    found = class_weights(lite0, "bn2")
    assert found is not None
    assert torch.equal(found, weight)
    assert class_weights(lite0, "conv_head") is None
    assert class_weights(lite0, "blocks.4.2") is None
