"""The store: what was made of an atlas, on disk - pictures, numbers, and a journal of what is finished.

A file is written whole or not at all, and an item counts as made once its line stands in the journal, which is written
last. Whatever is killed at whatever time, what the journal names is there and complete: a new form of an item has files
of other names, or its old form is struck out before they are written.
"""

from __future__ import annotations

import errno
import hashlib
import io
import json
import os
import sys
import time
from collections import Counter
from collections.abc import Container, Iterable, Iterator
from contextlib import suppress
from dataclasses import dataclass
from io import FileIO
from pathlib import Path
from types import TracebackType
from typing import IO, Any, Self
from zipfile import BadZipFile

import numpy as np
from PIL import Image

from dreamscope import files
from dreamscope.errors import DreamscopeError
from dreamscope.microscope.items.base import SUFFIX, Made, Numbers

JOURNAL = "manifest.jsonl"
TOLERANCE = 0.01
"""How much pictures may differ on average that count as the same, as a share of the range of colours."""
_LOCK = ".lock"
_PATIENCE = 1.0
"""Seconds until whoever adds a single item, such as the studio, is done."""


class LockedError(DreamscopeError):
    """Another process adds to the store."""


@dataclass(frozen=True)
class Entry:
    """An item that is made.

    Attributes
    ----------
    digest : str
        Of all that decided how it came out, see `Item.digest`.
    files : dict of str to str
        Its files, by their paths in the store, and their SHA-256.
    facts : dict
        See `Made`.
    """

    digest: str
    files: dict[str, str]
    facts: dict[str, Any]


