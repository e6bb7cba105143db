from __future__ import annotations

import pytest
import torch

from dreamscope.optimize import gradient_filters
from dreamscope.optimize.gradient_filters import FILTERS, natural_colors

NOISE = torch.randn((2, 3, 50, 70), generator=torch.Generator().manual_seed(0))


@pytest.mark.parametrize("name", FILTERS)
@pytest.mark.parametrize("size", [(50, 70), (8, 8), (9, 300), (33, 8)])
def test_shape_finite_and_scale(name: str, size: tuple[int, int]) -> None:
    gradient = torch.randn((1, 3, *size), generator=torch.Generator().manual_seed(1))
    out = FILTERS[name](gradient)
    assert out.shape == gradient.shape
    assert out.isfinite().all()
    if name != "none":
        assert out.abs().mean().item() == pytest.approx(1, abs=1e-4)
        for scale in (1e3, 1e-24):
            assert torch.allclose(FILTERS[name](gradient * scale), out, atol=1e-3)


@pytest.mark.parametrize("name", FILTERS)
def test_no_gradient_is_no_direction(name: str) -> None:
    assert (FILTERS[name](torch.zeros(1, 3, 16, 16)) == 0).all()


@pytest.mark.parametrize("name", FILTERS)
def test_images_of_a_batch_do_not_influence_each_other(name: str) -> None:
    assert torch.allclose(FILTERS[name](NOISE)[1:], FILTERS[name](NOISE[1:]), atol=1e-5)


def test_none_is_nothing() -> None:
    assert FILTERS["none"](NOISE) is NOISE


def test_laplacian_lifts_coarse_shapes() -> None:
    rows = torch.arange(64.0)
    coarse = torch.sin(rows * 2 * torch.pi / 24).view(1, 1, 64, 1).expand(1, 3, 64, 64)
    fine = torch.randn((1, 3, 64, 64), generator=torch.Generator().manual_seed(0))
    mixed = 0.1 * coarse + fine

    def share(x: torch.Tensor) -> float:
        return float((x * coarse).sum() / (x.norm() * coarse.norm()))

    assert share(gradient_filters.laplacian(mixed)) > 3 * share(mixed)


def test_smoothing_lowers_the_finest_detail() -> None:
    checker = torch.ones(32, 32)
    checker[::2, ::2] = checker[1::2, 1::2] = -1
    bump = torch.zeros(32, 32)
    bump[10:22, 10:22] = 1
    mixed = (checker + bump).expand(1, 3, 32, 32)

    def ratio(x: torch.Tensor) -> float:
        return float((x[0, 0] * checker).sum().abs() / (x[0, 0] * bump).sum())

    assert ratio(gradient_filters.smoothed(mixed)) < 0.5 * ratio(mixed)


def test_first_at_unit_mean_remembers_the_first() -> None:
    filter = gradient_filters.FirstAtUnitMean()
    assert filter(NOISE).abs().mean().item() == pytest.approx(1)
    assert torch.allclose(filter(3 * NOISE), 3 * filter(NOISE))


def test_natural_colors() -> None:
    assert natural_colors(gradient_filters.unit_mean, 0) is gradient_filters.unit_mean
    red = torch.zeros(1, 3, 4, 4)
    red[:, 0] = 1
    mixed = natural_colors(gradient_filters.unit_mean, 1.0)(red)
    # A wish for red makes everything brighter, red most.
    assert mixed[0, 0, 0, 0] > mixed[0, 1, 0, 0] > 0
    assert mixed.abs().mean().item() == pytest.approx(1)


@pytest.mark.parametrize("name", FILTERS)
def test_in_gray_there_are_no_colours_to_mix(name: str) -> None:
    gray = NOISE[:, :1]
    assert torch.equal(natural_colors(FILTERS[name], 0.7)(gray.clone()), FILTERS[name](gray.clone()))


def test_natural_colors_leave_the_size_to_raw_gradients() -> None:
    raw = natural_colors(gradient_filters.as_is, 0.7)
    assert torch.allclose(raw(5 * NOISE), 5 * raw(NOISE), atol=1e-4)
    first = natural_colors(gradient_filters.FirstAtUnitMean(), 0.7)
    assert first(NOISE).abs().mean((1, 2, 3)).tolist() == pytest.approx([1, 1], abs=1e-4)
    # The factor is that of the first step, colours mixed or not.
    assert first(5 * NOISE).abs().mean((1, 2, 3)).tolist() == pytest.approx([5, 5], abs=1e-3)


def test_the_rate_that_was_found_does_the_same_when_given() -> None:
    first = gradient_filters.FirstAtUnitMean(0.01, unit=0.2)
    assert first.rates == ()
    assert first(NOISE).abs().mean((1, 2, 3)).tolist() == pytest.approx([0.01, 0.01], rel=1e-5)
    given = gradient_filters.Times(0.2)
    for index, rate in enumerate(first.rates):
        assert torch.equal(given(3 * NOISE[index : index + 1]) * rate, first(3 * NOISE)[index : index + 1])


def test_no_rate_is_found_without_a_gradient() -> None:
    first = gradient_filters.FirstAtUnitMean(0.01)
    gradient = NOISE.clone()
    gradient[0] = 0
    assert (first(gradient)[0] == 0).all()
    assert first.rates[0] is None
    assert first.rates[1] == pytest.approx(0.01 / NOISE[1].abs().mean().item())
