"""Lettering: text on pictures, in one font whatever the machine has, broken into lines where it is too wide."""

from __future__ import annotations

import re
from collections.abc import Sequence
from functools import cache

from PIL import ImageDraw, ImageFont

from dreamscope.files import package_file

PAPER, INK, FAINT = (255, 255, 255), (27, 31, 36), (128, 134, 142)

TEXT = 13
"""Pixels: how large text is written, and measured."""
LINE = TEXT + 4
"""Pixels from one line to the next."""

_PARTS = re.compile(r"[^/._:,;@=*+\-]*[/._:,;@=*+\-]*")


def lines_in(text: str, width: int, *, bold: bool = False) -> list[str]:
    """Break a text into lines no wider than so many pixels: between words, else after signs, else anywhere.

    Examples
    --------
    >>> lines_in("photos/holiday.jpg", 60)
    ['photos/', 'holiday.', 'jpg']
    """
    lines: list[str] = []
    for word in text.split():
        joined = f"{lines[-1]} {word}" if lines else word
        if _fits(joined, width, bold):
            lines[-1:] = [joined]
        elif _fits(word, width, bold):
            lines.append(word)
        else:
            lines += _broken(word, width, bold)
    return lines


def heading(text: str, width: int) -> list[str]:
    """Break a title, in bold, into lines."""
    return lines_in(text, width, bold=True)


def width_of(text: str, *, bold: bool = False) -> int:
    """Return how many pixels a text takes on one line."""
    return int(-(-_font(bold=bold).getlength(text) // 1))


def write(
    draw: ImageDraw.ImageDraw,
    place: tuple[int, int],
    lines: Sequence[str],
    color: tuple[int, int, int],
    *,
    bold: bool = False,
) -> int:
    """Write lines below one another from `place` (left, top) on; return how far down they reach."""
    left, top = place
    for line in lines:
        draw.text((left, top), line, color, font=_font(bold=bold))
        top += LINE
    return top


def shortened(text: str, width: int, *, bold: bool = False) -> str:
    """Cut the middle out of a text until it is no wider than so many pixels; its end often says most."""
    if _fits(text, width, bold):
        return text
    for length in range(len(text) - 1, 1, -1):
        cut = text[: length - length // 2] + "…" + text[len(text) - length // 2 :]
        if _fits(cut, width, bold):
            return cut
    return "…"


def _fits(text: str, width: int, bold: bool) -> bool:
    return _font(bold=bold).getlength(text) <= width


def _broken(word: str, width: int, bold: bool) -> list[str]:
    """Break a word that is too wide for a line."""
    lines = [""]
    for part in filter(None, _PARTS.findall(word)):
        if _fits(lines[-1] + part, width, bold):
            lines[-1] += part
            continue
        if lines[-1]:
            lines.append("")
        for sign in part:
            # One sign at least, however narrow.
            if lines[-1] and not _fits(lines[-1] + sign, width, bold):
                lines.append("")
            lines[-1] += sign
    return lines


@cache
def _font(*, bold: bool = False) -> ImageFont.FreeTypeFont:
    # matplotlib brings fonts along, whatever the machine has.
    name = f"DejaVuSans{'-Bold' if bold else ''}.ttf"
    return ImageFont.truetype(package_file("matplotlib", f"mpl-data/fonts/ttf/{name}", distribution="matplotlib"), TEXT)
