"""Difference maps: what dreams changed, pixel by pixel, and which of them drive which spatial frequencies."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

import numpy as np
import torch
from torch import Tensor

from dreamscope.errors import DreamscopeError
from dreamscope.figures import style
from dreamscope.figures.contact_sheets import Cell, sheet
from dreamscope.figures.lettering import lines_in
from dreamscope.sheets.differences import BANDS, Change

SCALE = "inferno"
"""From unchanged to changed most."""

_CLIP = 0.998
"""Of all pixels lie within the scale: of a few that changed more nothing else would be seen."""
_ROW, _LINE, _HEAD, _COLUMN, _NAME = 0.26, 0.14, 0.75, 0.72, 2.4
"""Inches: a row of the table, one more line in it, what stands above and below, a column, the names."""


def maps(changes: Mapping[str, Change], *, columns: int | None = None, title: str = "", most: int = 320) -> Tensor:
    """Lay out where pictures changed and how much, all in one scale of colour.

    Parameters
    ----------
    changes
        By what they are called.
    columns, most
        See `dreamscope.figures.contact_sheets.sheet`.
    title
        What is said before the scale.

    Returns
    -------
    Tensor
        (1, 3, H, W) in [0, 1].
    """
    if not changes:
        raise DreamscopeError("no changes to draw")
    top = scale(changes.values())
    cells = [
        Cell(_coloured(each.map, top), name, f"r.m.s. {255 * each.size:.1f} of 255") for name, each in changes.items()
    ]
    said = f"black: as it was; brightest: changed by {255 * top:.0f} of 255 or more"
    return sheet(cells, columns=columns, title=f"{title} ({said})" if title else said, most=most)


def scale(changes: Iterable[Change]) -> float:
    """Return the change that has the brightest colour."""
    values = torch.cat([each.map.flatten() for each in changes])
    return float(np.quantile(values.numpy(), _CLIP)) or float(values.max()) or 1.0


def frequencies(changes: Mapping[str, Change], *, title: str = "") -> Tensor:
    """Draw a table of which change has how much of its energy in which octave of spatial frequency.

    Returns
    -------
    Tensor
        (1, 3, H, W) in [0, 1].
    """
    if not changes:
        raise DreamscopeError("no changes to draw")
    shares = np.array([each.shares for each in changes.values()])
    names = [lines_in(name, 180) for name in changes]
    # All rows are as high as the one with the longest name.
    row = _ROW + _LINE * (max(map(len, names)) - 1)
    wide = _NAME + _COLUMN * len(BANDS) + 0.2
    above = lines_in(title, int(90 * wide))
    head = _HEAD + 0.2 * max(0, len(above) - 1)
    tall = row * len(shares) + head + _HEAD
    with style.canvas(wide, tall, plain=True, **{"font.size": 9}) as figure:
        place = (_NAME / wide, _HEAD / tall, _COLUMN * len(BANDS) / wide, row * len(shares) / tall)
        axes = figure.add_axes(place)
        high = max(float(shares.max()), 1e-9)
        axes.imshow(shares, cmap=SCALE, vmin=0, vmax=high, aspect="auto")
        for (row, column), share in np.ndenumerate(shares):
            ink = style.INK if share > 0.62 * high else "white"
            axes.text(column, row, f"{100 * share:.0f}", ha="center", va="center", color=ink, fontsize=8)
        # A dollar sign would start a formula.
        labels = ["\n".join(lines).replace("$", r"\$") for lines in names]
        axes.set_yticks(range(len(names)), labels, fontsize=8.5, linespacing=1.1)
        axes.set_xticks(range(len(BANDS)), BANDS)
        axes.tick_params(length=0)
        axes.spines[:].set_visible(False)
        axes.set_xlabel("wavelength (pixels), fine to coarse")
        said = "\n".join(above)
        figure.text(0.1 / wide, 1 - 0.15 / tall, said, fontsize=10, va="top", parse_math=False)
        below = 1 - (head - 0.2) / tall
        figure.text(0.1 / wide, below, "energy of the change in each octave (%)", parse_math=False)
        return style.drawn(figure, 110)


def _coloured(values: Tensor, top: float) -> Tensor:
    from matplotlib import colormaps

    shades = colormaps[SCALE]((values / top).clamp(0, 1).numpy())[..., :3]
    return torch.from_numpy(shades).float().permute(2, 0, 1).unsqueeze(0)
