"""The names that people know, on untrained networks: what is found has the type and the channels that it must have."""

from __future__ import annotations

import logging

import pytest
from torch import nn
from torchvision import models
from torchvision.models.vgg import cfgs, make_layers

from dreamscope.errors import DreamscopeError
from dreamscope.models.addresses import Address, resolve
from dreamscope.models.classifier import Classifier
from dreamscope.models.known_names import find, names_of, origin_of
from dreamscope.models.wrapping import wrap


def of(module: nn.Module, name: str, size: int = 64) -> Classifier:
    return wrap(module, name=name, input_size=size)


@pytest.fixture(scope="module")
def googlenet() -> Classifier:
    return of(models.googlenet(weights=None, init_weights=False, aux_logits=False), "googlenet")


@pytest.fixture(scope="module")
def inception() -> Classifier:
    return of(models.inception_v3(weights=None, init_weights=False, aux_logits=False), "inception_v3", 96)


@pytest.fixture(scope="module")
def resnet() -> Classifier:
    return of(models.resnet50(weights=None), "resnet50")


@pytest.fixture(scope="module")
def alexnet() -> Classifier:
    return of(models.alexnet(weights=None), "alexnet")


def convolutions(letter: str, *, norms: bool = False) -> nn.Sequential:
    return make_layers(cfgs[letter], batch_norm=norms)


def facts(model: Classifier, name: str) -> tuple[str, str, int]:
    """Return the layer that a name is resolved to, its type and channels."""
    (address,) = resolve(name, model)
    layer = model.layers[address.layer]
    return layer.name, layer.type, layer.channels


@pytest.mark.parametrize(
    ("number", "layer", "channels"),
    [
        *((0, "Mixed_5b", 256), (1, "Mixed_5c", 288), (2, "Mixed_5d", 288)),
        *((3, "Mixed_6a", 768), (4, "Mixed_6b", 768), (5, "Mixed_6c", 768), (6, "Mixed_6d", 768), (7, "Mixed_6e", 768)),
        *((8, "Mixed_7a", 1280), (9, "Mixed_7b", 2048), (10, "Mixed_7c", 2048)),
    ],
)
def test_keras_inception_v3(inception: Classifier, number: int, layer: str, channels: int) -> None:
    found = facts(inception, f"mixed{number}")
    assert (found[0], found[2]) == (layer, channels)


@pytest.mark.parametrize(
    ("which", "channels"),
    [
        *(("3a", 256), ("3b", 480), ("4a", 512), ("4b", 512), ("4c", 512), ("4d", 528), ("4e", 832)),
        *(("5a", 832), ("5b", 1024)),
    ],
)
def test_googlenet_blocks(googlenet: Classifier, which: str, channels: int) -> None:
    for name in (f"mixed{which}", f"inception_{which}/output"):
        assert facts(googlenet, name) == (f"inception{which}", "Inception", channels)


@pytest.mark.parametrize(
    ("name", "layer", "kind", "channels"),
    [
        # Szegedy et al. 2014, table 1: the block 4d is 112, 144 -> 288, 32 -> 64, 64.
        ("mixed4d_1x1", "inception4d.branch1", "BasicConv2d", 112),
        ("mixed4d_3x3_bottleneck_pre_relu", "inception4d.branch2.0.bn", "BatchNorm2d", 144),
        ("mixed4d_3x3_bottleneck", "inception4d.branch2.0", "BasicConv2d", 144),
        ("inception_4d/3x3_reduce", "inception4d.branch2.0.bn", "BatchNorm2d", 144),
        ("inception_4d/relu_3x3", "inception4d.branch2.1", "BasicConv2d", 288),
        ("mixed4d_5x5_bottleneck", "inception4d.branch3.0", "BasicConv2d", 32),
        ("inception_4d/5x5", "inception4d.branch3.1.bn", "BatchNorm2d", 64),
        ("mixed4d_pool", "inception4d.branch4.0", "MaxPool2d", 512),
        ("inception_4d/pool_proj", "inception4d.branch4.1.bn", "BatchNorm2d", 64),
        ("conv2d0", "conv1", "BasicConv2d", 64),
        ("conv2d1_pre_relu", "conv2.bn", "BatchNorm2d", 64),
        ("conv2/3x3", "conv3.bn", "BatchNorm2d", 192),
        ("conv1/relu_7x7", "conv1", "BasicConv2d", 64),
        ("maxpool0", "maxpool1", "MaxPool2d", 64),
        ("pool2/3x3_s2", "maxpool2", "MaxPool2d", 192),
        ("maxpool10", "maxpool4", "MaxPool2d", 832),
        ("pool5/7x7_s1", "avgpool", "AdaptiveAvgPool2d", 1024),
        ("loss3/classifier", "fc", "Linear", 1000),
    ],
)
def test_parts_of_googlenet(googlenet: Classifier, name: str, layer: str, kind: str, channels: int) -> None:
    assert facts(googlenet, name) == (layer, kind, channels)


