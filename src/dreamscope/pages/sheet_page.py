"""The page of a sheet: its dreams side by side, each to be enlarged, with its recipe."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from torch import Tensor

from dreamscope.pages import environment
from dreamscope.sheets import layout
from dreamscope.sheets.differences import BANDS, Change
from dreamscope.sheets.gallery import Gallery
from dreamscope.sheets.layout import Shown


def write(
    gallery: Gallery, path: str | Path, *, changes: Mapping[str, Change] | None = None, maps: Tensor | None = None
) -> Path:
    """Write a gallery as one ``.html``: a click enlarges a picture and shows its recipe. It fetches and runs nothing.

    Parameters
    ----------
    gallery
        What is shown: dreams of one axis in rows, of two as a table with headings.
    path
        Where to; written whole or not at all.
    changes
        What each dream changed, by its label: a table of frequencies.
    maps
        A picture of where, (1, 3, H, W) in [0, 1].

    Raises
    ------
    DreamscopeError
        If `path` is no ``.html`` or can't be written.
    """
    environment.ensure_page(path)
    grid = layout.grid(gallery) if len(gallery.plan.axes) > 1 else None
    series = [] if grid else layout.series(gallery)
    if grid is not None:
        shown = [*([grid.corner] if grid.corner else []), *(each for row in grid.cells for each in row)]
    else:
        shown = [each for group in series for each in group]
    text = environment.render(
        "sheet",
        gallery=gallery,
        grid=grid,
        series=series,
        # Where each stands in the order in which one leafs through them.
        places={each: place for place, each in enumerate(shown)},
        source=lambda each: _source(gallery, each),
        picture=environment.picture,
        maps=maps,
        changes=changes or {},
        bands=BANDS,
    )
    return environment.write(text, path)


def _source(gallery: Gallery, shown: Shown) -> str | None:
    """Return a picture of the sheet as text that a page can hold; ``None`` if there is none."""
    image = gallery.original(shown.number) if shown.untouched else gallery.cells[shown.number].image
    return None if image is None else environment.picture(image, quality=92)
