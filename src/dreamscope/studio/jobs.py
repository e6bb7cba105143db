"""Jobs: what visitors ask for, computed one after another, stopped when nobody waits for it any more."""

from __future__ import annotations

import logging
import threading
from collections import deque
from collections.abc import Callable
from typing import Any, Protocol

from torch import Tensor

from dreamscope.errors import DreamscopeError, Interrupted
from dreamscope.optimize.ascent import Step
from dreamscope.studio.visits import Visit

MOST_WAITING = 32
"""Jobs that may wait in one line; more are refused."""

MOST_OF_ONE_VISIT = 4
"""Jobs of one visitor that may wait or run in one line."""

Work = Callable[["Job"], dict[str, Any]]
"""What a job does: it reports to the job and returns what the page is told at the end."""

_log = logging.getLogger(__name__)


class Listener(Protocol):
    """Who hears of jobs; called from any thread."""

    def event(self, job: int, event: str, facts: dict[str, Any]) -> None:
        """Hear what happened to a job."""

    def answer(self, job: int, body: bytes) -> None:
        """Take bytes that a page reads itself, in order with the events."""

    def frame(self, job: int, image: Tensor) -> None:
        """See how far a picture is, (1, 3, H, W); a newer one may take its place unseen."""


class Job:
    """One piece of work for one visitor.

    A technique is stopped as by Ctrl-C: the callback that it calls next raises ``KeyboardInterrupt``, and it ends with
    what it has so far.

    Parameters
    ----------
    number
        What the page calls it.
    visit
        Whose it is.
    listener
        Who hears of it.
    work
        What it does.

    Attributes
    ----------
    stopped : bool
        Whether it is to end.
    ended : bool
        Whether it has.
    """

    def __init__(self, number: int, visit: Visit, listener: Listener, work: Work) -> None:
        self.number, self.visit = number, visit
        self._listener, self._work = listener, work
        self._stop = threading.Event()
        self.ended = False

    @property
    def stopped(self) -> bool:
        """Whether it is to end."""
        return self._stop.is_set()

    def stop(self) -> None:
        """End it at its next step."""
        self._stop.set()

    def check(self) -> None:
        """Raise ``KeyboardInterrupt`` if it is to end."""
        if self.stopped:
            raise KeyboardInterrupt

    def progress(self, stage: str, done: int, total: int) -> None:
        """Report progress; a callback of techniques."""
        self.check()
        self.event("progress", stage=stage, done=done, total=total)

    def step(self, step: Step) -> None:
        """Report a step with its picture; a callback of ascents."""
        self.progress("step", step.number, step.total)
        self._listener.frame(self.number, step.image)

    def frame(self, image: Tensor) -> None:
        """Show a picture (1, 3, H, W) that the next one may replace."""
        self.check()
        self._listener.frame(self.number, image)

    def answer(self, body: bytes) -> None:
        """Send bytes that the page reads itself, and must not miss."""
        self.check()
        self._listener.answer(self.number, body)

    def event(self, event: str, **facts: Any) -> None:
        """Tell the page something that it must not miss."""
        self._listener.event(self.number, event, facts)

    def run(self) -> None:
        """Do the work and tell how it ended; raise nothing."""
        event, facts = "stopped", {}
        try:
            self.check()
            self.event("begun")
            event, facts = "done", self._work(self)
        except (KeyboardInterrupt, Interrupted):
            pass
        except DreamscopeError as error:
            event, facts = "failed", {"message": str(error)}
        except Exception:
            _log.exception("a job of the studio failed")
            message = "something went wrong that should not have; the server's log says what"
            event, facts = "failed", {"message": message}
        # Before it is told: a page may ask for the next one at once.
        self.ended = True
        self.event(event, **facts)


class Line:
    """A line of jobs and the thread that works them off, those who had a turn lately after the others.

    Parameters
    ----------
    name
        Of the thread.
    """

    def __init__(self, name: str) -> None:
        self._waiting: deque[Job] = deque()
        self._running: Job | None = None
        self._served: dict[str, int] = {}
        self._turn = 0
        self._closed = False
        self._changed = threading.Condition()
        self._thread = threading.Thread(target=self._work, name=name, daemon=True)
        self._thread.start()

    def add(self, job: Job) -> None:
        """Let a job wait for its turn.

        Raises
        ------
        DreamscopeError
            If its visitor, or all together, have too many jobs here.
        """
        with self._changed:
            own = sum(each.visit is job.visit for each in self.jobs)
            if own >= MOST_OF_ONE_VISIT:
                raise DreamscopeError(f"you have {own} jobs here already; let one end, or stop it")
            if len(self._waiting) >= MOST_WAITING:
                raise DreamscopeError(f"{len(self._waiting)} jobs are waiting already; try again in a while")
            self._waiting.append(job)
            self._tell()
            self._changed.notify()

    def remove(self, job: Job) -> None:
        """Stop a job, whether it waits or runs."""
        job.stop()
        with self._changed:
            if job in self._waiting:
                self._waiting.remove(job)
                job.ended = True
                job.event("stopped")
                self._tell()

    def close(self) -> None:
        """Stop all of them, and the thread when the one that runs has ended."""
        with self._changed:
            self._closed = True
            for job in self.jobs:
                job.stop()
            self._waiting.clear()
            self._changed.notify()
        self._thread.join(timeout=10)

    @property
    def jobs(self) -> list[Job]:
        """Those that wait, in the order they came, and the one that runs."""
        return [*self._waiting, *([] if self._running is None else [self._running])]

    def _next(self) -> Job:
        # Whoever was served longest ago comes first; of one visitor, what was asked for first.
        job = min(self._waiting, key=lambda each: self._served.get(each.visit.name, -1))
        self._waiting.remove(job)
        self._turn += 1
        self._served[job.visit.name] = self._turn
        names = {each.visit.name for each in self._waiting} | {job.visit.name}
        self._served = {name: turn for name, turn in self._served.items() if name in names}
        return job

    def _tell(self) -> None:
        busy = self._running is not None
        for place, job in enumerate(self._waiting):
            job.event("waiting", before=place + busy)

    def _work(self) -> None:
        while True:
            with self._changed:
                self._running = None
                while not self._waiting and not self._closed:
                    self._changed.wait()
                if self._closed:
                    return
                self._running = self._next()
                self._tell()
            self._running.run()
