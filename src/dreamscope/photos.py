"""Sets of photos: found in folders and labels files, and streamed in batches.

A set is a list of names; a photo is read when its batch is due and forgotten after it, so that memory does
not grow with the number of photos.
"""

from __future__ import annotations

import csv
import hashlib
import multiprocessing
import os
import signal
import sys
import threading
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Protocol

import torch
from torch import Tensor
from torch.utils.data import DataLoader, Dataset

from dreamscope import images
from dreamscope.errors import DreamscopeError
from dreamscope.files import existing_file

SUFFIXES = (".jpg", ".jpeg", ".png", ".webp", ".bmp", ".tif", ".tiff", ".gif")
"""What counts as a photo in a folder; a file named by itself may have any suffix."""

LABELS_FILE = "labels.csv"
"""Read where it lies in a folder of photos or above it."""

MANY = 256
"""Photos from which on other processes read and decode them."""
MOST_WORKERS = 4

Source = str | Path
Labels = Mapping[Path, str | None]


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


def find(sources: Source | Sequence[Source | Photo]) -> list[Photo]:
    """Find photos.

    Parameters
    ----------
    sources
        Folders (searched to any depth), photos, or labels files: CSV with a column ``file`` (beside the
        CSV) and a column ``class_index`` or ``label``. Photos in a folder, and photos given one by one, take their
        labels from a ``labels.csv`` in the folder, or up to two above it, that lists them; photos in a folder also
        from the subfolder that they are in, and those of several folders from the folder itself.

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
    # Of thousands of photos one by one, most have the same labels file.
    listed = cache(_listed)
    given = [sources] if isinstance(sources, str | Path) else sources
    names = folder_names([Path(source) for source in given if not isinstance(source, Photo) and Path(source).is_dir()])
    for source in given:
        for photo in [source] if isinstance(source, Photo) else _from(Path(source), listed, names):
            found.setdefault(absolute(photo.path), photo)
    if not found:
        raise DreamscopeError("no photos given; expected folders, photos or a labels file (CSV: file, class_index)")
    return list(found.values())


def folder_names(folders: Iterable[Path]) -> dict[Path, str]:
    """Return what tells several folders apart, by their absolute paths: their names, where two are the same with the
    folder that they are in; nothing for one folder.
    """
    known = list(dict.fromkeys(absolute(folder) for folder in folders))
    counts = Counter(folder.name for folder in known)
    if len(known) < 2:
        return {}
    return {each: each.name if counts[each.name] == 1 else f"{each.parent.name}/{each.name}" for each in known}


def _from(source: Path, listed: Callable[[Path], Labels], names: Mapping[Path, str]) -> list[Photo]:
    if not source.exists():
        raise DreamscopeError(f"no such folder, photo or labels file: '{source}'")
    if source.is_dir():
        return _from_folder(source, listed, names.get(absolute(source)))
    if source.suffix.lower() == ".csv":
        return _from_labels(source)
    return [Photo(source, _labels_of(source.parent, listed).get(absolute(source)))]


def _from_folder(folder: Path, listed: Callable[[Path], Labels], name: str | None) -> list[Photo]:
    paths = sorted(path for path in folder.rglob("*") if path.suffix.lower() in SUFFIXES and path.is_file())
    if not paths:
        raise DreamscopeError(f"folder '{folder}' holds no photos ({', '.join(SUFFIXES)})")
    labels = _labels_of(folder, listed)
    photos = []
    for path in paths:
        inside = path.relative_to(folder).parts
        label = labels.get(absolute(path)) or (inside[0] if len(inside) > 1 else name)
        photos.append(Photo(path, label))
    return photos


def _labels_of(folder: Path, listed: Callable[[Path], Labels]) -> Labels:
    """Return what the nearest labels file lists, in a folder or above it."""
    folder = absolute(folder)
    files = (place / LABELS_FILE for place in (folder, *folder.parents[:2]))
    return next((listed(file) for file in files if file.is_file()), {})


def _listed(path: Path) -> Labels:
    return {absolute(photo.path): photo.label for photo in _from_labels(path, strict=False)}


def absolute(path: Path) -> Path:
    """Return where a file is, by which it is known again however its path is written."""
    # Unlike Path.absolute, without "..": what lies above `../photos` is not the working folder.
    return Path(os.path.abspath(path))


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
    missing = [photo.path for photo in photos if not photo.path.is_file()] if strict else []
    if missing:
        raise DreamscopeError(f"labels file '{path}' names {len(missing)} files that are not there: '{missing[0]}'")
    return photos


def reference(photos: Sequence[Photo]) -> dict[str, str | int]:
    """Return what a recipe keeps of a set: how many, and a digest of names and sizes."""
    digest = hashlib.sha256()
    for photo in photos:
        digest.update(f"{photo.path.name} {photo.path.stat().st_size if photo.path.exists() else 0}\n".encode())
    return {"count": len(photos), "sha256": digest.hexdigest()}


def shuffled(photos: Sequence[Photo], seed: int) -> list[Photo]:
    """Return the photos in an order drawn from `seed`."""
    order = torch.randperm(len(photos), generator=torch.Generator().manual_seed(seed)).tolist()
    return [photos[index] for index in order]


class Preparer(Protocol):
    """What makes pictures of any size ones of the size that all have in a batch: a classifier, see there."""

    @property
    def prepared_side(self) -> int:
        """The shorter side in pixels that pictures are made smaller to at first; 0 if all of them counts."""

    def prepared(self, images: Tensor) -> Tensor:
        """Return (N, 3, H, W) of that size."""


class Stream:
    """A pass over photos in batches, in their order; those that can't be read are skipped and reported.

    Parameters
    ----------
    photos
        The photos.
    preparer
        Makes images of any size ones of the size that all have in a batch. Large JPEG files are decoded no larger than
        it needs them, see `images.read`.
    batch
        Photos in a batch.
    needs
        The number of photos that must be readable.
    workers
        Processes that read and decode photos while batches are used; 0 for none. If not given, none for fewer than
        `MANY` photos and wherever a process can't be forked safely (outside Linux, or off the main thread). The
        batches are the same whatever the number. Workers end with the pass, also if it is left early.

    Attributes
    ----------
    unreadable : dict
        Path -> the reason, of the photos skipped so far.
    """

    def __init__(
        self,
        photos: Sequence[Photo],
        preparer: Preparer,
        *,
        batch: int = 32,
        needs: int = 1,
        workers: int | None = None,
    ) -> None:
        self.photos = photos
        self.unreadable: dict[Path, str] = {}
        self._preparer = preparer
        self._batch = batch
        self._needs = needs
        self._workers = _workers(len(photos)) if workers is None else workers

    @property
    def skipped(self) -> dict[str, str]:
        """What is in `unreadable`, by file name: no folders, as in recipes and reports."""
        return {path.name: reason for path, reason in self.unreadable.items()}

    def __iter__(self) -> Iterator[tuple[list[Photo], Tensor]]:
        """Yield the photos of a batch and their images (N, 3, H, W), prepared.

        Raises
        ------
        DreamscopeError
            At the end, if fewer photos than needed could be read.
        """
        named: list[Photo] = []
        read: list[Tensor] = []
        for photo, image in zip(self.photos, self._images(), strict=True):
            if isinstance(image, str):
                self.unreadable[photo.path] = image
                continue
            named.append(photo)
            read.append(image)
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

    def _images(self) -> Iterator[Tensor | str]:
        loader = DataLoader(
            _Images(self.photos, self._preparer),
            batch_size=None,
            num_workers=self._workers,
            # A forked process needs no main module that can be imported again.
            multiprocessing_context="fork" if self._workers else None,
            # Else the loader would draw from the generator that belongs to the caller.
            generator=torch.Generator(),
        )
        if not self._workers:
            return iter(loader)
        handler = signal.getsignal(signal.SIGCHLD)
        started = iter(loader)
        # The loader sets a handler of its own for the whole process, to see sooner that a worker has died.
        if handler is not None and threading.current_thread() is threading.main_thread():
            signal.signal(signal.SIGCHLD, handler)
        return started


class _Images(Dataset[Tensor | str]):
    """Photos by number: the prepared image (1, 3, H, W), or why there is none."""

    def __init__(self, photos: Sequence[Photo], preparer: Preparer) -> None:
        self._photos = photos
        self._preparer = preparer

    def __len__(self) -> int:
        return len(self._photos)

    def __getitem__(self, index: int) -> Tensor | str:
        path = self._photos[index].path
        try:
            image = images.read(path, side=self._preparer.prepared_side)
            return self._preparer.prepared(image)
        except DreamscopeError as error:
            # Who reads the result need not know where the photos were.
            return str(error).replace(str(path), path.name)


def _workers(count: int) -> int:
    forks = sys.platform == "linux" and threading.current_thread() is threading.main_thread()
    if count < MANY or not forks or multiprocessing.current_process().daemon:
        return 0
    return min(MOST_WORKERS, len(os.sched_getaffinity(0)) - 1)
