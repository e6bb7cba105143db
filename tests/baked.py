"""Networks whose edits are baked into weights, and how to tell that the weights do the same."""

from __future__ import annotations

import torch
from nets import Residual, Tokens, Vgg, seeded
from torch import Tensor, nn
from torch.nn import functional as F

from dreamscope.models.classifier import Classifier
from dreamscope.models.wrapping import wrap


class Grouped(nn.Module):
    """A depthwise convolution, then a grouped one, with a norm before them and a clamp between."""

    def __init__(self) -> None:
        super().__init__()
        self.stem = nn.Conv2d(3, 8, 3)
        self.norm = nn.BatchNorm2d(8)
        self.depthwise = nn.Conv2d(8, 8, 3, groups=8)
        self.clamp = nn.ReLU6()
        self.grouped = nn.Conv2d(8, 12, 1, groups=2)
        self.head = nn.Linear(12, 5)

    def forward(self, x: Tensor) -> Tensor:
        x = self.clamp(self.depthwise(self.norm(self.stem(x))))
        return self.head(F.gelu(self.grouped(x)).mean((2, 3)))


class Mlp(nn.Module):
    """Perceptrons with a curved activation; the features of a map flattened before them."""

    def __init__(self) -> None:
        super().__init__()
        self.patch = nn.Conv2d(3, 4, 4, stride=4)
        self.one = nn.Linear(4 * 4 * 4, 10)
        self.act = nn.GELU()
        self.two = nn.Linear(10, 5)

    def forward(self, x: Tensor) -> Tensor:
        return self.two(self.act(self.one(self.patch(x).flatten(1))))


class Joined(nn.Module):
    """Two branches concatenated, a layer that runs twice, and two layers that share weights."""

    def __init__(self) -> None:
        super().__init__()
        self.left = nn.Conv2d(3, 4, 1)
        self.right = nn.Conv2d(3, 4, 1)
        self.act = nn.ReLU(inplace=True)
        self.first = nn.Conv2d(8, 8, 1)
        self.second = nn.Conv2d(8, 8, 1)
        self.second.weight = self.first.weight
        self.head = nn.Linear(8, 5)

    def forward(self, x: Tensor) -> Tensor:
        x = torch.cat([self.left(x), self.act(self.right(x))], 1)
        return self.head(self.second(self.act(self.first(x))).mean((2, 3)))


def trained(module: nn.Module) -> nn.Module:
    """Weights, and norms whose statistics matter."""
    generator = torch.Generator().manual_seed(5)
    for part in seeded(module).modules():
        if isinstance(part, nn.BatchNorm2d):
            for values in (part.running_mean, part.running_var, part.weight.data, part.bias.data):
                assert values is not None
                values.copy_(torch.rand(values.shape, generator=generator) + 0.5)
    return module


MAKERS = {"vgg": (Vgg, 32), "residual": (Residual, 32), "tokens": (Tokens, 32)}
MAKERS |= {"grouped": (Grouped, 16), "mlp": (Mlp, 16), "joined": (Joined, 8)}


def a(net: str) -> Classifier:
    make, size = MAKERS[net]
    return wrap(trained(make()), input_size=size, mean=(0.5, 0.4, 0.3), std=(0.2, 0.3, 0.2))


def changed(model: Classifier, state: dict[str, Tensor]) -> set[str]:
    return {key for key, value in model.module.state_dict().items() if not torch.equal(value, state[key])}


def same(model: Classifier, state: dict[str, Tensor], module: nn.Module) -> bool:
    """Tell whether a network of the same kind with the baked weights says what the edited model says."""
    module.load_state_dict(state, strict=True)
    images = torch.rand((3, 3, *model.input_size), generator=torch.Generator().manual_seed(7))
    with torch.no_grad():
        ours, theirs = module.eval()(model.normalization(images)), model(images)
    return bool((ours - theirs).abs().max() <= 1e-4 * max(1.0, float(theirs.abs().max())))
