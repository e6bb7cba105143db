"""Parquet tables with a column of images, as Hugging Face writes them; a photo is a row.

Rows lie in groups that can only be read from their beginning on. So a table goes on where it stood: rows in order are
each unpacked once, a few at a time, and some of the last are kept for those who come back to them.
"""

from __future__ import annotations

import threading
from bisect import bisect_right
from collections.abc import Iterator
from contextlib import contextmanager
from itertools import repeat
from pathlib import Path
from typing import Any

from dreamscope.archives.tar import MOST_BYTES
from dreamscope.errors import DreamscopeError

IMAGE_COLUMNS = ("image", "img", "jpg", "jpeg", "png", "webp", "bytes")
LABEL_COLUMNS = ("class_index", "label", "cls")

_AT_ONCE = 4  # rows; few, since packed rows may be far smaller than what comes out of them
_LABELS_AT_ONCE = 1024
_MOST_KEPT = 2**25  # bytes of the rows that all open tables keep
_MOST_OPEN = 4  # tables, in each thread
_BUFFER = 2**20
_MOST_SCHEMA = 2**26  # bytes of texts, and number of things, in what a file says of itself


class Table:
    """An open table, for one thread.

    Attributes
    ----------
    count : int
        Number of rows.
    weight : int
        Bytes of the rows that are kept.
    """

    def __init__(self, path: Path) -> None:
        pyarrow = _pyarrow()
        self._path = path
        self._file: Any = pyarrow.parquet.ParquetFile(
            path, buffer_size=_BUFFER, thrift_string_size_limit=_MOST_SCHEMA, thrift_container_size_limit=_MOST_SCHEMA
        )
        groups = [self._file.metadata.row_group(group).num_rows for group in range(self._file.num_row_groups)]
        self._starts = [0]
        for rows in groups:
            self._starts.append(self._starts[-1] + rows)
        self.count = self._starts[-1]
        # No picture is a byte; and who counts by such a number would not come to an end.
        if min(groups, default=0) < 0 or self.count > path.stat().st_size:
            raise DreamscopeError(f"'{path}' is damaged: it can't hold {self.count} rows")
        self._image = self._image_column(pyarrow)
        flat = {field.name for field in self._file.schema_arrow if not pyarrow.types.is_nested(field.type)}
        self._label = next((name for name in LABEL_COLUMNS if name in flat), None)
        self._kept: dict[int, bytes | None] = {}
        self.weight = 0
        self._group, self._next = -1, 0
        self._batches: Iterator[Any] = iter(())

    def read(self, row: int) -> bytes | None:
        """Return the bytes of a row's image, ``None`` if it has none or too many."""
        if row in self._kept:
            return self._kept[row]
        group = bisect_right(self._starts, row) - 1
        if group != self._group or row < self._next:
            self._batches = self._unpacked(self._image, group, _AT_ONCE)
            self._group, self._next = group, self._starts[group]
        for column in self._batches:
            found = None
            for place, value in enumerate(column, self._next):
                content: bytes | None = value.as_py()
                self._keep(place, content)
                found = content if place == row else found
            self._next += len(column)
            if self._next > row:
                return found
        raise DreamscopeError(f"'{self._path}' is damaged: it has fewer rows than it says")

    def label(self, row: int) -> str | None:
        """Return the label of a row."""
        group = bisect_right(self._starts, row) - 1
        first = self._starts[group]
        for column in self._unpacked(self._label, group, _LABELS_AT_ONCE) if self._label else ():
            if row < first + len(column):
                return _plain(column[row - first].as_py())
            first += len(column)
        return None

    def labels(self) -> Iterator[str | None]:
        """Yield the labels of all rows."""
        if self._label is None:
            yield from repeat(None, self.count)
            return
        for group in range(len(self._starts) - 1):
            for column in self._unpacked(self._label, group, _LABELS_AT_ONCE):
                yield from map(_plain, column.to_pylist())

    def forget(self) -> None:
        """Keep no rows any longer."""
        self._kept.clear()
        self.weight = 0

    def _unpacked(self, column: str, group: int, at_once: int) -> Iterator[Any]:
        batches = self._file.iter_batches(at_once, row_groups=[group], columns=[column], use_threads=False)
        for batch in batches:
            (found,) = batch.columns
            # Of a struct, the one field that was asked for.
            yield found.flatten()[0] if found.type.num_fields else found

    def _keep(self, row: int, content: bytes | None) -> None:
        if row in self._kept:
            return
        self._kept[row] = content
        self.weight += len(content or b"")
        while self.weight > _MOST_KEPT and len(self._kept) > 1:
            self.weight -= len(self._kept.pop(next(iter(self._kept))) or b"")

    def _image_column(self, pyarrow: Any) -> str:
        """Return the column of images: a struct {bytes, path}, or one of bytes with a name that says so."""
        types = pyarrow.types

        def binary(kind: Any) -> bool:
            return bool(types.is_binary(kind) or types.is_large_binary(kind))

        found = {}
        for field in self._file.schema_arrow:
            kind = field.type
            if types.is_struct(kind) and "bytes" in kind.names and binary(kind.field("bytes").type):
                found[field.name] = f"{field.name}.bytes"
            elif binary(kind) and field.name in IMAGE_COLUMNS:
                found[field.name] = field.name
        if not found:
            names = ", ".join(self._file.schema_arrow.names[:8])
            raise DreamscopeError(
                f"'{self._path}' has no column of images (a struct with 'bytes', or bytes called "
                f"{', '.join(IMAGE_COLUMNS)}); it has {names or 'none at all'}"
            )
        return next((found[name] for name in IMAGE_COLUMNS if name in found), next(iter(found.values())))


