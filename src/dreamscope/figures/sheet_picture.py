"""The picture of a sheet: its dreams in rows, each with its label, or in rows and columns with headings."""

from __future__ import annotations

from collections.abc import Sequence

from torch import Tensor

from dreamscope import images
from dreamscope.figures import grids
from dreamscope.figures.contact_sheets import GAP, Cell, columns_for, sheet
from dreamscope.figures.grids import Heading
from dreamscope.sheets import layout
from dreamscope.sheets.gallery import Gallery
from dreamscope.sheets.layout import Shown

MOST = 320
"""Pixels of the longer side of a cell on the picture, if nothing else is said; of many cells, fewer."""
LEAST = 96
"""Pixels of it at least, however many cells there are."""
WIDEST, HIGHEST = 3600, 6000
"""Pixels of a picture for which its cells are made smaller."""


def picture(
    gallery: Gallery,
    *,
    columns: int | None = None,
    most: int | None = None,
    instead: Sequence[Tensor | None] | None = None,
    before: Sequence[Tensor] | None = None,
) -> Tensor:
    """Lay a gallery out: one axis in rows, each picture with its label, two as a grid.

    Parameters
    ----------
    gallery
        What is shown, and the photo as it was; over photos, each.
    columns
        How many stand side by side, on a sheet of one axis; of up to eight that are one series, all.
    most
        Pixels: wider or higher pictures are made smaller. So that the whole is no larger than `WIDEST` by `HIGHEST` if
        not given, and `MOST`.
    instead
        Pictures in the place of the finished ones, in the same order.
    before
        What they were dreamt on, in the same order; made anew if not given.

    Returns
    -------
    Tensor
        (1, 3, H, W) in [0, 1].
    """

    def cell(shown: Shown, largest: int) -> Cell:
        # One after the other: of hundreds of large pictures only what is shown is held.
        if shown.untouched:
            image: Tensor | None = gallery.original(shown.number) if before is None else before[shown.number]
        else:
            image = gallery.cells[shown.number].image if instead is None else instead[shown.number]
        return Cell(None if image is None else images.at_most(image, largest), shown.label, shown.note)

    title, remarks = gallery.title, gallery.plan.remarks
    if len(gallery.plan.axes) > 1:
        grid = layout.grid(gallery)
        most = most or _most(gallery, len(grid.columns), len(grid.rows))
        return grids.grid(
            [[cell(each, most) for each in row] for row in grid.cells],
            *([Heading(place.label, place.note) for place in places] for places in (grid.rows, grid.columns)),
            corner=None if grid.corner is None else cell(grid.corner, grids.SIDE),
            title=title,
            remarks=remarks,
            most=most,
        )
    shown = [each for group in layout.series(gallery) for each in group]
    columns = columns or columns_of(gallery)
    most = most or max(LEAST, min(MOST, WIDEST // columns - GAP))
    return sheet([cell(each, most) for each in shown], columns=columns, title=title, remarks=remarks, most=most)


def columns_of(gallery: Gallery) -> int:
    """Return how many stand side by side: of up to eight that are one series, all, and the photo."""
    if len(gallery.plan.axes) > 1:
        return len(layout.grid(gallery).columns)
    groups = layout.series(gallery)
    across = len(groups[0])
    series = gallery.plan.kinds[0] not in ("layers", "channels", "photos") and len(gallery.cells) <= 8
    # A photo and its dream are not torn apart.
    return len(groups) if series else -(-columns_for(len(groups) * across) // across) * across


def _most(gallery: Gallery, columns: int, rows: int) -> int:
    """Return the longer side of cells of which so many fill a page."""
    height, width = gallery.original(0).shape[-2:]
    longer = max(height, width)
    across = (WIDEST - grids.SIDE) // columns - grids.GAP_BETWEEN
    down = HIGHEST // rows - grids.GAP_BETWEEN
    return max(LEAST, min(MOST, across * longer // width, down * longer // height))
