"""Ray's side of the engine: a process that is connected to a cluster, and hands the caller's items to its actors.

It is told what to do through a pipe, draws an item from it when there is an actor for it, and sends back what was made.
When the pipe ends, so does it.
"""

from __future__ import annotations

import logging
import os
import pickle
import shutil
import socket
import time
from dataclasses import dataclass, field
from multiprocessing.connection import Connection
from typing import Any

import cloudpickle

from dreamscope.engines.base import AHEAD, ATTEMPTS, DEVICE, Failure, attempted
from dreamscope.engines.local import THREADS, processors
from dreamscope.errors import DreamscopeError

_BEAT = 0.5
_CHECK = 10.0
"""Seconds without a result after which the head is asked whether it is there."""
_CONNECTING = 5.0


class _OverError(Exception):
    """There is no more to be done: the caller knows why, or finds that this process has ended."""


class _DiedError(Exception):
    """An actor died over what it was doing."""


@dataclass(frozen=True)
class Settings:
    """What is asked of a cluster; see `dreamscope.engines.ray.Ray`."""

    address: str | None
    workers: int | None
    gpus: float | None
    cpus: float


def main(descriptor: int) -> None:
    """Serve the process at the other end of a pipe until it ends."""
    pipe = Connection(descriptor)
    settings, folder = pipe.recv()

    import ray

    try:
        try:
            cluster = _Cluster(pipe, settings, folder)
        except Exception as error:
            # Ray raises whatever it met with: all of it means that there is no cluster.
            pipe.send(("refused", str(error) or type(error).__name__))
            return
        pipe.send(("ready",))
        while True:
            said = pipe.recv()
            if said == "run":
                cluster.run()
            else:
                cluster.begin(said[1])
    except (EOFError, BrokenPipeError, ConnectionResetError, _OverError):
        # The caller has ended, or is about to end this.
        pass
    finally:
        ray.shutdown()
        shutil.rmtree(folder, ignore_errors=True)


class _Worker:
    """The actor."""

    def __init__(self, packed: bytes) -> None:
        # Here, not in an environment that Ray prepares, at a second an actor: what heeds it is loaded by the work.
        os.environ.update(dict.fromkeys(THREADS, "1"))
        self._packed = packed
        self._make: Any = None

    def begin(self) -> str | None:
        """Load what all items need; return why that can't be done."""
        import ray

        if self._make is None:
            if ray.get_gpu_ids():
                os.environ[DEVICE] = "cuda"
            try:
                self._make = cloudpickle.loads(self._packed)()
            except DreamscopeError as error:
                return str(error)
            self._packed = b""
        return None

    def make(self, item: bytes) -> bytes:
        """Make something of an item."""
        return pickle.dumps(attempted(self._make, pickle.loads(item)))


@dataclass(eq=False)
class _Held:
    number: int
    item: bytes
    deaths: int = 0


@dataclass(eq=False)
class _Place:
    """An actor, and what it holds, first what it works on; nothing until it has begun."""

    actor: Any
    begun: bool = False
    held: dict[Any, _Held] = field(default_factory=dict)


