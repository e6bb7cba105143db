"""A studio that runs, and a real browser that looks at it."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest
from studios import Running, Seen, serve

from dreamscope import images
from dreamscope.models.classifier import Classifier


@pytest.fixture(scope="module")
def running(lite0: Classifier) -> Iterator[Running]:
    """A studio of the embedded network."""
    yield from serve(lite0)


@pytest.fixture
def seen() -> Seen:
    """What the browser of this test complains of; nothing of it may be left at the end."""
    return Seen()


@pytest.fixture
def page(browser: Any, running: Running, seen: Seen) -> Iterator[Any]:
    """A page of the studio, with nothing open yet; at the end nothing may have gone wrong in it."""
    context = browser.new_context(
        base_url=running.address, viewport={"width": 1280, "height": 900}, permissions=["camera"]
    )
    opened = context.new_page()
    opened.set_default_timeout(60_000)
    opened.on("console", lambda message: seen.complaints.append(message.text) if message.type == "error" else None)
    opened.on("pageerror", lambda error: seen.complaints.append(str(error)))
    here = urlsplit(running.address).netloc
    opened.on(
        "request",
        lambda request: (
            None
            if request.url.startswith(("data:", "blob:")) or urlsplit(request.url).netloc == here
            else seen.elsewhere.append(request.url)
        ),
    )
    yield opened
    context.close()
    assert seen.complaints == []
    assert seen.elsewhere == []


@pytest.fixture
def photo(tmp_path: Path) -> Path:
    """A small photo, as a file."""
    return images.write(images.at_most(images.read("sample:flower"), 240), tmp_path / "my flower.jpg")
