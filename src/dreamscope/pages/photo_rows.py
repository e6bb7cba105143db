"""The photos of a blinding one by one: what each was taken for, before and after."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from dreamscope.dissection.blinding import Blinding
from dreamscope.dissection.predictions import Row
from dreamscope.pages.environment import percent

HEAD = ("file", "before", "after", "")
"""What stands above `cells`."""


def targets(blinding: Blinding, most: int) -> list[Row]:
    """Return the photos of the class; of more than `most`, those first that are still taken for it."""
    return _ordered(blinding.result.photos, most, lambda row: (not row.still, -row.confidence_after))


def controls(blinding: Blinding, most: int) -> list[Row]:
    """Return the photos of everything else; of more than `most`, those first whose answer changed."""
    return _ordered(blinding.result.controls, most, lambda row: (-row.changed / row.edits, -row.confidence_before))


def _ordered(rows: Sequence[Row], most: int, key: Callable[[Row], tuple[float, float]]) -> list[Row]:
    return sorted(rows, key=key if len(rows) > most else lambda row: row.path.name)


def answers(row: Row) -> tuple[str, str]:
    """Return what a photo was taken for before and after, each with its confidence."""
    return f"{row.before} {percent(row.confidence_before, 1)}", f"{row.after} {percent(row.confidence_after, 1)}"


def of_class(row: Row, label: str) -> str:
    """Return what became of a photo of the class."""
    if row.still:
        return "still recognised" if row.before == label else "recognised only now"
    return "no longer recognised" if row.before == label else "not recognised before either"


def of_others(row: Row) -> str:
    """Return what became of a photo of something else."""
    if 0 < row.changed < row.edits:
        return f"another answer in {row.changed} of {row.edits} folds"
    return "another answer" if row.changed else "same answer"


def changed(blinding: Blinding) -> str:
    """Return of how many photos of everything else the answer changed."""
    rows = blinding.result.controls
    count = sum(row.changed > 0 for row in rows)
    partly = any(0 < row.changed < row.edits for row in rows)
    return f"{'In at least one fold the' if partly else 'The'} answer changed on {count or 'none'} of {len(rows)}."


def cells(rows: Sequence[Row], state: Callable[[Row], str]) -> list[list[str]]:
    """Return a table's rows: file, before, after, and what became of it."""
    return [[row.path.name, *answers(row), state(row)] for row in rows]
