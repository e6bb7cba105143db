"""Photos of red dogs on green grass and on blue snow, with masks of where the dog is."""

from __future__ import annotations

from pathlib import Path

import torch

from dreamscope import images

LABELS = ["dog", "wolf"]


def draw(folder: Path, *, side: int = 16) -> tuple[Path, Path]:
    """Draw two dogs on grass and one in snow, and masks of them; the dog covers a quarter of the picture."""
    photos, masks = folder / "photos" / "dog", folder / "masks"
    photos.mkdir(parents=True)
    masks.mkdir()
    middle = slice(side // 4, side // 4 + side // 2)
    for number, (name, ground) in enumerate((("grass1", 1), ("grass2", 1), ("snow", 2))):
        photo = torch.zeros(1, 3, side, side)
        photo[:, ground] = 0.6 + 0.1 * number
        photo[..., middle, middle] = 0.0
        photo[:, 0, middle, middle] = 0.8
        images.write(photo, photos / f"{name}.png")
        mask = torch.zeros(1, 3, side, side)
        mask[..., middle, middle] = 1
        images.write(mask, masks / f"{name}.png")
    return photos.parent, masks
