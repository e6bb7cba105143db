from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest
from command_lines import PLANTED, add_too_small_folders, by_words, contents, ensure_refused
from PIL import Image

from dreamscope.recipes import Recipe


def test_filters(run: Callable, photos: Path) -> None:
    ran = run("filters", *PLANTED, "-o", "filters.png")
    assert ran.code == 0, ran.err
    first, last = ran.out.splitlines()
    assert first == "conv: 9 filters of 1x1, as they act on red, green and blue; gray is zero"
    assert last == "filters.png"
    assert Recipe.read("filters.png").command == "filters"
    # Channel 8 is red's: 2 for red, -1 for the others.
    printed = json.loads(run("filters", *PLANTED, "--at", "conv:8", "--json", "--scaling", "shared").out)
    assert printed["filters"] == [{"channel": 8, "norm": pytest.approx(6**0.5)}]
    pixels = Image.open(printed["file"]).convert("RGB")
    assert (255, 64, 64) in {color for _, color in pixels.getcolors(10**6)}


BAD = [
    (["filters", "--at", "act"], "'act' of planted is no convolution but ReLU"),
    (["filters", "--scaling", "share"], "no scaling 'share'"),
    (["filters", "-o", "filters.txt"], "a picture ends in"),
]


@pytest.mark.parametrize(("words", "message"), BAD, ids=by_words)
def test_one_line_and_nothing_left(run: Callable, photos: Path, words: list[str], message: str) -> None:
    add_too_small_folders(photos)
    before = contents(photos)
    ensure_refused(run(*words, *PLANTED), message)
    assert contents(photos) == before
