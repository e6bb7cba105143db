"""Who may talk to the studio: hosts, origins, the password; and what its pages may load."""

from __future__ import annotations

import hmac
import time
from collections import deque
from collections.abc import Sequence
from urllib.parse import urlsplit

from starlette.datastructures import Headers, MutableHeaders
from starlette.responses import PlainTextResponse
from starlette.types import ASGIApp, Message, Receive, Scope, Send

LOOPBACK = ("127.0.0.1", "localhost", "::1")

_POLICY = "; ".join(
    (
        "default-src 'none'",
        "script-src 'self'",
        "style-src 'self'",
        "img-src 'self' blob: data:",
        "media-src 'self' blob:",
        "connect-src 'self'",
        "form-action 'self'",
        "frame-ancestors 'none'",
        "base-uri 'none'",
    )
)
_HEADERS = {
    "content-security-policy": _POLICY,
    "x-content-type-options": "nosniff",
    "referrer-policy": "no-referrer",
    "cross-origin-opener-policy": "same-origin",
    "cross-origin-resource-policy": "same-origin",
    "permissions-policy": "camera=(self), microphone=(), geolocation=()",
}

_TRIES, _WITHIN = 5, 60.0
"""Wrong passwords within so many seconds, after which nobody is let in for as long."""


class SameOrigin:
    """Refuses requests for other hosts, posts and sockets from other pages; adds headers that keep pages closed.

    A page of another site can reach a server on this machine, also under a name of its own that it has made to mean
    this machine (DNS rebinding). Only the Host and Origin that the browser sends tell them apart.

    Parameters
    ----------
    app
        What is guarded.
    hosts
        Names under which the studio may be called, without the port.
    """

    def __init__(self, app: ASGIApp, hosts: Sequence[str]) -> None:
        self._app, self._hosts = app, {host.lower() for host in hosts}

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass on what may come in."""
        if scope["type"] not in ("http", "websocket"):
            await self._app(scope, receive, send)
            return
        headers = Headers(scope=scope)
        refusal = self._refusal(headers, changes=scope["type"] == "websocket" or scope["method"] not in ("GET", "HEAD"))
        if refusal is None:
            await self._app(scope, receive, _closed(send))
        elif scope["type"] == "websocket":
            await receive()
            await send({"type": "websocket.close", "code": 1008, "reason": refusal})
        else:
            await PlainTextResponse(refusal, 403)(scope, receive, send)

    def _refusal(self, headers: Headers, *, changes: bool) -> str | None:
        host = headers.get("host", "")
        if (urlsplit(f"//{host}").hostname or "") not in self._hosts:
            return "this studio is not called by that name"
        # Browsers say where a post or a socket comes from; what says nothing is no browser, and no page of ours.
        if changes and urlsplit(headers.get("origin", "")).netloc.lower() != host.lower():
            return "only the studio's own pages may do that"
        return None


def _closed(send: Send) -> Send:
    async def sent(message: Message) -> None:
        if message["type"] == "http.response.start":
            headers = MutableHeaders(scope=message)
            for name, value in _HEADERS.items():
                headers.setdefault(name, value)
        await send(message)

    return sent


class Password:
    """Compares passwords, as long for wrong ones as for the right one, and not often.

    Parameters
    ----------
    wanted
        The right one; ``None`` lets everybody in.
    """

    def __init__(self, wanted: str | None) -> None:
        self._wanted = wanted
        self._wrong: deque[float] = deque(maxlen=_TRIES)

    @property
    def needed(self) -> bool:
        """Whether there is one."""
        return self._wanted is not None

    @property
    def blocked(self) -> bool:
        """Whether too many wrong ones came lately."""
        return len(self._wrong) == _TRIES and time.monotonic() - self._wrong[0] < _WITHIN

    def admits(self, given: str) -> bool:
        """Return whether it is the right one, and nobody has been guessing."""
        if self._wanted is None:
            return True
        right = hmac.compare_digest(given.encode(), self._wanted.encode())
        if self.blocked:
            return False
        if not right:
            self._wrong.append(time.monotonic())
        return right
