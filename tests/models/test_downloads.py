from __future__ import annotations

import http.server
import threading
from collections.abc import Iterator

import pytest

from dreamscope.models import downloads


@pytest.fixture
def server() -> Iterator[str]:
    class Handler(http.server.BaseHTTPRequestHandler):
        def do_HEAD(self) -> None:
            self.send_response(200 if self.path == "/ok" else 404)
            self.end_headers()

        def log_message(self, *_: object) -> None:
            pass

    with http.server.HTTPServer(("127.0.0.1", 0), Handler) as listening:
        threading.Thread(target=listening.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{listening.server_port}"
        listening.shutdown()


def test_reachable(server: str) -> None:
    assert downloads.reachable(f"{server}/ok")
    # Whoever answers is there, even if not with this file.
    assert downloads.reachable(f"{server}/missing")
    assert not downloads.reachable("http://127.0.0.1:9/")
    assert not downloads.reachable("no address")


def test_nothing_is_cached_of_what_does_not_exist() -> None:
    assert not downloads.cached_by_timm(None)
    assert not downloads.cached_by_timm("dreamscope/no-such-repository")
    assert set(downloads.folders()) == {"torchvision", "timm"}
