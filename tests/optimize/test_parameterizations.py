from __future__ import annotations

import pytest
import torch
from torch import Tensor

from dreamscope.errors import DreamscopeError
from dreamscope.images import Size
from dreamscope.optimize.color_correlation import correlated, independent
from dreamscope.optimize.cppn import CPPN
from dreamscope.optimize.parameterizations import (
    PARAMETERIZATIONS,
    Contrasted,
    Covered,
    Detail,
    Fourier,
    Gray,
    Maco,
    Numbers,
    Parameterization,
    Pixel,
    frequencies,
    held_by,
    made_of,
    tensors_of,
)

SIZES = [Size(32, 32), Size(33, 20), Size(9, 31)]


def photo(size: Size) -> torch.Tensor:
    return 0.05 + 0.9 * torch.rand((2, 3, size.height, size.width), generator=torch.Generator().manual_seed(0))


def noise(name: str, size: Size, count: int = 1, seed: int = 0) -> Numbers:
    return PARAMETERIZATIONS[name].noise(count, size, torch.Generator().manual_seed(seed))


@pytest.mark.parametrize("size", SIZES, ids=str)
@pytest.mark.parametrize("name", ["pixel", "fourier", "detail"])
def test_numbers_of_an_image_make_it_again(name: str, size: Size) -> None:
    assert torch.allclose(PARAMETERIZATIONS[name].of(photo(size)).image(), photo(size), atol=1e-4)


@pytest.mark.parametrize("size", SIZES, ids=str)
def test_phases_of_an_image_are_found_again(size: Size) -> None:
    image = noise("maco", size).image()
    assert torch.allclose(Maco.of(image).image(), image, atol=2e-2)


@pytest.mark.parametrize("size", SIZES, ids=str)
@pytest.mark.parametrize("name", PARAMETERIZATIONS)
def test_noise_makes_images_with_gradients(name: str, size: Size) -> None:
    found = noise(name, size, count=2)
    assert isinstance(found, Parameterization)
    (leaf,) = tensors_of(found)
    assert torch.equal(leaf, noise(name, size, count=2).numbers)
    image = found.image() if leaf.requires_grad_() is leaf else None
    assert image is not None
    assert image.shape == (2, 3, size.height, size.width)
    assert image.min() >= 0
    assert image.max() <= 1
    assert image.std() > 0.002
    (gradient,) = torch.autograd.grad(image.square().sum(), leaf)
    assert gradient.isfinite().all()
    assert gradient.abs().sum() > 0


@pytest.mark.parametrize("name", PARAMETERIZATIONS)
def test_repeated_is_the_same_images_in_a_row(name: str) -> None:
    one = noise(name, Size(12, 10))
    three = one.repeated(3, torch.device("cpu")).image()
    assert torch.allclose(three, one.image().repeat(3, 1, 1, 1), atol=1e-6)


def test_pixels_are_kept_within_bounds() -> None:
    over = Pixel(torch.tensor([-1.0, 0.3, 7.0]), Size(1, 1))
    over.constrain()
    assert torch.equal(over.numbers, torch.tensor([0.0, 0.3, 1.0]))


def test_gray_is_the_luma_in_three_equal_channels() -> None:
    colors = torch.tensor([[1.0, 0, 0], [0, 1, 0], [0, 0, 1], [1, 1, 1], [0.2, 0.2, 0.2]]).T.reshape(1, 3, 1, 5)
    found = Gray.of(colors)
    assert found.numbers.shape == (1, 1, 1, 5)
    assert found.numbers.flatten().tolist() == pytest.approx([0.299, 0.587, 0.114, 1, 0.2])
    assert found.numbers.max() <= 1
    assert torch.equal(found.image(), found.numbers.repeat(1, 3, 1, 1))
    assert torch.equal(held_by(colors, "gray"), found.image())
    for other in ("pixel", Pixel.of, found):
        assert held_by(colors, other) is colors


def test_the_gradient_of_gray_is_the_sum_of_those_of_the_colours() -> None:
    image = photo(Size(12, 10))
    weights = torch.randn(2, 3, 10, 12, generator=torch.Generator().manual_seed(1))
    found = Gray.of(image)
    gray = found.numbers.requires_grad_()
    (gradient,) = torch.autograd.grad((found.image() * weights).sum(), gray)
    assert torch.allclose(gradient, weights.sum(1, keepdim=True), atol=1e-6)


