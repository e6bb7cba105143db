"""Archives of photos: tar files and Parquet tables, read where they lie; nothing is ever unpacked.

A photo in one has a path that goes on into the archive: ``train-0001.tar/n01/a.jpg``, and of a table the number of its
row, ``photos.parquet/12345``. No such path leads out of its archive again: it is looked up among the names there.
"""

from __future__ import annotations

import hashlib
import io
import os
import re
from collections.abc import Collection, Iterator
from pathlib import Path
from typing import NamedTuple

from dreamscope import files
from dreamscope.archives import parquet, tar
from dreamscope.archives.tar import MOST_BYTES as MOST_BYTES
from dreamscope.errors import DreamscopeError

SUFFIXES = (".tar", ".parquet")

_INTO = re.compile(r"\.(?:tar|parquet)[/\\]", re.IGNORECASE)


class Entry(NamedTuple):
    """A photo in an archive: its name there, and the name or index of its class, if that is known."""

    name: str
    label: str | None


def is_archive(path: str | Path) -> bool:
    """Return whether that is a file, and by its suffix an archive."""
    path = Path(path)
    return path.suffix.lower() in SUFFIXES and path.is_file()


def parts(path: str | Path) -> tuple[Path, str] | None:
    """Return the archive that a path leads into and the name there; ``None`` if it leads into none."""
    # Asked of every picture that is read, nearly all of which are files: most are answered by their names alone.
    if not _INTO.search(str(path)):
        return None
    text = Path(path).as_posix()
    ends = (match.end() - 1 for match in _INTO.finditer(text))
    # A folder may be called like an archive.
    end = next((end for end in ends if os.path.isfile(text[:end])), None)
    return None if end is None else (Path(text[:end]), text[end + 1 :])


def holder(path: str | Path) -> Path:
    """Return the file that a picture lies in: the archive, or its own."""
    found = parts(path)
    return Path(path) if found is None else found[0]


def exists(path: str | Path) -> bool:
    """Return whether that is a file or in an archive."""
    found = parts(path)
    if found is None:
        return Path(path).is_file()
    return tar.holds(*found) if _is_tar(found[0]) else parquet.holds(*found)


def read(path: str | Path) -> bytes:
    """Return the bytes of what a path into an archive leads to.

    Raises
    ------
    DreamscopeError
        If it leads into no archive, there is nothing of that name, it is over 1 GiB, or the archive is damaged.
    """
    found = parts(path)
    if found is None:
        raise DreamscopeError(f"no such archive ({', '.join(SUFFIXES)}): '{path}'")
    return _read(*found)


def source(path: str | Path) -> Path | io.BytesIO:
    """Return what a picture is opened from: the path of a file, the bytes of what lies in an archive."""
    found = parts(path)
    return Path(path) if found is None else io.BytesIO(_read(*found))


def digest(path: str | Path) -> str:
    """Return the SHA-256 of a file, or of what lies in an archive, in hex."""
    return files.digest(path) if parts(path) is None else hashlib.sha256(read(path)).hexdigest()


def label(path: str | Path) -> str | None:
    """Return the class of a photo by the archive that it is in; ``None`` if it is in none, or that does not say."""
    found = parts(path)
    if found is None:
        return None
    return tar.label(*found) if _is_tar(found[0]) else parquet.label(*found)


def entries(archive: str | Path, suffixes: Collection[str]) -> Iterator[Entry]:
    """Yield the photos of an archive in its order, one after the other from the disk.

    Parameters
    ----------
    archive
        A tar file, or a Parquet table with a column of images.
    suffixes
        What photos in a tar end in, in lower case; in a table, every row is one.

    Raises
    ------
    DreamscopeError
        If it is damaged, holds a name that leads out of it, or has no column of images.
    """
    archive = Path(archive)
    found = tar.photos(archive, tuple(suffixes)) if _is_tar(archive) else parquet.photos(archive)
    return (Entry(*each) for each in found)


def _read(archive: Path, name: str) -> bytes:
    return tar.read(archive, name) if _is_tar(archive) else parquet.read(archive, name)


def _is_tar(archive: Path) -> bool:
    return archive.suffix.lower() == ".tar"
