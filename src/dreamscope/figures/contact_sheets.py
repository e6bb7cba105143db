"""Contact sheets: many pictures on one, each with a label under it."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

from PIL import Image, ImageDraw
from torch import Tensor

from dreamscope import images
from dreamscope.errors import DreamscopeError
from dreamscope.figures.lettering import FAINT, INK, LINE, PAPER, heading, lines_in, width_of, write

GAP = 10
"""Pixels between pictures, and around them all."""
NARROW = 96
"""Pixels that a label may have beside its neighbours, however small the pictures are."""


@dataclass(frozen=True)
class Cell:
    """One picture of a sheet.

    Attributes
    ----------
    image : Tensor or None
        (1, 3, H, W) in [0, 1]; ``None`` leaves an outlined place.
    label : str
        Under it, on as many lines as it takes.
    note : str
        Fainter, below.
    """

    image: Tensor | None
    label: str
    note: str = ""


def sheet(
    cells: Sequence[Cell],
    *,
    columns: int | None = None,
    title: str = "",
    remarks: Sequence[str] = (),
    most: int = 320,
    room: Sequence[Cell] = (),
) -> Tensor:
    """Lay pictures out in rows.

    Parameters
    ----------
    cells
        In reading order.
    columns
        How many stand side by side; about as many as rows if not given.
    title
        Above them.
    remarks
        Below them all, each a paragraph.
    most
        Pixels: wider or higher pictures are made smaller.
    room
        Cells whose labels must have room as well: those on other frames of a film.

    Returns
    -------
    Tensor
        (1, 3, H, W) in [0, 1].

    Raises
    ------
    DreamscopeError
        If there are none.
    """
    if not cells:
        raise DreamscopeError("a sheet of no pictures")
    columns = columns or columns_for(len(cells))
    pictures = [None if cell.image is None else fitted(cell.image, most) for cell in cells]
    there = [picture for picture in pictures if picture is not None]
    # Beside tiny pictures there is room for their labels.
    width = max([picture.width for picture in there] or [NARROW])
    width = max(width, min(NARROW, max(width_of(cell.label) for cell in [*cells, *room])))
    height = max([picture.height for picture in there] or [NARROW])
    rows = [range(begin, min(begin + columns, len(cells))) for begin in range(0, len(cells), columns)]
    below = [
        max(_lines(each, width) for each in [*(cells[number] for number in row), *room]) * LINE + 4 for row in rows
    ]
    across = columns * (width + GAP) + GAP
    above, foot = heading(title, across - 2 * GAP), [lines_in(each, across - 2 * GAP) for each in remarks]
    head = len(above) * LINE + 12 if title else 0
    tall = head + GAP + sum(height + each + GAP for each in below) + sum(len(each) * LINE + GAP for each in foot)
    page = Image.new("RGB", (across, tall), PAPER)
    draw = ImageDraw.Draw(page)
    write(draw, (GAP, GAP), above, INK, bold=True)
    top = head + GAP
    for row, under in zip(rows, below, strict=True):
        for place, number in enumerate(row):
            cell, picture, left = cells[number], pictures[number], GAP + place * (width + GAP)
            if picture is None:
                draw.rectangle((left, top, left + width - 1, top + height - 1), outline=FAINT)
            else:
                page.paste(picture, (left + (width - picture.width) // 2, top + (height - picture.height) // 2))
            reached = write(draw, (left, top + height + 3), lines_in(cell.label, width), INK)
            write(draw, (left, reached), lines_in(cell.note, width), FAINT)
        top += height + under + GAP
    for each in foot:
        top = write(draw, (GAP, top), each, INK) + GAP
    return images.read(page)


def columns_for(count: int) -> int:
    """Return how many of so many pictures stand side by side: about as many as rows."""
    return min(count, max(1, math.ceil(math.sqrt(count * 1.3))))


def fitted(image: Tensor, most: int) -> Image.Image:
    """Return a picture as Pillow has it, made smaller if one side is more than `most` pixels."""
    return images.to_pil(images.at_most(image, most))


def _lines(cell: Cell, width: int) -> int:
    """Return on how many lines the label and the note of a cell of so many pixels are written."""
    return len(lines_in(cell.label, width)) + len(lines_in(cell.note, width))
