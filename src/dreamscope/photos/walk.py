"""The walk over photos: folders name by name, archives entry by entry, in an order that is always the same.

Nothing of what was walked is kept but the names of the folders that are open, so that a million photos cost no more
memory than a thousand. What several sources have in common is told by where it lies, not by remembering each photo.
"""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from functools import cache
from itertools import islice
from pathlib import Path

from dreamscope import archives
from dreamscope.errors import DreamscopeError
from dreamscope.photos import labels_file
from dreamscope.photos.labels_file import Labels
from dreamscope.photos.photo import Photo, Source, absolute

SUFFIXES = (".jpg", ".jpeg", ".png", ".webp", ".bmp", ".tif", ".tiff", ".gif", ".dcm")
"""What counts as a photo in a folder; a file named by itself may have any suffix."""

SHARD = 256


def find(sources: Source | Sequence[Source | Photo]) -> list[Photo]:
    """Find photos.

    Parameters
    ----------
    sources
        Folders (searched to any depth, also for archives), photos, archives (``.tar``, such as WebDataset's shards, or
        ``.parquet`` with a column of images), or labels files: CSV with a column ``file`` (beside the
        CSV) and a column ``class_index`` or ``label``. Photos in a folder, and photos given one by one, take their
        labels from a ``labels.csv`` in the folder, or up to two above it, that lists them; those in archives from the
        ``.cls`` or ``.json`` of the same sample, or the column ``class_index``, ``label`` or ``cls``; photos in a
        folder also from the subfolder that they are in, and those of several folders from the folder itself.

    Returns
    -------
    list of Photo
        In order, each file once.

    Raises
    ------
    DreamscopeError
        Nothing there, a folder or an archive without photos, a labels file that is none or names missing files, an
        archive that can't be read.
    """
    return [photo for shard in shards(sources) for photo in shard]


def shards(sources: Source | Sequence[Source | Photo], size: int = SHARD) -> Iterator[tuple[Photo, ...]]:
    """Find photos as `find` does, in the same order, but a few at a time: for more than fit into memory.

    Parameters
    ----------
    sources
        See `find`.
    size
        Number of photos in a shard; the last may hold fewer.

    Yields
    ------
    tuple of Photo

    Raises
    ------
    DreamscopeError
        See `find`; what is wrong with a source is seen when its turn comes, but a missing one at once.
    """
    if size < 1:
        raise DreamscopeError(f"a shard holds 1 photo or more, not {size}")
    given = [sources] if isinstance(sources, str | Path) else [*sources]
    if not given:
        raise DreamscopeError(
            "no photos given; expected folders, photos, archives or a labels file (CSV: file, class_index)"
        )
    for source in given:
        if not isinstance(source, Photo) and not (Path(source).exists() or archives.exists(source)):
            raise DreamscopeError(f"no such folder, photo or labels file: '{source}'")
    photos = _all(given)
    return iter(lambda: tuple(islice(photos, size)), ())


def holds_several(source: Source) -> bool:
    """Return whether that is a folder, an archive or a labels file: not one photo, but any number of them."""
    path = Path(source)
    return path.is_dir() or path.suffix.lower() == ".csv" or archives.is_archive(path)


def folder_names(folders: Iterable[Path]) -> dict[Path, str]:
    """Return what tells several folders apart, by their absolute paths: their names, where two are the same with the
    folder that they are in; nothing for one folder.
    """
    known = list(dict.fromkeys(absolute(folder) for folder in folders))
    counts = Counter(folder.name for folder in known)
    if len(known) < 2:
        return {}
    return {each: each.name if counts[each.name] == 1 else f"{each.parent.name}/{each.name}" for each in known}


def _all(given: Sequence[Source | Photo]) -> Iterator[Photo]:
    # Of thousands of photos one by one, most have the same labels file.
    listed = cache(labels_file.listed)
    names = folder_names([Path(source) for source in given if not isinstance(source, Photo) and Path(source).is_dir()])
    earlier = _Earlier()
    for source in given:
        photos = [source] if isinstance(source, Photo) else _from(Path(source), listed, names)
        yield from earlier.without(photos, None if isinstance(source, Photo) else Path(source))


