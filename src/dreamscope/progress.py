"""Progress: one kind of callback, and a bar for terminals and notebooks."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager

Callback = Callable[[str, int, int], None]
"""``callback(stage, done, total)``: what is being done, how much of it is done, and of how much."""


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
