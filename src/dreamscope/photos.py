"""Sets of photos: found in folders and labels files, and streamed in batches.

A set is a list of names; a photo is read when its batch is due and forgotten after it, so that memory does
not grow with the number of photos.
"""

from __future__ import annotations

import csv
import hashlib
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor

from dreamscope import images
from dreamscope.errors import DreamscopeError
from dreamscope.files import existing_file

SUFFIXES = (".jpg", ".jpeg", ".png", ".webp", ".bmp", ".tif", ".tiff", ".gif")
"""What counts as a photo in a folder; a file named by itself may have any suffix."""

LABELS_FILE = "labels.csv"
"""Read where it lies in a folder of photos or above it."""

FEW = 20
"""Fewer photos take turns: one part of them is measured on, the others are looked at, until each was measured on."""
MOST_TURNS = 8

Source = str | Path


@dataclass(frozen=True)
class Photo:
    """One photo: where it is, and what is on it, if that is known.

    Attributes
    ----------
    path : Path
        The file.
    label : str or None
        A class's name or index, as the labels file or the folder has it.
    """

    path: Path
    label: str | None = None


Turn = tuple[Sequence[Photo], Sequence[Photo]]
"""Photos to find something on, and others to measure it on."""


def find(sources: Source | Sequence[Source | Photo]) -> list[Photo]:
    """Find photos.

    Parameters
    ----------
    sources
        Folders (searched to any depth), photos, or labels files: CSV with a column ``file`` (beside the
        CSV) and a column ``class_index`` or ``label``. Photos in a folder take their labels from a
        ``labels.csv`` in it or above it that lists them, or from the subfolder that they are in.

    Returns
    -------
    list of Photo
        In order, each file once.

    Raises
    ------
    DreamscopeError
        Nothing there, a folder without photos, a labels file that is none or names missing files.
    """
    found: dict[Path, Photo] = {}
    for source in [sources] if isinstance(sources, str | Path) else sources:
        for photo in [source] if isinstance(source, Photo) else _from(Path(source)):
            found.setdefault(photo.path.absolute(), photo)
    if not found:
        raise DreamscopeError("no photos given; expected folders, photos or a labels file (CSV: file, class_index)")
    return list(found.values())


def _from(source: Path) -> list[Photo]:
    if not source.exists():
        raise DreamscopeError(f"no such folder, photo or labels file: '{source}'")
    if source.is_dir():
        return _from_folder(source)
    if source.suffix.lower() == ".csv":
        return _from_labels(source)
    return [Photo(source)]


def _from_folder(folder: Path) -> list[Photo]:
    paths = sorted(path for path in folder.rglob("*") if path.suffix.lower() in SUFFIXES and path.is_file())
    if not paths:
        raise DreamscopeError(f"folder '{folder}' holds no photos ({', '.join(SUFFIXES)})")
    listed = {}
    for place in (folder.absolute(), *folder.absolute().parents[:2]):
        if (place / LABELS_FILE).is_file():
            listed = {photo.path.absolute(): photo.label for photo in _from_labels(place / LABELS_FILE, strict=False)}
            break
    photos = []
    for path in paths:
        inside = path.relative_to(folder).parts
        label = listed.get(path.absolute()) or (inside[0] if len(inside) > 1 else None)
        photos.append(Photo(path, label))
    return photos


def _from_labels(path: Path, *, strict: bool = True) -> list[Photo]:
    try:
        with existing_file(path, "labels file").open(newline="", encoding="utf-8-sig") as file:
            rows = list(csv.DictReader(file))
    except (UnicodeDecodeError, csv.Error) as error:
        raise DreamscopeError(f"labels file '{path}' is no CSV text: {error}") from error
    columns = [name for name in ("class_index", "label") if rows and name in rows[0]]
    if not columns or "file" not in rows[0]:
        raise DreamscopeError(f"labels file '{path}' needs a header with 'file' and 'class_index' or 'label'")
    photos = [Photo(path.parent / (row["file"] or ""), row[columns[0]] or None) for row in rows]
    missing = [photo.path for photo in photos if not photo.path.is_file()]
    if strict and missing:
        raise DreamscopeError(f"labels file '{path}' names {len(missing)} files that are not there: '{missing[0]}'")
    return photos


def reference(photos: Sequence[Photo]) -> dict[str, str | int]:
    """Return what a recipe keeps of a set: how many, and a digest of names and sizes."""
    told = hashlib.sha256()
    for photo in photos:
        told.update(f"{photo.path.name} {photo.path.stat().st_size if photo.path.exists() else 0}\n".encode())
    return {"count": len(photos), "sha256": told.hexdigest()}


def shuffled(photos: Sequence[Photo], seed: int) -> list[Photo]:
    """Return the photos in an order drawn from `seed`."""
    order = torch.randperm(len(photos), generator=torch.Generator().manual_seed(seed)).tolist()
    return [photos[index] for index in order]


def halves(photos: Sequence[Photo], seed: int) -> tuple[list[Photo], list[Photo]]:
    """Split at random into two sets of the same size (the first may be one smaller)."""
    mixed = shuffled(photos, seed)
    return mixed[: len(mixed) // 2], mixed[len(mixed) // 2 :]


def turns(photos: Sequence[Photo], seed: int) -> list[Turn]:
    """Split into photos to find something on and others to measure it on.

    Half and half; few photos take turns instead, each being measured on once.

    Raises
    ------
    DreamscopeError
        If there are fewer than three.
    """
    if len(photos) < 3:
        raise DreamscopeError(
            f"{len(photos)} photos of the class: at least 3 are needed, to find on some and measure on others"
        )
    if len(photos) >= FEW:
        return [halves(photos, seed)]
    mixed = shuffled(photos, seed)
    count = min(MOST_TURNS, len(mixed))
    parts = [mixed[first::count] for first in range(count)]
    return [([photo for photo in mixed if photo not in part], part) for part in parts]


class Stream:
    """A pass over photos in batches; those that can't be read are left out and told.

    Attributes
    ----------
    unreadable : dict
        Path -> the reason, of the photos left out so far.
    """

    def __init__(
        self, photos: Sequence[Photo], prepare: Callable[[Tensor], Tensor], *, batch: int = 32, needs: int = 1
    ) -> None:
        self.photos = photos
        self.unreadable: dict[Path, str] = {}
        self._prepare = prepare
        self._batch = batch
        self._needs = needs

    def __iter__(self) -> Iterator[tuple[list[Photo], Tensor]]:
        """Yield the photos of a batch and their images (N, 3, H, W), prepared.

        Raises
        ------
        DreamscopeError
            At the end, if fewer photos than needed could be read.
        """
        named: list[Photo] = []
        read: list[Tensor] = []
        for photo in self.photos:
            try:
                read.append(self._prepare(images.read(photo.path)))
            except DreamscopeError as error:
                # Who reads the result need not know where the photos were.
                self.unreadable[photo.path] = str(error).replace(str(photo.path), photo.path.name)
                continue
            named.append(photo)
            if len(named) == self._batch:
                yield named, torch.cat(read)
                named, read = [], []
        if named:
            yield named, torch.cat(read)
        readable = len(self.photos) - len(self.unreadable)
        if readable < self._needs:
            reason = next(iter(self.unreadable.values()), "none were given")
            raise DreamscopeError(
                f"{readable} of {len(self.photos)} photos can be read, {self._needs} needed: {reason}"
            )
