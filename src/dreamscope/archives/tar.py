"""Tar files of photos, as WebDataset writes them: found by their headers, read from the middle.

Python's own reader keeps an object for each member, moves one position for all threads, and follows a header wherever
it points to; here a header is a name, a place and a size, all of which must lie inside the file. Each read opens the
file anew, as a photo in a folder is opened, so that threads and forked processes share nothing.
"""

from __future__ import annotations

import json
import os
from array import array
from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO, NamedTuple

import numpy as np

from dreamscope.errors import DreamscopeError

MOST_BYTES = 2**30
"""More than any photo of `images.LARGEST_AREA` takes."""

_BLOCK = 512
_MOST_HEADER = 2**20  # bytes of an extended header, which holds a long name
_MOST_NAME = 1024
_MOST_LABEL = 2**20  # bytes of a .json beside a photo
_MOST_KEPT = 2**21  # members of all archives whose places are kept: 48 MiB

_REGULAR = (b"0", b"\0", b"7")
_WITHOUT_DATA = (b"1", b"2", b"3", b"4", b"5", b"6")  # links, devices, folders, pipes
_EXTENDED, _FOR_ALL, _LONG_NAME, _LONG_LINK = b"x", b"g", b"L", b"K"

_Identity = tuple[int, int, int, int]


class Member(NamedTuple):
    """A file in a tar: its name, and where its bytes are."""

    name: str
    start: int
    size: int


class Index:
    """Where the members of a tar are, in 24 bytes each: names as hashes, in order, with starts and sizes."""

    def __init__(self, members: Iterator[Member]) -> None:
        # Hashes of texts differ between processes, so that no archive can be made whose names collide.
        columns = array("q"), array("q"), array("q")
        for member in members:
            for column, value in zip(columns, (hash(member.name), member.start, member.size), strict=True):
                column.append(value)
        names, starts, sizes = (np.asarray(column, np.int64) for column in columns)
        order = np.argsort(names, kind="stable")
        self._names, self._starts, self._sizes = names[order], starts[order], sizes[order]

    def __len__(self) -> int:
        return len(self._names)

    def find(self, name: str) -> tuple[int, int] | None:
        """Return start and size; of several members of one name the last counts, as when they are unpacked."""
        wanted = hash(name)
        place = int(self._names.searchsorted(wanted, "right")) - 1
        if place < 0 or self._names[place] != wanted:
            return None
        return int(self._starts[place]), int(self._sizes[place])


def photos(path: Path, suffixes: tuple[str, ...]) -> Iterator[tuple[str, str | None]]:
    """Yield the names of members that end in one of `suffixes`, with their labels."""
    with _opened(path) as file:
        index = _index(file, path)
        for member in _members(file, path):
            found = index.find(member.name)
            if member.name.lower().endswith(suffixes) and found is not None and found[0] == member.start:
                yield member.name, _label(file, index, member.name)


def holds(path: Path, name: str) -> bool:
    """Return whether there is a member of that name."""
    with _opened(path) as file:
        return _index(file, path).find(name) is not None


def read(path: Path, name: str) -> bytes:
    """Return the bytes of a member; raise a `DreamscopeError` if there is none or it is too large."""
    with _opened(path) as file:
        found = _index(file, path).find(name)
        if found is None:
            raise DreamscopeError(f"no file '{name}' in archive '{path}'")
        start, size = found
        if size > MOST_BYTES:
            raise DreamscopeError(f"'{path / name}' is too large: {size} bytes, over {MOST_BYTES >> 30} GiB")
        return _read(file, start, size)


def label(path: Path, name: str) -> str | None:
    """Return the label of a member, see `_label`."""
    with _opened(path) as file:
        return _label(file, _index(file, path), name)


def _label(file: BinaryIO, index: Index, name: str) -> str | None:
    """Return what a sample's ``.cls`` says, or its ``.json``: the files whose names are the same up to the first dot
    (WebDataset's convention).
    """
    folder, slash, base = name.rpartition("/")
    sample = f"{folder}{slash}{base.partition('.')[0]}"
    found = index.find(f"{sample}.cls")
    if found is not None and found[1] <= _MOST_LABEL:
        return _read(file, *found).decode("utf-8", "replace").strip() or None
    found = index.find(f"{sample}.json")
    if found is None or found[1] > _MOST_LABEL:
        return None
    try:
        facts = json.loads(_read(file, *found))
    except (ValueError, RecursionError):
        return None
    named = (facts.get(key) for key in ("class_index", "label")) if isinstance(facts, dict) else ()
    return next((str(each) for each in named if isinstance(each, int | str) and not isinstance(each, bool)), None)


def _opened(path: Path) -> BinaryIO:
    try:
        return path.open("rb")
    except OSError as error:
        raise DreamscopeError(f"archive '{path}' can't be read: {error.strerror or error}") from error


def _read(file: BinaryIO, start: int, size: int) -> bytes:
    file.seek(start)
    found = file.read(size)
    if len(found) < size:
        raise DreamscopeError(f"archive '{file.name}' was cut short while it was read")
    return found


