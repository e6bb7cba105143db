"""Faults that are planted: workers that die, a builder that is killed over a file, a disk that is full."""

from __future__ import annotations

import errno
import io
import os
import random
import signal
import sys
import threading
from collections.abc import Callable, Iterable, Iterator
from multiprocessing import get_context
from pathlib import Path
from typing import Any

import cloudpickle
import pytest

from dreamscope.engines.base import Engine, Work

_WRITES = ("os.rename", "os.remove", "os.mkdir", "os.rmdir", "os.truncate", "shutil.rmtree")


class Deadly:
    """An engine whose workers are killed over some of the items, at a moment of their own, once each."""

    def __init__(self, engine: Engine, marks: Path, times: int, among: int, *, latest: float = 0.02) -> None:
        self.engine, self.marks, self.latest = engine, marks, latest
        drawn = random.Random(times)
        self.doomed = {number: drawn.random() * latest for number in drawn.sample(range(among), times)}
        self.count = 0
        marks.mkdir()

    def __enter__(self) -> Deadly:
        self.engine.__enter__()
        return self

    def __exit__(self, *_: Any) -> None:
        self.engine.__exit__(None, None, None)

    def run(self, work: Work, items: Iterable[Any]) -> Iterator[tuple[Any, Any]]:
        def numbered() -> Iterator[tuple[int, Any]]:
            for item in items:
                yield self.count, item
                self.count += 1

        for (_, item), made in self.engine.run(_Dangerous(work, self.doomed, self.marks), numbered()):
            yield item, made


class _Dangerous:
    def __init__(self, work: Work, doomed: dict[int, float], marks: Path) -> None:
        self.work, self.doomed, self.marks = work, doomed, marks

    def __call__(self) -> Callable[[tuple[int, Any]], Any]:
        make = self.work()

        def once(numbered: tuple[int, Any]) -> Any:
            number, item = numbered
            mark = self.marks / str(number)
            if number in self.doomed and not mark.exists():
                mark.touch()
                threading.Timer(self.doomed[number], os.kill, (os.getpid(), signal.SIGKILL)).start()
            return make(item)

        return once


def killed_over_a_file(folder: Path, build: Callable[[], None], at: int) -> bool:
    """Build in a process that is killed when it touches a file of a folder for that time; return whether it was."""
    # Forked from a process that has all modules and no threads.
    context = get_context("forkserver")
    context.set_forkserver_preload(["dreamscope.microscope.build", "dreamscope.models.classifier"])
    process = context.Process(target=_build, args=(str(folder), cloudpickle.dumps(build), at))
    process.start()
    process.join()
    assert process.exitcode in (0, -signal.SIGKILL)
    return process.exitcode != 0


def _build(folder: str, packed: bytes, at: int) -> None:
    build = cloudpickle.loads(packed)
    touched = 0

    def watch(event: str, arguments: tuple[Any, ...]) -> None:
        nonlocal touched
        writes = event in _WRITES or (event == "open" and isinstance(arguments[2], int) and arguments[2] & 3)
        if writes and any(str(each).startswith(folder) for each in arguments[:2]):
            touched += 1
            if touched == at:
                os.kill(os.getpid(), signal.SIGKILL)

    sys.addaudithook(watch)
    build()


class FullDisk:
    """A disk on which half of a certain write finds room, and nothing after it."""

    def __init__(self, folder: Path, at: int) -> None:
        self.folder, self.left = str(folder), at

    def set_up(self, patch: pytest.MonkeyPatch) -> None:
        """Put it in place of the real one."""
        write_bytes, opened = Path.write_bytes, Path.open

        def limited(path: Path, content: bytes) -> int:
            if not str(path).startswith(self.folder) or self.room():
                return write_bytes(path, content)
            write_bytes(path, content[: len(content) // 2])
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

        def journal(path: Path, mode: str = "r", buffering: int = -1, **more: Any) -> Any:
            if buffering != 0 or not str(path).startswith(self.folder):
                return opened(path, mode, buffering, **more)
            return _Limited(path, self)

        patch.setattr(Path, "write_bytes", limited)
        patch.setattr(Path, "open", journal)

    def room(self) -> bool:
        """Return whether a write finds room."""
        self.left -= 1
        return self.left > 0


class _Limited(io.FileIO):
    def __init__(self, path: Path, disk: FullDisk) -> None:
        super().__init__(str(path), "ab")
        self.disk = disk

    def write(self, content: Any) -> int:
        """Write half, if there is no room for all; say so, as a file that is not buffered does."""
        return super().write(content if self.disk.room() else content[: len(content) // 2])
