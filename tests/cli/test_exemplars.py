from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest
from command_lines import PLANTED, add_too_small_folders, by_words, contents, ensure_refused, write_directions
from PIL import Image

from dreamscope.models.erase import Erase
from dreamscope.recipes import Recipe

ALL = ("green", "blue", "red")


def test_exemplars(run: Callable, photos: Path) -> None:
    ran = run("exemplars", ".", *PLANTED, "--at", "act:6,8", "--top", 3, "-o", "sheet.png", "--index", "index.json")
    assert ran.code == 0, ran.err
    lines = ran.out.splitlines()
    assert lines[0] == "18 photos, 9 channels"
    assert [line.split()[:2] for line in lines[2:4]] == [["act:6", "most"], ["act:8", "most"]]
    assert lines[4:] == ["index.json", "sheet.png"]
    assert not ran.err
    assert Recipe.read("sheet.png").parameters == {"at": ["act"], "directions": [], "top": 3, "least": False}
    assert str(photos) not in Path("index.json").read_text()


def test_an_index_is_read_without_photos(run: Callable, photos: Path) -> None:
    assert run("exemplars", *ALL, *PLANTED, "--index", "index.json", "--top", 4, "--least").code == 0
    assert sorted(path.name for path in photos.glob("*.png")) == []
    (photos / "red" / "0.png").unlink()
    ran = run("exemplars", "--index", "index.json", *PLANTED, "--at", "act:8", "--least", "-o", "red.png", "--json")
    assert ran.code == 0, ran.err
    printed = json.loads(ran.out)
    assert (printed["index"], printed["sheets"], printed["photos"]) == ("index.json", ["red.png"], 18)
    assert [(row["address"], row["exciting"]) for row in printed["channels"]] == [("act:8", "most"), ("act:8", "least")]
    most, least = (row["photos"] for row in printed["channels"])
    assert {Path(each["file"]).parent.name for each in most} == {"red"}
    assert "red" not in {Path(each["file"]).parent.name for each in least}
    assert most[0]["box"][2] - most[0]["box"][0] == 8
    missing = sum(Path(each["file"]).name == "0.png" and "red" in each["file"] for each in most)
    assert ran.err.startswith(f"{missing} patches are not shown") == bool(missing)


def test_whole_layers_and_many_sheets(run: Callable, photos: Path) -> None:
    (photos / "wide.py").write_text(
        "from torch import nn\ndef wide():\n    return nn.Sequential(nn.Conv2d(3, 40, 1))\n"
    )
    words = ("exemplars", "red", "--model", "wide.py:wide", "--input-size", 16, "--top", 2, "--at", "0")
    assert run(*words, "-o", "sheet.png").err.startswith("dreamscope: 2 sheets of 32 channels go into a folder")
    ran = run(*words, "-o", "sheets")
    assert ran.code == 0, ran.err
    assert ran.out.splitlines()[-2:] == ["sheets/sheet-1.png", "sheets/sheet-2.png"]
    first, second = (Image.open(f"sheets/sheet-{n}.png") for n in (1, 2))
    assert first.height > 3 * second.height
    assert run(*words, "--index", "only.json").out.splitlines() == ["6 photos, 40 channels", "only.json"]


def test_directions(run: Callable, photos: Path) -> None:
    words = ("exemplars", *ALL, *PLANTED, "--top", 3)
    by_channel = json.loads(run(*words, "--at", "act:6,8", "--json").out)
    path = write_directions(Erase("act:6,7,8", [[1.0, 0], [0, 0], [0, 1]], [[2.0, 0, 0], [0, 0, 1]]))
    ran = run(*words, "--directions", path, "-o", "sheet.png", "--index", "index.json")
    assert ran.code == 0, ran.err
    lines = ran.out.splitlines()
    assert lines[0] == "18 photos, 2 directions"
    assert [line.split()[0] for line in lines[1:4]] == ["direction", "act.direction:0", "act.direction:1"]
    assert len(Recipe.read("sheet.png").parameters["directions"]) == 2
    ran = run("exemplars", *PLANTED, "--index", "index.json", "--directions", path, "--json")
    assert ran.code == 0, ran.err
    by_direction = json.loads(ran.out)
    for channel, direction, factor in zip(by_channel["channels"], by_direction["channels"], (2, 1), strict=True):
        for one, other in zip(channel["photos"], direction["photos"], strict=True):
            assert {**one, "value": None} == {**other, "value": None}
            assert other["value"] == pytest.approx(factor * one["value"], rel=1e-5)
    write_directions(Erase("act:6,8", [[1.0, 0], [0, 1]], [[1.0, 0], [0, 1]]))
    ensure_refused(run("exemplars", *PLANTED, "--index", "index.json", "--directions", path), "is of other directions")


