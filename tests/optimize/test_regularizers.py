from __future__ import annotations

import pytest
import torch

from dreamscope.errors import DreamscopeError
from dreamscope.optimize.regularizers import L1, L2, REGULARIZERS, TotalVariation, Unblurred, ensure


def test_gray_costs_nothing() -> None:
    gray = torch.full((2, 3, 16, 16), 0.5)
    for kind in REGULARIZERS.values():
        assert torch.allclose(kind()(gray), torch.zeros(2), atol=1e-6)


def test_by_hand() -> None:
    half = torch.full((1, 3, 8, 8), 0.5)
    half[..., 4:] = 1.0
    assert L1(2.0)(half).item() == pytest.approx(2 * 0.25)
    assert L2(2.0)(half).item() == pytest.approx(2 * 0.125)
    # One edge of 0.5 among 7 differences in each row, none down.
    assert TotalVariation(3.0)(half).item() == pytest.approx(3 * 0.5 / 7)


def test_blur_costs_fine_detail_more() -> None:
    rows = torch.arange(32)
    fine = 0.5 + 0.1 * (-1.0) ** rows.view(1, 1, -1, 1).expand(1, 3, 32, 32)
    coarse = 0.5 + 0.1 * torch.sin(rows / 5).view(1, 1, -1, 1).expand(1, 3, 32, 32)
    assert Unblurred()(fine) > 20 * Unblurred()(coarse)


@pytest.mark.parametrize("name", REGULARIZERS)
def test_images_are_on_their_own_and_gradients_finite(name: str) -> None:
    penalty = REGULARIZERS[name](0.7)
    images = torch.rand((3, 3, 12, 10), generator=torch.Generator().manual_seed(0)).requires_grad_()
    values = penalty(images)
    assert torch.allclose(values[1:2], penalty(images[1:2]))
    (gradient,) = torch.autograd.grad(values.sum(), images)
    assert gradient.isfinite().all()
    assert gradient.abs().sum() > 0


def test_names_and_functions() -> None:
    assert ensure("tv:0.5") == TotalVariation(0.5)
    own = ensure(lambda images: images.mean((1, 2, 3)))
    assert own(torch.ones(2, 3, 4, 4)).tolist() == [1, 1]
    for bad, message in (
        (3, "a function of images, not 3"),
        ("l3", "no regularizer 'l3'"),
        ("blur:1,0", "a blur is more than 0 pixels wide, not 0"),
        ("blur:1,-2", "a blur is more than 0 pixels wide, not -2"),
    ):
        with pytest.raises(DreamscopeError, match=message):
            ensure(bad)
