from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import colours
import pytest
from PIL import Image

from dreamscope.recipes import Recipe

MODEL = ("--model", "planted.py:planted", "--input-size", "16", "--labels", "labels.txt")
FILE = """
import sys
sys.path.insert(0, {tests!r})
from nets import Planted as planted, Tokens as tokens
"""
ALL = ("green", "blue", "red")


@pytest.fixture
def photos(folder: Path) -> Path:
    """A working folder with photos of three colours and a network in which each is one channel's."""
    colours.draw(folder, 6)
    (folder / "planted.py").write_text(FILE.format(tests=str(Path(__file__).parents[1])))
    (folder / "labels.txt").write_text("green\nblue\nred\n")
    return folder


def test_exemplars(run: Callable, photos: Path) -> None:
    ran = run("exemplars", ".", *MODEL, "--at", "act:6,8", "--top", 3, "-o", "sheet.png", "--index", "index.json")
    assert ran.code == 0, ran.err
    lines = ran.out.splitlines()
    assert lines[0] == "18 photos, 9 channels"
    assert [line.split()[:2] for line in lines[2:4]] == [["act:6", "most"], ["act:8", "most"]]
    assert lines[4:] == ["index.json", "sheet.png"]
    assert not ran.err
    assert Recipe.read("sheet.png").parameters == {"at": ["act"], "top": 3, "least": False}
    assert str(photos) not in Path("index.json").read_text()


def test_an_index_is_read_without_photos(run: Callable, photos: Path) -> None:
    assert run("exemplars", *ALL, *MODEL, "--index", "index.json", "--top", 4, "--least").code == 0
    assert sorted(path.name for path in photos.glob("*.png")) == []
    (photos / "red" / "0.png").unlink()
    ran = run("exemplars", "--index", "index.json", *MODEL, "--at", "act:8", "--least", "-o", "red.png", "--json")
    assert ran.code == 0, ran.err
    told = json.loads(ran.out)
    assert (told["index"], told["sheets"], told["photos"]) == ("index.json", ["red.png"], 18)
    assert [(row["address"], row["exciting"]) for row in told["channels"]] == [("act:8", "most"), ("act:8", "least")]
    most, least = (row["photos"] for row in told["channels"])
    assert {Path(each["file"]).parent.name for each in most} == {"red"}
    assert "red" not in {Path(each["file"]).parent.name for each in least}
    assert most[0]["box"][2] - most[0]["box"][0] == 8
    gone = sum(Path(each["file"]).name == "0.png" and "red" in each["file"] for each in most)
    assert ran.err.startswith(f"{gone} patches are not shown") == bool(gone)


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


def test_unreadable_photos_are_reported(run: Callable, photos: Path) -> None:
    (photos / "red" / "torn.png").write_bytes(b"")
    for words in (("exemplars", "--at", "act:8"), ("map", "--method", "pca")):
        ran = run(*words, "red", *MODEL)
        assert ran.code == 0
        assert ran.err.splitlines()[0] == "1 photos could not be read and were skipped:"
        assert "torn.png" in ran.err


def test_filters(run: Callable, photos: Path) -> None:
    ran = run("filters", *MODEL, "-o", "filters.png")
    assert ran.code == 0, ran.err
    first, last = ran.out.splitlines()
    assert first == "conv: 9 filters of 1x1, as they act on red, green and blue; gray is zero"
    assert last == "filters.png"
    assert Recipe.read("filters.png").command == "filters"
    # Channel 8 is red's: 2 for red, -1 for the others.
    told = json.loads(run("filters", *MODEL, "--at", "conv:8", "--json", "--scaling", "shared").out)
    assert told["filters"] == [{"channel": 8, "norm": pytest.approx(6**0.5)}]
    pixels = Image.open(told["file"]).convert("RGB")
    assert (255, 64, 64) in {color for _, color in pixels.getcolors(10**6)}


