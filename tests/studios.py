"""A studio that runs in a thread, and what a page of it shows."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

import torch

from dreamscope.models.classifier import Classifier
from dreamscope.studio.app import application
from dreamscope.studio.security import LOOPBACK, Password
from dreamscope.studio.server import listening, server_of
from dreamscope.studio.state import Studio
from dreamscope.studio.visits import Visits


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
