from __future__ import annotations

import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest
from clusters import SETTINGS, Head


@pytest.fixture(scope="session")
def only_head() -> Iterator[Head]:
    pytest.importorskip("ray", reason="Ray is not installed: pip install 'dreamscope[cluster]'")
    # Not pytest's folder, whose path is too long for sockets.
    with tempfile.TemporaryDirectory(prefix="ray-", dir="/tmp", ignore_cleanup_errors=True) as folder:
        head = Head(Path(folder), 2)
        yield head
        head.kill()


@pytest.fixture
def head(only_head: Head, monkeypatch: pytest.MonkeyPatch) -> Head:
    """A Ray cluster of two processors."""
    for name, value in SETTINGS.items():
        monkeypatch.setenv(name, value)
    return only_head
