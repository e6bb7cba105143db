from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest
from command_lines import PLANTED, add_too_small_folders, by_words, contents, ensure_refused
from PIL import Image

CONTROLS = ("--controls", "green", "--controls", "blue")


def test_dissect(run: Callable, many_photos: Path) -> None:
    ran = run("dissect", "red", *CONTROLS, *PLANTED, "-o", "scores.json", "--plot", "scores.png", "--top", 3)
    assert ran.code == 0, ran.err
    lines = ran.out.splitlines()
    assert lines[0] == "red: 22 photos against 44 controls"
    assert lines[1].split() == ["channel", "joint", "contrast", "attribution", "frequency", "difference", "auc"]
    assert lines[2].startswith("act:8")
    assert "agree to" in ran.out
    assert Image.open("scores.png").width > 400
    assert not ran.err
    printed = json.loads(run("dissect", "red", *CONTROLS, *PLANTED, "--method", "single", "--json").out)
    assert printed["channels"][0]["address"] == "act:8"


def test_the_rule_of_the_write_ups_needs_no_controls(run: Callable, many_photos: Path) -> None:
    rule = ("--method", "frequency", "--loudest", 7, "--at-least", 20, "--per-layer", 3, "--layers", "act")
    ran = run("dissect", "red", *PLANTED, *rule, "--class", "red", "-o", "scores.json", "--plot", "scores.png")
    assert ran.code == 0, ran.err
    lines = ran.out.splitlines()
    assert lines[0] == "red: 22 photos"
    assert lines[1] == (
        "3 channels are among the 7 loudest of their layer on at least 20 of 22 photos, at most 3 a layer"
    )
    assert lines[2].split() == ["channel", "frequency"]
    assert Image.open("scores.png").width > 400
    printed = json.loads(run("dissect", "red", *PLANTED, *rule, "--class", "red", "--json").out)
    assert printed["rule"] == {"loudest": 7, "at_least": 20, "per_layer": 3, "of": 22}
    assert [row["times_loud"] for row in printed["channels"]] == [22, 22, 22]
    # What it says is what is removed, whatever the number.
    words = ("blind", "red", *CONTROLS, *PLANTED, "--draws", 1, "--json")
    removed = json.loads(run(*words, "--channels", "scores.json").out)["removed"]
    assert [each["address"] for each in removed] == [row["address"] for row in printed["channels"]]
    apart = json.loads(run(*words, *rule, "--class", "red").out)
    assert (apart["design"]["method"], len(apart["removed"])) == ("frequency", 3)


def test_unreadable_photos_are_reported(run: Callable, many_photos: Path) -> None:
    (many_photos / "red" / "torn.png").write_bytes(b"")
    ran = run("dissect", "red", *CONTROLS, *PLANTED, "--method", "contrast")
    assert ran.code == 0
    assert ran.err.splitlines()[0] == "1 photos could not be read and were skipped:"
    assert "torn.png" in ran.err


BAD = [
    (["dissect"], "Missing argument 'TARGETS ...'"),
    (["dissect", "red"], "--controls FOLDER"),
    (["dissect", "red", "--method", "frequency", "--method", "joint"], "only --method frequency, alone, needs none"),
    (["dissect", "red", *CONTROLS, "--method", "joint", "--per-layer", "3"], "this is for the method 'frequency'"),
    (["dissect", "red", "--method", "frequency", "--at-least", "23"], "on at least 23 photos: there are 22"),
    (["dissect", "nowhere", *CONTROLS], "no such folder, photo or labels file: 'nowhere'"),
    (["dissect", "empty", *CONTROLS], "holds no photos"),
    (["dissect", "red", *CONTROLS, "--class", "rad"], "no class 'rad' in planted; did you mean 'red'?"),
    (["dissect", "red", *CONTROLS, "--method", "all"], "no method 'all'"),
    (["dissect", "red", *CONTROLS, "-o", "scores.txt"], "this is a .json file"),
    (["dissect", "red", *CONTROLS, "--plot", "scores.gif"], "a plot ends in .png, .svg, .pdf"),
    (["dissect", "red", *CONTROLS, "-o", "nowhere/scores.json"], "there is no folder 'nowhere'"),
    (["dissect", "one", *CONTROLS], "1 readable photo of the targets"),
]


@pytest.mark.parametrize(("words", "message"), BAD, ids=by_words)
def test_one_line_and_nothing_left(run: Callable, many_photos: Path, words: list[str], message: str) -> None:
    add_too_small_folders(many_photos)
    before = contents(many_photos)
    ensure_refused(run(*words, *PLANTED), message)
    assert contents(many_photos) == before