def test_unreadable_photos_are_reported(run: Callable, photos: Path) -> None:
    (photos / "red" / "torn.png").write_bytes(b"")
    ran = run("exemplars", "--at", "act:8", "red", *PLANTED)
    assert ran.code == 0
    assert ran.err.splitlines()[0] == "1 photos could not be read and were skipped:"
    assert "torn.png" in ran.err


BAD = [
    (["exemplars", "red", "--at", "act", "--engine", "rai"], "no engine 'rai'"),
    (["exemplars", "red", "--at", "act", "--directions", "erased.json"], "--at and --directions exclude each other"),
    (["exemplars", "red", "--directions", "nowhere.json"], "no such file of directions: 'nowhere.json'"),
    (["exemplars", "red", "--directions", "foreign.json"], "'foreign.json' names no edits"),
    (["exemplars", "--directions", "erased.json", "--index", "top-2.json"], "no layer 'act.direction' in these"),
    (["exemplars"], "give photos to search, or an index"),
    (["exemplars", "red"], "say what to show: --at LAYER[:CHANNELS]"),
    (["exemplars", "red", "--index", "index.json", "-o", "sheet.png"], "say what to show"),
    (["exemplars", "nowhere", "--at", "act"], "no such folder, photo or labels file: 'nowhere'"),
    (["exemplars", "empty", "--at", "act"], "holds no photos"),
    (["exemplars", "red", "--at", "atc:1"], "no layer 'atc' in planted; did you mean 'act'?"),
    (["exemplars", "red", "--at", "act:9"], "channel 9 is out of range"),
    (["exemplars", "red", "--at", "act:1@2,2"], "has a position or a weight"),
    (["exemplars", "red", "--at", "act:1", "--top", "2000"], "top is 1 to 1000"),
    (["exemplars", "red", "--at", "act:1", "-o", "sheet.gif"], "a picture ends in"),
    (["exemplars", "red", "--at", "act:1", "-o", "nowhere/sheet.png"], "there is no folder 'nowhere'"),
    (["exemplars", "red", "--at", "act:1", "-o", "red/0.png"], "is an input"),
    (["exemplars", "red", "--at", "act:1", "--index", "index.npz"], "an index is a .json"),
    (["exemplars", "red", "--at", "act:1", "--index", "nowhere/index.json"], "there is no folder 'nowhere'"),
    (["exemplars", "--at", "act:1", "--index", "missing.json"], "no such index: 'missing.json'"),
    (["exemplars", "--at", "act:1", "--index", "foreign.json"], "is no index of exemplars"),
    (["exemplars", "--at", "act:1", "--index", "top-2.json", "--top", "3"], "holds 2 photos for each channel, not 3"),
    (["exemplars", "--at", "act:1", "--index", "top-2.json", "--least"], "holds the most exciting photos only"),
    (["exemplars", "--at", "conv:1", "--index", "top-2.json"], "no layer 'conv' in these exemplars"),
]


@pytest.mark.parametrize(("words", "message"), BAD, ids=by_words)
def test_one_line_and_nothing_left(run: Callable, photos: Path, words: list[str], message: str) -> None:
    add_too_small_folders(photos)
    write_directions(Erase("act:6", [1.0], [1.0]))
    (photos / "foreign.json").write_text('{"dreamscope_scores": 1}')
    if "top-2.json" in words:
        run("exemplars", "red", *PLANTED, "--at", "act", "--index", "top-2.json", "--top", 2)
    before = contents(photos)
    ensure_refused(run(*words, *PLANTED), message)
    assert contents(photos) == before