def test_gray_is_kept_within_bounds() -> None:
    over = Gray(torch.tensor([-1.0, 0.3, 7.0]).view(1, 1, 1, 3), Size(3, 1))
    over.constrain()
    assert over.image()[0, 2, 0].tolist() == pytest.approx([0, 0.3, 1])


def test_what_can_be_climbed() -> None:
    class Of:
        def __init__(self, *tensors: Tensor) -> None:
            self.tensors = tensors

        def parameters(self) -> tuple[Tensor, ...]:
            return self.tensors

        def image(self) -> Tensor:
            return torch.zeros(1, 3, 8, 8)

    free, held = torch.zeros(2, requires_grad=True), torch.zeros(3)
    assert [each is free for each in tensors_of(Of(held, free))] == [True]
    assert len(tensors_of(Of(held, torch.zeros(4)))) == 2
    for bad, message in (
        (Of(), "no parameters"),
        (Of(2 * free), "result of other tensors"),
        (Of(torch.zeros(2).int()), "int32"),
    ):
        with pytest.raises(DreamscopeError, match=message):
            tensors_of(bad)


def test_one_is_made_by_name_or_function_or_is_there() -> None:
    image = torch.rand(1, 3, 8, 8)
    assert isinstance(made_of(image, "fourier"), Fourier)
    there = Pixel.of(image)
    assert made_of(image, there) is there
    assert isinstance(made_of(image, Pixel.of), Pixel)
    for bad in (lambda _start: 3, CPPN, 3):
        with pytest.raises(DreamscopeError):
            made_of(image, bad)  # type: ignore[arg-type]


def test_fine_waves_are_weak() -> None:
    size = Size(64, 64)

    class Even(Fourier):
        decay = 0.0

    spectrum = Fourier.of(Even(0.1 * torch.ones((1, 3, 64, 33, 2)), size).image()).numbers
    strength = torch.view_as_complex(spectrum.contiguous()).abs()[0, 0]
    # Numbers of the decaying kind have to be larger where its waves are weaker.
    assert strength[0, 30] > 5 * strength[0, 3]


def test_magnitudes_are_those_of_photos() -> None:
    size = Size(64, 64)
    waves = independent(noise("maco", size, seed=1).image().logit())
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

    def shown(images: Tensor, wanted: float) -> Tensor:
        return Contrasted(Pixel.of(images), wanted, 2).image()

    # At most twice its own, and no further than asked for.
    assert spread(shown(faint, 0.2)) == pytest.approx(2 * spread(faint), rel=1e-3)
    assert spread(shown(faint, 0.08)) == pytest.approx(0.08, rel=0.02)
    assert torch.allclose(shown(faint, 0.08).mean((2, 3)), faint.mean((2, 3)), atol=1e-5)
    assert torch.allclose(shown(strong, 0.1), strong.clamp(0, 1), atol=1e-5)
    assert torch.allclose(shown(faint, 0), faint, atol=1e-5)
    # A picture alone is what it is beside others.
    assert torch.allclose(shown(faint[:1], 0.08), shown(faint, 0.08)[:1])


def test_contrast_changes_nothing_of_what_is_climbed() -> None:
    plain = noise("fourier", Size(12, 10))
    before = plain.numbers.clone()
    shown = Contrasted(plain, 0.2, 2)
    assert shown.image().std() > plain.image().std()
    assert shown.parameters() is plain.parameters()
    assert torch.equal(plain.numbers, before)


def test_detail_holds_what_is_long_beside_the_picture() -> None:
    size = Size(64, 64)
    step = torch.zeros(1, 3, 64, 33, 2)
    changes = {}
    for kind in (Fourier, Detail):
        begun = kind.of(photo(size)[:1])
        for wave in (0, 1, 3, 12):
            moved = step.clone()
            moved[:, 0, 0, wave, 0] = 1
            changes[kind, wave] = float(
                (kind(begun.numbers + moved, size).image() - begun.image()).square().mean().sqrt()
            )
    held = [changes[Detail, wave] / changes[Fourier, wave] for wave in (0, 1, 3, 12)]
    assert held[0] < 0.01
    assert held[0] < held[1] < held[2] < held[3]


def test_covered_images_keep_to_the_mask() -> None:
    below, mask = torch.zeros(1, 3, 8, 8), torch.zeros(1, 1, 8, 8)
    mask[..., :4] = 1
    climbed = Covered(Pixel.of(torch.full((1, 3, 8, 8), 2.0)), below, mask)
    climbed.constrain()
    assert torch.equal(climbed.image(), mask.expand(1, 3, 8, 8))
    assert climbed.parameters() is climbed.of.parameters()
