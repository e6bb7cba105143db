from __future__ import annotations

import pytest
import torch

from dreamscope.errors import DreamscopeError
from dreamscope.optimize.gradient_filters import as_is, unit_mean
from dreamscope.optimize.update_rules import Adam, Climb

VALUES = torch.zeros(1)


def test_climb_by_hand() -> None:
    start, gradient = torch.zeros(1, 3, 2, 2), torch.full((1, 3, 2, 2), 4.0)
    mask = torch.tensor([[1.0, 0.5], [0.0, 1.0]]).view(1, 1, 2, 2)
    moved = Climb(0.1, unit_mean, mask)(start, gradient, VALUES, 0.0)
    assert torch.allclose(moved[0, 0], torch.tensor([[0.1, 0.05], [0.0, 0.1]]))
    assert torch.equal(start, torch.zeros(1, 3, 2, 2))


def test_climb_with_the_gradient_itself() -> None:
    assert torch.equal(
        Climb(0.5, as_is)(torch.ones(3), torch.tensor([2.0, 0, -2]), VALUES, 0.0), torch.tensor([2.0, 1, 0])
    )


def test_adams_first_step_is_the_rate_in_the_gradients_sign_whatever_its_size() -> None:
    for size in (1e-6, 1.0, 1e6):
        moved = Adam(0.1)(torch.zeros(3), size * torch.tensor([1.0, -5, 0]), VALUES, 0.0)
        assert torch.allclose(moved, torch.tensor([0.1, -0.1, 0.0]))


def test_adam_fades() -> None:
    first, last = (Adam(0.1)(torch.zeros(1), torch.ones(1), VALUES, progress).item() for progress in (0.0, 1.0))
    assert first == pytest.approx(0.1)
    assert last == pytest.approx(0.01)


def test_adam_goes_on_from_where_numbers_were_put() -> None:
    move = Adam(0.1, fade=False)
    numbers = torch.zeros(1)
    for _ in range(5):
        numbers = move(numbers, torch.ones(1), VALUES, 0.0).clamp(max=0.15)
    assert numbers.item() == pytest.approx(0.15)


@pytest.mark.parametrize("rate", [0.0, -1.0, 1e39, float("nan")])
def test_adam_takes_no_rate_that_floats_can_not_hold(rate: float) -> None:
    with pytest.raises(DreamscopeError, match="more than 0 and at most 1e6"):
        Adam(rate)
