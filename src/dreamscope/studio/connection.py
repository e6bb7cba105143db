"""A page's connection: messages in, what happens to jobs out; of a job's pictures only the newest."""

from __future__ import annotations

import asyncio
import json
import struct
import threading
from collections import deque
from collections.abc import Callable
from functools import partial
from typing import Any

from starlette.websockets import WebSocket, WebSocketDisconnect, WebSocketState
from torch import Tensor

from dreamscope import images
from dreamscope.errors import DreamscopeError
from dreamscope.studio.actions import ACTIONS, Action
from dreamscope.studio.given import Given
from dreamscope.studio.jobs import Job
from dreamscope.studio.state import Studio
from dreamscope.studio.visits import Visit

MOST_BYTES = 2 * 2**20
"""Of a message from a page."""

MOST_MISTAKES = 10
"""Messages that make no sense, after which a connection is closed."""

_MOST_EVENTS = 2000
_MOST_STREAMS = 4
_ENDS = ("done", "stopped", "failed")
_SLOWEST_SEND = 20.0
_FRAME_SIDE = 768


class Outbox:
    """What a page is to hear, in order, and of each job's pictures the newest; filled from any thread.

    Parameters
    ----------
    loop
        Of the connection.
    ended
        Called in it with the number of each job whose end was told.
    """

    def __init__(self, loop: asyncio.AbstractEventLoop, ended: Callable[[int], None]) -> None:
        self._loop, self._ended = loop, ended
        self._lock = threading.Lock()
        self._events: deque[dict[str, Any] | bytes] = deque()
        self._frames: dict[int, Tensor] = {}
        self._wake = asyncio.Event()

    def event(self, job: int, event: str, facts: dict[str, Any]) -> None:
        """Hear what happened to a job."""
        with self._lock:
            last = self._events[-1] if self._events else None
            if event == "progress" and isinstance(last, dict) and (last["event"], last["job"]) == (event, job):
                self._events.pop()
            self._events.append({**facts, "job": job, "event": event})
            if event in _ENDS:
                self._frames.pop(job, None)
        self._rouse()

    def answer(self, job: int, body: bytes) -> None:
        """Take bytes as they are, in order with the events."""
        with self._lock:
            self._events.append(struct.pack(">I", job) + body)
        self._rouse()

    def frame(self, job: int, image: Tensor) -> None:
        """See how far a picture is."""
        with self._lock:
            self._frames[job] = image
        self._rouse()

    def _rouse(self) -> None:
        try:
            self._loop.call_soon_threadsafe(self._wake.set)
        except RuntimeError:
            # The server is gone, and with it whoever would have read this.
            return

    async def drain(self, websocket: WebSocket) -> None:
        """Send until the connection ends, or is too slow."""
        while True:
            await self._wake.wait()
            self._wake.clear()
            with self._lock:
                events, self._events = self._events, deque()
                frames, self._frames = self._frames, {}
            if len(events) > _MOST_EVENTS:
                return
            for event in events:
                async with asyncio.timeout(_SLOWEST_SEND):
                    await (
                        websocket.send_bytes(event)
                        if isinstance(event, bytes)
                        else websocket.send_text(json.dumps(event))
                    )
                if isinstance(event, dict) and event["event"] in _ENDS:
                    self._ended(event["job"])
            for job, image in frames.items():
                body = await asyncio.to_thread(_encoded, image)
                async with asyncio.timeout(_SLOWEST_SEND):
                    await websocket.send_bytes(struct.pack(">I", job) + body)


def _encoded(image: Tensor) -> bytes:
    return images.jpeg(images.to_pil(images.at_most(image[:1].detach().float().cpu(), _FRAME_SIDE)), quality=82)


