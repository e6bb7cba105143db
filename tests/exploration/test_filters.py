from __future__ import annotations

import io

import pytest
import torch
from nets import Linear, Tokens, hooks_on, seeded
from PIL import Image
from torch import Tensor, nn

from dreamscope.errors import DreamscopeError
from dreamscope.exploration.filters import Filters, filters
from dreamscope.models.classifier import Classifier
from dreamscope.models.wrapping import wrap


class Ordered(nn.Module):
    """Written down in another order than it runs; the first that runs takes BGR in 0-255, as the old nets do."""

    def __init__(self) -> None:
        super().__init__()
        self.last = nn.Conv2d(6, 4, 3)
        self.depthwise = nn.Conv2d(6, 6, 3, groups=6, dilation=2)
        self.first = nn.Conv2d(3, 6, 5, stride=2, padding=2)
        self.bn = nn.BatchNorm2d(6)

    def forward(self, x: Tensor) -> Tensor:
        x = x.flip(1) * 255 - 100
        x = self.depthwise(torch.relu(self.bn(self.first(x))))
        return self.last(x).mean((2, 3))


@pytest.fixture
def ordered() -> Classifier:
    return wrap(seeded(Ordered()), name="ordered", input_size=(24, 32), mean=(0.4, 0.5, 0.6), std=(0.1, 0.2, 0.4))


def test_a_linear_nets_filters_are_its_weights() -> None:
    net = wrap(seeded(Linear()), input_size=8)
    found = filters(net)
    assert (found.layer, found.kind, found.channels) == ("conv", "colour", (0, 1, 2, 3))
    assert torch.allclose(found.weights, net.module.conv.weight, atol=1e-6)
    assert found.norms == pytest.approx(net.module.conv.weight.flatten(1).norm(dim=1).tolist())
    assert hooks_on(net.module) == 0


def test_the_first_that_runs_as_it_acts_on_rgb(ordered: Classifier) -> None:
    found = filters(ordered)
    assert (found.layer, found.kind) == ("first", "colour")
    std = torch.tensor([0.1, 0.2, 0.4]).view(1, 3, 1, 1)
    assert torch.allclose(found.weights, ordered.module.first.weight.flip(1) * 255 / std, rtol=1e-4)


def test_deeper_ones_by_norm_and_depthwise_ones_with_their_sign(ordered: Classifier) -> None:
    last = filters(ordered, "last:1,3")
    assert (last.kind, last.channels, last.weights.shape) == ("norm", (1, 3), (2, 1, 3, 3))
    expected = ordered.module.last.weight[[1, 3]].square().sum(1, keepdim=True).sqrt()
    assert torch.allclose(last.weights, expected)
    depthwise = filters(ordered, "depthwise")
    assert depthwise.kind == "signed"
    assert torch.equal(depthwise.weights, ordered.module.depthwise.weight)


def test_scaling() -> None:
    weights = torch.tensor([[1.0, -1.0], [0.5, 0.0]]).view(2, 1, 1, 2)
    found = Filters("conv", (0, 1), weights, "signed", filters(wrap(Linear(), input_size=8)).recipe)
    assert found.pictures("each")[:, 0, 0].tolist() == [[1, 0], [1, 0.5]]
    assert found.pictures("shared")[:, 0, 0].tolist() == [[1, 0], [0.75, 0.5]]
    norm = Filters("conv", (0, 1), weights.abs(), "norm", found.recipe)
    assert norm.pictures("shared")[:, 2, 0].tolist() == [[1, 1], [0.5, 0]]
    zeros = Filters("conv", (0,), weights[:1] * 0, "signed", found.recipe)
    assert zeros.pictures().tolist() == torch.full((1, 3, 1, 2), 0.5).tolist()
    with pytest.raises(DreamscopeError, match="no scaling 'share'; there are each, shared; did you mean 'shared'"):
        found.pictures("share")


def test_it_shows_itself_in_a_notebook(ordered: Classifier) -> None:
    found = filters(ordered, recipe=False)
    assert found.recipe is None
    # Six of 5x5 in one row, each nine times as large, with a border of 2 pixels.
    assert Image.open(io.BytesIO(found._repr_png_())).size == (6 * 45 + 7 * 2, 45 + 2 * 2)


def test_a_vision_transformers_patches() -> None:
    net = wrap(seeded(Tokens()), input_size=32)
    found = filters(net, "patch:0-2")
    assert (found.kind, found.weights.shape) == ("colour", (3, 3, 8, 8))
    assert torch.allclose(found.weights, net.module.patch.weight[:3], atol=1e-6)


@pytest.mark.parametrize(
    ("at", "message"),
    [
        ("bn", "'bn' of ordered is no convolution but BatchNorm2d"),
        ("frst", "no layer 'frst' in ordered; did you mean 'first'"),
        ("*st", "'.st' is 2 layers; give one convolution, such as first"),
        ("last:4", "channel 4 is out of range"),
        ("last@1,1", "has a position or a weight"),
    ],
)
def test_refusals(ordered: Classifier, at: str, message: str) -> None:
    with pytest.raises(DreamscopeError, match=message):
        filters(ordered, at)


def test_no_convolutions() -> None:
    net = wrap(nn.Sequential(nn.Flatten(), nn.Linear(192, 3)), input_size=8)
    with pytest.raises(DreamscopeError, match="has no convolutions"):
        filters(net)


@pytest.mark.embedded
def test_the_embedded_models(lite0: Classifier, vgg19: Classifier) -> None:
    stem = filters(lite0)
    assert (stem.layer, stem.kind, stem.weights.shape) == ("conv_stem", "colour", (32, 3, 3, 3))
    assert torch.allclose(stem.weights, lite0.module.conv_stem.weight * 255 / 128, rtol=1e-4, atol=1e-6)
    first = filters(vgg19, "features.0:0-7")
    assert torch.allclose(first.weights, vgg19.module.features[0].weight[:8], rtol=1e-3, atol=1e-4)
