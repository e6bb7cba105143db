"""Sheet films: a gallery as a film, its dreams growing side by side or fading into one another beside the photo."""

from __future__ import annotations

from fractions import Fraction
from functools import lru_cache
from pathlib import Path

import torch
from torch import Tensor

from dreamscope import images
from dreamscope.errors import DreamscopeError
from dreamscope.figures import sheet_picture
from dreamscope.figures.contact_sheets import GAP, Cell, sheet
from dreamscope.film import writer
from dreamscope.film.editing import Frames, held
from dreamscope.film.writer import Film
from dreamscope.recipes import note_of
from dreamscope.sheets.gallery import Gallery
from dreamscope.sheets.snapshots import MOST, Snapshots

HOLD = 1.5
"""Seconds for which a finished dream stays as it is."""

WIDEST = 1920
"""Pixels of a frame, unless cells would be smaller than `SMALLEST`."""
SMALLEST = 96


def growing(
    gallery: Gallery,
    path: str | Path,
    *,
    every: int = 1,
    fps: str | float | Fraction = 24,
    columns: int | None = None,
) -> Film:
    """Film how all dreams of a gallery grow, side by side, from the photo on.

    Parameters
    ----------
    gallery
        Made with the same `every`: its snapshots are what is shown, and are deleted afterwards.
    path
        ``.mp4``, ``.webm`` or ``.gif``.
    every
        Steps from one frame to the next. Dreams with fewer steps stay as they are at the end.
    fps
        Frames a second.
    columns
        How many stand side by side, see `dreamscope.figures.sheet_picture.picture`.

    Raises
    ------
    DreamscopeError
        If snapshots are missing; see `dreamscope.film.writer.write`.
    """
    fps = writer.rate(fps, path)
    snapshots = [None if each.path is None else Snapshots(each.path, every) for each in gallery.cells]
    for each, taken in zip(gallery.cells, snapshots, strict=True):
        if taken is not None and not taken.complete:
            raise DreamscopeError(f"'{each.label}' has no pictures of every {every} steps; make the gallery with them")
    lengths = [0 if taken is None else len(taken) for taken in snapshots]
    columns = columns or sheet_picture.columns_of(gallery)
    most = max(SMALLEST, min(MOST, (WIDEST - GAP) // columns - GAP))
    ends = [None if each.image is None else images.at_most(each.image, most) for each in gallery.cells]
    before = [images.at_most(each, most) for each in gallery.before]

    def at(index: int) -> Tensor:
        return sheet_picture.picture(
            gallery, columns=columns, most=most, instead=[moment(n, index) for n in range(len(ends))], before=before
        )

    def moment(number: int, index: int) -> Tensor | None:
        taken, end = snapshots[number], ends[number]
        if taken is None or end is None:
            return None
        if index == 0:
            return before[number]
        # A mask or kept colours are put on at the end; small octaves are made larger.
        return end if index > lengths[number] else images.resize(taken[index - 1], images.size_of(end)).clamp(0, 1)

    frames = held(Frames(max(lengths) + 2, at), round(HOLD * fps))
    made = writer.write(frames, path, fps=fps, note=note_of(gallery.recipe) or "")
    for taken in snapshots:
        if taken is not None:
            taken.discard()
    return made


def fading(gallery: Gallery, path: str | Path, *, seconds: float = 1.0, fps: str | float | Fraction = 24) -> Film:
    """Film a gallery's dreams fading into one another beside the photo, the last into the first.

    Parameters
    ----------
    gallery
        What is shown.
    path
        ``.mp4``, ``.webm`` or ``.gif``.
    seconds
        From one dream to the next; each stays for `HOLD` seconds.
    fps
        Frames a second.

    Raises
    ------
    DreamscopeError
        If `seconds` is not between 0 and 60, there are not two dreams, or their sizes differ.
    """
    ensure_fade(seconds)
    fps = writer.rate(fps, path)
    there = [number for number, each in enumerate(gallery.cells) if not each.diverged]
    if len(there) < 2:
        raise DreamscopeError(f"{len(there)} dreams can't fade into one another; two can")
    sizes = {str(images.size_of(gallery.before[number])) for number in there}
    if len(sizes) > 1:
        raise DreamscopeError(f"pictures of {' and '.join(sorted(sizes))} can't fade into one another; see --size")
    most = (WIDEST - GAP) // 2 - GAP
    # Frames are of one size, whatever is written on them.
    room = [Cell(None, each.label, each.note) for each in gallery.cells]
    fade = round(seconds * fps)
    each = max(1, round(HOLD * fps)) + fade

    def at(index: int) -> Tensor:
        place, moment = divmod(index, each)
        return drawn(there[place], there[(place + 1) % len(there)], max(0, moment - (each - fade) + 1) / (fade + 1))

    # One that stays is drawn once.
    @lru_cache(maxsize=1)
    def drawn(now: int, then: int, share: float) -> Tensor:
        named = gallery.cells[now if share <= 0.5 else then]
        photo = torch.lerp(gallery.before[now], gallery.before[then], share)
        cells = [Cell(photo, "photo"), Cell(_mixed(gallery, now, then, share), named.label, named.note)]
        return sheet(cells, columns=2, title=gallery.title, most=most, room=room)

    return writer.write(Frames(each * len(there), at), path, fps=fps, note=note_of(gallery.recipe) or "")


def ensure_fade(seconds: float) -> None:
    """Raise if dreams can't fade for so long."""
    if not 0 <= seconds <= 60:
        raise DreamscopeError(f"dreams fade in 0 to 60 seconds, not {seconds}")


def _mixed(gallery: Gallery, now: int, then: int, share: float) -> Tensor:
    first: Tensor | None = gallery.cells[now].image
    assert first is not None
    if share == 0:
        return first
    second = gallery.cells[then].image
    assert second is not None
    return torch.lerp(first, second, share)
