from __future__ import annotations

from dataclasses import astuple

import pytest
import torch
from torch import Generator, Tensor

from dreamscope.errors import DreamscopeError
from dreamscope.optimize.ingredients import named, text_of
from dreamscope.optimize.transforms import (
    TRANSFORMS,
    Blur,
    Crop,
    Flip,
    Noise,
    Rotate,
    Scale,
    Shift,
    Transform,
    Window,
    ensure,
    sized,
    turned,
)

ALL: list[Transform] = [
    Shift(5),
    Scale(0.8, 1.3),
    Rotate(15),
    Flip(),
    Crop(0.4, 0.9),
    Crop(0.3, 1, 0.6),
    Window(0.4, 1, 20, 16),
    Noise(),
    Blur(2),
]


def seeded(seed: int = 0) -> Generator:
    return torch.Generator().manual_seed(seed)


def picture(count: int = 1) -> Tensor:
    return torch.rand((count, 3, 24, 32), generator=seeded(1))


@pytest.mark.parametrize("transform", ALL, ids=str)
def test_gradients_are_finite_and_reach_the_picture(transform: Transform) -> None:
    leaf = picture().requires_grad_()
    for seed in range(5):
        moved = transform(leaf, seeded(seed), 0.3)
        assert moved.shape[:2] == (1, 3)
        assert moved.isfinite().all()
        (gradient,) = torch.autograd.grad(moved.square().sum(), leaf)
        assert gradient.isfinite().all()
        assert gradient.abs().sum() > 0


@pytest.mark.parametrize("transform", ALL, ids=str)
def test_one_draw_for_a_batch_and_one_generator_for_all(transform: Transform) -> None:
    batch = picture(3)
    together = transform(batch, seeded(7), 0.0)
    for index in range(3):
        alone = transform(batch[index : index + 1], seeded(7), 0.0)
        assert torch.allclose(together[index : index + 1], alone, atol=1e-6)
    torch.manual_seed(99)
    assert torch.equal(together, transform(batch, seeded(7), 0.0))


@pytest.mark.parametrize("transform", ALL, ids=str)
def test_texts_and_back(transform: Transform) -> None:
    assert named(text_of(transform, TRANSFORMS), TRANSFORMS, "transform") == transform
    assert named(transform, TRANSFORMS, "transform") is transform


def test_shift_moves_around_the_edges_and_back_in_the_gradient() -> None:
    leaf = picture().requires_grad_()
    moved = Shift(5)(leaf, seeded())
    assert not torch.equal(moved, leaf)
    assert torch.isclose(moved.sum(), leaf.sum())
    weight = torch.rand(1, 3, 24, 32)
    (gradient,) = torch.autograd.grad((moved * weight).sum(), leaf)
    down, right = torch.randint(-5, 6, (2,), generator=seeded()).tolist()
    assert torch.equal(gradient, weight.roll((-down, -right), (2, 3)))


def test_shift_stays_within_its_pixels_and_is_drawn_anew() -> None:
    dot = torch.zeros(1, 3, 41, 41)
    dot[..., 20, 20] = 1
    generator = seeded()
    places = {tuple(Shift(2)(dot, generator)[0, 0].nonzero()[0].tolist()) for _ in range(200)}
    assert places == {(20 + r, 20 + c) for r in range(-2, 3) for c in range(-2, 3)}


def test_scale_by_two_shows_the_middle() -> None:
    wide = torch.zeros(1, 3, 32, 32)
    wide[..., 8:24, 8:24] = 1
    assert Scale(2, 2)(wide, seeded()).mean() > 0.96
    smaller = Scale(0.5, 0.5)(wide, seeded())
    assert smaller[0, 0, 12:20, 12:20].min() == 1
    assert smaller[0, 0, :, 9:11].max() == 0


def test_a_quarter_turn_is_a_transpose() -> None:
    square = torch.rand((1, 3, 16, 16), generator=seeded())
    assert torch.allclose(turned(square, 1.0, torch.pi / 2), square.rot90(1, (2, 3)), atol=1e-5)
    assert not torch.allclose(Rotate(90)(square, seeded()), square, atol=0.1)


def test_flip_half_of_the_time() -> None:
    generator, one = seeded(), picture()
    flips = [torch.equal(Flip()(one, generator), one.flip(3)) for _ in range(200)]
    assert 70 < sum(flips) < 130


