"""Style: how every plot looks, and the one way to draw one."""

from __future__ import annotations

import io
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from threading import RLock
from typing import Any

from PIL import Image
from torch import Tensor

from dreamscope import files, images
from dreamscope.errors import DreamscopeError, did_you_mean

INK = "#1b1f24"
"""Colour of all text and axes, so that a page that embeds a plot can put its own in its place."""
PAPER = "#ffffff"
FOUND, COMPARED, RANDOM = "#2477d4", "#d0640f", "#80868e"
"""Colours of what is shown, of what it is compared with, and of chance."""

FORMATS = (".png", ".svg", ".pdf", ".jpg", ".jpeg", ".webp")
"""What a plot can be written as."""

_BASE = {"font.family": "DejaVu Sans", "text.color": INK}
_PLOT = {
    **dict.fromkeys(("axes.edgecolor", "axes.labelcolor", "xtick.color", "ytick.color"), INK),
    "font.size": 9.5,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.titlesize": 10.5,
    "axes.titlelocation": "left",
    "axes.axisbelow": True,
    "axes.facecolor": "none",
    "figure.facecolor": PAPER,
    "figure.constrained_layout.use": True,
    "figure.constrained_layout.w_pad": 0.1,
    "figure.constrained_layout.h_pad": 0.1,
    "grid.color": RANDOM,
    "grid.alpha": 0.25,
    "legend.frameon": False,
    # Letters as outlines look the same everywhere; a fixed salt makes the same plot the same text.
    "svg.fonttype": "path",
    "svg.hashsalt": "dreamscope",
}
_lock = RLock()


@contextmanager
def canvas(width: float, height: float, *, plain: bool = False, **settings: Any) -> Iterator[Any]:
    """Give an empty figure, whatever the user's own matplotlib settings are; draw and save it inside the block.

    Parameters
    ----------
    width, height
        Inches.
    plain
        Only the fonts and colours of text are ours: for pictures laid out by hand.
    settings
        Of matplotlib (``font.size``), in place of ours.
    """
    # Without pyplot no window system is asked for, and nothing is left behind; PNG is drawn by Agg. matplotlib reads
    # its settings from one place while artists are made: it is as it was after the block, and one thread at a time.
    from matplotlib import style
    from matplotlib.figure import Figure

    with _lock, style.context(["default", _BASE | ({} if plain else _PLOT) | settings]):
        yield Figure(figsize=(width, height))


def drawn(figure: Any, dpi: int) -> Tensor:
    """Return a figure as an image, (1, 3, H, W) in [0, 1]."""
    held = io.BytesIO()
    figure.savefig(held, format="png", dpi=dpi)
    return images.read(Image.open(held))


def ensure_format(path: str | Path) -> Path:
    """Return `path` if a plot can be written there, or raise a `DreamscopeError` that lists `FORMATS`."""
    path = Path(path)
    suffix = path.suffix.lower()
    if suffix not in FORMATS:
        raise DreamscopeError(
            f"can't write '{path}': a plot ends in {', '.join(FORMATS)}{did_you_mean(suffix, FORMATS)}"
        )
    return files.ensure_writable(path)


def save(figure: Any, path: str | Path, *, dpi: int) -> Path:
    """Write a figure in the format of its suffix, one of `FORMATS`, whole or not at all; the same one as same bytes."""
    path = ensure_format(path)
    kind = path.suffix.lower().removeprefix(".")
    # No date: it would make each file another.
    without = {"svg": ("Creator", "Date", "Format", "Type"), "pdf": ("Creator", "Producer", "CreationDate")}
    with files.written_whole(path) as temporary:
        figure.savefig(
            temporary, format=kind, dpi=dpi, metadata=dict.fromkeys(without[kind]) if kind in without else None
        )
    return path


def svg(figure: Any) -> str:
    """Return a figure as SVG, to be part of a page; it has no references to anything outside itself."""
    text = io.StringIO()
    figure.savefig(text, format="svg", metadata=dict.fromkeys(("Creator", "Date", "Format", "Type")))
    # What stands before the element names a document type on the network.
    return text.getvalue()[text.getvalue().index("<svg") :]
