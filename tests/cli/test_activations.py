from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from command_lines import TINY, by_words, contents, ensure_refused

from dreamscope import images
from dreamscope.recipes import Recipe


def test_a_table_a_sheet_and_arrays(run: Callable, photo: Path) -> None:
    ran = run("activations", photo, *TINY, "--at", "0", "--at", "2:3", "--top", 2, "--save-array", "maps.npz")
    assert ran.code == 0, ran.err
    first, *rows, last = ran.out.splitlines()
    assert first.split() == ["channel", "share", "strength", "peak", "strongest", "at"]
    assert [row.split()[0].partition(":")[0] for row in rows] == ["0", "0", "2"]
    assert rows[2].split()[-1].startswith("2:3@")
    assert last == "photo-activations.png  maps.npz"
    recipe = Recipe.read("photo-activations.png")
    assert (recipe.command, recipe.parameters) == ("activations", {"at": ["0", "2:3"], "top": 2})
    assert np.load("maps.npz")["0"].shape == (2, 32, 32)
    assert images.read("photo-activations.png").shape[-1] > 3 * 160


def test_json_holds_the_numbers(run: Callable, photo: Path) -> None:
    ran = run("activations", photo, *TINY, "--at", "2", "--json", "-o", "a.png")
    printed = json.loads(ran.out)
    assert printed["files"] == ["a.png"]
    (layer,) = printed["layers"]
    assert [set(each) for each in layer["channels"]] == 4 * [{"address", "share", "strength", "peak", "position"}]
    assert sum(each["share"] for each in layer["channels"]) == pytest.approx(1)


TWICE = """
import torch
from torch import nn

class Twice(nn.Module):
    def __init__(self):
        super().__init__()
        self.conv = nn.Conv2d(3, 3, 1)
        self.dead = nn.Threshold(1e9, 0)

    def forward(self, x):
        return self.dead(self.conv(self.conv(x)))
"""


def test_silent_layers_and_those_that_run_twice_are_reported(run: Callable, folder: Path, photo: Path) -> None:
    (folder / "twice.py").write_text(TWICE)
    ran = run("activations", photo, "--model", "twice.py:Twice", "--input-size", 32, "--at", "*")
    assert ran.code == 0, ran.err
    assert ran.err.splitlines() == ["conv runs 2 times in a pass; this is the last time", "dead: silent"]


BAD = [
    (["nowhere.jpg"], "no such picture"),
    (["photo.png", "-o", "a.gif"], "a picture ends in"),
    (["photo.png", "-o", "photo.png"], "is an input"),
    (["photo.png", "--save-array", "a.npy"], "arrays go into a .npz"),
    (["photo.png", "--at", "9"], "no layer '9'"),
    (["photo.png", "--at", "2@1,1"], "has a position or a weight"),
    (["photo.png", "--channels", "none.json"], "no such file of channels"),
]


@pytest.mark.parametrize(("words", "message"), BAD, ids=by_words)
def test_one_line_and_nothing_left(run: Callable, photo: Path, words: list[str], message: str) -> None:
    before = contents(photo.parent)
    ensure_refused(run("activations", *words, *TINY), message)
    assert contents(photo.parent) == before
