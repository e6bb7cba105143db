from __future__ import annotations

import pytest
from nets import Planted, Residual, Tokens, hooks_on, seeded
from torch import nn

from dreamscope.errors import DreamscopeError
from dreamscope.exploration.unit_layers import distinct_layers, unit_layers
from dreamscope.models.classifier import Classifier
from dreamscope.models.registry import load
from dreamscope.models.wrapping import wrap


def test_activations_that_run_once(vgg: Classifier) -> None:
    assert unit_layers(vgg) == ["features.1", "features.4"]
    assert unit_layers(vgg, "features.3") == ["features.4"]


def test_shared_activations_give_way_to_norms() -> None:
    model = wrap(seeded(Residual()), input_size=32)
    assert unit_layers(model, "bn1")[:2] == ["bn1", "layer1.0.bn1"]
    assert unit_layers(model)[-1] == "layer1.1.bn2"
    assert unit_layers(model, "layer1.1") == ["layer1.1.bn1", "layer1.1.bn2"]


def test_linear_layers_where_there_is_nothing_else() -> None:
    assert unit_layers(wrap(seeded(Tokens()), input_size=32))[-1] == "mlp"


def test_class_scores_are_no_units() -> None:
    scores = nn.Sequential(
        nn.Conv2d(3, 4, 1), nn.ReLU(), nn.Conv2d(4, 3, 1), nn.ReLU(), nn.AdaptiveAvgPool2d(1), nn.Flatten()
    )
    assert unit_layers(wrap(scores, input_size=16)) == ["1"]
    assert unit_layers(wrap(Planted(), input_size=16)) == ["act"]


def test_around_a_depthwise_convolution_the_later_layer() -> None:
    parts = (nn.Conv2d(3, 6, 1), nn.ReLU(), nn.Conv2d(6, 6, 3, groups=6), nn.ReLU(), nn.Conv2d(6, 6, 1), nn.ReLU())
    model = wrap(nn.Sequential(*parts, nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(6, 2)), input_size=16)
    assert unit_layers(model, "0") == ["3", "5"]


@pytest.mark.parametrize(
    ("name", "count", "last"),
    [
        ("mobilenet_v3_small", 15, "classifier.1"),
        ("squeezenet1_1", 17, "features.12.expand3x3_activation"),
        ("googlenet", 38, "inception5b.branch4.1.bn"),
        ("timm:vit_tiny_patch16_224", 8, "blocks.11.mlp.act"),
    ],
)
def test_real_architectures(name: str, count: int, last: str) -> None:
    layers = unit_layers(load(name, weights="none"))
    assert (len(layers), layers[-1]) == (count, last)


@pytest.mark.embedded
def test_lite0(lite0: Classifier) -> None:
    layers = unit_layers(lite0)
    assert (layers[0], layers[-1], len(layers)) == ("blocks.3.0.bn2.act", "bn2.act", 12)


def test_nothing_from_there_on(vgg: Classifier) -> None:
    with pytest.raises(DreamscopeError, match="no layer of Vgg from 'classifier' on has channels to cut"):
        unit_layers(vgg, "classifier")
    with pytest.raises(DreamscopeError, match=r"no layer 'feature.4'.*did you mean 'features.4'"):
        unit_layers(vgg, "feature.4")


def test_layers_that_pass_on_another_are_the_same() -> None:
    block = nn.Sequential(nn.Conv2d(3, 4, 1), nn.Identity(), nn.ReLU(), nn.Dropout())
    norm = nn.Sequential(nn.Identity())
    model = wrap(nn.Sequential(block, nn.Conv2d(4, 4, 1), norm, nn.AdaptiveAvgPool2d(1), nn.Flatten()), input_size=16)
    names = list(model.layers)
    # 0.1 passes on 0.0; 0.3 and the block itself 0.2; 2.0 and 2 what 1 puts out.
    assert distinct_layers(model, names) == ["0.0", "0.2", "1", "3", "4"]
    assert distinct_layers(model, ["0.3", "0", "0.3"]) == ["0.3"]
    # Of two alike the first in the forward pass, in the order given; one that is alone stays.
    assert distinct_layers(model, ["1", "0.0", "0.1"]) == ["1", "0.0"]
    assert distinct_layers(model, ["2.0"]) == ["2.0"]
    assert hooks_on(model.module) == 0


def test_an_activation_that_cuts_nothing_off_stays() -> None:
    positive = nn.Conv2d(3, 3, 1, bias=False)
    nn.init.ones_(positive.weight)
    model = wrap(nn.Sequential(positive, nn.ReLU(), nn.AdaptiveAvgPool2d(1), nn.Flatten()), input_size=16)
    assert distinct_layers(model, ["0", "1"]) == ["0", "1"]
