"""The processes of this machine: each loads the network once, and takes items as long as there are any.

A process that dies - killed, out of memory - takes down what it was working on and nothing else: that item is given to
a new one.
"""

from __future__ import annotations

import os
import pickle
from collections import deque
from collections.abc import Iterable, Iterator
from contextlib import suppress
from dataclasses import dataclass, field
from multiprocessing.connection import wait
from typing import Any, Self

import cloudpickle

from dreamscope.engines.base import AHEAD, ATTEMPTS, Failure, Work
from dreamscope.engines.child import Child
from dreamscope.errors import DreamscopeError

THREADS = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS")
"""What the libraries of numbers ask for in the environment when they are loaded."""


@dataclass(eq=False)
class _Held:
    """An item, and how many workers have died over it."""

    item: Any
    deaths: int = 0


@dataclass
class _Worker:
    """A process, once it is needed, and what it holds, first what it works on."""

    packed: bytes
    threads: int
    held: deque[_Held] = field(default_factory=deque)
    process: Child | None = None

    def take(self, held: _Held) -> None:
        """Work on an item when those before it are done."""
        self.held.append(held)
        # That it is dead is heard when it is listened to.
        with suppress(OSError):
            if self.process is None:
                self.process = Child("dreamscope.engines.local_worker", dict.fromkeys(THREADS, str(self.threads)))
                self.process.pipe.send_bytes(self.packed)
            self.process.pipe.send_bytes(cloudpickle.dumps(held.item))

    def made(self) -> tuple[Any, Any]:
        """Return the first of the items and what was made of it; raise what was raised, `_DiedError` if it died."""
        assert self.process is not None
        try:
            told = self.process.pipe.recv_bytes()
        except (EOFError, OSError):
            raise _DiedError from None
        succeeded, made = pickle.loads(told)
        if not succeeded:
            raise made
        return self.held.popleft().item, made

    def end(self) -> None:
        """End the process, whatever it does."""
        if self.process is not None:
            self.process.end()
            self.process = None
        self.held.clear()


class _DiedError(Exception):
    """A process died over what it was doing."""


class Local:
    """Processes of this machine.

    Parameters
    ----------
    workers
        How many; one for each processor that this process may use, if not given.
    threads
        Threads of each: as long as there are other items to be worked on, more than one gain little.
    """

    def __init__(self, workers: int | None = None, *, threads: int = 1) -> None:
        if workers is not None and workers < 1:
            raise DreamscopeError(f"workers are 1 or more, not {workers}")
        self.workers = workers or processors()
        self.threads = threads
        self._packed = b""
        self._workers: list[_Worker] = []

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        for worker in self._workers:
            worker.end()

    def run(self, work: Work, items: Iterable[Any]) -> Iterator[tuple[Any, Any]]:
        """See `dreamscope.engines.base.Engine`."""
        # By value, also what a script defines: a worker does not run the caller's main module again.
        packed = cloudpickle.dumps(work)
        if packed != self._packed:
            self.__exit__()
            self._packed = packed
            self._workers = [_Worker(packed, self.threads) for _ in range(self.workers)]
        workers = self._workers
        waiting: list[_Held] = []
        drawn = map(_Held, items)
        succeeded = False
        try:
            while True:
                _hand_out(workers, waiting, drawn)
                busy = {worker.process.pipe: worker for worker in workers if worker.process and worker.held}
                if not busy:
                    return
                for pipe in wait(list(busy)):
                    worker = busy[pipe]  # type: ignore[index]
                    try:
                        done = worker.made()
                    except _DiedError:
                        first, *others = worker.held
                        worker.end()
                        waiting += others
                        first.deaths += 1
                        if first.deaths < ATTEMPTS:
                            waiting.append(first)
                            continue
                        message = f"{ATTEMPTS} processes died over it; is there memory enough?"
                        if not succeeded:
                            raise DreamscopeError(f"nothing can be done here: {message}") from None
                        yield first.item, Failure(message)
                    else:
                        succeeded = True
                        yield done
        finally:
            for worker in workers:
                # Nobody wants what it would still make.
                if worker.held:
                    worker.end()


def processors() -> int:
    """Return how many processors this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def _hand_out(workers: list[_Worker], waiting: list[_Held], drawn: Iterator[_Held]) -> None:
    """Give items to workers that hold few: one to each before any gets a second."""
    for count in range(1, AHEAD + 1):
        for worker in workers:
            while len(worker.held) < count:
                held = waiting.pop() if waiting else next(drawn, None)
                if held is None:
                    return
                worker.take(held)
