from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from nets import Planted
from PIL import Image

from dreamscope.models.classifier import Classifier
from dreamscope.models.wrapping import wrap

COLOURS = {"green": 1, "blue": 2, "red": 0}


@pytest.fixture
def planted() -> Classifier:
    """Classes green, blue and red; red is carried by ``act:8`` alone."""
    return wrap(Planted(), input_size=16, labels=list(COLOURS))


@pytest.fixture
def coloured(tmp_path: Path) -> Path:
    """A folder of 24 photos of each colour, in subfolders of that name."""
    random = np.random.default_rng(0)
    for name, channel in COLOURS.items():
        folder = tmp_path / "photos" / name
        folder.mkdir(parents=True)
        for number in range(24):
            pixels = random.integers(0, 50, (16, 16, 3), dtype=np.uint8)
            pixels[..., channel] += 120
            Image.fromarray(pixels).save(folder / f"{name}{number}.png")
    return tmp_path / "photos"
