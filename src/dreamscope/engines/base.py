"""What every engine does: it takes work, hands it items one by one, and gives back what was made of each."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from types import TracebackType
from typing import Any, Protocol, Self

from dreamscope.errors import DreamscopeError

Work = Callable[[], Callable[[Any], Any]]
"""Called once by each worker, to load what all items need; returns the function that makes something of one item.
It goes to other processes, and so do items and what is made of them: all of them can be pickled."""

ATTEMPTS = 5
"""Workers that may die over an item before it counts as one that can't be done."""

AHEAD = 2
"""Items that each worker holds at a time: the next one is there when the last is done."""

DEVICE = "DREAMSCOPE_DEVICE"
"""In the environment of a worker that was given a GPU: its name, for work that knows of devices."""


@dataclass(frozen=True)
class Failure:
    """Why nothing was made of an item, in one line."""

    message: str


class Engine(Protocol):
    """Where work is done. Between runs of the same work its workers stay ready, until ``with engine:`` ends."""

    def __enter__(self) -> Self:
        """Nothing begins before there is work."""
        ...

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """End all workers."""
        ...

    def run(self, work: Work, items: Iterable[Any]) -> Iterator[tuple[Any, Any]]:
        """Yield each item and what was made of it, in the order in which they are done.

        Items are drawn when there is a worker for them, never all at once. One that the work refuses with a
        `DreamscopeError`, or that kills `ATTEMPTS` workers, comes back with a `Failure`; any other error ends the run.
        When the iterator is closed, those workers end that have something in hand.

        Raises
        ------
        DreamscopeError
            If a worker can't even begin.
        """
        ...


class Here:
    """The process itself, one item after the other: for little work, and for finding out why something fails."""

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        pass

    def run(self, work: Work, items: Iterable[Any]) -> Iterator[tuple[Any, Any]]:
        """See `Engine`."""
        make = None
        for item in items:
            # Without an item nothing is loaded.
            make = make or work()
            yield item, attempted(make, item)


def attempted(make: Callable[[Any], Any], item: Any) -> Any:
    """Return what is made of an item, or why nothing is."""
    try:
        return make(item)
    except DreamscopeError as error:
        return Failure(str(error))
