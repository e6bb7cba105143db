from __future__ import annotations

import pytest
import torch
from nets import Functional, Linear, Planted, Residual, Vgg, hooks_on, seeded
from torch import Tensor, nn
from torchvision import models as torchvision

from dreamscope.errors import DreamscopeError
from dreamscope.models.blocks import blocks, features
from dreamscope.models.classifier import Classifier
from dreamscope.models.edits import Ablation
from dreamscope.models.wrapping import wrap
from dreamscope.optimize.precision import prepared


def untrained(name: str, side: int) -> Classifier:
    torch.manual_seed(0)
    options = {"init_weights": False} if name == "inception_v3" else {}
    return wrap(getattr(torchvision, name)(weights=None, **options), input_size=side)


@pytest.mark.parametrize(
    ("name", "side", "expected", "count", "read"),
    [
        ("resnet18", 64, ("layer1.0", "layer4.1"), 8, "avgpool"),
        ("squeezenet1_1", 64, ("features.3", "features.12"), 8, "features.12"),
        ("inception_v3", 128, ("Conv2d_1a_3x3", "Mixed_7c"), 16, "avgpool"),
        ("densenet121", 64, ("features.denseblock1", "features.denseblock4"), 7, "features.denseblock4"),
        ("alexnet", 96, ("features.2", "features.12"), 3, "classifier.5"),
        ("shufflenet_v2_x0_5", 64, ("stage2.0", "stage4.3"), 16, "conv5"),
        ("mobilenet_v3_small", 64, ("features.0", "features.12"), 13, "classifier.1"),
    ],
)
def test_of_torchvision(name: str, side: int, expected: tuple[str, str], count: int, read: str) -> None:
    model = untrained(name, side)
    found = blocks(model)
    assert ((found[0], found[-1]), len(found)) == (expected, count)
    # The last convolution, batch norm and activation of shufflenet lie in a plain stack; the activation is read.
    assert features(model).startswith(read)
    assert hooks_on(model.module) == 0


def test_of_a_vision_transformer() -> None:
    model = wrap(
        torchvision.VisionTransformer(32, 8, num_layers=5, num_heads=2, hidden_dim=16, mlp_dim=16, num_classes=4),
        input_size=32,
    )
    assert blocks(model) == [f"encoder.layers.encoder_layer_{number}" for number in range(5)]
    # It reads the class token alone.
    assert features(model) == "encoder.layers.encoder_layer_4"


def test_of_timm() -> None:
    import timm

    net = timm.create_model("vit_tiny_patch16_224", img_size=32, depth=4, num_classes=5)
    # The patch embedding has parts and weights too, but is no block.
    assert blocks(wrap(net, input_size=32)) == [f"blocks.{number}" for number in range(4)]


@pytest.mark.embedded
def test_of_the_embedded_models(lite0: Classifier, vgg19: Classifier) -> None:
    stages = (1, 2, 2, 3, 3, 4, 1)
    names = [f"blocks.{stage}.{number}" for stage, count in enumerate(stages) for number in range(count)]
    fast, _ = prepared(lite0, ["blocks.5.3"], 224, "float32")
    for model in (lite0, fast):
        assert blocks(model) == names
        assert features(model) == "global_pool"
    assert blocks(vgg19) == [f"features.{number}" for number in (4, 9, 18, 27, 36)]
    with pytest.raises(DreamscopeError, match="oxford_vgg19 has no classes"):
        features(vgg19)


@pytest.mark.parametrize(
    ("make", "expected"),
    [
        (Residual, ["layer1.0", "layer1.1"]),
        (Vgg, ["features.2", "features.5"]),
        (Planted, ["act"]),
        (Functional, ["a", "b"]),
        (Linear, ["conv"]),
        (lambda: nn.Sequential(nn.Identity(), Residual()), ["1.layer1.0", "1.layer1.1"]),
    ],
)
def test_of_small_networks(make: type[nn.Module], expected: list[str]) -> None:
    assert blocks(wrap(seeded(make()), input_size=32)) == expected


def test_no_maps_no_blocks() -> None:
    with pytest.raises(DreamscopeError, match="no layer of Sequential puts out a map"):
        blocks(wrap(nn.Sequential(nn.Flatten(), nn.Linear(192, 5)), input_size=8))


def test_means_that_are_no_module(vgg: Classifier, planted: Classifier) -> None:
    assert features(vgg) == "features.5"
    assert features(planted) == "act"


def test_the_layer_that_is_read_is_before_the_in_place_one() -> None:
    class InPlace(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.conv, self.act, self.pool = nn.Conv2d(3, 6, 3), nn.ReLU(inplace=True), nn.AdaptiveAvgPool2d(1)
            self.hidden, self.late, self.head = nn.Linear(6, 6), nn.ReLU(inplace=True), nn.Linear(6, 4)

        def forward(self, x: Tensor) -> Tensor:
            return self.head(self.late(self.hidden(self.pool(self.act(self.conv(x))).flatten(1))))

    assert features(wrap(seeded(InPlace()), input_size=16)) == "late"


def test_edits_play_no_part(vgg: Classifier) -> None:
    assert features(vgg.edited(Ablation("features.5"))) == "features.5"
