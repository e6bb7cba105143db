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


MEASURE = (*LINE, "--measure", "--positives", "3", "--draws", 1, "--count", 2)


def test_measure(run: Callable, many_photos: Path) -> None:
    ran = run(*MEASURE, "-o", "gain.html")
    assert ran.code == 0, ran.err
    lines = ran.out.splitlines()
    assert lines[0] == "1 draw of few positives and 11 photos without the thing; measured on 11 and 11 others, by act"
    assert "With dreams" in ran.out or "No gain was seen" in ran.out
    assert lines[-1] == "gain.html"
    page = Path("gain.html").read_text()
    assert page.count("<table>") == 2
    assert "<svg" in page
    printed = json.loads(run(*MEASURE, "-o", "gain.json", "--json").out)
    assert [*printed["draws"]] == ["3"]
    # Red is carried by one channel: three positives are enough.
    assert printed["draws"]["3"]["photos"][0]["auc"] == 1
    assert json.loads(Path("gain.json").read_text())["draws"] == printed["draws"]
    assert not list(Path().glob("*/red"))


BAD = [
    ([*MEASURE, "-o", "gain.png"], "what --measure finds is a .html or a .json"),
    ([*MEASURE, "--positives", "2,x"], "numbers of positives are whole, such as 3,5,10; not '2,x'"),
    ([*MEASURE, "--positives", "20"], "positives are 2 to 3, half of the photos with the thing; not 20"),
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