def photos(path: Path) -> Iterator[tuple[str, str | None]]:
    """Yield the numbers of all rows with their labels."""
    with _one_line(path):
        for row, text in enumerate(_table(path).labels()):
            yield str(row), text


def holds(path: Path, name: str) -> bool:
    """Return whether that is the number of a row."""
    with _one_line(path):
        return _row(name, _table(path)) is not None


def read(path: Path, name: str) -> bytes:
    """Return the bytes of a row's image; raise a `DreamscopeError` if there is none."""
    with _one_line(path):
        table = _table(path)
        row = _row(name, table)
        if row is None:
            raise DreamscopeError(f"no row '{name}' in '{path}'; its {table.count} rows count from 0")
        found = table.read(row)
        if found is None:
            raise DreamscopeError(f"row {name} of '{path}' holds no picture")
        if len(found) > MOST_BYTES:
            raise DreamscopeError(f"row {name} of '{path}' is too large: {len(found)} bytes")
        return found


def label(path: Path, name: str) -> str | None:
    """Return the label of a row."""
    with _one_line(path):
        table = _table(path)
        row = _row(name, table)
        return None if row is None else table.label(row)


def _row(name: str, table: Table) -> int | None:
    if not name.isascii() or not name.isdigit() or len(name) > 18 or name != str(int(name)):
        return None
    return int(name) if int(name) < table.count else None


def _plain(value: Any) -> str | None:
    if isinstance(value, bytes):
        value = value.decode("utf-8", "replace")
    text = str(value).strip() if isinstance(value, int | str) and not isinstance(value, bool) else ""
    return text or None


_open = threading.local()
"""The tables that a thread has open. A forked process goes on with copies: reading moves no position of the file."""


def _table(path: Path) -> Table:
    tables: dict[Path, tuple[tuple[int, ...], Table]] = _open.__dict__.setdefault("tables", {})
    facts = path.stat()
    identity = (facts.st_dev, facts.st_ino, facts.st_size, facts.st_mtime_ns)
    found = tables.pop(path, None)
    if found is None or found[0] != identity:
        found = (identity, Table(path))
    tables[path] = found
    while len(tables) > _MOST_OPEN:
        tables.pop(next(iter(tables)))
    weight = sum(table.weight for _, table in tables.values())
    # Those first that were asked longest ago; never the one that is asked now.
    for _, table in [*tables.values()][:-1]:
        if weight > _MOST_KEPT:
            weight -= table.weight
            table.forget()
    return found[1]


@contextmanager
def _one_line(path: Path) -> Iterator[None]:
    """Turn what pyarrow raises into one line."""
    pyarrow = _pyarrow()
    try:
        yield
    # A text that is none is a ValueError.
    except (pyarrow.ArrowException, OSError, ValueError, MemoryError) as error:
        reason = (str(error) or type(error).__name__).splitlines()[0][:200]
        raise DreamscopeError(f"'{path}' can't be read as a Parquet table: {reason}") from error


def _pyarrow() -> Any:
    try:
        import pyarrow
        import pyarrow.parquet
    except ImportError as error:
        raise DreamscopeError("photos in Parquet need pyarrow: pip install 'dreamscope[photos]'") from error
    return pyarrow
