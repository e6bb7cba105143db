from __future__ import annotations

import pytest
import torch
from torch import Tensor, nn

from dreamscope.models.classifier import Classifier
from dreamscope.models.wrapping import wrap
from dreamscope.optimize.branches import weakened


class Block(nn.Module):
    """x + 3x, the branch a convolution; or the sum in place."""

    def __init__(self, *, in_place: bool) -> None:
        super().__init__()
        self.conv = nn.Conv2d(3, 3, 1, groups=3, bias=False)
        nn.init.constant_(self.conv.weight, 3.0)
        self.in_place = in_place

    def forward(self, x: Tensor) -> Tensor:
        made = self.conv(x)
        if not self.in_place:
            return made + x
        made += x
        return made


@pytest.fixture(params=[False, True], ids=["new", "in place"])
def block(request: pytest.FixtureRequest) -> Classifier:
    return wrap(Block(in_place=request.param), input_size=8)


def slope(model: Classifier) -> float:
    image = torch.full((1, 3, 8, 8), 0.5, requires_grad=True)
    out = model(image)
    assert out.flatten()[0].item() == pytest.approx(2.0)
    (gradient,) = torch.autograd.grad(out.sum(), image)
    return gradient.flatten()[0].item()


def test_the_branch_passes_on_its_share_and_the_way_around_all(block: Classifier) -> None:
    with weakened(block, 0.5):
        assert slope(block) == pytest.approx(1 + 0.5 * 3)
    with weakened(block, 0.0):
        assert slope(block) == pytest.approx(1)


def test_afterwards_and_with_all_of_it_nothing_is_changed(block: Classifier) -> None:
    with weakened(block, 1.0):
        assert slope(block) == pytest.approx(4)
    with pytest.raises(KeyError), weakened(block, 0.5):
        raise KeyError
    assert slope(block) == pytest.approx(4)
