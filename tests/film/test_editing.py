from __future__ import annotations

import pytest
import torch

from dreamscope.errors import DreamscopeError
from dreamscope.film.editing import Frames, beside, crossfade, held, looped, there_and_back


def numbered(count: int, first: int = 0) -> Frames:
    return Frames(count, lambda index: torch.full((1, 3, 8, 8), float(first + index)))


def seen(frames: Frames) -> list[float]:
    return [frame[0, 0, 0, 0].item() for frame in frames]


def test_frames_are_made_when_asked_for() -> None:
    asked: list[int] = []

    def at(index: int) -> torch.Tensor:
        asked.append(index)
        return torch.zeros(1)

    frames = Frames(10, at)
    assert len(frames[2:8:2]) == 3
    assert asked == []
    _ = frames[2:8][1], frames[-1]
    assert asked == [3, 9]
    with pytest.raises(IndexError):
        _ = frames[10]


def test_cuts() -> None:
    assert seen(held(numbered(2), 3)) == [0, 1, 1, 1, 1]
    assert seen(there_and_back(numbered(4))) == [0, 1, 2, 3, 2, 1]
    assert seen(there_and_back(numbered(1))) == [0]
    assert seen(crossfade(numbered(3), numbered(3, 10), 1)) == [0, 1, 6, 11, 12]
    assert seen(crossfade(numbered(2), numbered(2, 10), 0)) == [0, 1, 10, 11]
    assert beside([numbered(2), numbered(3, 10)])[2][0, 0, 0].tolist() == [1] * 8 + [12] * 8


def test_a_loop_ends_where_it_begins() -> None:
    film = seen(looped(numbered(12), 4))
    assert len(film) == 8
    assert film[0] == 4
    # From the end on (the last is number 11) to the frame before the first, evenly.
    assert film[4:] == pytest.approx([8 + i - 8 * (i + 1) / 5 for i in range(4)])


def test_too_short_to_overlap() -> None:
    with pytest.raises(DreamscopeError, match="films of 3 and 2 frames can't overlap by 3"):
        crossfade(numbered(3), numbered(2), 3)


def test_a_held_frame_is_made_once() -> None:
    asked: list[int] = []

    def at(index: int) -> torch.Tensor:
        asked.append(index)
        return torch.zeros(1)

    list(held(Frames(3, at), 5))
    assert asked == [0, 1, 2]
