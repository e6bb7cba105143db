"""Grids: pictures in rows and columns, each of which has a heading."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from PIL import Image, ImageDraw
from torch import Tensor

from dreamscope import images
from dreamscope.errors import DreamscopeError
from dreamscope.figures.contact_sheets import GAP, NARROW, Cell, fitted
from dreamscope.figures.lettering import FAINT, INK, LINE, PAPER, heading, lines_in, width_of, write

SIDE = 150
"""Pixels of the headings of rows at most, and of the picture in the corner."""
GAP_BETWEEN = 6
"""Pixels between two rows, or two columns."""
MANY = 12
"""With more rows, the headings of the columns stand below them too."""


@dataclass(frozen=True)
class Heading:
    """What a row or a column is called, and a second, fainter line."""

    label: str
    note: str = ""


def grid(
    cells: Sequence[Sequence[Cell]],
    rows: Sequence[Heading],
    columns: Sequence[Heading],
    *,
    corner: Cell | None = None,
    title: str = "",
    remarks: Sequence[str] = (),
    most: int = 320,
) -> Tensor:
    """Lay pictures out under the headings of columns and beside those of rows.

    Parameters
    ----------
    cells
        Row after row. Only what is said of a missing picture is written; the others' labels are their headings.
    rows, columns
        Their headings, as many as there are.
    corner
        A picture that belongs to all, where the headings meet.
    title, remarks, most
        See `dreamscope.figures.contact_sheets.sheet`.

    Returns
    -------
    Tensor
        (1, 3, H, W) in [0, 1].

    Raises
    ------
    DreamscopeError
        If there are none, or not as many as the headings say.
    """
    if not cells or {len(line) for line in cells} != {len(columns)} or len(cells) != len(rows) or not columns:
        raise DreamscopeError(f"a grid of {len(rows)} rows and {len(columns)} columns needs a picture for each")
    pictures = [[None if cell.image is None else fitted(cell.image, most) for cell in line] for line in cells]
    width = max([NARROW, *(picture.width for line in pictures for picture in line if picture is not None)])
    photo = None if corner is None or corner.image is None else fitted(corner.image, SIDE)
    side = min(SIDE, max(width_of(text) for each in rows for text in (each.label, each.note)))
    side = max(side, photo.width if photo else 0)
    beside, over = [_lines(each, side) for each in rows], [_lines(each, width) for each in columns]
    said = [] if corner is None else _lines(Heading(corner.label, corner.note), side)
    heights = [
        max(len(lines) * LINE, *(_height(*each, width) for each in zip(line, found, strict=True)))
        for lines, line, found in zip(beside, cells, pictures, strict=True)
    ]
    names = max(map(len, over)) * LINE + 4
    band = max(names, photo.height + len(said) * LINE + 4 if photo else 0)
    lefts = [GAP + side + GAP + place * (width + GAP_BETWEEN) for place in range(len(columns))]
    across = lefts[-1] + width + GAP
    above, foot = heading(title, across - 2 * GAP), [lines_in(each, across - 2 * GAP) for each in remarks]
    top = GAP + (len(above) * LINE + 8 if above else 0)
    again = len(rows) > MANY
    tall = top + band + sum(height + GAP_BETWEEN for height in heights) + names * again + GAP
    page = Image.new("RGB", (across, tall + sum(len(each) * LINE + GAP for each in foot)), PAPER)
    draw = ImageDraw.Draw(page)
    write(draw, (GAP, GAP), above, INK, bold=True)
    if photo is not None:
        page.paste(photo, (GAP, top))
        _write(draw, (GAP, top + photo.height + 2), said)
    top += band
    for left, lines in zip(lefts, over, strict=True):
        # Right above the pictures.
        _write(draw, (left, top - 4 - len(lines) * LINE), lines)
    for lines, line, found, height in zip(beside, cells, pictures, heights, strict=True):
        # Next to what they name.
        _write(draw, (GAP, top + (height - len(lines) * LINE) // 2), lines, right=GAP + side)
        for left, cell, picture in zip(lefts, line, found, strict=True):
            if picture is None:
                draw.rectangle((left, top, left + width - 1, top + height - 1), outline=FAINT)
                write(draw, (left + 4, top + 3), lines_in(cell.note, width - 8), FAINT)
            else:
                page.paste(picture, (left + (width - picture.width) // 2, top + (height - picture.height) // 2))
        top += height + GAP_BETWEEN
    if again:
        for left, lines in zip(lefts, over, strict=True):
            _write(draw, (left, top), lines)
        top += names
    for each in foot:
        top = write(draw, (GAP, top + GAP - GAP_BETWEEN), each, INK) + GAP_BETWEEN
    return images.read(page)


_Lines = Sequence[tuple[str, tuple[int, int, int]]]


def _lines(each: Heading, width: int) -> _Lines:
    return [(line, INK) for line in lines_in(each.label, width)] + [
        (line, FAINT) for line in lines_in(each.note, width)
    ]


def _height(cell: Cell, picture: Image.Image | None, width: int) -> int:
    # What is said of a picture that is missing must have room in its place.
    return picture.height if picture else len(lines_in(cell.note, width - 8)) * LINE + 8


def _write(draw: ImageDraw.ImageDraw, place: tuple[int, int], lines: _Lines, *, right: int | None = None) -> None:
    left, top = place
    for line, ink in lines:
        top = write(draw, (left if right is None else right - width_of(line), top), [line], ink)
