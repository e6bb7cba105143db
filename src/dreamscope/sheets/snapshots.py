"""Snapshots: pictures taken along each dream of a sheet, kept beside its cell until a film is made of them."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from torch import Tensor

from dreamscope import images
from dreamscope.errors import DreamscopeError
from dreamscope.optimize.ascent import Step, StepCallback

MOST = 480
"""Pixels of the longer side at most, since a film of a sheet shows many side by side."""


class Snapshots:
    """The pictures along one dream, in a folder that is there once the dream is done.

    Parameters
    ----------
    cell
        File of the finished picture; the folder is beside it.
    every
        Number of steps from one picture to the next.
    """

    def __init__(self, cell: Path, every: int) -> None:
        if every < 1:
            raise DreamscopeError(f"every is 1 or more, not {every}")
        self._every = every
        self._folder = cell.with_suffix(f".every-{every}")

    @property
    def complete(self) -> bool:
        """Whether they reach to the end of the dream."""
        return self._folder.is_dir()

    def __len__(self) -> int:
        return len(list(self._folder.glob("*.png")))

    def __getitem__(self, index: int) -> Tensor:
        return images.read(self._folder / _name(index))

    @contextmanager
    def taken(self) -> Iterator[StepCallback]:
        """Give a callback that keeps a picture of the first step, each `every`-th after it, and the last."""
        self.discard()
        unfinished = self._unfinished
        try:
            unfinished.mkdir(parents=True)
        except OSError as error:
            raise DreamscopeError(f"can't make the folder '{unfinished}': {error.strerror or error}") from error
        count = 0

        def take(step: Step) -> None:
            nonlocal count
            if step.is_due(self._every):
                picture = step.image.detach().float().cpu().clamp(0, 1)
                images.write(images.at_most(picture, MOST), unfinished / _name(count))
                count += 1

        try:
            yield take
            unfinished.replace(self._folder)
        finally:
            shutil.rmtree(unfinished, ignore_errors=True)

    def discard(self) -> None:
        """Delete them, also those of a dream that was never done."""
        for folder in (self._folder, self._unfinished):
            shutil.rmtree(folder, ignore_errors=True)

    @property
    def _unfinished(self) -> Path:
        return self._folder.with_name(f"{self._folder.name}.part")


def _name(index: int) -> str:
    return f"{index:06d}.png"
