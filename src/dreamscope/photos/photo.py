"""Photos: where each is and what is on it."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

from dreamscope import archives

Source = str | Path


@dataclass(frozen=True)
class Photo:
    """One photo: where it is, and what is on it, if that is known.

    Attributes
    ----------
    path : Path
        The file, or where in an archive it is, see `dreamscope.archives`.
    label : str or None
        A class's name or index, as the labels file, the archive or the folder has it.
    """

    path: Path
    label: str | None = None


def absolute(path: Path) -> Path:
    """Return where a file is, by which it is known again however its path is written."""
    # Unlike Path.absolute, without "..": what lies above `../photos` is not the working folder.
    return Path(os.path.abspath(path))


def reference(photos: Iterable[Photo]) -> dict[str, str | int]:
    """Return what a recipe keeps of a set: how many, and a digest of names and sizes, of archives of theirs.

    The photos may be a stream; none is kept.
    """
    digest, count = hashlib.sha256(), 0
    for photo in photos:
        file = archives.holder(photo.path)
        digest.update(f"{photo.path.name} {file.stat().st_size if file.exists() else 0}\n".encode())
        count += 1
    return {"count": count, "sha256": digest.hexdigest()}


def shuffled(photos: Sequence[Photo], seed: int) -> list[Photo]:
    """Return the photos in an order drawn from `seed`."""
    import torch

    order = torch.randperm(len(photos), generator=torch.Generator().manual_seed(seed)).tolist()
    return [photos[index] for index in order]
