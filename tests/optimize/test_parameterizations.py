from __future__ import annotations

import pytest
import torch
from torch import Tensor

from dreamscope.images import Size
from dreamscope.optimize.color_correlation import correlated, independent
from dreamscope.optimize.parameterizations import PARAMETERIZATIONS, Contrasted, Fourier, Maco, Pixel, frequencies

SIZES = [Size(32, 32), Size(33, 20), Size(9, 31)]


def photo(size: Size) -> torch.Tensor:
    return 0.05 + 0.9 * torch.rand((2, 3, size.height, size.width), generator=torch.Generator().manual_seed(0))


@pytest.mark.parametrize("size", SIZES, ids=str)
@pytest.mark.parametrize("name", ["pixel", "fourier"])
def test_numbers_of_an_image_make_it_again(name: str, size: Size) -> None:
    kind = PARAMETERIZATIONS[name](size)
    assert torch.allclose(kind.image(kind.numbers(photo(size))), photo(size), atol=1e-4)


@pytest.mark.parametrize("size", SIZES, ids=str)
def test_phases_of_an_image_are_found_again(size: Size) -> None:
    kind = Maco(size)
    numbers = kind.start(1, size, torch.Generator().manual_seed(0))
    image = kind.image(numbers)
    assert torch.allclose(kind.image(kind.numbers(image)), image, atol=2e-2)


@pytest.mark.parametrize("size", SIZES, ids=str)
@pytest.mark.parametrize("name", PARAMETERIZATIONS)
def test_starts_are_images_with_gradients(name: str, size: Size) -> None:
    kind = PARAMETERIZATIONS[name](size)
    numbers = kind.start(2, size, torch.Generator().manual_seed(0))
    again = kind.start(2, size, torch.Generator().manual_seed(0))
    assert torch.equal(numbers, again)
    leaf = numbers.requires_grad_()
    image = kind.image(leaf)
    assert image.shape == (2, 3, size.height, size.width)
    assert image.min() >= 0
    assert image.max() <= 1
    assert image.std() > 0.002
    (gradient,) = torch.autograd.grad(image.square().sum(), leaf)
    assert gradient.isfinite().all()
    assert gradient.abs().sum() > 0


def test_pixels_are_kept_within_bounds() -> None:
    kind = PARAMETERIZATIONS["pixel"](Size(8, 8))
    assert torch.equal(kind.within(torch.tensor([-1.0, 0.3, 7.0])), torch.tensor([0.0, 0.3, 1.0]))


def test_fine_waves_are_weak() -> None:
    size = Size(64, 64)
    white = torch.ones((1, 3, 64, 33, 2))
    spectrum = Fourier(size).numbers(Fourier(size, decay=0).image(0.1 * white))
    strength = torch.view_as_complex(spectrum.contiguous()).abs()[0, 0]
    # Numbers of the decaying kind have to be larger where its waves are weaker.
    assert strength[0, 30] > 5 * strength[0, 3]


def test_magnitudes_are_those_of_photos() -> None:
    size = Size(64, 64)
    kind = Maco(size)
    waves = independent(kind.image(kind.start(1, size, torch.Generator().manual_seed(1))).logit())
    strength = torch.fft.rfft2(waves, norm="ortho").abs()[0, 0]
    frequency = frequencies(size)
    near, far = frequency[0, 2], frequency[0, 16]
    assert (strength[0, 2] / strength[0, 16]).item() == pytest.approx(float((far / near) ** 1.20), rel=0.02)


def test_colours_there_and_back() -> None:
    image = torch.rand((1, 3, 4, 4), generator=torch.Generator().manual_seed(0))
    assert torch.allclose(correlated(independent(image)), image, atol=1e-5)
    gray = correlated(torch.tensor([1.0, 0, 0]).view(1, 3, 1, 1)).flatten()
    assert torch.allclose(gray, gray.mean().expand(3), atol=0.03)


def test_contrast_is_brought_up_and_the_mean_stays() -> None:
    faint = 0.5 + 0.05 * torch.randn((2, 3, 16, 16), generator=torch.Generator().manual_seed(0))
    strong = 0.5 + 0.15 * torch.randn((1, 3, 16, 16), generator=torch.Generator().manual_seed(1))

    def spread(images: Tensor) -> float:
        return float(images.var((2, 3)).mean().sqrt())

    # As often as it may, and no further than it should.
    assert spread(Contrasted(Pixel(), 0.2, 2).image(faint)) == pytest.approx(2 * spread(faint), rel=1e-3)
    assert spread(Contrasted(Pixel(), 0.08, 2).image(faint)) == pytest.approx(0.08, rel=0.02)
    assert torch.allclose(Contrasted(Pixel(), 0.08, 2).image(faint).mean((2, 3)), faint.mean((2, 3)), atol=1e-5)
    assert torch.allclose(Contrasted(Pixel(), 0.1, 2).image(strong), strong.clamp(0, 1), atol=1e-5)
    assert torch.allclose(Contrasted(Pixel(), 0, 2).image(faint), faint, atol=1e-5)
    # A picture alone is what it is beside others.
    assert torch.allclose(Contrasted(Pixel(), 0.08, 2).image(faint[:1]), Contrasted(Pixel(), 0.08, 2).image(faint)[:1])


def test_contrast_changes_nothing_of_what_is_climbed() -> None:
    size = Size(12, 10)
    plain, shown = Fourier(size), Contrasted(Fourier(size), 0.2, 2)
    start = [each.start(1, size, torch.Generator().manual_seed(0)) for each in (plain, shown)]
    assert torch.equal(start[0], start[1])
    image = plain.image(start[0])
    assert torch.equal(shown.numbers(image), plain.numbers(image))
    over = torch.full((1, 3, 2, 2), 3.0)
    assert torch.equal(Contrasted(Pixel(), 0.2, 2).within(over), torch.ones(1, 3, 2, 2))
