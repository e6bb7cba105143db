"""Masks: where a picture may change."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import torch
from torch import Generator, Tensor

from dreamscope import images
from dreamscope.errors import DreamscopeError
from dreamscope.photos import Photo

AUTOMATIC = ("foreground", "spot")
"""Masks that need no file: what is not the background, and a round place in it, drawn for each picture."""

_FAINT = 0.02
"""Of the brightest pixel: where nothing is brighter, all of the picture is background."""
_RADII = (0.08, 0.22)
"""Of a spot, as shares of the picture's shorter side."""
_SOFT = 0.25
"""The share of a spot's radius over which it fades."""
_EDGE = 1.5
"""Pixels over which the foreground fades."""


def ensure(given: str | Path | None) -> str | None:
    """Return what names masks: one of `AUTOMATIC`, a file for all photos, or a folder with one for each.

    Raises
    ------
    DreamscopeError
        If it is none of these.
    """
    if given is None:
        return None
    text = str(given)
    if text not in AUTOMATIC and not Path(text).exists():
        raise DreamscopeError(
            f"no such mask: '{text}'; give a picture, a folder with one for each photo, or {' or '.join(AUTOMATIC)}"
        )
    return text


def mask_for(given: str | None, photo: Photo, picture: Tensor, generator: Generator) -> Tensor | None:
    """Return where a picture may change, (1, 1, H, W) in [0, 1]: fully at 1; ``None`` for everywhere.

    Parameters
    ----------
    given
        See `ensure`.
    photo
        By whose name a mask is found in a folder.
    picture
        (1, 3, H, W) in [0, 1].
    generator
        From which a spot is drawn.

    Raises
    ------
    DreamscopeError
        If a folder has no mask for the photo.
    """
    if given is None:
        return None
    if given == "foreground":
        return foreground(picture)
    if given == "spot":
        return spot(picture, generator)
    path = Path(given)
    if path.is_dir():
        found = sorted(each for each in path.iterdir() if each.stem == photo.path.stem)
        if not found:
            raise DreamscopeError(f"the folder '{path}' has no mask for '{photo.path.name}'")
        path = found[0]
    return images.resize(images.gray(images.read(path)), images.size_of(picture)).clamp(0, 1)


def foreground(picture: Tensor) -> Tensor:
    """Return what is not the background, holes filled: brighter than Otsu's threshold of the logarithms.

    As scans have it, the background is dark. On a photo that fills its frame it is nearly everything.
    """
    from scipy import ndimage
    from skimage.filters import threshold_otsu

    gray = images.gray(picture)[0, 0].numpy()
    # Logarithms, since what is faint and what is bright belong together: both are not background.
    levels = np.log(np.maximum(gray, _FAINT * gray.max() + 1e-6))
    if np.ptp(levels) < 1e-6:
        return torch.ones_like(picture[:, :1])
    inside = ndimage.binary_fill_holes(ndimage.binary_closing(levels > threshold_otsu(levels), iterations=2))
    parts, count = ndimage.label(inside)
    largest = parts == 1 + int(np.argmax(ndimage.sum_labels(inside, parts, range(1, count + 1)))) if count else inside
    return images.blur(torch.from_numpy(largest).float()[None, None], _EDGE).clamp(0, 1)


def spot(picture: Tensor, generator: Generator) -> Tensor:
    """Return a round, soft place within the foreground, of a random size."""
    from scipy import ndimage

    inside = foreground(picture)
    _, _, height, width = inside.shape
    low, high = _RADII
    radius = min(height, width) * (low + (high - low) * float(torch.rand((), generator=generator)))
    depth = torch.from_numpy(ndimage.distance_transform_edt(inside[0, 0].numpy() > 0.5))
    # Where all of it fits in, or else as deep inside as can be.
    places = (depth >= min(radius, float(depth.max()))).nonzero()
    row, column = places[int(torch.randint(len(places), (), generator=generator))].tolist()
    rows, columns = torch.arange(height) - row, torch.arange(width) - column
    distance = (rows[:, None].square() + columns.square()).float().sqrt()
    disc = ((radius - distance) / (_SOFT * radius)).add(0.5).clamp(0, 1)
    found: Tensor = inside * disc
    return found
