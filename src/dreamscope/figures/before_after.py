"""Before and after: a sheet of photos, what was made of them, and what changed."""

from __future__ import annotations

from collections.abc import Sequence

from torch import Tensor

from dreamscope import images
from dreamscope.augmentation.augment import Augmented, Synthetic
from dreamscope.errors import DreamscopeError
from dreamscope.figures.contact_sheets import Cell, sheet

SHOWN = 8
_GAIN = 2.0
"""By which changes are enlarged."""


def before_after(made: Augmented, *, shown: int = SHOWN) -> Tensor:
    """Return the sheet, (1, 3, H, W) in [0, 1]: two pictures a row, spread over all that were made.

    Raises
    ------
    DreamscopeError
        If nothing was made.
    """
    if not made.pictures:
        raise DreamscopeError("no picture was made; there is nothing to show")
    step = max(1, len(made.pictures) // shown)
    chosen = made.pictures[::step][:shown]
    cells = [cell for each in chosen for cell in _cells(each)]
    title = f"{made.label}: photos, what was dreamt of them, and the difference"
    remark = f"Difference: gray as it was, brighter or darker by {_GAIN:g} times the change. Not for diagnosis."
    return sheet(cells, columns=6 if len(chosen) > 1 else 3, title=title, remarks=[remark], most=220)


def _cells(each: Synthetic) -> Sequence[Cell]:
    after = images.read(each.path)
    before = images.read(each.source)
    if images.size_of(before) != images.size_of(after):
        before = images.resize(before, images.size_of(after)).clamp(0, 1)
    changed = (0.5 + _GAIN * (images.gray(after) - images.gray(before))).clamp(0, 1).expand(-1, 3, -1, -1)
    return [
        Cell(before, each.source.name),
        Cell(after, "dreamt", f"strength {each.strength:.2f}"),
        Cell(changed, "difference"),
    ]
