"""Progress: one kind of callback, and a bar for terminals and notebooks."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

EVERY = 10.0
"""Seconds from one line of a log to the next."""

_TELLING = 0.02
"""The least share of a stage that tells how long the rest takes, if nothing was heard of it before."""

Callback = Callable[[str, int, int], None]
"""``callback(stage, done, total)``: what is being done, how much of it is done, and of how much."""


class Lines:
    """A callback that writes a line every `EVERY` seconds, for a pipe or a log; of a quick job, nothing.

    A line names the stage, the share that is done, and how long the rest of the stage takes at its pace so far.

    Parameters
    ----------
    write
        Called with each line.
    clock
        Returns seconds.

    Examples
    --------
    >>> callback = Lines(print, clock=iter([0, 1, 21]).__next__)
    >>> callback("dreaming", 1, 60)
    >>> callback("dreaming", 21, 60)
    dreaming: 35% (21 of 60), 39 s left
    """

    def __init__(self, write: Callable[[str], None], *, clock: Callable[[], float] = time.monotonic) -> None:
        self._write, self._clock = write, clock
        self._written = self._heard = clock()
        self._stage: str | None = None
        self._begun, self._first = self._written, (self._written, 0)

    def __call__(self, stage: str, done: int, total: int) -> None:
        """Hear that so much of a stage is done."""
        now = self._clock()
        if stage != self._stage:
            # It began when the one before was last heard of.
            self._stage, self._begun, self._first = stage, self._heard, (now, done)
        self._heard = now
        if now - self._written >= EVERY:
            self._written = now
            share = f"{stage}: {100 * done / total:.0f}% ({done} of {total})" if total else stage
            left = self._left(now, done, total)
            self._write(share if left is None else f"{share}, {_duration(left)} left")

    def _left(self, now: float, done: int, total: int) -> float | None:
        time_then, done_then = self._first
        if done >= total:
            return None
        if done > done_then:
            # Not from the beginning: the first part may have been there already, or have waited for a network to load.
            return (now - time_then) * (total - done) / (done - done_then)
        # Before a dream's first step the network's forms may be measured: a hundredth tells nothing of the rest.
        return (now - self._begun) * (total - done) / done if done >= _TELLING * total else None


def _duration(seconds: float) -> str:
    """Return a time as 39 s, 3 min 20 s or 1 h 5 min."""
    whole = round(seconds)
    if whole < 60:
        return f"{whole} s"
    if whole < 3600:
        return f"{whole // 60} min {whole % 60} s"
    return f"{whole // 3600} h {whole % 3600 // 60} min"


@contextmanager
def reported(callback: Callback | None = None, *, progress: bool = False) -> Iterator[Callback | None]:
    """Give a callback that reports to `callback` and, if asked for, draws a bar.

    Parameters
    ----------
    callback
        Called each time something is done.
    progress
        Draw a bar with the time left: in a notebook below the cell, else on the standard error stream.

    Yields
    ------
    callable or None
        ``None`` if nobody wants to know.

    Examples
    --------
    >>> with reported(print) as callback:
    ...     callback("measuring", 1, 3)
    measuring 1 3
    """
    if not progress:
        yield callback
        return
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    with Progress(*columns, console=Console(stderr=True), transient=True) as bar:
        task = bar.add_task("", total=None)
        stage_now: str | None = None

        def report(stage: str, done: int, total: int) -> None:
            nonlocal stage_now
            if stage != stage_now:
                # The time left is that of the stage, not of what came before.
                bar.reset(task, description=stage, total=total)
                stage_now = stage
            bar.update(task, completed=done, total=total)
            if callback is not None:
                callback(stage, done, total)

        yield report
