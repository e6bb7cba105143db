from __future__ import annotations

from functools import partial

import pytest
import torch
from torch import Tensor

from dreamscope.errors import DreamscopeError
from dreamscope.optimize.gradient_filters import as_is, unit_mean
from dreamscope.optimize.update_rules import Adam, FromTorch, GradientStep, UpdateRule, ensure

VALUES = torch.zeros(1)


def moved(rule: UpdateRule, parameter: Tensor, gradient: Tensor, progress: float = 0.0) -> Tensor:
    (found,) = rule([parameter], [gradient.clone()], VALUES, progress)
    return found


def test_adam_steps_as_pytorchs_does() -> None:
    generator = torch.Generator().manual_seed(0)
    numbers = [torch.randn(3, generator=generator), torch.randn(2, 2, generator=generator)]
    theirs = [each.clone().requires_grad_() for each in numbers]
    optimizer = torch.optim.Adam(theirs, lr=0.1, betas=(0.9, 0.99), eps=1e-12, maximize=True)
    rule = Adam(0.1, fade=False)
    for _ in range(5):
        gradients = [torch.randn(each.shape, generator=generator) for each in numbers]
        for each, gradient in zip(theirs, gradients, strict=True):
            each.grad = gradient.clone()
        optimizer.step()
        numbers = rule(numbers, gradients, torch.zeros(1), 0.0)
        assert all(torch.allclose(own, each, atol=1e-6) for own, each in zip(numbers, theirs, strict=True))


def test_a_gradient_step_by_hand() -> None:
    start, gradient = torch.zeros(1, 3, 2, 2), torch.full((1, 3, 2, 2), 4.0)
    mask = torch.tensor([[1.0, 0.5], [0.0, 1.0]]).view(1, 1, 2, 2)
    after = moved(GradientStep(0.1, unit_mean, mask), start, gradient)
    assert torch.allclose(after[0, 0], torch.tensor([[0.1, 0.05], [0.0, 0.1]]))
    assert torch.equal(start, torch.zeros(1, 3, 2, 2))


def test_a_step_along_the_gradient_itself() -> None:
    after = moved(GradientStep(0.5, as_is), torch.ones(3), torch.tensor([2.0, 0, -2]))
    assert torch.equal(after, torch.tensor([2.0, 1, 0]))


def test_adams_first_step_is_the_rate_in_the_gradients_sign_whatever_its_size() -> None:
    for size in (1e-6, 1.0, 1e6):
        after = moved(Adam(0.1), torch.zeros(3), size * torch.tensor([1.0, -5, 0]))
        assert torch.allclose(after, torch.tensor([0.1, -0.1, 0.0]))


def test_adam_fades() -> None:
    first, last = (moved(Adam(0.1), torch.zeros(1), torch.ones(1), progress).item() for progress in (0.0, 1.0))
    assert first == pytest.approx(0.1)
    assert last == pytest.approx(0.01)


def test_adam_goes_on_from_where_numbers_were_put() -> None:
    rule, numbers = Adam(0.1, fade=False), torch.zeros(1)
    for _ in range(5):
        numbers.data = moved(rule, numbers, torch.ones(1)).clamp(max=0.15)
    assert numbers.item() == pytest.approx(0.15)


@pytest.mark.parametrize("rate", [0.0, -1.0, 1e39, float("nan")])
def test_adam_takes_no_rate_that_floats_can_not_hold(rate: float) -> None:
    with pytest.raises(DreamscopeError, match="more than 0 and at most 1e6"):
        Adam(rate)


def test_an_optimizer_of_torch_climbs_several_tensors_and_leaves_them_as_they_were() -> None:
    parameters, gradients = [torch.ones(2), torch.zeros(3)], [torch.tensor([1.0, -2.0]), torch.ones(3)]
    rule = FromTorch(partial(torch.optim.SGD, lr=0.5))
    first, second = rule(parameters, gradients, VALUES, 0.0)
    assert torch.equal(first, torch.tensor([1.5, 0.0]))
    assert torch.equal(second, torch.full((3,), 0.5))
    assert torch.equal(parameters[0], torch.ones(2))
    assert parameters[0].grad is None


def test_momentum_is_remembered() -> None:
    rule, numbers = FromTorch(partial(torch.optim.SGD, lr=1.0, momentum=0.5)), torch.zeros(1)
    for _ in range(2):
        numbers.data = moved(rule, numbers, torch.ones(1))
    assert numbers.item() == 2.5


def test_names_rules_and_factories() -> None:
    assert isinstance(ensure("adam", 0.1), Adam)
    assert isinstance(ensure("normalized", 0.1), GradientStep)
    assert isinstance(ensure(torch.optim.AdamW, 0.1), FromTorch)
    own = Adam(0.3)
    fresh = ensure(own, 0.1)
    assert isinstance(fresh, Adam)
    assert fresh.rate == 0.3
    # One rule for each ascent: what it remembers is its own.
    assert fresh is not own


def test_what_is_no_optimizer() -> None:
    with pytest.raises(DreamscopeError, match="no optimizer 'adamw'; there are adam, normalized; did you mean 'adam'"):
        ensure("adamw", 0.1)
    with pytest.raises(DreamscopeError, match="a name, an UpdateRule or a function, not 3"):
        ensure(3, 0.1)  # type: ignore[arg-type]
    for factory, message in ((lambda parameters: 3, "it returned int"), (torch.optim.LBFGS, "LBFGS evaluates")):
        with pytest.raises(DreamscopeError, match=message):
            moved(FromTorch(factory), torch.zeros(1), torch.ones(1))  # type: ignore[arg-type]
