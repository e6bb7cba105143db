from __future__ import annotations

import math

import pytest
import torch
from torch import Tensor

from dreamscope.errors import DreamscopeError
from dreamscope.sheets.differences import BANDS, EDGES, change


def gray(height: int = 256, width: int = 256) -> Tensor:
    return torch.full((1, 3, height, width), 0.5)


def grating(wavelength: float, angle: float = 0.0, height: int = 256, width: int = 256) -> Tensor:
    rows, columns = torch.meshgrid(torch.arange(height), torch.arange(width), indexing="ij")
    along = columns * math.cos(angle) + rows * math.sin(angle)
    return 0.1 * torch.sin(2 * math.pi * along / wavelength).expand(1, 3, -1, -1)


def test_nothing_changed() -> None:
    same = change(gray(), gray())
    assert not same.map.any()
    assert same.size == 0
    assert same.energy == same.shares == (0,) * len(BANDS)


@pytest.mark.parametrize("angle", [0.0, 0.6, math.pi / 2])
@pytest.mark.parametrize(
    ("wavelength", "band"),
    [(2.8, "<4 px"), (5.7, "4-8"), (11.3, "8-16"), (22.6, "16-32"), (45, "32-64"), (90, "64-128"), (300, "128+")],
)
def test_a_planted_frequency_falls_in_its_band(wavelength: float, band: str, angle: float) -> None:
    # On a picture large enough that a wave has room.
    side = 256 if wavelength < 50 else 768
    found = change(gray(side, side), gray(side, side) + grating(wavelength, angle, side, side))
    assert BANDS[max(range(len(BANDS)), key=found.shares.__getitem__)] == band
    assert found.shares[BANDS.index(band)] > 0.85
    assert found.size == pytest.approx(0.1 / math.sqrt(2), rel=0.03)


def test_bands_are_named_by_their_edges() -> None:
    assert len(BANDS) == len(EDGES) + 1
    assert BANDS[1] == f"{EDGES[0]}-{EDGES[1]}"


def test_an_even_change_is_the_coarsest() -> None:
    found = change(gray(), gray() + 0.25)
    assert found.shares == pytest.approx((*[0] * (len(BANDS) - 1), 1), abs=1e-9)
    assert found.size == pytest.approx(0.25)


def test_a_slope_is_coarse_although_its_ends_differ() -> None:
    slope = torch.linspace(-0.2, 0.2, 256).expand(1, 3, 256, 256)
    assert change(gray(), gray() + slope).shares[-1] > 0.95


@pytest.mark.parametrize("size", [(40, 48), (33, 77), (8, 9)])
def test_energy_adds_up(size: tuple[int, int]) -> None:
    generator = torch.Generator().manual_seed(0)
    before, after = (torch.rand((1, 3, *size), generator=generator) for _ in range(2))
    found = change(before, after)
    assert sum(found.energy) == pytest.approx(found.size**2)
    assert sum(found.shares) == pytest.approx(1)
    assert found.size == pytest.approx((after - before).square().mean().sqrt().item())
    assert found.map.shape == size


def test_where_it_changed() -> None:
    after = gray(20, 30)
    after[:, 0, 4, 7] += 0.3
    found = change(gray(20, 30), after)
    assert found.map[4, 7].item() == pytest.approx(0.3 / math.sqrt(3))
    assert int((found.map > 0).sum()) == 1


def test_other_sizes() -> None:
    with pytest.raises(DreamscopeError, match="not 256x256 and 30x20"):
        change(gray(), gray(20, 30))
