"""The picture of a sheet: its dreams in rows, each with its label."""

from __future__ import annotations

from collections.abc import Sequence

from torch import Tensor

from dreamscope import images
from dreamscope.figures.contact_sheets import Cell, columns_for, sheet
from dreamscope.sheets.gallery import Gallery

MOST = 320
"""Pixels of the longer side of a cell on the picture, if nothing else is said."""


def picture(
    gallery: Gallery,
    *,
    columns: int | None = None,
    most: int = MOST,
    instead: Sequence[Tensor | None] | None = None,
) -> Tensor:
    """Lay a gallery out in rows, each picture with its label.

    Parameters
    ----------
    gallery
        What is shown.
    columns
        How many stand side by side; of up to eight that are one series, all.
    most
        Pixels: wider or higher pictures are made smaller.
    instead
        Pictures in the place of the finished ones, in the same order.

    Returns
    -------
    Tensor
        (1, 3, H, W) in [0, 1].
    """
    # One after the other: of hundreds of large pictures only what is shown is held.
    pictures = (each.image for each in gallery.cells) if instead is None else instead
    small = (image if image is None else images.at_most(image, most) for image in pictures)
    cells = [Cell(image, each.label, each.note) for each, image in zip(gallery.cells, small, strict=True)]
    return sheet(cells, columns=columns or columns_of(gallery), title=gallery.title, most=most)


def columns_of(gallery: Gallery) -> int:
    """Return how many stand side by side: of up to eight that are one series, all."""
    count = len(gallery.cells)
    series = gallery.plan.over in ("steps", "octaves", "weights") and count <= 8
    return count if series else columns_for(count)