class Connection:
    """One page that is open.

    Parameters
    ----------
    studio
        What it talks to.
    websocket
        How.
    visit
        Whose page it is.
    """

    def __init__(self, studio: Studio, websocket: WebSocket, visit: Visit) -> None:
        self._studio, self._websocket, self._visit = studio, websocket, visit
        self._outbox = Outbox(asyncio.get_running_loop(), self._next_frame)
        self._jobs: dict[int, tuple[Action, Job]] = {}
        self._mistakes = 0
        self._streams: dict[int, tuple[Action, Given]] = {}
        self._newest: dict[int, bytes] = {}

    async def run(self) -> None:
        """Read and write until the page is closed; then stop all its jobs."""
        await self._websocket.accept()
        self._visit.connections += 1
        writing = asyncio.create_task(self._outbox.drain(self._websocket))
        reading = asyncio.create_task(self._read())
        try:
            await asyncio.wait((reading, writing), return_when=asyncio.FIRST_COMPLETED)
        finally:
            for task in (reading, writing):
                task.cancel()
            await asyncio.gather(reading, writing, return_exceptions=True)
            for action, job in self._jobs.values():
                self._studio.lines[action.line].remove(job)
            self._visit.connections -= 1
            self._studio.left(self._visit)
            if self._websocket.client_state is WebSocketState.CONNECTED:
                await self._websocket.close(1008)

    async def _read(self) -> None:
        try:
            while self._mistakes < MOST_MISTAKES:
                message = await self._websocket.receive()
                if message["type"] == "websocket.disconnect":
                    return
                body = message.get("text")
                if body is None:
                    self._frame_came(message.get("bytes") or b"")
                else:
                    self._told(body)
        except WebSocketDisconnect:
            return

    def _told(self, text: str) -> None:
        try:
            message = json.loads(text)
            number = message["job"]
            valid = isinstance(number, int) and not isinstance(number, bool) and 0 <= number < 2**32
            if not valid or len(text) > MOST_BYTES:
                raise ValueError(number)
        except (ValueError, TypeError, KeyError, RecursionError):
            self._mistakes += 1
            self._outbox.event(0, "failed", {"message": "that message made no sense"})
            return
        try:
            if message.get("stop"):
                self._stop(number)
            else:
                self._begin(number, message)
        except DreamscopeError as error:
            self._outbox.event(number, "failed", {"message": str(error)})

    def _begin(self, number: int, message: dict[str, Any]) -> None:
        action = ACTIONS.get(str(message.get("do")))
        if action is None:
            self._mistakes += 1
            raise DreamscopeError("the studio can't do that")
        given = Given(message, self._visit)
        if action.streams:
            if number not in self._streams and len(self._streams) >= _MOST_STREAMS:
                raise DreamscopeError(f"this page has {_MOST_STREAMS} streams already; stop one")
            self._streams[number] = (action, given)
            return
        self._add(number, action, given)

    def _add(self, number: int, action: Action, given: Given, **more: Any) -> None:
        # What has ended is not kept in mind.
        self._jobs = {key: (each, job) for key, (each, job) in self._jobs.items() if not job.ended}
        job = Job(number, self._visit, self._outbox, partial(action.run, self._studio, given=given, **more))
        self._studio.lines[action.line].add(job)
        self._jobs[number] = (action, job)

    def _stop(self, number: int) -> None:
        self._streams.pop(number, None)
        self._newest.pop(number, None)
        found = self._jobs.get(number)
        if found is not None:
            action, job = found
            self._studio.lines[action.line].remove(job)

    def _frame_came(self, body: bytes) -> None:
        """Take a picture of a stream; if one of it is still in work, it waits, and the next takes its place."""
        number = struct.unpack(">I", body[:4])[0] if len(body) > 4 else -1
        if number not in self._streams or len(body) > MOST_BYTES:
            self._mistakes += 1
            return
        self._newest[number] = body[4:]
        self._next_frame(number)

    def _next_frame(self, number: int) -> None:
        """Begin with the newest picture of a stream, if there is one and none of it is in work."""
        found = self._jobs.get(number)
        if number in self._streams and number in self._newest and (found is None or found[1].ended):
            action, given = self._streams[number]
            try:
                self._add(number, action, given, newest=self._newest)
            except DreamscopeError as error:
                # Or it would be tried again as soon as that is told.
                self._newest.pop(number, None)
                self._outbox.event(number, "failed", {"message": str(error)})
