from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest
from command_lines import PLANTED, by_words, contents, ensure_refused
from PIL import Image

from dreamscope.recipes import Recipe

LINE = ("augment", "green", "--towards", "red", *PLANTED, "--at", "act", "--steps", 1, "--engine", "here")


def test_augment(run: Callable, photos: Path) -> None:
    ran = run(*LINE, "-o", "made", "--strength", "0.25,0.5", "--mask", "spot", "--keep", "pixels:1")
    assert ran.code == 0, ran.err
    assert ran.out.splitlines() == ["6 pictures of red made", "made", "made-sheet.png"]
    assert "Not for diagnosis" in ran.err
    assert Image.open("made-sheet.png").width > 400
    made = sorted(Path("made/red").iterdir())
    assert len(made) == 6
    assert Recipe.read(made[0]).command == "augment"
    assert 0.25 <= Recipe.read(made[0]).parameters["drawn"] <= 0.5
    before = contents(Path("made"))
    again = run(*LINE, "-o", "made", "--strength", "0.25,0.5", "--mask", "spot", "--keep", "pixels:1", "--json")
    assert json.loads(again.out) == {
        "folder": "made",
        "label": "red",
        "made": 0,
        "pictures": 6,
        "seconds": json.loads(again.out)["seconds"],
        "sheet": "made-sheet.png",
        "skipped": {},
    }
    assert contents(Path("made")) == before


BAD = [
    (["augment"], "Missing argument 'HEALTHY ...'"),
    (["augment", "green"], "give some photos with the thing: --towards FOLDER"),
    (["augment", "green", "--towards", "red"], "give the folder that the pictures go into: -o FOLDER"),
    (["augment", "green", "--towards", "red", "-o", "labels.txt"], "it is a file; give a folder"),
    ([*LINE, "-o", "made", "--strength", "a"], "a strength is a number, or two such as 0.5,1; not 'a'"),
    ([*LINE, "-o", "made", "--sheet", "made.pdf"], "can't write 'made.pdf'"),
    ([*LINE, "-o", "made", "--engine", "lokal"], "did you mean 'local'"),
    ([*LINE, "-o", "made", "--mask", "sport"], "no such mask: 'sport'"),
]


@pytest.mark.parametrize(("line", "message"), BAD, ids=by_words)
def test_refusals(run: Callable, photos: Path, line: list[object], message: str) -> None:
    ensure_refused(run(*line), message)
