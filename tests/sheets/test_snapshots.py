from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
import torch

from dreamscope.errors import DreamscopeError
from dreamscope.optimize.ascent import Step
from dreamscope.optimize.parameterizations import Pixel
from dreamscope.sheets.snapshots import MOST, Snapshots


def step(number: int, total: int, side: int = 8) -> Step:
    return Step(number, total, (0.0,), Pixel.of(torch.full((1, 3, side, side), number / 255)))


def levels(shots: Snapshots) -> list[int]:
    return [round(255 * shots[index].mean().item()) for index in range(len(shots))]


def test_the_first_each_and_the_last_are_kept(tmp_path: Path) -> None:
    shots = Snapshots(tmp_path / "cell.png", 3)
    assert not shots.complete
    with shots.taken() as take:
        for number in range(1, 9):
            take(step(number, 8))
        assert not shots.complete
    assert shots.complete
    assert levels(shots) == [1, 4, 7, 8]
    assert not Snapshots(tmp_path / "cell.png", 2).complete


def test_what_was_not_finished_is_none(tmp_path: Path) -> None:
    shots = Snapshots(tmp_path / "cell.png", 1)
    with pytest.raises(TypeError), shots.taken() as take:
        take(replace(step(1, 3), numbers=torch.zeros(1, 5, 8, 8)))
    assert list(tmp_path.iterdir()) == []
    (tmp_path / "cell.every-1.part").mkdir()
    with shots.taken() as take:
        take(step(1, 1))
    assert levels(shots) == [1]


def test_large_pictures_are_kept_smaller_and_all_can_be_deleted(tmp_path: Path) -> None:
    shots = Snapshots(tmp_path / "cell.png", 1)
    with shots.taken() as take:
        take(step(1, 1, MOST + 20))
    assert shots[0].shape[-2:] == (MOST, MOST)
    shots.discard()
    assert list(tmp_path.iterdir()) == []


def test_every_step_or_fewer(tmp_path: Path) -> None:
    with pytest.raises(DreamscopeError, match="every is 1 or more, not 0"):
        Snapshots(tmp_path / "cell.png", 0)
    blocked = tmp_path / "file"
    blocked.write_text("")
    with pytest.raises(DreamscopeError, match="can't make the folder"), Snapshots(blocked / "cell.png", 1).taken():
        pass
