"""Parts of command lines for tests, and what a refused one must look like."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from dreamscope.models.edit_base import Edit

TINY = ("--model", "net.py:tiny", "--input-size", "32")
"""The user's own tiny model that the fixture `folder` writes."""

SHORT = (*TINY, "--at", "2", "--steps", 1, "--octaves", 1)

PLANTED = ("--model", "planted.py:planted", "--input-size", "16", "--labels", "labels.txt")
"""The network that the fixtures `photos` and `many_photos` write: red is carried by ``act:8`` alone."""


@dataclass
class Ran:
    code: int
    out: str
    err: str


def contents(folder: Path) -> dict[str, bytes | None]:
    """Return all files with their bytes and all folders, but caches, by their path in the folder."""
    return {
        str(path.relative_to(folder)): path.read_bytes() if path.is_file() else None
        for path in sorted(folder.rglob("*"))
        if not {"cache", "__pycache__"} & set(path.parts)
    }


def write_directions(*edits: Edit) -> str:
    """Write ``erased.json`` into the current folder, with edits as a report of ``blind`` holds them."""
    Path("erased.json").write_text(json.dumps({"edits": [edit.to_dict() for edit in edits]}))
    return "erased.json"


def names(folder: Path) -> set[str]:
    """Return what lies in the folder, but the model's file and caches."""
    return {path.name for path in folder.iterdir()} - {"net.py", "__pycache__", "cache"}


def add_too_small_folders(folder: Path) -> None:
    """Add the folders ``empty``, without a photo, and ``one``, with a single one."""
    (folder / "empty").mkdir()
    (folder / "one").mkdir()
    (folder / "one" / "0.png").write_bytes((folder / "red" / "0.png").read_bytes())


def ensure_refused(ran: Ran, message: str) -> None:
    """See that a command line was refused: exit code 2 and one line that says why."""
    assert ran.code == 2
    assert message in ran.err
    assert ran.err.startswith("dreamscope: ")
    assert ran.err.count("\n") == 1
    assert ran.out == ""


def by_words(case: Any) -> str | None:
    """Return the id of a parameter that is a list of words: the words."""
    return " ".join(map(str, case))[:60] if isinstance(case, Sequence) and not isinstance(case, str) else None
