"""A Ray cluster: its actors, its object store, its retries, its placing and its growing; a local one if none is named.

Ray's side of it runs in a process of its own, see `ray_driver`: a driver whose head is lost is ended by Ray, without an
exception that could be caught. Here that is the end of a pipe.
"""

from __future__ import annotations

import pickle
import shutil
import tempfile
import time
import uuid
from collections.abc import Iterable, Iterator
from importlib.util import find_spec
from itertools import chain
from pathlib import Path
from typing import Any, Self

import cloudpickle

from dreamscope.engines.base import Work
from dreamscope.engines.child import Child
from dreamscope.engines.ray_driver import Settings
from dreamscope.errors import DreamscopeError

RETURNS = 300.0
"""Seconds for which a cluster at an address is waited for, once it is lost."""

_BETWEEN = 2.0
_ENDING = 30.0
_KEPT = "what is made is kept, and the same command goes on from there"


class Ray:
    """Actors of a Ray cluster, each with one processor and one thread.

    Parameters
    ----------
    address
        The head's, ``HOST:PORT``, or ``auto`` for the cluster that this machine belongs to; a local cluster, which
        listens to this machine only and ends with the engine, if not given.
    workers
        How many actors; as many as the cluster has places for when it begins, if not given. More than that make a
        cluster grow that can.
    gpus
        The share of a GPU that each actor asks for; a whole one where the cluster has any, if not given.
    cpus
        The share of a processor that each actor asks for.

    Raises
    ------
    DreamscopeError
        If Ray is not installed, or a number is invalid.
    """

    def __init__(
        self,
        address: str | None = None,
        workers: int | None = None,
        gpus: float | None = None,
        *,
        cpus: float = 1.0,
    ) -> None:
        if find_spec("ray") is None:
            raise DreamscopeError("Ray is not installed; install it: pip install 'dreamscope[cluster]'")
        if workers is not None and workers < 1:
            raise DreamscopeError(f"workers are 1 or more, not {workers}")
        if (gpus is not None and gpus < 0) or cpus < 0:
            raise DreamscopeError("the share of a processor or GPU is 0 or more")
        self._settings = Settings(address, workers, gpus, cpus)
        self._packed = b""
        self._driver: _Driver | None = None

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        if self._driver is not None:
            self._driver.end()
            self._driver = None

    def run(self, work: Work, items: Iterable[Any]) -> Iterator[tuple[Any, Any]]:
        """See `dreamscope.engines.base.Engine`.

        Raises
        ------
        DreamscopeError
            If there is no such cluster, or it is lost and does not come back within `RETURNS` seconds.
        """
        drawn: Iterator[tuple[int, Any]] = enumerate(items)
        first = next(drawn, None)
        if first is None:
            return
        drawn = chain([first], drawn)
        packed = cloudpickle.dumps(work)
        held: dict[int, Any] = {}
        finished = False
        lost_since: float | None = None
        try:
            while not finished:
                numbered = chain(list(held.items()), drawn)
                try:
                    driver = self._ready(packed)
                    driver.send("run")
                    while True:
                        said, *more = driver.receive()
                        if said == "next":
                            given = next(numbered, None)
                            if given is not None:
                                held[given[0]] = given[1]
                            driver.send(given and (given[0], cloudpickle.dumps(given[1])))
                        elif said == "made":
                            lost_since = None
                            number, made = more
                            yield held.pop(number), pickle.loads(made)
                        elif said == "error":
                            raise pickle.loads(more[0])
                        else:
                            finished = True
                            break
                except _LostError as error:
                    lost_since = lost_since or time.monotonic()
                    self.__exit__()
                    if self._settings.address is None:
                        raise DreamscopeError(f"the local Ray cluster is lost; {_KEPT}{error}") from None
                    if time.monotonic() - lost_since > RETURNS:
                        raise DreamscopeError(
                            f"the Ray cluster at '{self._settings.address}' is lost, and was not back within "
                            f"{RETURNS:g} s; {_KEPT}{error}"
                        ) from None
                    time.sleep(_BETWEEN)
        finally:
            if not finished:
                # Nobody wants what its actors would still make.
                self.__exit__()

    def _ready(self, packed: bytes) -> _Driver:
        """Return a driver whose actors begin with some work; raise `_LostError` if one that was there is not."""
        if self._driver is None:
            self._driver = _Driver(self._settings, was_there=bool(self._packed))
            self._packed = b""
        if packed != self._packed:
            self._driver.send(("work", packed))
            self._packed = packed
        return self._driver


class _LostError(Exception):
    """The driver is no more, and so is the head that it was connected to."""


class _Driver:
    """The process that is connected to a cluster."""

    def __init__(self, settings: Settings, *, was_there: bool) -> None:
        # Sockets lie in it, whose paths are short by law: not where other temporary files may lie.
        parent = "/tmp" if Path("/tmp").is_dir() else None
        self._folder = tempfile.mkdtemp(prefix="dreamscope-ray-", dir=parent)
        self._said = tempfile.TemporaryFile()  # noqa: SIM115 - as long as the driver
        environment = _environment(local=settings.address is None)
        self._child = Child("dreamscope.engines.ray_driver", environment, said=self._said)
        try:
            self.send((settings, self._folder))
            said, *more = self.receive()
        except _LostError as error:
            said, more = "refused", [str(error)]
        except BaseException:
            self.end()
            raise
        if said == "refused":
            self.end()
            if was_there:
                raise _LostError(f": {more[0]}")
            where = "can't be started" if settings.address is None else f"can't be reached at '{settings.address}'"
            raise DreamscopeError(f"a Ray cluster {where}: {more[0]}")

    def send(self, message: Any) -> None:
        """Say something to the driver; raise `_LostError` if it is no more."""
        try:
            self._child.pipe.send(message)
        except OSError:
            raise _LostError(self._last_words()) from None

    def receive(self) -> tuple[Any, ...]:
        """Wait for what the driver says; raise `_LostError` if it is no more, a `DreamscopeError` if it can't go on."""
        try:
            said: tuple[Any, ...] = self._child.pipe.recv()
        except (EOFError, OSError):
            raise _LostError(self._last_words()) from None
        if said[0] == "impossible":
            raise DreamscopeError(said[1])
        return said

    def end(self) -> None:
        """End the driver, and with it its actors."""
        self._child.end(_ENDING)
        self._said.close()
        shutil.rmtree(self._folder, ignore_errors=True)

    def _last_words(self) -> str:
        if not self._child.wait(_ENDING):
            return ""
        self._said.seek(0)
        lines = self._said.read().decode("utf-8", "replace").strip().splitlines()
        return f" (Ray: {lines[-1].strip()})" if lines else ""


def _environment(*, local: bool) -> dict[str, str]:
    """Return what a driver finds in its environment besides what is there."""
    if not local:
        return {"RAY_USAGE_STATS_ENABLED": "0"}
    return {
        "RAY_USAGE_STATS_ENABLED": "0",
        # On some systems Ray's default, on any what keeps a cluster to this machine.
        "RAY_ENABLE_WINDOWS_OR_OSX_CLUSTER": "0",
        # Else Ray would leave a token in the user's home, which later clusters would ask for.
        "RAY_AUTH_MODE": "token",
        "RAY_AUTH_TOKEN": uuid.uuid4().hex,
    }
