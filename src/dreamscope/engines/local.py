"""The processes of this machine: each loads the network once, and takes items as long as there are any.

A process that dies - killed, out of memory - takes down what it was working on and nothing else: that item is given to
a new one.
"""

from __future__ import annotations

import os
import signal
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import FIRST_COMPLETED, BrokenExecutor, Future, wait
from dataclasses import dataclass, field
from typing import Any, Self

import cloudpickle
from loky import ProcessPoolExecutor, process_executor

from dreamscope.engines.base import AHEAD, ATTEMPTS, Failure, Work, attempted
from dreamscope.errors import DreamscopeError

_THREADS = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS")


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
    held: dict[Future[Any], _Held] = field(default_factory=dict)
    process: ProcessPoolExecutor | None = None

    def take(self, held: _Held) -> None:
        """Work on an item when those before it are done."""
        if self.process is None:
            settings = dict.fromkeys(_THREADS, str(self.threads))
            self.process = ProcessPoolExecutor(1, initializer=_begin, initargs=(self.packed,), env=settings)
        self.held[self.process.submit(_made, held.item)] = held

    def end(self) -> None:
        """End the process, whatever it does."""
        if self.process is not None:
            self.process.shutdown(wait=True, kill_workers=True)
            self.process = None
        self.held.clear()


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
                futures = [future for worker in workers for future in worker.held]
                if not futures:
                    return
                wait(futures, return_when=FIRST_COMPLETED)
                for worker in workers:
                    for future in [each for each in worker.held if each.done()]:
                        if future not in worker.held:
                            continue
                        try:
                            made = future.result()
                        except BrokenExecutor:
                            first, *others = worker.held.values()
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
                            yield worker.held.pop(future).item, made
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


# Of a worker: what it was given to begin with, and what came of that.
_packed: list[bytes] = []
_ready: list[Callable[[Any], Any]] = []


def _begin(packed: bytes) -> None:
    # Ctrl-C is the caller's, who then ends the workers.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    # Where psutil is installed, loky ends processes that have grown: a network's caches are no leak.
    process_executor._MAX_MEMORY_LEAK_SIZE = 2**62
    _packed.append(packed)


def _made(item: Any) -> Any:
    if not _ready:
        # Not in `_begin`, whose errors don't reach the caller.
        _ready.append(cloudpickle.loads(_packed.pop())())
    return attempted(_ready[0], item)
