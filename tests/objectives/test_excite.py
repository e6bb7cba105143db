from __future__ import annotations

import pytest
import torch
from nets import Linear, seeded
from torch import Tensor

from dreamscope import objectives
from dreamscope.errors import DreamscopeError
from dreamscope.models.addresses import Address
from dreamscope.models.wrapping import wrap
from dreamscope.objectives import Excite
from dreamscope.probes import probe

MAPS = {"a": torch.randn((2, 5, 3, 4), generator=torch.Generator().manual_seed(0)), "v": torch.ones(2, 5)}


def one(loss: str, address: str = "a") -> Tensor:
    return Excite((Address.parse(address),), loss)(MAPS)


def test_losses_by_hand() -> None:
    first = MAPS["a"][0].flatten(1)
    assert one("norm")[0].item() == pytest.approx(first.norm().item())
    assert one("mean_square")[0].item() == pytest.approx(first.square().mean().item())
    assert one("mean")[0].item() == pytest.approx(first.mean().item())
    assert one("gram")[0].item() == pytest.approx((first @ first.T).sum().item(), rel=1e-5)


@pytest.mark.parametrize("loss", objectives.LOSSES)
def test_images_do_not_influence_each_other(loss: str) -> None:
    alone = Excite((Address("a"),), loss)({"a": MAPS["a"][1:]})
    assert torch.allclose(one(loss)[1:], alone)


@pytest.mark.parametrize("loss", objectives.LOSSES)
def test_gradients_are_finite_even_at_zero(loss: str) -> None:
    zero = torch.zeros((1, 3, 2, 2), requires_grad=True)
    value = Excite((Address("a"),), loss)({"a": zero})
    (gradient,) = torch.autograd.grad(value.sum(), zero)
    assert gradient.isfinite().all()


def test_selection() -> None:
    assert torch.equal(objectives.select(MAPS, Address("a", (1, 3)))[:, :, 0], MAPS["a"][:, [1, 3], 0, 0])
    assert torch.equal(objectives.select(MAPS, Address("a", (2,), (1, 3)))[:, 0, 0], MAPS["a"][:, 2, 1, 3])
    assert objectives.select(MAPS, Address("v")).shape == (2, 5, 1)
    with pytest.raises(DreamscopeError, match="3 rows and 4 columns"):
        objectives.select(MAPS, Address("a", None, (3, 0)))


def test_weights_add_up() -> None:
    both = Excite((Address("a", (1,), weight=2), Address("a", (2,), weight=-0.5)), "mean")
    assert torch.allclose(both(MAPS), 2 * one("mean", "a:1") - 0.5 * one("mean", "a:2"))
    assert both.layers == ["a", "a"]


def test_a_linear_nets_gradient_is_its_weight() -> None:
    model = wrap(seeded(Linear()), input_size=8)
    picture = torch.rand((1, 3, 8, 8), requires_grad=True)
    with probe(model, "conv") as seen:
        value = Excite((Address("conv", (2,)),), "mean")(seen(picture))
    (gradient,) = torch.autograd.grad(value.sum(), picture)
    expected = model.module.conv.weight[2].view(1, 3, 1, 1).expand_as(gradient) / 64
    assert torch.allclose(gradient, expected)


def test_unknown_loss() -> None:
    with pytest.raises(DreamscopeError, match="did you mean 'mean'"):
        Excite((Address("a"),), "meen")
    with pytest.raises(DreamscopeError, match="at least one address"):
        Excite(())(MAPS)