class Store:
    """A folder of what was made; one process at a time may add to it, any number may read.

    Parameters
    ----------
    folder
        Where it is; made when something is added.

    Examples
    --------
    ::

        with Store("site/data") as store:      # to add something
            store.add("pictures/act/0-15", digest, made)
        Store("site/data").numbers("pictures/act/0-15")
    """

    def __init__(self, folder: str | Path) -> None:
        self.folder = Path(folder)
        self._entries: dict[str, Entry] = {}
        # How many items each file is of: those of other photos may have been numbered otherwise.
        self._owners: Counter[str] = Counter()
        self._journal: FileIO | None = None
        self._lock: IO[str] | None = None
        self._journal_read: tuple[int, ...] = ()
        self._read()

    def __enter__(self) -> Self:
        """Begin to add; raise a `LockedError` if another process does, and goes on with it."""
        try:
            self.folder.mkdir(parents=True, exist_ok=True)
            self._lock = _locked(self.folder / _LOCK)
        except BlockingIOError:
            raise LockedError(f"'{self.folder}' is being built by another process; wait until it ends") from None
        except OSError as error:
            raise DreamscopeError(f"can't write into '{self.folder}': {error.strerror or error}") from error
        try:
            # What another process added since.
            self._read(mend=True)
        except BaseException:
            self._release()
            raise
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._release()

    def _release(self) -> None:
        if self._journal is not None:
            self._journal.close()
        if self._lock is not None:
            # Where a file that is open can't be removed, it stays, and does no harm.
            with suppress(PermissionError):
                (self.folder / _LOCK).unlink(missing_ok=True)
            self._lock.close()
        self._journal = self._lock = None

    @property
    def locked(self) -> bool:
        """Whether somebody adds to it just now, or nobody can."""
        try:
            with (self.folder / _LOCK).open() as lock:
                _hold(lock, alone=False)
        except FileNotFoundError:
            return False
        except OSError:
            return True
        return False

    def refresh(self) -> None:
        """Read what another process added or removed since; raise a `DreamscopeError` if that can't be read."""
        try:
            now = _signature(os.stat(self.folder / JOURNAL))
        except OSError:
            now = ()
        if now != self._journal_read:
            self._read()

    def __contains__(self, key: str) -> bool:
        return key in self._entries

    def __iter__(self) -> Iterator[str]:
        return iter(sorted(self._entries))

    def __getitem__(self, key: str) -> Entry:
        return self._entries[key]

    def digest(self, key: str) -> str | None:
        """Return that of an item, ``None`` if it was not made."""
        return self._entries[key].digest if key in self._entries else None

    def numbers(self, key: str, *names: str) -> Numbers:
        """Return the numbers of an item, which may be none: all, or those that are named, without reading the others.

        Raises
        ------
        DreamscopeError
            If it was not made, or its file is damaged.
        """
        if key not in self:
            raise DreamscopeError(f"there is no '{key}' in '{self.folder}'; build the atlas again")
        name = _numbers_of(key, self[key].digest)
        if name not in self[key].files:
            return {}
        path = self.folder / name
        try:
            with np.load(path, allow_pickle=False) as found:
                return {name: found[name] for name in names or found.files}
        except (OSError, ValueError, KeyError, BadZipFile) as error:
            raise DreamscopeError(f"'{path}' can't be read: {error}; build the atlas again to mend it") from error

    def file(self, key: str, name: str) -> bytes | None:
        """Return a file of an item; ``None`` if it is none of its, gone, or another than was written."""
        if key not in self or name not in self[key].files:
            return None
        try:
            content = (self.folder / name).read_bytes()
        except OSError:
            return None
        return content if _sha256(content) == self[key].files[name] else None

    def pictures(self, key: str) -> Numbers:
        """Return the pictures of an item that are there, as the bytes of their files, by their paths."""
        bodies = {name: self.file(key, name) for name in self[key].files if name.endswith(SUFFIX)}
        return {name: np.frombuffer(body, np.uint8) for name, body in bodies.items() if body is not None}

    def add(self, key: str, digest: str, made: Made, *, brief: bool = False) -> None:
        """Add what was made of an item, in place of what was made of it before.

        What is there only briefly is not compressed, which would take the builder longer than all the rest.
        """
        written = {f"{name}{SUFFIX}": content for name, content in made.pictures.items()}
        if made.numbers:
            memory = io.BytesIO()
            (np.savez if brief else np.savez_compressed)(memory, **made.numbers)  # type: ignore[arg-type]
            written[_numbers_of(key, digest)] = memory.getvalue()
        entry = Entry(digest, {name: _sha256(content) for name, content in written.items()}, made.facts)
        self._strike_out(key, entry)
        for name, content in written.items():
            path = self.folder / name
            try:
                path.parent.mkdir(parents=True, exist_ok=True)
            except OSError as error:
                raise DreamscopeError(f"can't write '{path}': {error.strerror or error}") from error
            with files.written_whole(path) as temporary:
                temporary.write_bytes(content)
        self._append({"key": key, "digest": digest, "files": entry.files, "facts": entry.facts})
        before = self._entries.get(key)
        self._entries[key] = entry
        self._owners.update(list(entry.files))
        self._remove(before.files if before else ())

    def drop(self, key: str) -> None:
        """Remove an item and its files."""
        self._append({"key": key, "digest": None})
        self._remove(self._entries.pop(key).files)

    def _strike_out(self, key: str, entry: Entry) -> None:
        """Drop what would be damaged by an item's files: its pictures have the same names in any form.

        Killed between the first of them and its line in the journal, it is neither as it was nor as it will be.
        """
        own = self._entries[key].files if key in self else {}
        shared = any(self._owners[name] > (name in own) for name in entry.files)
        for other in list(self._entries) if shared else [key] if own else []:
            known = self._entries[other].files
            if any(known.get(name, digest) != digest for name, digest in entry.files.items()):
                self._append({"key": other, "digest": None})
                self._remove(self._entries.pop(other).files, keep=entry.files)

    def _remove(self, names: Iterable[str], *, keep: Container[str] = ()) -> None:
        """Remove files of an item that is gone, but for those that another one has made since, or is about to make."""
        for name in names:
            self._owners[name] -= 1
            if self._owners[name] <= 0:
                del self._owners[name]
                if name not in keep:
                    (self.folder / name).unlink(missing_ok=True)

    def damaged(self, key: str) -> bool:
        """Return whether one of an item's files is gone or another than was written."""
        for name, wanted in self._entries[key].files.items():
            path = self.folder / name
            if not path.is_file() or files.digest(path) != wanted:
                return True
        return False

    def differs(self, key: str, made: Made) -> str | None:
        """Return how what was made of an item once more differs from what is there, ``None`` if it does not.

        Numbers have to be the same to the last digit; pictures, which other machines may compute a little otherwise, to
        the eye: `TOLERANCE` of their range on average.
        """
        entry = self._entries[key]
        if self.damaged(key):
            return "a file of it is gone or another"
        numbers = self.numbers(key) if made.numbers else {}
        for name, values in made.numbers.items():
            known = numbers.get(name)
            if known is None or known.dtype != values.dtype or known.tobytes() != values.tobytes():
                return f"other numbers: {name}"
        if json.loads(json.dumps(made.facts)) != entry.facts:
            return "other facts"
        for name, content in made.pictures.items():
            path = self.folder / f"{name}{SUFFIX}"
            if not path.is_file():
                return f"another picture: {name}"
            first, second = (Image.open(io.BytesIO(each)) for each in (path.read_bytes(), content))
            if first.size != second.size:
                return f"a picture of another size: {name}"
            away = np.abs(np.asarray(first, dtype=np.float32) - np.asarray(second, dtype=np.float32)).mean() / 255
            if away > TOLERANCE:
                return f"another picture: {name}"
        return None

    def tidy(self) -> None:
        """Write the journal anew, a line for each item in their order, and remove files that belong to none."""
        path = self.folder / JOURNAL
        with files.written_whole(path) as temporary:
            lines = [
                {"key": key, "digest": entry.digest, "files": entry.files, "facts": entry.facts}
                for key, entry in sorted(self._entries.items())
            ]
            temporary.write_text("".join(f"{json.dumps(line, sort_keys=True)}\n" for line in lines), "utf-8")
        if self._journal is not None:
            self._journal.close()
            self._journal = None
        known = {name for entry in self._entries.values() for name in entry.files} | {JOURNAL, _LOCK}
        for file in [each for each in self.folder.rglob("*") if each.is_file()]:
            if file.relative_to(self.folder).as_posix() not in known:
                file.unlink()
        for folder in sorted((each for each in self.folder.rglob("*") if each.is_dir()), reverse=True):
            if not any(folder.iterdir()):
                folder.rmdir()

    def _read(self, *, mend: bool = False) -> None:
        path = self.folder / JOURNAL
        self._entries = {}
        self._owners = Counter()
        self._journal_read = ()
        try:
            with path.open("rb") as file:
                # Before it is read: what is written meanwhile is read the next time.
                self._journal_read = _signature(os.fstat(file.fileno()))
                content = file.read()
        except FileNotFoundError:
            return
        except OSError as error:
            raise DreamscopeError(f"can't read '{path}': {error.strerror or error}") from error
        *lines, torn = content.split(b"\n")
        for number, line in enumerate(lines, 1):
            try:
                found = json.loads(line)
                if found["digest"] is None:
                    self._entries.pop(found["key"], None)
                else:
                    self._entries[found["key"]] = Entry(found["digest"], found["files"], found["facts"])
            except (ValueError, KeyError, TypeError) as error:
                raise DreamscopeError(f"'{path}' is no journal of an atlas: line {number}") from error
        self._owners = Counter(name for entry in self._entries.values() for name in entry.files)
        if torn and mend:
            # Whoever wrote the last line was killed over it.
            os.truncate(path, len(content) - len(torn))

    def _append(self, line: dict[str, Any]) -> None:
        if self._lock is None:
            raise RuntimeError("a store is added to inside `with`")
        path = self.folder / JOURNAL
        content = f"{json.dumps(line, sort_keys=True)}\n".encode()
        try:
            if self._journal is None:
                # Not buffered: what could not be written must not be written later.
                self._journal = path.open("ab", buffering=0)
            size = os.fstat(self._journal.fileno()).st_size
            try:
                if self._journal.write(content) != len(content):
                    raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
            except OSError:
                # Half a line would hide what is written behind it.
                os.truncate(path, size)
                raise
        except OSError as error:
            raise DreamscopeError(f"can't write '{path}': {error.strerror or error}") from error


