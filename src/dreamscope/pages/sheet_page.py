"""The page of a sheet: its dreams side by side, each to be enlarged, with its recipe."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from torch import Tensor

from dreamscope.pages import environment
from dreamscope.sheets.differences import BANDS, Change
from dreamscope.sheets.gallery import Gallery


def write(
    gallery: Gallery, path: str | Path, *, changes: Mapping[str, Change] | None = None, maps: Tensor | None = None
) -> Path:
    """Write a gallery as one ``.html``: a click enlarges a picture and shows its recipe. It fetches and runs nothing.

    Parameters
    ----------
    gallery
        What is shown.
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
    text = environment.render(
        "sheet", gallery=gallery, picture=environment.picture, maps=maps, changes=changes or {}, bands=BANDS
    )
    return environment.write(text, path)
