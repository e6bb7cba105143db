from __future__ import annotations

import pytest
import torch
from torch import Tensor, nn

from dreamscope.models.classifier import Classifier
from dreamscope.models.norms import is_batch_norm, usual
from dreamscope.models.wrapping import wrap
from dreamscope.probes import probe


class Residual(nn.Module):
    """Two convolutions with norms, the second norm run twice."""

    def __init__(self) -> None:
        super().__init__()
        self.first, self.second = nn.Conv2d(3, 4, 3, padding=1), nn.Conv2d(4, 4, 3, padding=1)
        self.norm, self.twice = nn.BatchNorm2d(4), nn.BatchNorm2d(4)
        self.layer_norm = nn.GroupNorm(1, 4)

    def forward(self, x: Tensor) -> Tensor:
        x = self.norm(self.first(x)).relu()
        x = self.twice(self.second(self.twice(x)))
        return self.layer_norm(x).mean((2, 3))


def trained(module: nn.Module, photos: Tensor) -> nn.Module:
    """Let batch norms see photos, until they know them."""
    generator = torch.Generator().manual_seed(1)
    for part in module.modules():
        if is_batch_norm(part):
            part.weight.data = torch.randn(part.weight.shape, generator=generator)
            part.bias.data = torch.randn(part.bias.shape, generator=generator)
    with torch.no_grad():
        for _ in range(80):
            module.train()(photos)
    return module.eval()


@pytest.fixture
def photos() -> Tensor:
    return torch.rand((6, 3, 16, 16), generator=torch.Generator().manual_seed(0))


@pytest.fixture
def model(photos: Tensor) -> Classifier:
    torch.manual_seed(0)
    return wrap(trained(Residual(), photos), name="residual", input_size=16, mean=(0, 0, 0), std=(1, 1, 1))


def test_what_norms_know_is_what_photos_do(model: Classifier, photos: Tensor) -> None:
    found = usual(model)
    # One runs twice, each time on something else; a group norm has seen nothing.
    assert list(found) == ["norm"]
    mean, spread = found["norm"]
    with torch.no_grad(), probe(model, ["norm"]) as seen:
        features = seen(photos)["norm"].movedim(1, 0).flatten(1)
    assert torch.allclose(mean, features.mean(1), atol=0.01)
    assert torch.allclose(spread, features.std(1), rtol=0.02)
    assert (spread >= 0).all()


@pytest.mark.embedded
def test_a_norm_with_an_activation_inside_is_left_out(lite0: Classifier) -> None:
    found = usual(lite0)
    assert "blocks.2.0.bn3" in found
    assert "blocks.2.0.bn2" not in found
    assert [len(mean) for mean, _ in found.values()][:3] == [16, 24, 24]


@pytest.mark.embedded
def test_without_batch_norms_nothing_is_known(vgg19: Classifier) -> None:
    assert usual(vgg19) == {}
