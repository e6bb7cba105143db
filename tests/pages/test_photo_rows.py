from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
from blindings import made

from dreamscope.dissection.blinding import Blinding
from dreamscope.dissection.predictions import Row
from dreamscope.pages import photo_rows


def row(name: str, after: str = "b", *, before: str = "a", changed: int = 1, edits: int = 1, sure: float = 0.5) -> Row:
    return Row(Path("folder") / name, before, sure, after, 0.25, after == "a", changed, edits)


@pytest.fixture
def blinding(tmp_path: Path) -> Blinding:
    found = made(tmp_path, "a")
    controls = (
        row("4.png", "a", changed=0),
        row("3.png", changed=1, edits=2),
        row("2.png", sure=0.4),
        row("1.png", sure=0.9),
    )
    targets = (row("2.png"), row("1.png", "a", changed=0))
    return replace(found, result=replace(found.result, photos=targets, controls=controls))


def names(rows: list[Row]) -> list[str]:
    return [each.path.stem for each in rows]


def test_of_many_those_come_first_that_matter(blinding: Blinding) -> None:
    assert names(photo_rows.controls(blinding, 4)) == ["1", "2", "3", "4"]
    assert names(photo_rows.controls(blinding, 3)) == ["1", "2", "3", "4"]
    swapped = replace(blinding.result, controls=(row("1.png", "a", changed=0), *blinding.result.controls[1:3]))
    blinding = replace(blinding, result=swapped)
    assert names(photo_rows.controls(blinding, 3)) == ["1", "2", "3"]
    assert names(photo_rows.controls(blinding, 2)) == ["2", "3", "1"]
    assert names(photo_rows.targets(blinding, 2)) == names(photo_rows.targets(blinding, 1)) == ["1", "2"]


@pytest.mark.parametrize(
    ("changed", "edits", "said"),
    [(0, 2, "same answer"), (2, 2, "another answer"), (1, 3, "another answer in 1 of 3 folds")],
)
def test_what_became_of_others(changed: int, edits: int, said: str) -> None:
    assert photo_rows.of_others(row("a.png", changed=changed, edits=edits)) == said


def test_a_row_says_file_before_and_after_and_no_folder(blinding: Blinding) -> None:
    (cells,) = photo_rows.cells([row("a.png")], photo_rows.of_others)
    assert cells == ["a.png", "a 50.0%", "b 25.0%", "another answer"]
    assert photo_rows.changed(blinding) == "In at least one fold the answer changed on 3 of 4."
    same = replace(blinding.result, controls=blinding.result.controls[:1])
    assert photo_rows.changed(replace(blinding, result=same)) == "The answer changed on none of 1."
