"""Small networks whose answers are known on paper, and the shapes of real ones in small."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional as F


def seeded(module: nn.Module, seed: int = 0) -> nn.Module:
    generator = torch.Generator().manual_seed(seed)
    with torch.no_grad():
        for parameter in module.parameters():
            parameter.copy_(torch.randn(parameter.shape, generator=generator) * 0.2)
    return module


class Vgg(nn.Module):
    """VGG-shaped: a plain stack with in-place ReLUs, then a head."""

    def __init__(self) -> None:
        super().__init__()
        self.features = nn.Sequential(
            nn.Conv2d(3, 8, 3, padding=1),
            nn.ReLU(inplace=True),
            nn.MaxPool2d(2),
            nn.Conv2d(8, 12, 3, padding=1),
            nn.ReLU(inplace=True),
            nn.MaxPool2d(2),
        )
        self.classifier = nn.Linear(12, 5)

    def forward(self, x: Tensor) -> Tensor:
        return self.classifier(self.features(x).mean((2, 3)))


class Block(nn.Module):
    """A residual block like torchvision's: one in-place ReLU, called twice."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(channels, channels, 3, padding=1, bias=False)
        self.bn1 = nn.BatchNorm2d(channels)
        self.relu = nn.ReLU(inplace=True)
        self.conv2 = nn.Conv2d(channels, channels, 3, padding=1, bias=False)
        self.bn2 = nn.BatchNorm2d(channels)

    def forward(self, x: Tensor) -> Tensor:
        out = self.relu(self.bn1(self.conv1(x)))
        return self.relu(self.bn2(self.conv2(out)) + x)


class Residual(nn.Module):
    """A small ResNet with in-place ReLUs."""

    def __init__(self) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(3, 8, 3, stride=2, padding=1, bias=False)
        self.bn1 = nn.BatchNorm2d(8)
        self.relu = nn.ReLU(inplace=True)
        self.layer1 = nn.Sequential(Block(8), Block(8))
        self.fc = nn.Linear(8, 5)

    def forward(self, x: Tensor) -> Tensor:
        x = self.relu(self.bn1(self.conv1(x)))
        return self.fc(self.layer1(x).mean((2, 3)))


class Functional(nn.Module):
    """Activations and pooling that are no modules, one of them in place."""

    def __init__(self) -> None:
        super().__init__()
        self.a = nn.Conv2d(3, 4, 5, stride=2, padding=2)
        self.b = nn.Conv2d(4, 6, 3, dilation=2, padding=2)

    def forward(self, x: Tensor) -> Tensor:
        x = F.relu_(self.a(x))
        x = F.max_pool2d(x, 3, 2, 1)
        return F.relu(self.b(x)).mean((2, 3))


class Tokens(nn.Module):
    """A vision transformer in small: patches, a class token, attention that returns a tuple."""

    def __init__(self) -> None:
        super().__init__()
        self.patch = nn.Conv2d(3, 16, 8, stride=8)
        self.cls = nn.Parameter(torch.zeros(1, 1, 16))
        self.norm = nn.LayerNorm(16)
        self.attention = nn.MultiheadAttention(16, 2, batch_first=True)
        self.mlp = nn.Linear(16, 16)
        self.head = nn.Linear(16, 5)

    def forward(self, x: Tensor) -> Tensor:
        x = self.patch(x).flatten(2).transpose(1, 2)
        x = torch.cat([self.cls.expand(len(x), -1, -1), x], 1)
        y = self.norm(x)
        x = x + self.attention(y, y, y)[0]
        return self.head(self.mlp(x)[:, 0])


class Linear(nn.Module):
    """One 1x1 convolution: its gradient is its weight."""

    def __init__(self) -> None:
        super().__init__()
        self.conv = nn.Conv2d(3, 4, 1, bias=False)

    def forward(self, x: Tensor) -> Tensor:
        return self.conv(x)


def hooks_on(module: nn.Module) -> int:
    """Count every kind of hook on every part."""
    return sum(
        len(part._forward_hooks) + len(part._forward_pre_hooks) + len(part._backward_hooks) for part in module.modules()
    )


class Planted(nn.Module):
    """Each class is carried by one channel: green by 6, blue by 7, red by 8; 0 to 5 are loud and carry nothing."""

    def __init__(self) -> None:
        super().__init__()
        self.conv = nn.Conv2d(3, 9, 1)
        self.act = nn.ReLU()
        self.head = nn.Linear(9, 3, bias=False)
        with torch.no_grad():
            self.conv.weight.zero_()
            self.conv.bias.zero_()
            self.conv.weight[:6] = 1.0
            self.conv.bias[:6] = 20.0
            for channel, colour in ((6, 1), (7, 2), (8, 0)):
                self.conv.weight[channel, :, 0, 0] = -1.0
                self.conv.weight[channel, colour, 0, 0] = 2.0
            self.head.weight.zero_()
            for answer, channel in enumerate((6, 7, 8)):
                self.head.weight[answer, channel] = 8.0

    def forward(self, x: Tensor) -> Tensor:
        return self.head(self.act(self.conv(x)).mean((2, 3)))


class Copied(nn.Module):
    """Red is carried by channel 0; 1 is a copy of it that no class reads. Green is carried by 2, blue by 3."""

    def __init__(self) -> None:
        super().__init__()
        self.conv = nn.Conv2d(3, 4, 1, bias=False)
        self.act = nn.ReLU()
        self.pool = nn.AdaptiveAvgPool2d(1)
        self.head = nn.Linear(4, 3, bias=False)
        with torch.no_grad():
            self.conv.weight.copy_(torch.eye(3)[[0, 0, 1, 2]].view(4, 3, 1, 1))
            self.head.weight.copy_(torch.tensor([[8.0, 0, 0, 0], [0, 0, 4, 0], [0, 0, 0, 4]]))

    def forward(self, x: Tensor) -> Tensor:
        return self.head(self.pool(self.act(self.conv(x))).flatten(1))


class ByBackground(nn.Module):
    """Red is the object: on green it is a dog, on blue a wolf, and the object itself counts for nothing."""

    def __init__(self) -> None:
        super().__init__()
        self.conv = nn.Conv2d(3, 2, 1, bias=False)
        self.act = nn.ReLU()
        self.head = nn.Linear(2, 2, bias=False)
        with torch.no_grad():
            self.conv.weight.copy_(torch.tensor([[-1.0, 1, -1], [-1, -1, 1]]).view(2, 3, 1, 1))
            self.head.weight.copy_(8 * torch.eye(2))

    def forward(self, x: Tensor) -> Tensor:
        return self.head(self.act(self.conv(x)).mean((2, 3)))


class ByObject(ByBackground):
    """The same, but only the red counts, for a dog."""

    def __init__(self) -> None:
        super().__init__()
        with torch.no_grad():
            self.conv.weight.copy_(torch.tensor([[1.0, -1, -1], [0, 0, 0]]).view(2, 3, 1, 1))