# Convolutions in each block of 11, 13, 16 and 19 layers.
@pytest.mark.parametrize(("letter", "counts"), [("A", "11222"), ("B", "22222"), ("D", "22333"), ("E", "22444")])
@pytest.mark.parametrize("norms", [False, True])
def test_vgg(letter: str, counts: str, norms: bool) -> None:
    stack = convolutions(letter, norms=norms)
    model = of(nn.Sequential(stack), "own", 32)
    parts = list(stack)
    place = 0
    for block, count in enumerate(map(int, counts), 1):
        channels = (64, 128, 256, 512, 512)[block - 1]
        for number in range(1, count + 1):
            assert facts(model, f"conv{block}_{number}") == (f"0.{place}", "Conv2d", channels)
            place += 1 + norms
            for name in (f"relu{block}_{number}", f"block{block}_conv{number}"):
                assert facts(model, name) == (f"0.{place}", "ReLU", channels)
            place += 1
        for name in (f"pool{block}", f"Pool{block}", f"block{block}_pool", f"features.{place}"):
            assert facts(model, name) == (f"0.{place}", "MaxPool2d", channels)
        place += 1
    assert place == len(parts)
    with pytest.raises(DreamscopeError, match=rf"no layer 'conv5_{int(counts[-1]) + 1}' in own; did you mean 'conv5_"):
        resolve(f"conv5_{int(counts[-1]) + 1}", model)


def test_the_embedded_vgg(vgg19: Classifier) -> None:
    assert facts(vgg19, "block5_conv4") == ("features.35", "ReLU", 512)
    assert facts(vgg19, "conv4_2") == ("features.21", "Conv2d", 512)
    assert facts(vgg19, "pool5") == ("features.36", "MaxPool2d", 512)
    with pytest.raises(DreamscopeError, match="no layer 'fc7' in oxford_vgg19"):
        resolve("fc7", vgg19)


def test_relus_that_are_functions_are_not_found() -> None:
    stack = nn.Sequential(*(part for part in convolutions("A") if not isinstance(part, nn.ReLU)))
    names = names_of(of(stack, "own", 32).layers)
    assert names["conv5_2"] == "11"
    assert names["pool5"] == "12"
    assert not {"relu5_2", "block5_conv2"} & {*names}


@pytest.mark.parametrize(
    ("name", "layer", "kind", "channels"),
    [
        ("conv5", "features.10", "Conv2d", 256),
        ("relu3", "features.7", "ReLU", 384),
        ("pool2", "features.5", "MaxPool2d", 192),
        ("pool5", "features.12", "MaxPool2d", 256),
        ("fc6", "classifier.1", "Linear", 4096),
        ("relu7", "classifier.5", "ReLU", 4096),
        ("fc8", "classifier.6", "Linear", 1000),
    ],
)
def test_alexnet(alexnet: Classifier, name: str, layer: str, kind: str, channels: int) -> None:
    assert facts(alexnet, name) == (layer, kind, channels)


@pytest.mark.parametrize(
    ("name", "layer", "kind", "channels"),
    [
        ("conv1_conv", "conv1", "Conv2d", 64),
        ("conv1_relu", "relu", "ReLU", 64),
        ("pool1_pool", "maxpool", "MaxPool2d", 64),
        ("conv2_block1_out", "layer1.0", "Bottleneck", 256),
        ("conv3_block4_out", "layer2.3", "Bottleneck", 512),
        ("conv4_block3_out", "layer3.2", "Bottleneck", 1024),
        ("conv4_block1_0_conv", "layer3.0.downsample.0", "Conv2d", 1024),
        ("conv5_block3_2_bn", "layer4.2.bn2", "BatchNorm2d", 512),
        ("res4f", "layer3.5", "Bottleneck", 1024),
        ("res4b5", "layer3.5", "Bottleneck", 1024),
        ("res5a_branch1", "layer4.0.downsample.0", "Conv2d", 2048),
        ("res3b_branch2c", "layer2.1.conv3", "Conv2d", 512),
    ],
)
def test_resnet(resnet: Classifier, name: str, layer: str, kind: str, channels: int) -> None:
    assert facts(resnet, name) == (layer, kind, channels)


def test_timm_names_each_relu(resnet: Classifier) -> None:
    import timm

    model = of(timm.create_model("resnet26"), "resnet26")
    assert facts(model, "conv4_block2_1_relu") == ("layer3.1.act1", "ReLU", 256)
    # torchvision's runs three times in each block; it is not any of the three.
    with pytest.raises(DreamscopeError, match="no layer 'conv4_block2_1_relu'"):
        resolve("conv4_block2_1_relu", resnet)
    # The mean over positions comes before the convolution in the shortcut of a ResNet-D.
    other = of(timm.create_model("resnet26d"), "resnet26d")
    assert facts(other, "conv4_block1_0_conv") == ("layer3.0.downsample.1", "Conv2d", 1024)


