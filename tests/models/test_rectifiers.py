from __future__ import annotations

import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from dreamscope.models.folding import _Clamp
from dreamscope.models.rectifiers import awake

KINDS = [
    nn.ReLU(),
    nn.ReLU(inplace=True),
    nn.ReLU6(),
    nn.Hardtanh(0, 6, inplace=True),
    _Clamp(nn.ReLU6(), owns_gradient=False),
    F.relu,
    torch.relu,
    F.relu6,
    lambda x: x.relu(),
    lambda x: F.relu(input=x, inplace=False),
    lambda x: F.hardtanh(x, min_val=0.0, max_val=6.0),
]
# Of the two pictures the first is silent everywhere, the second alive in one place.
BEFORE = torch.tensor([[[-1.0, -2.0, -3.0]], [[-1.0, 2.0, -3.0]]])
WEIGHTS = torch.tensor([[[1.0, -1.0, 2.0]]])


def gradient(kind: nn.Module) -> tuple[Tensor, Tensor]:
    leaf = BEFORE.clone().requires_grad_()
    out = kind(leaf * 1.0)
    return torch.autograd.grad((out * WEIGHTS).sum(), leaf)[0], out.detach()


@pytest.mark.parametrize("kind", KINDS, ids=str)
def test_silent_pictures_get_a_gradient_where_they_are_asked_to_rise(kind: nn.Module) -> None:
    usual, out = gradient(kind)
    assert torch.equal(usual, torch.tensor([[[0.0, 0, 0]], [[0, -1, 0]]]))
    with awake():
        woken, same = gradient(kind)
    assert torch.equal(woken, torch.tensor([[[1.0, 0, 2]], [[0, -1, 0]]]))
    assert torch.equal(out, same)
    assert torch.equal(gradient(kind)[0], usual)


def test_it_ends_with_the_block_whatever_ends_it() -> None:
    with pytest.raises(ValueError, match="in the middle"), awake():
        raise ValueError("in the middle")
    assert torch.equal(gradient(nn.ReLU())[0][0], torch.zeros(1, 3))