class _Cluster:
    def __init__(self, pipe: Connection, settings: Settings, folder: str) -> None:
        import ray

        self._ray, self._pipe = ray, pipe
        self._cpus = settings.cpus
        quiet: dict[str, Any] = {"log_to_driver": False, "logging_level": logging.ERROR}
        if settings.address is None:
            count = settings.workers or processors()
            ray.init(
                "local",
                num_cpus=max(1, round(count * settings.cpus)),
                include_dashboard=False,
                _temp_dir=folder,
                **quiet,
            )
        else:
            _ensure_answers(settings.address)
            ray.init(settings.address, **quiet)
        there = ray.cluster_resources()
        gpus = there.get("GPU", 0.0)
        self._gpus = min(1.0, gpus) if settings.gpus is None else settings.gpus
        if settings.address is None and self._gpus > gpus:
            raise DreamscopeError(f"this machine has {gpus:g} GPUs, and each worker is to have {self._gpus:g}")
        shares = [(there.get("CPU", 0.0), self._cpus), (gpus, self._gpus)]
        places = [int(amount / share + 1e-6) for amount, share in shares if share]
        self._workers = settings.workers or max(1, min(places, default=1))
        self._node = ray.get_runtime_context().get_node_id()
        self._packed: Any = None
        self._places: list[_Place] = []
        self._beginning: dict[Any, _Place] = {}
        self._waiting: list[_Held] = []
        self._more = False
        self._succeeded = False

    def begin(self, packed: bytes) -> None:
        """Take up other work: with new actors."""
        for place in self._places:
            self._ray.kill(place.actor)
        self._places, self._beginning = [], {}
        self._packed = self._ray.put(packed)

    def run(self) -> None:
        """Draw items, and send what is made of them, until there are no more."""
        self._more, self._succeeded = True, False
        heard = time.monotonic()
        while True:
            self._draw()
            self._hand_out()
            if not self._holds():
                self._pipe.send(("end",))
                return
            done = self._done()
            if self._pipe.poll():
                # Nothing is said unasked: it is the end.
                return
            if done:
                heard = time.monotonic()
            elif time.monotonic() - heard > _CHECK:
                self._ensure_head()
                heard = time.monotonic()
            for ref in done:
                if ref in self._beginning:
                    self._has_begun(ref)
            for place in list(self._places):
                for ref in [each for each in place.held if each in done]:
                    # It may have been taken from a place that was lost with another item.
                    if ref in place.held:
                        self._has_made(place, ref)

    def _holds(self) -> int:
        return len(self._waiting) + sum(len(place.held) for place in self._places)

    def _draw(self) -> None:
        """Draw as many items as there are actors for, or soon will be; have as many actors as there are items."""
        begun = sum(place.begun for place in self._places)
        room = AHEAD * begun + self._workers - begun
        while self._more and self._holds() < room:
            self._pipe.send(("next",))
            given = self._pipe.recv()
            if given is None:
                self._more = False
            else:
                self._waiting.append(_Held(*given))
        while len(self._places) < min(self._workers, self._holds()):
            actor = self._ray.remote(_Worker).options(num_cpus=self._cpus, num_gpus=self._gpus, max_restarts=-1)
            place = _Place(actor.remote(self._packed))
            self._places.append(place)
            self._begin(place)

    def _begin(self, place: _Place) -> None:
        place.begun, place.held = False, {}
        # It waits until the actor has found a place, the first time or anew; Ray tries as often as an item is tried.
        ref = place.actor.begin.options(max_task_retries=ATTEMPTS - 1).remote()
        self._beginning[ref] = place

    def _hand_out(self) -> None:
        """Give items to actors that hold few: one to each before any gets a second."""
        for count in range(1, AHEAD + 1):
            for place in self._places:
                while place.begun and len(place.held) < count:
                    if not self._waiting:
                        return
                    held = self._waiting.pop(0)
                    # Without retries of Ray's: what an actor held that is lost need not wait until there is a new one.
                    place.held[place.actor.make.options(max_task_retries=0).remote(held.item)] = held

    def _done(self) -> set[Any]:
        refs = [*self._beginning, *(ref for place in self._places for ref in place.held)]
        done, _ = self._ray.wait(refs, timeout=_BEAT)
        if done:
            # All that are: among many actors, several.
            done, _ = self._ray.wait(refs, num_returns=len(refs), timeout=0)
        return set(done)

    def _has_begun(self, ref: Any) -> None:
        place = self._beginning.pop(ref)
        try:
            refusal = self._result(ref)
        except _DiedError:
            self._ray.kill(place.actor)
            self._places.remove(place)
            self._workers -= 1
            if not self._workers:
                self._give_up(f"{ATTEMPTS} workers died while they loaded the network; is there memory enough?")
            return
        if refusal is not None:
            self._give_up(refusal)
        place.begun = True

    def _has_made(self, place: _Place, ref: Any) -> None:
        try:
            made = self._result(ref)
        except _DiedError:
            # Actors take items in their order: it died over the first one.
            first, *others = place.held.values()
            self._begin(place)
            self._waiting[:0] = others
            first.deaths += 1
            if first.deaths < ATTEMPTS:
                self._waiting.insert(0, first)
            else:
                message = f"{ATTEMPTS} workers died over it; is there memory enough?"
                if not self._succeeded:
                    self._give_up(f"nothing can be done there: {message}")
                self._pipe.send(("made", first.number, pickle.dumps(Failure(message))))
            self._ensure_head()
        else:
            self._succeeded = True
            self._pipe.send(("made", place.held.pop(ref).number, made))

    def _result(self, ref: Any) -> Any:
        """Return what an actor returned; raise `_DiedError` if it did not live to do so."""
        try:
            return self._ray.get(ref)
        except self._ray.exceptions.RayTaskError as error:
            try:
                error.cause.add_note(f"In a worker:\n{error}")
                packed = cloudpickle.dumps(error.cause)
            except Exception:
                packed = pickle.dumps(RuntimeError(str(error)))
            self._pipe.send(("error", packed))
            raise _OverError from None
        except self._ray.exceptions.RayError:
            raise _DiedError from None

    def _give_up(self, why: str) -> None:
        self._pipe.send(("impossible", why))
        raise _OverError

    def _ensure_head(self) -> None:
        """Leave if the head is no longer there, or no longer the same: Ray may have ended this process by then."""
        if not any(node["NodeID"] == self._node and node["Alive"] for node in self._ray.nodes()):
            raise _OverError


def _ensure_answers(address: str) -> None:
    """Raise if nobody listens at an address: Ray would try for minutes."""
    host, _, port = address.rpartition(":")
    if host and port.isdecimal():
        try:
            socket.create_connection((host.strip("[]").removeprefix("ray://"), int(port)), _CONNECTING).close()
        except OSError as error:
            raise DreamscopeError(f"nobody answers there ({error.strerror or error})") from None
