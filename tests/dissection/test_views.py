from __future__ import annotations

import pytest
import torch
from torch import Tensor

from dreamscope.dissection.views import VIEWS, views


def step(side: int = 40) -> Tensor:
    """Red in the left half, green in the upper half, no blue."""
    image = torch.zeros(1, 3, side, side)
    image[:, 0, :, : side // 2] = 1
    image[:, 1, : side // 2] = 1
    return image


def test_the_mirror_turns_left_and_right() -> None:
    mirrored = VIEWS["mirror"](step())
    assert torch.equal(mirrored[:, 0], 1 - step()[:, 0])
    assert torch.equal(mirrored[:, 1], step()[:, 1])


def test_crops_keep_one_corner() -> None:
    # Of 40 pixels 34 stay, of which the first 20 (or the last 14) are of the first half.
    upper_left, lower_right = VIEWS["crop"](step()), VIEWS["crop mirrored"](step())
    large, small = 20 / 34, 14 / 34
    assert upper_left.mean((0, 2, 3)).tolist() == pytest.approx([large, large, 0], abs=0.01)
    assert lower_right.mean((0, 2, 3)).tolist() == pytest.approx([small, small, 0], abs=0.01)
    # Mirrored, red is on the right; green stays above.
    for cropped, red in ((upper_left, 0), (lower_right, -1)):
        assert cropped[0, :2, 0, red].tolist() == pytest.approx([1, 1], abs=1e-3)
        assert cropped[0, :2, -1, -1 - red].tolist() == pytest.approx([0, 0], abs=1e-3)


def test_light() -> None:
    image = torch.tensor([0.1, 0.5, 0.9]).view(1, 3, 1, 1).expand(2, 3, 16, 16)
    for name, expected in (("brighter", [0.13, 0.65, 1.0]), ("darker", [0.07, 0.35, 0.63])):
        torch.testing.assert_close(VIEWS[name](image), torch.tensor(expected).view(1, 3, 1, 1).expand(2, 3, 16, 16))


@pytest.mark.parametrize(("side", "sigma"), [(224, 2), (112, 1)])
def test_the_blur_grows_with_the_picture(side: int, sigma: float) -> None:
    image = torch.zeros(1, 3, side, side)
    image[..., side // 2, side // 2] = 1
    blurred = VIEWS["blurred"](image)
    along = blurred[0, 0].sum(0)
    places = torch.arange(side) - side // 2
    assert float(along.sum()) == pytest.approx(1, abs=1e-5)
    assert float((along * places**2).sum().sqrt()) == pytest.approx(sigma, rel=0.03)


@pytest.mark.parametrize("size", [(224, 224), (32, 48), (8, 8)])
def test_all_are_images_of_the_same_shape_and_the_same_again(size: tuple[int, int]) -> None:
    # Black and white beside each other: there, resampling overshoots.
    given = torch.rand((2, 3, *size), generator=torch.Generator().manual_seed(0)).round()
    kept, state = given.clone(), torch.get_rng_state()
    first, second = dict(views(given)), dict(views(given))
    assert list(first) == list(VIEWS)
    for name, view in first.items():
        assert (view.shape, view.dtype) == (given.shape, given.dtype)
        assert view.min() >= 0
        assert view.max() <= 1
        assert torch.equal(view, second[name])
        # One photo's views do not depend on those beside it.
        torch.testing.assert_close(VIEWS[name](given[1:]), view[1:])
    assert torch.equal(given, kept)
    assert torch.equal(torch.get_rng_state(), state)
