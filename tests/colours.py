"""Photos in three colours, for networks that tell these apart."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from PIL import Image

COLOURS = {"green": 1, "blue": 2, "red": 0}


def draw(folder: Path, count: int) -> None:
    """Draw so many photos of each colour, in subfolders of that name."""
    random = np.random.default_rng(0)
    for name, channel in COLOURS.items():
        (folder / name).mkdir(parents=True)
        for number in range(count):
            pixels = random.integers(0, 50, (16, 16, 3), dtype=np.uint8)
            pixels[..., channel] += 120
            Image.fromarray(pixels).save(folder / name / f"{number}.png")
