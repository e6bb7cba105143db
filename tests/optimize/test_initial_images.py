from __future__ import annotations

import pytest
import torch

from dreamscope.images import Size
from dreamscope.optimize.initial_images import INITIAL_IMAGES


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
