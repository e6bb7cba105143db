"""Editing: films made of other films, frame by frame, when a frame is asked for."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import lru_cache
from typing import overload

import torch
from torch import Tensor

from dreamscope.errors import DreamscopeError


class Frames(Sequence[Tensor]):
    """Frames that are made, or read, when they are asked for: `count` of them, by ``at(index)``."""

    def __init__(self, count: int, at: Callable[[int], Tensor]) -> None:
        self._count, self._at = count, at

    def __len__(self) -> int:
        return self._count

    @overload
    def __getitem__(self, index: int) -> Tensor: ...
    @overload
    def __getitem__(self, index: slice) -> Frames: ...
    def __getitem__(self, index: int | slice) -> Tensor | Frames:
        places = range(self._count)[index]
        if isinstance(places, int):
            return self._at(places)
        return Frames(len(places), lambda place: self._at(places[place]))


def held(frames: Sequence[Tensor], count: int) -> Frames:
    """Show the last frame `count` times more, made once."""
    at = lru_cache(maxsize=1)(frames.__getitem__)
    return Frames(len(frames) + count, lambda index: at(min(index, len(frames) - 1)))


def there_and_back(frames: Sequence[Tensor]) -> Frames:
    """Go back to the second frame, so that a repeated film swings to and fro and shows no frame twice in a row."""
    last = len(frames) - 1
    return Frames(max(1, 2 * last), lambda index: frames[last - abs(last - index)])


def crossfade(first: Sequence[Tensor], second: Sequence[Tensor], overlap: int) -> Frames:
    """Go from one film to another, the last `overlap` frames of `first` mixed with the first of `second`.

    Raises
    ------
    DreamscopeError
        If one of them is shorter than that.
    """
    if not 0 <= overlap <= min(len(first), len(second)):
        raise DreamscopeError(f"films of {len(first)} and {len(second)} frames can't overlap by {overlap}")
    start = len(first) - overlap

    def at(index: int) -> Tensor:
        if index < start:
            return first[index]
        if index >= len(first):
            return second[index - start]
        return torch.lerp(first[index], second[index - start], (index - start + 1) / (overlap + 1))

    return Frames(start + len(second), at)


def beside(films: Sequence[Sequence[Tensor]]) -> Frames:
    """Show films of one height side by side, for as long as the longest; the others stay at their last frame."""
    return Frames(
        max(len(film) for film in films),
        lambda index: torch.cat([film[min(index, len(film) - 1)] for film in films], 3),
    )


def looped(frames: Frames, overlap: int) -> Frames:
    """Make a film repeat without a jump: what its first `overlap` frames show comes last, faded into its end.

    >>> import torch
    >>> film = Frames(5, lambda index: torch.tensor(float(index)))
    >>> [frame.item() for frame in looped(film, 1)]
    [1.0, 2.0, 3.0, 2.0]
    """
    return crossfade(frames[overlap:], frames[:overlap], overlap)
