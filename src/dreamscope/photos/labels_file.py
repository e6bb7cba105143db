"""Labels files: which class is on which photo, as CSV."""

from __future__ import annotations

import csv
from collections.abc import Callable, Mapping
from pathlib import Path

from dreamscope import archives
from dreamscope.errors import DreamscopeError
from dreamscope.files import existing_file
from dreamscope.photos.photo import Photo, absolute

LABELS_FILE = "labels.csv"
"""Read where it lies in a folder of photos or above it."""

Labels = Mapping[Path, str | None]


def nearest(folder: Path, listed: Callable[[Path], Labels]) -> Labels:
    """Return what the nearest labels file lists, in a folder or above it."""
    folder = absolute(folder)
    found = (place / LABELS_FILE for place in (folder, *folder.parents[:2]))
    return next((listed(file) for file in found if file.is_file()), {})


def listed(path: Path) -> Labels:
    """Return the labels that a file lists, by the photos' absolute paths."""
    return {absolute(photo.path): photo.label for photo in read(path, strict=False)}


def read(path: Path, *, strict: bool = True) -> list[Photo]:
    """Return the photos that a labels file lists; raise if it is none or, if `strict`, names missing ones."""
    try:
        with existing_file(path, "labels file").open(newline="", encoding="utf-8-sig") as file:
            rows = list(csv.DictReader(file))
    except (UnicodeDecodeError, csv.Error) as error:
        raise DreamscopeError(f"labels file '{path}' is no CSV text: {error}") from error
    columns = [name for name in ("class_index", "label") if rows and name in rows[0]]
    if not columns or "file" not in rows[0]:
        raise DreamscopeError(f"labels file '{path}' needs a header with 'file' and 'class_index' or 'label'")
    photos = [Photo(path.parent / (row["file"] or ""), row[columns[0]] or None) for row in rows]
    missing = [photo.path for photo in photos if not archives.exists(photo.path)] if strict else []
    if missing:
        raise DreamscopeError(f"labels file '{path}' names {len(missing)} files that are not there: '{missing[0]}'")
    return photos