def _hold(lock: IO[str], *, alone: bool) -> None:
    """Hold a file until it is closed, alone or with others that do; raise `BlockingIOError` if that can't be."""
    # Elsewhere nobody is kept from writing at the same time.
    if sys.platform != "win32":
        import fcntl

        fcntl.flock(lock, (fcntl.LOCK_EX if alone else fcntl.LOCK_SH) | fcntl.LOCK_NB)


def _locked(path: Path) -> IO[str]:
    """Return a file that this process alone holds; raise `BlockingIOError` if another one goes on to."""
    until = time.monotonic() + _PATIENCE
    while True:
        lock = path.open("w")
        try:
            _hold(lock, alone=True)
            # Whoever held it removed it at the end: perhaps between the two lines above.
            if path.exists() and os.path.samestat(path.stat(), os.fstat(lock.fileno())):
                return lock
        except BlockingIOError:
            if time.monotonic() >= until:
                lock.close()
                raise
            time.sleep(_PATIENCE / 20)
        except BaseException:
            lock.close()
            raise
        lock.close()


def _signature(facts: os.stat_result) -> tuple[int, ...]:
    """Return what is another once a file has been written."""
    return (facts.st_ino, facts.st_size, facts.st_mtime_ns)


def _numbers_of(key: str, digest: str) -> str:
    return f"numbers/{key}.{digest[:8]}.npz"


def _sha256(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()
