"""Frames: the pictures of a film, and what they are read from."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from typing import Protocol

from torch import Tensor

from dreamscope.errors import DreamscopeError
from dreamscope.images import Size


@dataclass(frozen=True)
class Frame:
    """One picture of a film.

    Attributes
    ----------
    image : Tensor
        (1, 3, H, W) in [0, 1].
    time : Fraction
        When it is shown, in seconds.
    """

    image: Tensor
    time: Fraction


class Footage(Protocol):
    """A film that can be read frame by frame; `dreamscope.film.reader.Clip` is one."""

    @property
    def path(self) -> Path:
        """The file."""

    @property
    def size(self) -> Size:
        """Of its frames."""

    @property
    def fps(self) -> Fraction:
        """Frames a second, on average."""

    @property
    def count(self) -> int:
        """The number of frames, as far as is known."""

    def frames(self, first: int = 0) -> Iterator[Frame]:
        """Yield the frames in order, from number `first` (0 is the first) on."""


def frame_rate(text: str | float | Fraction, most: int = 240) -> Fraction:
    """Read frames a second: ``24``, ``23.976``, ``30000/1001``; raise if that is not above 0, or above `most`."""
    try:
        fps = Fraction(str(text))
    except (ValueError, ZeroDivisionError):
        fps = Fraction(0)
    if not 0 < fps <= most:
        raise DreamscopeError(f"fps is more than 0 and at most {most}, such as 24 or 30000/1001, not '{text}'")
    return fps