def test_torchvisions_names_in_a_network_that_is_wrapped_otherwise(resnet: Classifier, inception: Classifier) -> None:
    for model, name in ((resnet, "layer4.2"), (resnet, "layer4.2.conv3"), (inception, "Mixed_6b.branch1x1")):
        wrapped = of(nn.ModuleDict({"backbone": model.module}), "own", model.input_size[0])
        wrapped.module.forward = wrapped.module["backbone"].forward  # type: ignore[method-assign]
        assert facts(wrapped, name) == (f"backbone.{name}", *facts(model, name)[1:])


def test_torchvisions_names_of_before() -> None:
    layers = of(models.densenet._DenseBlock(2, 4, 1, 4, 0.0), "own").module
    stack = nn.Sequential(nn.Conv2d(3, 4, 1), layers)
    assert facts(of(stack, "own", 8), "1.denselayer2.norm.1") == ("1.denselayer2.norm1", "BatchNorm2d", 8)
    block = models.vision_transformer.EncoderBlock(2, 8, 12, 0.0, 0.0)
    tokens = nn.Sequential(nn.Conv2d(3, 8, 4), nn.Flatten(2), nn.Module(), block)
    tokens[2].forward = lambda seen: seen.transpose(1, 2)  # type: ignore[method-assign]
    assert facts(of(tokens, "own", 8), "3.mlp.linear_1") == ("3.mlp.0", "Linear", 12)
    assert facts(of(tokens, "own", 8), "3.mlp.linear_2") == ("3.mlp.3", "Linear", 8)


def test_steps_behind_a_name_are_no_channel(googlenet: Classifier, vgg19: Classifier) -> None:
    found = find("mixed3a_i30", googlenet.layers)
    assert found is not None
    assert found.layer == "inception3a"
    assert found.remark == "i30 is read as 30 steps, --steps 30; channel 30 is written mixed3a:30"
    assert resolve("mixed3a_i30", googlenet) == [Address("inception3a")]
    assert resolve("features.28_i5", vgg19) == [Address("features.28")]
    assert find("nothing_i5", vgg19.layers) is None


def test_real_names_win_and_globs_are_only_globs(googlenet: Classifier, residual: Classifier) -> None:
    # lucid's maxpool1 is the second one.
    assert names_of(googlenet.layers)["maxpool1"] == "maxpool2"
    assert resolve("maxpool1", googlenet) == [Address("maxpool1")]
    with pytest.raises(DreamscopeError, match="no layer of googlenet matches 'mixed4\\*'"):
        resolve("mixed4*", googlenet)
    assert names_of(residual.layers) == {}


def test_channels_positions_and_weights_stay(googlenet: Classifier) -> None:
    assert resolve("0.5*mixed4a:476@1,2", googlenet) == [Address("inception4a", (476,), (1, 2), 0.5)]
    with pytest.raises(DreamscopeError, match="channel 512 is out of range: 'inception4a'"):
        resolve("mixed4a:512", googlenet)


def test_which_layer_it_is_is_logged_once_asked_for(googlenet: Classifier, caplog: pytest.LogCaptureFixture) -> None:
    resolve("mixed4a", googlenet)
    assert caplog.messages == []
    with caplog.at_level(logging.INFO, "dreamscope"):
        resolve(["mixed4a", "inception4a", "mixed4b:7"], googlenet)
    assert caplog.messages == [
        "mixed4a is inception4a here",
        "mixed4b is inception4b here (a channel's number means the same only with the same weights)",
    ]


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("mixed4a", "lucid's GoogLeNet: --model googlenet"),
        ("inception_4a/output", "Caffe's GoogLeNet: --model googlenet"),
        ("mixed4", "Keras' InceptionV3: --model inception_v3"),
        ("block5_conv1", "Keras' VGG16 and VGG19: --model vgg19"),
        ("conv5_1", "Caffe's VGG: --model vgg19"),
        ("Mixed_6b", "torchvision's Inception v3: --model inception_v3"),
    ],
)
def test_names_known_from_another_network(resnet: Classifier, name: str, message: str) -> None:
    with pytest.raises(
        DreamscopeError, match=rf"no layer '{name}' in resnet50.* The name is known from {message}\. List"
    ):
        resolve(name, resnet)


def test_the_nearest_known_name(resnet: Classifier) -> None:
    with pytest.raises(
        DreamscopeError, match="no layer 'conv4_block9_out' in resnet50; did you mean 'conv4_block"
    ) as no:
        resolve("conv4_block9_out", resnet)
    assert "known from" not in str(no.value)


def test_names_of_nobody() -> None:
    assert [origin_of(name) for name in ("features.28", "blocks.4.2", "conv", "mixed", "12")] == [None] * 5


def test_a_small_stack_is_no_vgg(vgg: Classifier) -> None:
    assert names_of(vgg.layers) == {}