_kept: dict[Path, tuple[_Identity, Index]] = {}


def _index(file: BinaryIO, path: Path) -> Index:
    """Return the index of an archive: a kept one, if the file is still the same."""
    facts = os.fstat(file.fileno())
    identity = (facts.st_dev, facts.st_ino, facts.st_size, facts.st_mtime_ns)
    # Without a lock, which a process forked meanwhile would find locked for ever: at worst two threads do one work.
    kept = _kept.get(path)
    if kept is not None and kept[0] == identity:
        return kept[1]
    index = Index(_members(file, path))
    _kept.pop(path, None)
    _kept[path] = (identity, index)
    count = 0
    for place, (_, each) in reversed(list(_kept.items())):
        count += len(each)
        if count > _MOST_KEPT and place != path:
            _kept.pop(place, None)
    return index


def _members(file: BinaryIO, path: Path) -> Iterator[Member]:
    """Yield the regular files of a tar (POSIX and GNU), header by header; each lies inside the file."""
    end = os.fstat(file.fileno()).st_size
    place, extended = 0, dict[str, str]()
    while place < end:
        file.seek(place)
        header = file.read(_BLOCK)
        if header == bytes(_BLOCK):
            return
        kind, size = _checked(header, path, first=place == 0)
        place += _BLOCK
        if kind in (_EXTENDED, _FOR_ALL, _LONG_NAME, _LONG_LINK):
            if size > min(_MOST_HEADER, end - place):
                raise DreamscopeError(f"archive '{path}' is damaged: a header of {size} bytes")
            content = file.read(size)
            if kind == _EXTENDED:
                extended |= _records(content, path)
            elif kind == _LONG_NAME:
                extended["path"] = _text(content)
        elif kind in _WITHOUT_DATA:
            size, extended = 0, {}
        else:
            size = _whole(extended.get("size", str(size)), 10)
            if not 0 <= size <= end - place:
                raise DreamscopeError(
                    f"archive '{path}' is cut short or damaged: a file of {size} bytes, {end - place} left"
                )
            name = extended.get("path") or _short_name(header)
            # In the oldest tars a folder is told by its name alone.
            if kind in _REGULAR and not name.endswith("/"):
                yield Member(_inside(name, path), place, size)
            extended = {}
        place += -(-size // _BLOCK) * _BLOCK


def _checked(header: bytes, path: Path, *, first: bool) -> tuple[bytes, int]:
    """Return kind and size by a header; raise if its sum is wrong."""
    if len(header) < _BLOCK or sum(header) - sum(header[148:156]) + 8 * 32 != _whole(_text(header[148:156]), 8):
        if first:
            raise DreamscopeError(f"'{path}' is no tar archive; a compressed one must be unpacked to .tar first")
        raise DreamscopeError(f"archive '{path}' is cut short or damaged")
    if header[124] & 0x80:
        # GNU's way of sizes over 8 GiB; the first byte of one below zero is 255.
        size = int.from_bytes(header[125:136], "big") if header[124] == 0x80 else -1
    else:
        size = _whole(_text(header[124:136]), 8)
    if size < 0:
        raise DreamscopeError(f"archive '{path}' is damaged: a file of less than no bytes")
    return header[156:157], size


def _short_name(header: bytes) -> str:
    name = _text(header[:100])
    # What lies there in GNU's own form is something else.
    prefix = _text(header[345:500]) if header[257:263] == b"ustar\0" else ""
    return f"{prefix}/{name}" if prefix else name


def _records(content: bytes, path: Path) -> dict[str, str]:
    """Return the records of an extended header, ``LENGTH KEY=VALUE``, each with a line feed at its end."""
    found = {}
    while content.strip(b"\0"):
        length = _whole(_text(content.partition(b" ")[0]), 10)
        record, content = content[: max(0, length)], content[max(0, length) :]
        key, equals, value = record.partition(b" ")[2].partition(b"=")
        if not equals:
            raise DreamscopeError(f"archive '{path}' is damaged: an extended header can't be read")
        found[key.decode("utf-8", "replace")] = value.removesuffix(b"\n").decode("utf-8", "backslashreplace")
    return found


def _text(content: bytes) -> str:
    return content.partition(b"\0")[0].decode("utf-8", "backslashreplace")


def _whole(text: str, base: int) -> int:
    """Return a number of a header; -1 where it is none."""
    digits = text.strip(" \0") or "0"
    if len(digits) > 20 or set(digits) - set("0123456789"[:base]):
        return -1
    return int(digits, base)


def _inside(name: str, path: Path) -> str:
    """Return a name without ``.`` and doubled slashes; raise if it leads out of the archive."""
    parts = name.split("/")
    if len(name) > _MOST_NAME:
        raise DreamscopeError(f"archive '{path}' is damaged: a name of {len(name)} characters")
    if name.startswith("/") or ".." in parts or "\0" in name or any(os.sep in part for part in parts):
        raise DreamscopeError(f"archive '{path}' holds a name that leads out of it: {name[:100]!r}; nothing was read")
    return "/".join(part for part in parts if part not in ("", "."))