def test_map(run: Callable, photos: Path) -> None:
    ran = run("map", *ALL, *MODEL, "--method", "pca", "-o", "map.html", "--at", "act")
    assert ran.code == 0, ran.err
    lines = ran.out.splitlines()
    assert lines[0] == "18 photos at act, by pca"
    assert lines[-2:] == ["map.html", "map.png"]
    assert Path("map.html").read_text().startswith("<!DOCTYPE html>")
    assert Image.open("map.png").width > 400


@pytest.mark.parametrize("name", ["map.png", "map.jpg", "map.webp"])
def test_a_map_as_a_picture_alone(run: Callable, photos: Path, name: str) -> None:
    ran = run("map", *ALL, *MODEL, "--method", "pca", "-o", name)
    assert ran.code == 0, ran.err
    assert ran.out.splitlines()[-1] == name
    assert Image.open(name).width > 400
    assert Recipe.read(name).command == "map"
    assert not Path("map.html").exists()


def test_map_reports_how_far_neighbours_agree(run: Callable, photos: Path) -> None:
    told = json.loads(run("map", ".", *MODEL, "--method", "pca", "--neighbours", 3, "--json").out)
    assert (told["neighbours"], told["judged"]) == (3, 18)
    assert told["features"] == {"overall": 1, "labels": {"blue": 1, "green": 1, "red": 1}}
    assert {point["taken_for"] == point["label"] for point in told["points"]} == {True}
    ran = run("map", "red", *MODEL, "--method", "pca")
    assert "no two photos have the same label" in ran.out


BAD = [
    (["exemplars"], "give photos to look through, or with --index"),
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
    (["exemplars", "--at", "act:1", "--index", "kept.json", "--top", "3"], "holds 2 photos for each channel, not 3"),
    (["exemplars", "--at", "act:1", "--index", "kept.json", "--least"], "holds the most exciting photos only"),
    (["exemplars", "--at", "conv:1", "--index", "kept.json"], "no layer 'conv' in these exemplars"),
    (["filters", "--at", "act"], "'act' of planted is no convolution but ReLU"),
    (["filters", "--scaling", "share"], "no scaling 'share'"),
    (["filters", "-o", "filters.txt"], "a picture ends in"),
    (["map"], "Missing argument 'PHOTOS ...'"),
    (["map", "empty"], "holds no photos"),
    (["map", "red", "--method", "tnse"], "no method 'tnse'; there are tsne, umap, pca; did you mean 'tsne'?"),
    (["map", "red", "--at", "act:1@1,1"], "has a position or a weight"),
    (["map", "red", "-o", "map.gif"], "a map is a .html to zoom into, or a .png, .jpg or .webp"),
    (["map", "red", "-o", "nowhere/map.html"], "there is no folder 'nowhere'"),
    (["map", "red", "-o", "red/0.html"], "'red/0.png' is an input"),
    (["map", "one"], "1 of 1 photos can be read, 4 needed"),
]


@pytest.mark.parametrize(
    ("words", "message"), BAD, ids=lambda value: " ".join(value)[:60] if isinstance(value, list) else ""
)
def test_one_line_and_nothing_left(run: Callable, photos: Path, words: list[str], message: str) -> None:
    (photos / "empty").mkdir()
    (photos / "one").mkdir()
    (photos / "one" / "0.png").write_bytes((photos / "red" / "0.png").read_bytes())
    (photos / "foreign.json").write_text('{"dreamscope_scores": 1}')
    if "kept.json" in words:
        run("exemplars", "red", *MODEL, "--at", "act", "--index", "kept.json", "--top", 2)
    before = {path: path.read_bytes() for path in photos.rglob("*") if path.is_file() and not _passing(path)}
    ran = run(*words, *MODEL)
    assert ran.code == 2
    assert message in ran.err
    assert len(ran.err.splitlines()) == 1
    assert {path: path.read_bytes() for path in photos.rglob("*") if path.is_file() and not _passing(path)} == before


def _passing(path: Path) -> bool:
    return "__pycache__" in str(path) or "cache" in path.parts
