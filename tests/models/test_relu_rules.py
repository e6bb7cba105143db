from __future__ import annotations

from collections.abc import Callable

import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from dreamscope.errors import DreamscopeError
from dreamscope.models.relu_rules import deconvolved, ensure_only_rectifiers, guided, redirected
from dreamscope.optimize.folding import _Clamp

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


@pytest.mark.parametrize("kind", KINDS, ids=lambda kind: getattr(kind, "__name__", str(kind)))
def test_silent_pictures_get_a_gradient_where_they_are_asked_to_rise(kind: nn.Module) -> None:
    usual, out = gradient(kind)
    assert torch.equal(usual, torch.tensor([[[0.0, 0, 0]], [[0, -1, 0]]]))
    with redirected():
        woken, same = gradient(kind)
    assert torch.equal(woken, torch.tensor([[[1.0, 0, 2]], [[0, -1, 0]]]))
    assert torch.equal(out, same)
    assert torch.equal(gradient(kind)[0], usual)


def test_it_ends_with_the_block_whatever_ends_it() -> None:
    with pytest.raises(ValueError, match="in the middle"), redirected():
        raise ValueError("in the middle")
    assert torch.equal(gradient(nn.ReLU())[0][0], torch.zeros(1, 3))


MARKS = torch.tensor([[[-1.0, 2.0, 3.0, -4.0, 9.0]]])
SLOPES = torch.tensor([[[1.0, -1.0, 2.0, 3.0, 5.0]]])
LIMITED = {
    "ReLU6": nn.ReLU6(),
    "Hardtanh in place": nn.Hardtanh(0, 6, inplace=True),
    "_Clamp": _Clamp(nn.ReLU6(inplace=True), owns_gradient=True),
    "relu6": F.relu6,
    "hardtanh_": lambda x: F.hardtanh_(x, 0.0, 6.0),
    "clamp": lambda x: x.clamp(0, 6),
    "clamp_": lambda x: torch.clamp_(x, min=0, max=6),
}
OPEN = {
    "ReLU": nn.ReLU(),
    "ReLU in place": nn.ReLU(inplace=True),
    "Threshold": nn.Threshold(0, 0),
    "relu_": torch.relu_,
    "relu": F.relu,
    "method": lambda x: x.relu_(),
    "clamp_min": lambda x: x.clamp_min(0),
}


@pytest.mark.parametrize("name", [*LIMITED, *OPEN])
def test_the_rules_of_guided_and_deconvolved_gradients(name: str) -> None:
    kind = {**LIMITED, **OPEN}[name]
    # The last one lies beyond 6: active in a ReLU, not in a ReLU6.
    last = 5.0 if name in OPEN else 0.0
    for rule, expected in ((guided, [0.0, 0, 2, 0, last]), (deconvolved, [1.0, 0, 2, 3, 5])):
        leaf = MARKS.clone().requires_grad_()
        with rule() as ran:
            out = kind(leaf * 1.0)
            ensure_only_rectifiers(out, ran, what="guided", name="it")
            (found,) = torch.autograd.grad((out * SLOPES).sum(), leaf)
        assert found.tolist() == [[expected]]
        assert ran.count == 1
        assert torch.equal(out, kind(MARKS.clone()))


@pytest.mark.parametrize("rule", [redirected, guided, deconvolved])
def test_in_place_means_in_place(rule: Callable) -> None:
    """What a ReLU overwrites is overwritten for whoever holds it, too: a skip connection, say."""
    leaf = torch.tensor([[[-1.0, 2.0]]], requires_grad=True)
    with rule():
        held = leaf * 1.0
        out = F.relu(held, inplace=True) * 10 + held
        (found,) = torch.autograd.grad(out.sum(), leaf)
    assert out.tolist() == [[[0.0, 22.0]]]
    assert found[0, 0, 1] == 11


def test_what_comes_after_may_change_what_a_rectifier_put_out() -> None:
    leaf = torch.tensor([[[-1.0, 2.0]]], requires_grad=True)
    with guided():
        out = F.relu(leaf)
        out += 1
    assert torch.autograd.grad(out.sum(), leaf)[0].tolist() == [[[0.0, 1.0]]]


class Swish(torch.autograd.Function):
    """As older EfficientNets have it, to save memory: no function of PyTorch's own is called where it can be seen."""

    @staticmethod
    def forward(ctx, x):
        ctx.save_for_backward(x)
        return x * x.sigmoid()

    @staticmethod
    def backward(ctx, gradient):
        (x,) = ctx.saved_tensors
        share = x.sigmoid()
        return gradient * share * (1 + x * (1 - share))


# As graphs name them: SELU is an ELU there.
OTHERS = [
    ("Gelu", F.gelu),
    ("Silu", F.silu),
    ("Hardswish", F.hardswish),
    ("Mish", F.mish),
    ("LeakyRelu", F.leaky_relu),
    ("Elu", F.elu),
    ("Elu", F.selu),
    ("Celu", F.celu),
    ("Prelu", nn.PReLU()),
    ("Softplus", F.softplus),
    ("Tanh", torch.tanh),
    ("Erf", lambda x: x * torch.erf(x)),
    ("Sigmoid", lambda x: x * torch.sigmoid(x)),
    ("Hardswish, or something like it", lambda x: x * (F.relu6(x + 3) / 6)),
    ("Swish, with a backward of its own", Swish.apply),
    ("Maximum", lambda x: torch.maximum(x, torch.zeros_like(x))),
    ("Where", lambda x: torch.where(x > 0, x, 0.0)),
]


@pytest.mark.parametrize(("name", "other"), OTHERS, ids=[f"{name}-{place}" for place, (name, _) in enumerate(OTHERS)])
def test_other_activations_are_refused_by_name(name: str, other: Callable) -> None:
    leaf = torch.rand((1, 3, 4, 4), generator=torch.Generator().manual_seed(0)).requires_grad_()
    with guided() as ran:
        out = other(F.relu(leaf - 0.5) * 2).sum()
        with pytest.raises(DreamscopeError, match=f"guided is a rule for ReLUs.*it computes with {name}"):
            ensure_only_rectifiers(out, ran, what="guided", name="it")


def test_gates_weigh_and_are_let_be() -> None:
    leaf = torch.rand((1, 3, 4, 4), generator=torch.Generator().manual_seed(0)).requires_grad_()
    with guided() as ran:
        x = F.relu(leaf - 0.5)
        x = x * torch.sigmoid(x.mean((2, 3), keepdim=True)) * F.hardsigmoid(x.mean((2, 3), keepdim=True))
        x = x * (F.relu(x) * 0.5)
        x = F.max_pool2d(x * torch.sigmoid(x.mean(1, keepdim=True)), 2)
        ensure_only_rectifiers(x.sum(), ran, what="guided", name="it")


def test_nothing_to_rectify_is_refused() -> None:
    leaf = torch.ones(1, 3, 4, 4, requires_grad=True)
    with deconvolved() as ran, pytest.raises(DreamscopeError, match="none of it lies between"):
        ensure_only_rectifiers((leaf * 2).sum(), ran, what="deconv", name="it")
