"""Exemplar sheets: patches of exemplars, a row for each channel, and of filters."""

from __future__ import annotations

import math
from collections.abc import Sequence

from torch import Tensor
from torch.nn import functional as F

from dreamscope import images
from dreamscope.exploration.exemplar_index import Exemplars
from dreamscope.exploration.filters import Filters
from dreamscope.figures.contact_sheets import Cell, sheet
from dreamscope.models.addresses import Address
from dreamscope.models.classifier import Classifier
from dreamscope.models.labels import truth_of
from dreamscope.photos import Photo

ALONE, BESIDE_OTHERS, FILTER = 224, 128, 64
"""Pixels of the longer side of a patch of one channel alone, of several, and of a filter."""

Row = tuple[Address, bool]
"""One channel, and whether its least exciting photos are shown instead of the most exciting."""


def of_exemplars(
    found: Exemplars, model: Classifier, rows: Sequence[Row], *, top: int | None = None, alone: bool = False
) -> tuple[Tensor, int]:
    """Lay out the patches of channels.

    Parameters
    ----------
    found
        The exemplars.
    model
        The classifier, which prepares the pictures.
    rows
        What is shown.
    top
        Number of photos of each channel; all that there are if not given.
    alone
        Larger patches, in as many columns as rows.

    Returns
    -------
    (Tensor, int)
        The sheet (1, 3, H, W) in [0, 1], and the number of patches left empty: their photos are not there or have
        changed.
    """
    side = ALONE if alone else BESIDE_OTHERS
    listed = [found.of(address, least=low)[:top] for address, low in rows]
    across = max(1, *map(len, listed))
    cells: list[Cell] = []
    missing = 0
    for (address, low), exemplars, patches in zip(rows, listed, _patches(found, model, rows, top), strict=True):
        name = f"{address}{' least' if low else ''}"
        for each, patch in zip(exemplars, patches, strict=True):
            missing += patch is None
            shown = None if patch is None else _at_side(patch, side)
            if shown is not None and each.box == (0, 0, *found.picture):
                shown = _framed(shown, found.windows[address.layer].share(each.place))
            cells.append(Cell(shown, name, f"{each.value:.3g} {_shows(each.photo, model)}"))
        if not exemplars:
            cells.append(Cell(None, name, "silent in all photos"))
        cells += [Cell(None, "")] * (-len(cells) % across)
    title = f"What excites {model.name}, {found.count} photos"
    columns = math.ceil(math.sqrt(len(cells))) if alone else across
    return sheet(cells, columns=columns, title=title, most=side), missing


def of_filters(found: Filters, scaling: str = "each") -> Tensor:
    """Lay out the filters of a convolution, numbered by channel; `scaling` as in `Filters.pictures`."""
    pictures = found.pictures(scaling).split(1)
    cells = [Cell(_at_side(each, FILTER), str(channel)) for channel, each in zip(found.channels, pictures, strict=True)]
    columns = min(len(cells), max(8, math.ceil(math.sqrt(len(cells) * 1.6))))
    name = "a network" if found.recipe is None else found.recipe.model.get("name", "a network")
    return sheet(cells, columns=columns, title=f"{found.layer} of {name}")


def _patches(
    found: Exemplars, model: Classifier, rows: Sequence[Row], top: int | None
) -> list[Sequence[Tensor | None]]:
    cut: dict[Row, Sequence[Tensor | None]] = {}
    for low in (False, True):
        wanted = [address for address, least in rows if least is low]
        cut |= {
            (address, low): patches
            for address, patches in zip(wanted, found.patches(model, wanted, least=low, most=top), strict=True)
        }
    return [cut[row] for row in rows]


def _shows(photo: Photo, model: Classifier) -> str:
    truth = truth_of(photo, model.labels)
    return photo.label or photo.path.stem if truth is None else model.label(truth)


def _framed(picture: Tensor, share: tuple[float, float, float, float] | None) -> Tensor:
    """Frame the part that excites a channel that can see the whole picture: the patch alone does not show it."""
    if share is None:
        return picture
    framed = picture.clone()
    rows, columns = picture.shape[-2:]
    top, left, bottom, right = (round(part * side) for part, side in zip(share, (rows, columns) * 2, strict=True))
    # White around black is seen on everything.
    for inset, shade in ((0, 1.0), (1, 0.0)):
        first, last = (top + inset, left + inset), (bottom - 1 - inset, right - 1 - inset)
        if first[0] < last[0] and first[1] < last[1]:
            framed[..., [first[0], last[0]], first[1] : last[1] + 1] = shade
            framed[..., first[0] : last[0] + 1, [first[1], last[1]]] = shade
    return framed


def _at_side(picture: Tensor, side: int) -> Tensor:
    """Resize (1, 3, h, w) to a longer side; few pixels stay pixels."""
    size = images.fit_to(picture, side)
    if max(picture.shape[-2:]) * 2 > side:
        return images.resize(picture, size).clamp(0, 1)
    return F.interpolate(picture, (size.height, size.width), mode="nearest-exact")
