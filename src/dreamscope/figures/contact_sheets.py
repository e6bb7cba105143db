"""Contact sheets: many pictures on one, each with a label under it."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from PIL import Image, ImageDraw, ImageFont
from torch import Tensor

from dreamscope import images
from dreamscope.errors import DreamscopeError

PAPER, INK, FAINT = (255, 255, 255), (27, 31, 36), (128, 134, 142)

GAP = 10
"""Pixels between pictures, and around them all."""
TEXT = 13
"""Pixels: how large labels are written, and `shortened` measures them."""


@dataclass(frozen=True)
class Cell:
    """One picture of a sheet.

    Attributes
    ----------
    image : Tensor or None
        (1, 3, H, W) in [0, 1]; ``None`` leaves an outlined place.
    label : str
        Under it; cut short if it is too wide.
    note : str
        A second, fainter line.
    """

    image: Tensor | None
    label: str
    note: str = ""


def sheet(cells: Sequence[Cell], *, columns: int | None = None, title: str = "", most: int = 320) -> Tensor:
    """Lay pictures out in rows.

    Parameters
    ----------
    cells
        In reading order.
    columns
        How many stand side by side; about as many as rows if not given.
    title
        Above them.
    most
        Pixels: wider or higher pictures are made smaller.

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
    pictures = [None if cell.image is None else _fitted(cell.image, most) for cell in cells]
    there = [picture for picture in pictures if picture is not None]
    width = max((picture.width for picture in there), default=96)
    height = max((picture.height for picture in there), default=96)
    lines = 1 + any(cell.note for cell in cells)
    below = lines * (TEXT + 4) + 4
    rows = math.ceil(len(cells) / columns)
    head = TEXT + 16 if title else 0
    page = Image.new("RGB", (columns * (width + GAP) + GAP, head + rows * (height + below + GAP) + GAP), PAPER)
    draw = ImageDraw.Draw(page)
    if title:
        draw.text((GAP, GAP), shortened(title, page.width - 2 * GAP, bold=True), INK, font=_font(bold=True))
    for place, (cell, picture) in enumerate(zip(cells, pictures, strict=True)):
        left = GAP + place % columns * (width + GAP)
        top = head + GAP + place // columns * (height + below + GAP)
        if picture is None:
            draw.rectangle((left, top, left + width - 1, top + height - 1), outline=FAINT)
        else:
            page.paste(picture, (left + (width - picture.width) // 2, top + (height - picture.height) // 2))
        draw.text((left, top + height + 3), shortened(cell.label, width), INK, font=_font())
        if cell.note:
            draw.text((left, top + height + 7 + TEXT), shortened(cell.note, width), FAINT, font=_font())
    return images.read(page)


def columns_for(count: int) -> int:
    """Return how many of so many pictures stand side by side: about as many as rows."""
    return min(count, max(1, math.ceil(math.sqrt(count * 1.3))))


def shortened(text: str, width: int, *, bold: bool = False) -> str:
    """Cut the middle out of a text until it is no wider than so many pixels; its end often says most."""
    font = _font(bold=bold)
    if font.getlength(text) <= width:
        return text
    for length in range(len(text) - 1, 1, -1):
        cut = text[: length - length // 2] + "…" + text[len(text) - length // 2 :]
        if font.getlength(cut) <= width:
            return cut
    return "…"


def _fitted(image: Tensor, most: int) -> Image.Image:
    return images.to_pil(images.at_most(image, most))


@cache
def _font(*, bold: bool = False) -> ImageFont.FreeTypeFont:
    # matplotlib brings fonts along, whatever the machine has.
    from matplotlib import get_data_path

    name = f"DejaVuSans{'-Bold' if bold else ''}.ttf"
    return ImageFont.truetype(str(Path(get_data_path()) / "fonts" / "ttf" / name), TEXT)
