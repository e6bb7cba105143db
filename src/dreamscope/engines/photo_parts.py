"""A pass over photos in parts that workers go through side by side, and what came of them, in the photos' order.

So what is put together is the same whatever the workers.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from typing import Generic, Protocol, Self, TypeVar

from dreamscope.engines.base import DEVICE, Engine, Failure
from dreamscope.engines.choose import engine as named
from dreamscope.errors import DreamscopeError
from dreamscope.photos import Photo, Preparer, Stream
from dreamscope.progress import Callback

PART = 256
"""Photos of a part."""

Streamed = Callable[[Preparer], Stream]
"""Called with what prepares photos: the batches to go through."""

T = TypeVar("T")


@dataclass(frozen=True)
class _Worker(Generic[T]):
    """The work of an engine: a part of the photos after the other."""

    work: Callable[[], Callable[[Streamed], T]]

    def __call__(self) -> Callable[[tuple[int, Sequence[Photo]]], T]:
        go = self.work()
        # Each worker has one thread, and needs no processes that read for it.
        return lambda part: go(lambda preparer: Stream(part[1], preparer, needs=0, workers=0))


def in_parts(
    work: Callable[[], Callable[[Streamed], T]],
    photos: Sequence[Photo],
    engine: Engine | None = None,
    *,
    what: str = "photos",
    callback: Callback | None = None,
) -> Iterator[T]:
    """Yield what becomes of each part of the photos, in their order; of all in one where there is no engine.

    Parameters
    ----------
    work
        Called once by each worker; returns what goes through the batches of a part.
    photos
        The photos. As many as one part holds are gone through in this process.
    engine
        Where the work is done; it stays open. In this process if not given.
    what
        What the photos are, for `callback`.
    callback
        ``callback(stage, done, total)``, now and then.

    Raises
    ------
    DreamscopeError
        If a part can't be worked on.
    """
    if engine is None or len(photos) <= PART:
        gone = None if callback is None else lambda count: callback(what, count, len(photos))
        yield work()(lambda preparer: Stream(photos, preparer, needs=0, gone=gone))
        return
    parts = ((number, photos[start : start + PART]) for number, start in enumerate(range(0, len(photos), PART)))
    early: dict[int, T] = {}
    due = through = 0
    for (number, part), made in engine.run(_Worker(work), parts):
        if isinstance(made, Failure):
            raise DreamscopeError(f"photos from '{part[0].path.name}' on: {made.message}")
        early[number] = made
        through += len(part)
        if callback is not None:
            callback(what, through, len(photos))
        while due in early:
            yield early.pop(due)
            due += 1


def opened(engine: str | Engine | None) -> AbstractContextManager[Engine | None]:
    """Return an engine, by its name if it is one, that ends with the ``with`` block; ``None`` for this process."""
    if engine is None:
        return nullcontext()
    return named(engine) if isinstance(engine, str) else engine


class _Movable(Protocol):
    def to(self, device: str, /) -> Self: ...


Network = TypeVar("Network", bound=_Movable)


def placed(network: Network) -> Network:
    """Return a network on the GPU that this worker was given; as it is without one."""
    return network.to(os.environ[DEVICE]) if DEVICE in os.environ else network
