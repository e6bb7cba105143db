from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest
from command_lines import PLANTED, add_too_small_folders, by_words, contents, ensure_refused
from PIL import Image

from dreamscope.recipes import Recipe

ALL = ("green", "blue", "red")


def test_map(run: Callable, photos: Path) -> None:
    ran = run("map", *ALL, *PLANTED, "--method", "pca", "-o", "map.html", "--at", "act")
    assert ran.code == 0, ran.err
    lines = ran.out.splitlines()
    assert lines[0] == "18 photos at act, by pca"
    assert lines[-2:] == ["map.html", "map.png"]
    assert Path("map.html").read_text().startswith("<!DOCTYPE html>")
    assert Image.open("map.png").width > 400


@pytest.mark.parametrize("name", ["map.png", "map.jpg", "map.webp"])
def test_a_map_as_a_picture_alone(run: Callable, photos: Path, name: str) -> None:
    ran = run("map", *ALL, *PLANTED, "--method", "pca", "-o", name)
    assert ran.code == 0, ran.err
    assert ran.out.splitlines()[-1] == name
    assert Image.open(name).width > 400
    assert Recipe.read(name).command == "map"
    assert not Path("map.html").exists()


def test_map_reports_how_far_neighbours_agree(run: Callable, photos: Path) -> None:
    printed = json.loads(run("map", ".", *PLANTED, "--method", "pca", "--neighbours", 3, "--json").out)
    assert (printed["neighbours"], printed["judged"]) == (3, 18)
    assert printed["features"] == {"overall": 1, "labels": {"blue": 1, "green": 1, "red": 1}}
    assert {point["taken_for"] == point["label"] for point in printed["points"]} == {True}
    # Of several folders each is a label of its own.
    again = json.loads(run("map", *ALL, *PLANTED, "--method", "pca", "--neighbours", 3, "--json").out)
    assert again["features"] == printed["features"]
    assert {point["label"] for point in again["points"]} == {*ALL}
    ran = run("map", "red", *PLANTED, "--method", "pca")
    assert "no two photos have the same label" in ran.out


def test_unreadable_photos_are_reported(run: Callable, photos: Path) -> None:
    (photos / "red" / "torn.png").write_bytes(b"")
    ran = run("map", "--method", "pca", "red", *PLANTED)
    assert ran.code == 0
    assert ran.err.splitlines()[0] == "1 photos could not be read and were skipped:"
    assert "torn.png" in ran.err


BAD = [
    (["map"], "Missing argument 'PHOTOS ...'"),
    (["map", "empty"], "holds no photos"),
    (["map", "red", "--method", "tnse"], "no method 'tnse'; there are tsne, umap, pca; did you mean 'tsne'?"),
    (["map", "red", "--at", "act:1@1,1"], "has a position or a weight"),
    (["map", "red", "-o", "map.gif"], "a map is a .html to zoom into, or a .png, .jpg or .webp"),
    (["map", "red", "-o", "nowhere/map.html"], "there is no folder 'nowhere'"),
    (["map", "red", "-o", "red/0.html"], "'red/0.png' is an input"),
    (["map", "one"], "1 of 1 photos can be read, 4 needed"),
]


@pytest.mark.parametrize(("words", "message"), BAD, ids=by_words)
def test_one_line_and_nothing_left(run: Callable, photos: Path, words: list[str], message: str) -> None:
    add_too_small_folders(photos)
    before = contents(photos)
    ensure_refused(run(*words, *PLANTED), message)
    assert contents(photos) == before
