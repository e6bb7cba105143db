"""A pass over photos in batches."""

from __future__ import annotations

import multiprocessing
import os
import signal
import sys
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Protocol

import torch
from torch import Tensor
from torch.utils.data import DataLoader, Dataset

from dreamscope import archives, images
from dreamscope.errors import DreamscopeError
from dreamscope.photos.photo import Photo

MANY = 256
"""Photos from which on other processes read and decode them."""
MOST_WORKERS = 4


class Preparer(Protocol):
    """What makes pictures of any size ones of the size that all have in a batch: a classifier, see there."""

    @property
    def prepared_side(self) -> int:
        """The shorter side in pixels that pictures are made smaller to at first; 0 if all of them counts."""

    def prepared(self, images: Tensor) -> Tensor:
        """Return (N, 3, H, W) of that size."""


class Stream:
    """A pass over photos in batches, in their order; those that can't be read are skipped and reported.

    Parameters
    ----------
    photos
        The photos.
    preparer
        Makes images of any size ones of the size that all have in a batch. Large JPEG files are decoded no larger than
        it needs them, see `images.read`.
    batch
        Photos in a batch.
    needs
        The number of photos that must be readable.
    workers
        Processes that read and decode photos while batches are used; 0 for none. If not given, none for fewer than
        `MANY` photos and wherever a process can't be forked safely (outside Linux, or off the main thread). The
        batches are the same whatever the number. Workers end with the pass, also if it is left early.
    gone
        Called after each batch was used, with the number of photos gone through so far, those that can't be read too.

    Attributes
    ----------
    unreadable : dict
        Path -> the reason, of the photos skipped so far.
    """

    def __init__(
        self,
        photos: Sequence[Photo],
        preparer: Preparer,
        *,
        batch: int = 32,
        needs: int = 1,
        workers: int | None = None,
        gone: Callable[[int], None] | None = None,
    ) -> None:
        self.photos = photos
        self.unreadable: dict[Path, str] = {}
        self._preparer = preparer
        self._batch = batch
        self._needs = needs
        self._gone = gone
        self._workers = _workers(len(photos)) if workers is None else workers

    @property
    def skipped(self) -> dict[str, str]:
        """What is in `unreadable`, see `by_name`."""
        return by_name(self.unreadable)

    def __iter__(self) -> Iterator[tuple[list[Photo], Tensor]]:
        """Yield the photos of a batch and their images (N, 3, H, W), prepared.

        Raises
        ------
        DreamscopeError
            At the end, if fewer photos than needed could be read.
        """
        named: list[Photo] = []
        read: list[Tensor] = []
        for count, (photo, image) in enumerate(zip(self.photos, self._images(), strict=True), 1):
            if isinstance(image, str):
                self.unreadable[photo.path] = image
                continue
            named.append(photo)
            read.append(image)
            if len(named) == self._batch:
                yield named, torch.cat(read)
                named, read = [], []
                self._say(count)
        if named:
            yield named, torch.cat(read)
        self._say(len(self.photos))
        ensure_readable(len(self.photos), self.unreadable, self._needs)

    def _say(self, count: int) -> None:
        if self._gone is not None:
            self._gone(count)

    def _images(self) -> Iterator[Tensor | str]:
        loader = DataLoader(
            _Images(self.photos, self._preparer),
            batch_size=None,
            num_workers=self._workers,
            # A forked process needs no main module that can be imported again.
            multiprocessing_context="fork" if self._workers else None,
            # Else the loader would draw from the generator that belongs to the caller.
            generator=torch.Generator(),
        )
        if not self._workers:
            return iter(loader)
        handler = signal.getsignal(signal.SIGCHLD)
        started = iter(loader)
        # The loader sets a handler of its own for the whole process, to see sooner that a worker has died.
        if handler is not None and threading.current_thread() is threading.main_thread():
            signal.signal(signal.SIGCHLD, handler)
        return started


def by_name(unreadable: Mapping[Path, str]) -> dict[str, str]:
    """Return why photos can't be read by their files' names: no folders, as in recipes and reports."""
    return {path.name: reason for path, reason in unreadable.items()}


def ensure_readable(count: int, unreadable: Mapping[Path, str], needs: int = 1) -> None:
    """Raise a `DreamscopeError` if, of so many photos, fewer can be read than are needed."""
    if count - len(unreadable) < needs:
        reason = next(iter(unreadable.values()), "none were given")
        raise DreamscopeError(f"{count - len(unreadable)} of {count} photos can be read, {needs} needed: {reason}")


class _Images(Dataset[Tensor | str]):
    """Photos by number: the prepared image (1, 3, H, W), or why there is none."""

    def __init__(self, photos: Sequence[Photo], preparer: Preparer) -> None:
        self._photos = photos
        self._preparer = preparer

    def __len__(self) -> int:
        return len(self._photos)

    def __getitem__(self, index: int) -> Tensor | str:
        path = self._photos[index].path
        try:
            image = images.read(path, side=self._preparer.prepared_side)
            return self._preparer.prepared(image)
        except DreamscopeError as error:
            # Who reads the result need not know where the photos were.
            folder = archives.holder(path).parent
            return str(error).replace(str(path), path.name).replace(f"{folder}{os.sep}", "")


def _workers(count: int) -> int:
    forks = sys.platform == "linux" and threading.current_thread() is threading.main_thread()
    if count < MANY or not forks or multiprocessing.current_process().daemon:
        return 0
    return min(MOST_WORKERS, len(os.sched_getaffinity(0)) - 1)
