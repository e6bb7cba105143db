"""A studio that runs in a thread, and what a page of it shows."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import Tensor

from dreamscope.models.classifier import Classifier
from dreamscope.studio.actions import ACTIONS
from dreamscope.studio.app import application
from dreamscope.studio.given import Given
from dreamscope.studio.jobs import Job
from dreamscope.studio.security import LOOPBACK, Password
from dreamscope.studio.server import listening, server_of
from dreamscope.studio.state import Studio
from dreamscope.studio.visits import Visit, Visits


@dataclass
class Running:
    """A studio that runs in a thread of this process."""

    address: str
    studio: Studio


@dataclass
class Seen:
    """What a browser complained of, and where it wanted to go."""

    complaints: list[str] = field(default_factory=list)
    elsewhere: list[str] = field(default_factory=list)


def serve(model: Classifier, *, password: str | None = None, grace: float = 300.0) -> Iterator[Running]:
    """Run a studio until the generator is closed."""
    with listening("127.0.0.1", 0) as socket:
        studio = Studio(model, Password(password), Visits(grace), socket.getsockname()[1])
        server = server_of(application(studio, LOOPBACK))
        thread = threading.Thread(target=server.run, kwargs={"sockets": [socket]})
        thread.start()
        try:
            yield Running(f"http://127.0.0.1:{studio.port}", studio)
        finally:
            server.should_exit = True
            thread.join(timeout=30)


@contextmanager
def quiet(model: Classifier) -> Iterator[Studio]:
    """Give a studio without a server."""
    studio = Studio(model, Password(None), Visits(300), 0)
    try:
        yield studio
    finally:
        studio.close()


@dataclass
class Heard:
    """Hears of one job as a page would; stops it at an event, or after so many frames."""

    stop_at: str = ""
    stop_after: float = float("inf")
    job: Job | None = None
    events: list[tuple[str, dict[str, Any]]] = field(default_factory=list)
    frames: int = 0
    bodies: list[bytes] = field(default_factory=list)

    def event(self, _: int, event: str, facts: dict[str, Any]) -> None:
        self.events.append((event, facts))
        self._stop(event == self.stop_at)

    def frame(self, _: int, image: Tensor) -> None:
        self.frames += len(image)
        self._stop(self.frames >= self.stop_after)

    def answer(self, _: int, body: bytes) -> None:
        self.bodies.append(body)

    def _stop(self, due: bool) -> None:
        if due and self.job is not None:
            self.job.stop()


def done(
    studio: Studio, visit: Visit, action: str, heard: Heard | None = None, /, **values: Any
) -> tuple[str, dict[str, Any]]:
    """Do what a page asks for at once; return how it ended."""
    heard = heard or Heard()
    run = ACTIONS[action].run
    heard.job = Job(1, visit, heard, lambda job: run(studio, job, given=Given(values, visit)))
    heard.job.run()
    return heard.events[-1]


def pixels(page: Any, selector: str) -> torch.Tensor:
    """Return what a canvas shows, (H, W, 4) from 0 to 255."""
    found = page.evaluate(
        """selector => { const canvas = document.querySelector(selector);
        const data = canvas.getContext("2d").getImageData(0, 0, canvas.width, canvas.height).data;
        return [canvas.width, canvas.height, Array.from(data)]; }""",
        selector,
    )
    width, height, values = found
    return torch.tensor(values).view(height, width, 4)
