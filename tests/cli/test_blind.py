from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import colours
import pytest
from filmed import decoded
from PIL import Image

from dreamscope.film import writer
from dreamscope.recipes import Recipe

MODEL = ("--model", "planted.py:planted", "--input-size", "16", "--labels", "labels.txt")
FILE = """
import sys
sys.path.insert(0, {tests!r})
from nets import Planted as planted
"""


@pytest.fixture
def photos(folder: Path) -> Path:
    """A working folder with photos of three colours and a network in which each is one channel's."""
    colours.draw(folder, 22)
    (folder / "planted.py").write_text(FILE.format(tests=str(Path(__file__).parents[1])))
    (folder / "labels.txt").write_text("green\nblue\nred\n")
    return folder


CONTROLS = ("--controls", "green", "--controls", "blue")


def test_dissect(run: Callable, photos: Path) -> None:
    ran = run("dissect", "red", *CONTROLS, *MODEL, "-o", "scores.json", "--plot", "scores.png", "--top", 3)
    assert ran.code == 0, ran.err
    lines = ran.out.splitlines()
    assert lines[0] == "red: 22 photos against 44 controls"
    assert lines[1].split() == ["channel", "joint", "contrast", "attribution", "frequency", "difference", "auc"]
    assert lines[2].startswith("act:8")
    assert "agree to" in ran.out
    assert Image.open("scores.png").width > 400
    assert not ran.err
    told = json.loads(run("dissect", "red", *CONTROLS, *MODEL, "--method", "single", "--json").out)
    assert told["channels"][0]["address"] == "act:8"


def test_blind_with_scores_report_and_weights(run: Callable, photos: Path) -> None:
    run("dissect", "red", *CONTROLS, *MODEL, "-o", "scores.json", "--method", "contrast")
    ran = run(
        "blind", "red", *CONTROLS, *MODEL, "--channels", "scores.json", "--top", 1, "--draws", 3,
        "-o", "report.html", "--export", "blind.safetensors",
    )  # fmt: skip
    assert ran.code == 0, ran.err
    assert ran.out.startswith("Blind to red, at little cost: without 1 channels recall falls from 100% to 0%")
    assert ran.out.splitlines()[-2:] == ["report.html", "blind.safetensors"]
    assert json.loads(Path("report.json").read_text())["label"] == "red"
    before = json.loads(run("classify", "red/0.png", *MODEL, "--json").out)
    after = json.loads(run("classify", "red/0.png", *MODEL, "--weights", "blind.safetensors", "--json").out)
    assert before[0]["predictions"][0]["label"] == "red"
    assert after[0]["predictions"][0]["probability"] == pytest.approx(1 / 3, abs=0.01)


def test_blind_from_nothing(run: Callable, photos: Path) -> None:
    told = json.loads(run("blind", "red", *CONTROLS, *MODEL, "--top", 1, "--draws", 2, "--json").out)
    assert told["result"]["recall_after"]["value"] == 0
    assert told["counts"]["targets to measure on"] == 11


def test_blind_as_a_film(run: Callable, photos: Path) -> None:
    ran = run("blind", "red", *CONTROLS, *MODEL, "--top", 1, "--draws", 1, "--film", "doses.mp4", "--fps", 5)
    assert ran.code == 0, ran.err
    assert ran.out.splitlines()[-1] == "doses.mp4"
    # No channel for 1.2 seconds, the chosen one for 2.6, and 0.4 between them.
    assert len(decoded(photos / "doses.mp4")) == 6 + 13 + 2
    recipe = Recipe.from_json(writer.read_note("doses.mp4") or "")
    assert (recipe.command, recipe.parameters["removed"]) == ("blind", ["act:8"])


def test_a_film_does_not_replace_a_photo(run: Callable, photos: Path) -> None:
    picture = photos / "green" / "moving.gif"
    Image.open(photos / "green" / "0.png").save(picture)
    before = picture.read_bytes()
    ran = run("blind", "red", *CONTROLS, *MODEL, "--film", "red/../green/moving.gif")
    assert (ran.code, picture.read_bytes()) == (2, before)
    assert "moving.gif' is an input; write the film somewhere else" in ran.err


def test_unreadable_photos_are_told(run: Callable, photos: Path) -> None:
    (photos / "red" / "torn.png").write_bytes(b"")
    ran = run("dissect", "red", *CONTROLS, *MODEL, "--method", "contrast")
    assert ran.code == 0
    assert ran.err.splitlines()[0] == "1 photos could not be read and were skipped:"
    assert "torn.png" in ran.err


BAD = [
    (["dissect"], "Missing argument 'TARGETS ...'"),
    (["dissect", "red"], "--controls FOLDER"),
    (["dissect", "nowhere", *CONTROLS], "no such folder, photo or labels file: 'nowhere'"),
    (["dissect", "empty", *CONTROLS], "holds no photos"),
    (["dissect", "red", *CONTROLS, "--class", "rad"], "no class 'rad' in planted; did you mean 'red'?"),
    (["dissect", "red", *CONTROLS, "--method", "all"], "no method 'all'"),
    (["dissect", "red", *CONTROLS, "-o", "scores.txt"], "this is a .json file"),
    (["dissect", "red", *CONTROLS, "--plot", "scores.gif"], "a plot ends in .png, .svg, .pdf"),
    (["dissect", "red", *CONTROLS, "-o", "nowhere/scores.json"], "there is no folder 'nowhere'"),
    (["dissect", "one", *CONTROLS], "1 readable photo of the targets"),
    (["blind", "one", *CONTROLS, "--class", "red"], "at least 3 are needed"),
    (["blind", "red", *CONTROLS, "--how", "erase"], "no way to ablate"),
    (["blind", "red", *CONTROLS, "--how", "noise", "--export", "x.safetensors"], "can't become plain weights"),
    (["blind", "red", *CONTROLS, "--export", "x.pth"], "this is a .safetensors file"),
    (["blind", "red", *CONTROLS, "--film", "x.avi"], "a film ends in .mp4, .webm, .gif"),
    (["blind", "red", *CONTROLS, "--film", "x.html", "-o", "x.html"], "a film ends in"),
    (["blind", "red", *CONTROLS, "--film", "nowhere/x.mp4"], "there is no folder 'nowhere'"),
    (["blind", "red", *CONTROLS, "--film", "x.gif", "--fps", "60"], "a .gif can't have that rate"),
    (["blind", "red", *CONTROLS, "--channels", "labels.txt"], "holds no channel scores"),
    (["blind", "red", *CONTROLS, "--channels", "missing.json"], "no such scores file"),
    (["blind", "red", *CONTROLS, "--channels", "x.json", "--method", "single"], "exclude each other"),
    (["blind", "red", *CONTROLS, "--measure", "red"], "the ones that channels are found on"),
    (["blind", "red", *CONTROLS, "--from-layer", "convv"], "no layer 'convv'"),
]


@pytest.mark.parametrize(
    ("words", "message"), BAD, ids=lambda value: " ".join(value)[:60] if isinstance(value, list) else ""
)
def test_one_line_and_nothing_left(run: Callable, photos: Path, words: list[str], message: str) -> None:
    (photos / "empty").mkdir()
    (photos / "one").mkdir()
    (photos / "one" / "0.png").write_bytes((photos / "red" / "0.png").read_bytes())
    before = sorted(photos.rglob("*.*"))
    ran = run(*words, *MODEL)
    assert ran.code == 2
    assert message in ran.err
    assert len(ran.err.splitlines()) == 1
    assert [
        path for path in sorted(photos.rglob("*.*")) if "__pycache__" not in str(path) and "cache" not in str(path)
    ] == before
