"""EfficientNet-Lite0, with timm's names: the embedded classifier needs no other library than torch.

Tan and Le 2019, "EfficientNet: Rethinking Model Scaling for Convolutional Neural Networks"; the Lite models leave out
squeeze and excitation and clamp at 6 (TensorFlow TPU repository, 2020).
"""

from __future__ import annotations

import math
from dataclasses import dataclass

from torch import Tensor, nn
from torch.nn import functional as F


@dataclass(frozen=True)
class _Stage:
    """Blocks of one width: how many, how much they expand inside, their kernel, and the first one's stride."""

    blocks: int
    expansion: int
    kernel: int
    stride: int
    channels: int


_STEM, _HEAD = 32, 1280
_STAGES = (
    _Stage(blocks=1, expansion=1, kernel=3, stride=1, channels=16),
    _Stage(blocks=2, expansion=6, kernel=3, stride=2, channels=24),
    _Stage(blocks=2, expansion=6, kernel=5, stride=2, channels=40),
    _Stage(blocks=3, expansion=6, kernel=3, stride=2, channels=80),
    _Stage(blocks=3, expansion=6, kernel=5, stride=1, channels=112),
    _Stage(blocks=4, expansion=6, kernel=5, stride=2, channels=192),
    _Stage(blocks=1, expansion=6, kernel=3, stride=1, channels=320),
)


class Conv2dSame(nn.Conv2d):
    """A convolution padded as TensorFlow does it for stride 2: what is over goes behind."""

    def forward(self, x: Tensor) -> Tensor:
        """Pad, and convolve."""
        rows, columns = (
            max((math.ceil(side / stride) - 1) * stride + kernel - side, 0)
            for side, stride, kernel in zip(x.shape[-2:], self.stride, self.kernel_size, strict=True)
        )
        padded = F.pad(x, (columns // 2, columns - columns // 2, rows // 2, rows - rows // 2))
        return F.conv2d(padded, self.weight, self.bias, self.stride, 0, self.dilation, self.groups)


class BatchNormAct2d(nn.BatchNorm2d):
    """A batch norm that holds the activation after it."""

    def __init__(self, channels: int, *, active: bool = True) -> None:
        super().__init__(channels, eps=0.001)
        self.drop = nn.Identity()
        self.act = nn.ReLU6(inplace=True) if active else nn.Identity()

    def forward(self, x: Tensor) -> Tensor:
        """Normalise, then activate."""
        activated: Tensor = self.act(self.drop(super().forward(x)))
        return activated


class DepthwiseSeparableConv(nn.Module):
    """The first block: a filter for each channel, then their mixture."""

    def __init__(self, inputs: int, stage: _Stage) -> None:
        super().__init__()
        self.conv_dw = _convolution(inputs, inputs, stage.kernel, stride=stage.stride, groups=inputs)
        self.bn1 = BatchNormAct2d(inputs)
        self.aa = nn.Identity()
        self.se = nn.Identity()
        self.conv_pw = _convolution(inputs, stage.channels)
        self.bn2 = BatchNormAct2d(stage.channels, active=False)
        self.drop_path = nn.Identity()

    def forward(self, x: Tensor) -> Tensor:
        """Run the block on (N, C, H, W)."""
        filtered = self.se(self.aa(self.bn1(self.conv_dw(x))))
        mixed: Tensor = self.drop_path(self.bn2(self.conv_pw(filtered)))
        return mixed


class InvertedResidual(nn.Module):
    """All other blocks: to more channels, a filter for each, back to few; added to the input where shapes agree."""

    def __init__(self, inputs: int, stage: _Stage, stride: int) -> None:
        super().__init__()
        wide = inputs * stage.expansion
        self.conv_pw = _convolution(inputs, wide)
        self.bn1 = BatchNormAct2d(wide)
        self.conv_dw = _convolution(wide, wide, stage.kernel, stride=stride, groups=wide)
        self.bn2 = BatchNormAct2d(wide)
        self.aa = nn.Identity()
        self.se = nn.Identity()
        self.conv_pwl = _convolution(wide, stage.channels)
        self.bn3 = BatchNormAct2d(stage.channels, active=False)
        self.drop_path = nn.Identity()
        self.has_skip = stride == 1 and inputs == stage.channels

    def forward(self, x: Tensor) -> Tensor:
        """Run the block on (N, C, H, W)."""
        filtered = self.se(self.aa(self.bn2(self.conv_dw(self.bn1(self.conv_pw(x))))))
        narrow: Tensor = self.drop_path(self.bn3(self.conv_pwl(filtered)))
        return narrow + x if self.has_skip else narrow


class SelectAdaptivePool2d(nn.Module):
    """The mean of each channel, as a row."""

    def __init__(self) -> None:
        super().__init__()
        self.pool = nn.AdaptiveAvgPool2d(1)
        self.flatten = nn.Flatten(1)

    def forward(self, x: Tensor) -> Tensor:
        """Pool (N, C, H, W) to (N, C)."""
        row: Tensor = self.flatten(self.pool(x))
        return row


class EfficientNet(nn.Module):
    """EfficientNet-Lite0: (N, 3, H, W), normalised, to (N, `classes`) scores. Untrained."""

    def __init__(self, classes: int = 1000) -> None:
        super().__init__()
        self.conv_stem = _convolution(3, _STEM, 3, stride=2)
        self.bn1 = BatchNormAct2d(_STEM)
        self.blocks = nn.Sequential()
        inputs = _STEM
        for stage in _STAGES:
            blocks = nn.Sequential()
            for index in range(stage.blocks):
                blocks.append(
                    DepthwiseSeparableConv(inputs, stage)
                    if stage.expansion == 1
                    else InvertedResidual(inputs, stage, stage.stride if index == 0 else 1)
                )
                inputs = stage.channels
            self.blocks.append(blocks)
        self.conv_head = _convolution(inputs, _HEAD)
        self.bn2 = BatchNormAct2d(_HEAD)
        self.global_pool = SelectAdaptivePool2d()
        self.classifier = nn.Linear(_HEAD, classes)
        for part in self.modules():
            if isinstance(part, nn.Conv2d):
                # He et al. 2015: signals keep their size through any number of layers, also untrained ones.
                fan_out = math.prod(part.kernel_size) * part.out_channels // part.groups
                nn.init.uniform_(part.weight, -math.sqrt(6 / fan_out), math.sqrt(6 / fan_out))

    def forward(self, x: Tensor) -> Tensor:
        """Return the scores before softmax."""
        features = self.bn2(self.conv_head(self.blocks(self.bn1(self.conv_stem(x)))))
        scores: Tensor = self.classifier(self.global_pool(features))
        return scores


def _convolution(inputs: int, outputs: int, kernel: int = 1, *, stride: int = 1, groups: int = 1) -> nn.Conv2d:
    if stride > 1:
        return Conv2dSame(inputs, outputs, kernel, stride, groups=groups, bias=False)
    return nn.Conv2d(inputs, outputs, kernel, padding=kernel // 2, groups=groups, bias=False)
