from __future__ import annotations

import pytest
import torch

from dreamscope.errors import DreamscopeError
from dreamscope.images import Size
from dreamscope.optimize.initial_images import INITIAL_IMAGES, initial_picture, is_initial, referenced


@pytest.mark.parametrize("name", INITIAL_IMAGES)
@pytest.mark.parametrize("size", [Size(64, 48), Size(8, 200)])
def test_starts_are_images(name: str, size: Size) -> None:
    first, again = (INITIAL_IMAGES[name](size, torch.Generator().manual_seed(3)) for _ in range(2))
    assert first.shape == (1, 3, size.height, size.width)
    assert first.min() >= 0
    assert first.max() <= 1
    assert torch.equal(first, again)
    assert abs(first.mean() - 0.5) < 0.1


def test_clouds_are_smooth_and_noise_is_not() -> None:
    def roughness(name: str) -> float:
        image = INITIAL_IMAGES[name](Size(128, 128), torch.Generator().manual_seed(0))
        return float(image.diff(dim=3).square().mean() / image.var())

    assert roughness("clouds") < 0.1 * roughness("noise")


@pytest.mark.parametrize(
    ("name", "color"),
    [
        ("black", (0, 0, 0)),
        ("gray", (0.5, 0.5, 0.5)),
        ("grey", (0.5, 0.5, 0.5)),
        ("white", (1, 1, 1)),
        ("#336699", (0.2, 0.4, 0.6)),
        ("#f00", (1, 0, 0)),
        ("Navy", (0, 0, 128 / 255)),
    ],
)
def test_plain_colours(name: str, color: tuple[float, ...]) -> None:
    image = initial_picture(name, "20x10", torch.Generator())
    assert image.shape == (1, 3, 10, 20)
    assert torch.equal(image, torch.tensor(color, dtype=torch.float32).view(1, 3, 1, 1).expand_as(image))
    assert referenced({"image": name, "mask": None}) == {"image": name, "mask": None}
    image[..., 0, 0] = 0.3
    assert float(image[0, 0, 5, 5]) == pytest.approx(color[0])


def test_sizes_of_initial_images() -> None:
    def size(wanted: str | None, own: Size | None = None) -> tuple[int, ...]:
        return tuple(initial_picture("noise", wanted, torch.Generator(), own=own).shape[-2:])

    assert size(None) == (512, 512)
    assert size(None, Size(30, 20)) == (20, 30)
    assert size("15", Size(30, 20)) == (10, 15)


@pytest.mark.parametrize("other", ["photo.jpg", "sample:china", "blak", "./navy", torch.zeros(1, 3, 8, 8), None])
def test_pictures_are_no_initial_images(other: object) -> None:
    assert not is_initial(other)


@pytest.mark.parametrize("text", ["#12345", "#11223344", "#water"])
def test_what_begins_as_a_colour_and_is_none(text: str) -> None:
    with pytest.raises(DreamscopeError, match=f"'{text}' is no colour; write it as #336699, or by a name such as navy"):
        is_initial(text)