class _Earlier:
    """What earlier sources gave: folders and archives as wholes, other photos one by one."""

    def __init__(self) -> None:
        self._wholes: list[Path] = []
        self._single: set[str] = set()

    def without(self, photos: Iterable[Photo], source: Path | None) -> Iterator[Photo]:
        """Yield the photos of the next source that no earlier one gave."""
        whole = source is not None and (source.is_dir() or archives.is_archive(source))
        if source is not None and whole:
            place = absolute(source)
            before = tuple(
                f"{each}{os.sep}" for each in self._wholes if not place.is_relative_to(each) or _leads(each, place)
            )
            for photo in photos:
                found = str(absolute(photo.path)) if before or self._single else ""
                if not found.startswith(before) and found not in self._single:
                    yield photo
            self._wholes.append(place)
            return
        for photo in photos:
            place = absolute(photo.path)
            if str(place) not in self._single and not any(_leads(each, place) for each in self._wholes):
                self._single.add(str(place))
                yield photo


def _leads(whole: Path, place: Path) -> bool:
    """Return whether the walk through a folder or an archive comes to a place in it."""
    if not place.is_relative_to(whole):
        return False
    between = [each for each in (place, *place.parents) if each != whole and each.is_relative_to(whole)]
    if any(each.is_symlink() and each.is_dir() for each in between):
        return False
    # A row of a table has no suffix.
    is_row = not place.suffix and archives.parts(place) is not None
    return place.is_dir() or archives.is_archive(place) or place.suffix.lower() in SUFFIXES or is_row


def _from(source: Path, listed: Callable[[Path], Labels], names: Mapping[Path, str]) -> Iterator[Photo]:
    if source.is_dir():
        return _from_folder(source, listed, names.get(absolute(source)))
    if source.suffix.lower() == ".csv":
        return iter(labels_file.read(source))
    labels = labels_file.nearest(archives.holder(source).parent, listed)
    if archives.is_archive(source):
        return _ensure_any(_from_archive(source, labels), f"archive '{source}'")
    return iter([Photo(source, labels.get(absolute(source)) or archives.label(source))])


def _from_folder(folder: Path, listed: Callable[[Path], Labels], name: str | None) -> Iterator[Photo]:
    labels = labels_file.nearest(folder, listed)

    def photos() -> Iterator[Photo]:
        for path in _walked(folder):
            inside = path.relative_to(folder).parts
            subfolder = inside[0] if len(inside) > 1 else None
            if path.suffix.lower() in archives.SUFFIXES:
                yield from _from_archive(path, labels, subfolder, name)
            else:
                yield Photo(path, (labels.get(absolute(path)) if labels else None) or subfolder or name)

    return _ensure_any(photos(), f"folder '{folder}'")


def _from_archive(
    archive: Path, labels: Labels, subfolder: str | None = None, name: str | None = None
) -> Iterator[Photo]:
    for entry in archives.entries(archive, SUFFIXES):
        path = archive / entry.name
        folder, slash, _ = entry.name.partition("/")
        known = (labels.get(absolute(path)) if labels else None) or entry.label
        yield Photo(path, known or subfolder or (folder if slash else name))


def _ensure_any(photos: Iterator[Photo], what: str) -> Iterator[Photo]:
    first = next(photos, None)
    if first is None:
        raise DreamscopeError(f"{what} holds no photos ({', '.join((*SUFFIXES, *archives.SUFFIXES))})")
    yield first
    yield from photos


def _walked(folder: Path) -> Iterator[Path]:
    """Yield photos and archives in a folder, by their names part by part; links to folders are not followed."""
    waiting = [(str(folder), *_names(str(folder)))]
    while waiting:
        place, names, folders = waiting[-1]
        if not names:
            waiting.pop()
            continue
        name = names.pop()
        path = os.path.join(place, name)
        if name in folders:
            waiting.append((path, *_names(path)))
        else:
            yield Path(path)


def _names(folder: str) -> tuple[list[str], set[str]]:
    """Return the names of a folder that count, the last first, and those of them that are folders."""
    names, folders = [], set()
    try:
        with os.scandir(folder) as found:
            for each in found:
                if each.is_dir(follow_symlinks=False):
                    folders.add(each.name)
                    names.append(each.name)
                elif each.name.lower().endswith((*SUFFIXES, *archives.SUFFIXES)) and each.is_file():
                    names.append(each.name)
    except PermissionError:
        # What may not be looked into holds nothing for this user.
        pass
    return sorted(names, reverse=True), folders
