"""Object masks: where the object is on photos, and how much of what speaks for an answer lies outside it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

import torch
from PIL import Image
from torch import Tensor

from dreamscope import archives, images
from dreamscope.errors import DreamscopeError
from dreamscope.models.classifier import Classifier
from dreamscope.photos import Photo

SUFFIX = ".png"

_TURNED = (5, 6, 7, 8)  # EXIF orientations in which rows are columns
_ORIENTATION = 0x0112


def find_masks(folder: str | Path, photos: Sequence[Photo]) -> dict[Path, Path]:
    """Return the masks of photos: PNG files of their names, white where the object is.

    Parameters
    ----------
    folder
        Where they lie; those of photos in subfolders may lie in subfolders of the same name.
    photos
        The photos; some may have no mask.

    Raises
    ------
    DreamscopeError
        If there is no such folder, no photo has a mask, or a mask has other proportions than its photo.
    """
    folder = Path(folder)
    if not folder.is_dir():
        raise DreamscopeError(f"no such folder of masks: '{folder}'")
    found = {}
    for photo in photos:
        name = f"{photo.path.stem}{SUFFIX}"
        candidates = (folder / photo.path.parent.name / name, folder / name)
        mask = next((path for path in candidates if path.is_file()), None)
        if mask is not None and mask.resolve() != photo.path.resolve():
            found[photo.path] = mask
    if not found:
        raise DreamscopeError(
            f"'{folder}' holds no mask of the {len(photos)} photos: expected '{photos[0].path.stem}{SUFFIX}' and so "
            "on, white where the object is"
        )
    for path, mask in found.items():
        _ensure_same_proportions(path, mask)
    return found


def read_mask(path: Path, model: Classifier) -> Tensor:
    """Return a mask as the network sees its photo, resized and cropped alike: (H, W) in [0, 1], 1 on the object."""
    return images.gray(model.prepared(images.read(path)))[0, 0].cpu()


def share_outside(evidence: Tensor, mask: Tensor) -> float | None:
    """Return the share of evidence (H, W), 0 or more, that lies outside a mask; ``None`` if there is no evidence."""
    total = float(evidence.sum(dtype=torch.float64))
    if total <= 0:
        return None
    return float((evidence * (1 - mask)).sum(dtype=torch.float64)) / total


def masks_reference(masks: Mapping[Path, Path]) -> list[Photo]:
    """Return masks as a set that a recipe can refer to."""
    return [Photo(mask) for mask in masks.values()]


def _ensure_same_proportions(photo: Path, mask: Path) -> None:
    sizes = [_size(photo), _size(mask)]
    if None in sizes:
        # What can't be read is reported when its turn comes.
        return
    (width, height), (wide, tall) = (size for size in sizes if size is not None)
    # Rounded to whole pixels, a smaller mask is not exactly of the same proportions.
    if abs(width / wide - height / tall) * min(wide, tall) > max(1.0, width / wide):
        raise DreamscopeError(
            f"mask '{mask}' has {wide}x{tall} pixels, its photo {width}x{height}; expected the same, or the same "
            "proportions"
        )


def _size(path: Path) -> tuple[int, int] | None:
    """Return width and height of a picture as it is shown, from its header alone."""
    try:
        with Image.open(archives.source(path)) as picture:
            width, height = picture.size
            turned = picture.getexif().get(_ORIENTATION) in _TURNED
    except (DreamscopeError, OSError, ValueError, SyntaxError):
        return None
    return (height, width) if turned else (width, height)
