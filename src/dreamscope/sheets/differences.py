"""Differences: where and how much a dream changed a picture, and at which spatial frequencies."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from scipy.fft import dctn
from torch import Tensor

from dreamscope import images
from dreamscope.errors import DreamscopeError
from dreamscope.sheets.gallery import Gallery

EDGES = (4, 8, 16, 32, 64, 128)
"""Wavelengths in pixels, an octave each, that part the bands."""

BANDS = (f"<{EDGES[0]} px", *(f"{low}-{2 * low}" for low in EDGES[:-1]), f"{EDGES[-1]}+")
"""The bands' names, from fine to coarse; the last holds an even change of all pixels too."""


@dataclass(frozen=True)
class Change:
    """What is different between two pictures.

    Attributes
    ----------
    map : Tensor
        (H, W): how far each pixel is from what it was, root mean square over R, G and B, in [0, 1].
    size : float
        The root mean square over all pixels.
    energy : tuple of float
        The mean square in each of `BANDS`; they add up to ``size ** 2``.
    """

    map: Tensor
    size: float
    energy: tuple[float, ...]

    @property
    def shares(self) -> tuple[float, ...]:
        """The energy in each of `BANDS` as a share of all; zeros if nothing changed."""
        total = sum(self.energy)
        return tuple(each / total if total else 0.0 for each in self.energy)


def change(before: Tensor, after: Tensor) -> Change:
    """Compare two pictures.

    Parameters
    ----------
    before, after
        (1, 3, H, W) in [0, 1], of the same size.

    Raises
    ------
    DreamscopeError
        If their sizes differ.
    """
    if before.shape != after.shape:
        sizes = " and ".join(str(images.size_of(each)) for each in (before, after))
        raise DreamscopeError(f"only pictures of the same size can be compared, not {sizes}")
    moved = after.double() - before.double()
    squares = moved.square().mean((0, 1))
    return Change(squares.sqrt().float(), float(squares.mean().sqrt()), _energy(moved[0].numpy()))


def changes(gallery: Gallery, pairs: Sequence[tuple[str, str]]) -> dict[str, Change]:
    """Return what each dream of a gallery changed, by label, and what is different between two, as ``A..B``.

    Dreams that did not come out are left out.
    """
    there = {each.label: image for each in gallery.cells if (image := each.image) is not None}
    before = {each.label: picture for each, picture in zip(gallery.cells, gallery.before, strict=True)}
    pairs = [pair for pair in pairs if there.keys() >= set(pair)]
    alone = {label: change(before[label], image) for label, image in there.items()}
    return alone | {f"{first}..{second}": change(there[first], there[second]) for first, second in pairs}


def _energy(moved: np.ndarray[tuple[int, ...], np.dtype[np.float64]]) -> tuple[float, ...]:
    # Cosines, not a Fourier transform: that one would take the jump from one edge of the picture to the other for
    # detail. With this norm the squares add up to those of the pixels.
    waves = np.square(dctn(moved, axes=(1, 2), norm="ortho")).sum(0) / moved.size
    rows, columns = (np.arange(side) / (2 * side) for side in moved.shape[1:])
    cycles = np.hypot(rows[:, None], columns[None, :])
    # From coarse to fine, as frequencies rise; a wavelength on an edge counts as the coarser one.
    band = np.searchsorted([1 / edge for edge in reversed(EDGES)], cycles.ravel(), side="left")
    found = torch.zeros(len(BANDS), dtype=torch.float64)
    found.index_add_(0, torch.from_numpy(band), torch.from_numpy(waves.ravel()))
    return tuple(reversed(found.tolist()))