def test_crops_keep_the_shape_or_take_the_size() -> None:
    assert Crop(0.3, 0.6)(picture(), seeded()).shape == (1, 3, 24, 32)
    assert Crop(0.3, 0.6, 0.5)(picture(), seeded()).shape == (1, 3, 12, 16)
    ramp = torch.linspace(0, 1, 32).expand(1, 3, 24, 32)
    widths = [
        float(Crop(0.5, 0.75)(ramp, seeded(seed)).amax() - Crop(0.5, 0.75)(ramp, seeded(seed)).amin())
        for seed in range(40)
    ]
    assert 0.4 < min(widths) < max(widths) < 0.78


def test_noise_and_blur_fade() -> None:
    one = picture()
    spread = [float((Noise(0.2)(one, seeded(), progress) - one).std()) for progress in (0.0, 0.5, 1.0)]
    assert spread == pytest.approx([0.2, 0.1, 0.0], rel=0.1, abs=1e-6)
    rough = [float(Blur(2)(one, seeded(), progress).std()) for progress in (0.0, 0.5, 1.0)]
    assert rough[0] < rough[1] < rough[2] == float(one.std())


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("shit:8", "no transform 'shit'; there are .* did you mean 'shift'"),
        ("shift", "no transform such as shift:PIXELS"),
        ("shift:1,2", "no transform such as shift:PIXELS"),
        ("shift:wide", "no transform such as shift:PIXELS"),
        ("shift:-1", "whole number of pixels, 0 to 100000"),
        ("shift:nan", "no transform such as shift:PIXELS"),
        ("shift:1e30", "0 to 100000, not 1e\\+30"),
        ("crop:0", "factors of a crop are more than 0, not 0"),
        ("crop:0,1", "factors of a crop are more than 0, not 0"),
        ("crop:0.5,2", "a share of the picture, at most 1, not 2"),
        ("crop:0.5,1,0", "shown at more than 0 and at most 4 times its size, not 0"),
        ("window:0,1", "factors of a window are more than 0, not 0"),
        ("window:0.5,2", "a share of the picture, at most 1, not 2"),
        ("window:0.5,1,7,0", "shown at whole pixels, not 7x0"),
        ("blur:-3", "width of a blur is 0 or more, not -3"),
        ("blur:1,0", "no transform such as blur:WIDTH"),
        ("noise:-1", "width of noise is 0 or more, not -1"),
        ("noise:inf", "no transform such as noise:WIDTH"),
        ("scale:2,1", "the smaller first"),
        ("flip:1", "no transform such as flip"),
    ],
)
def test_texts_that_name_none(text: str, message: str) -> None:
    with pytest.raises(DreamscopeError, match=message):
        named(text, TRANSFORMS, "transform")


def test_text_of_a_foreign_one() -> None:
    # As it is: what writes recipes says that it can't be written down.
    assert text_of(Scale(1, 2), {}) == Scale(1, 2)
    assert astuple(Scale(1, 2)) == (1, 2)


def test_any_function_of_images_is_one() -> None:
    own = ensure(lambda images: images.flip(3))
    assert torch.equal(own(picture(2), seeded()), picture(2).flip(3))
    assert ensure("shift:3") == Shift(3)
    assert ensure(Flip()) == Flip()
    # A module may take what it likes; it is given the images alone.
    assert torch.equal(ensure(torch.nn.Identity())(picture(), seeded()), picture())
    for bad, message in ((3, "a function of images, not 3"), ("shift", "no transform such as")):
        with pytest.raises(DreamscopeError, match=message):
            ensure(bad)  # type: ignore[arg-type]
    with pytest.raises(DreamscopeError, match=r"returns images \(1, 3, H, W\), not shape \(3, 24, 32\)"):
        ensure(lambda images: images[0])(picture(), seeded())


def test_windows_have_the_shape_of_what_is_shown() -> None:
    ramp = torch.linspace(0, 1, 64).expand(1, 3, 40, 64)
    whole = Window(1, 1, 20, 20)
    assert whole(ramp, seeded()).shape == (1, 3, 20, 20)
    # The largest square that fits is 40 of the 64 columns, anywhere.
    spans = [float(seen.amax() - seen.amin()) for seen in (whole(ramp, seeded(seed)) for seed in range(5))]
    assert all(abs(span - 39 / 63) < 0.03 for span in spans)
    starts = {round(float(whole(ramp, seeded(seed)).amin()), 2) for seed in range(5)}
    assert len(starts) > 1
    assert Window(0.5, 0.5, 20, 10)(ramp, seeded()).shape == (1, 3, 20, 10)
    assert sized(ensure("window:0.4,1"), (20, 30)) == Window(0.4, 1, 20, 30)
    assert sized(whole, (7, 7)) is whole
    with pytest.raises(DreamscopeError, match="a window needs the pixels that it is shown at"):
        Window()(ramp, seeded())
