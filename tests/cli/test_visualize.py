from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from command_lines import TINY, contents, ensure_refused, write_directions

from dreamscope import images
from dreamscope.models.edits import Ablation
from dreamscope.models.erase import Erase
from dreamscope.recipes import Recipe

FEW = (*TINY, "--steps", 3)


def test_one_picture(run: Callable, folder: Path) -> None:
    ran = run("visualize", "2:1", *FEW)
    assert ran.code == 0
    assert ran.err == ""
    assert "2-1-visualized.png" in ran.out
    assert images.read(folder / "2-1-visualized.png").shape == (1, 3, 32, 32)
    assert Recipe.read(folder / "2-1-visualized.png").parameters["of"] == "2:1"
    assert run("visualize", "2:1", *FEW).code == 0
    assert (folder / "2-1-visualized-2.png").exists()


def test_several_go_into_a_folder_with_a_sheet(run: Callable, folder: Path) -> None:
    ran = run("visualize", "2:0-2", "--class", "1", *FEW, "-o", "out")
    assert ran.code == 0, ran.err
    assert sorted(path.name for path in (folder / "out").iterdir()) == [
        "2-0.png",
        "2-1.png",
        "2-2.png",
        "class-1.png",
        "sheet.png",
    ]
    assert ran.out.splitlines()[-1] == "out/sheet.png"


def test_json(run: Callable, folder: Path) -> None:
    rows = json.loads(run("visualize", "2:0-1", *FEW, "--json").out)
    assert [row["shows"] for row in rows] == ["2:0", "2:1"]
    assert all(Path(row["file"]).exists() and row["steps"] == 3 and not row["silent"] for row in rows)


@pytest.mark.parametrize("preset", ["fourier", "maco", "pixel", "classic"])
def test_every_preset(run: Callable, folder: Path, preset: str) -> None:
    assert run("visualize", "2:1", *FEW, "--preset", preset, "-o", "a.png").code == 0


def test_ingredients_by_name(run: Callable, folder: Path) -> None:
    words = ("--transform", "shift:4", "--transform", "rotate:10", "--penalty", "tv:0.1", "--crops", 2, "--rate", 0.1)
    assert run("visualize", "2:1", *FEW, *words, "-o", "a.png").code == 0
    parameters = Recipe.read(folder / "a.png").parameters
    assert parameters["transform"] == ["shift:4", "rotate:10"]
    assert parameters["penalty"] == ["tv:0.1"]
    assert run("visualize", "2:1", *FEW, "--transform", "none", "--penalty", "none", "-o", "b.png").code == 0
    assert Recipe.read(folder / "b.png").parameters["transform"] == []


def test_diversity_between_negative_alpha(run: Callable, folder: Path) -> None:
    assert run("visualize", "2:1", *FEW, "--diversity", 2, "-o", "many").code == 0
    assert len(list((folder / "many").iterdir())) == 3
    assert run("visualize", "2:1", "2:3", *FEW, "--between", 3, "-o", "way").code == 0
    assert len(list((folder / "way").iterdir())) == 4
    assert run("visualize", "2:1", *FEW, "--negative", "--alpha", "-o", "a.png").code == 0
    assert run("visualize", "2", *FEW, "--like", "sample:china", "-o", "b.png").code == 0


def test_directions(run: Callable, folder: Path) -> None:
    path = write_directions(Erase("2:1,3", [[1.0, 0], [0, 1]], [[1.0, 2], [0, 3]]), Ablation("2:0"))
    ran = run("visualize", "2:3", "--directions", path, *FEW, "-o", "out")
    assert ran.code == 0, ran.err
    assert sorted(each.name for each in (folder / "out").iterdir()) == [
        "2-3.png",
        "2.direction-0.png",
        "2.direction-1.png",
        "sheet.png",
    ]
    # The second direction reads channel 3 alone.
    assert torch.equal(images.read("out/2-3.png"), images.read("out/2.direction-1.png"))
    assert run("visualize", "--recipe", "out/2.direction-0.png", *TINY, "-o", "again.png").code == 0
    assert torch.equal(images.read("again.png"), images.read("out/2.direction-0.png"))
    assert run("visualize", "2:3", "--recipe", "out/2.direction-0.png", *TINY, "-o", "other.png").code == 0
    assert Recipe.read("other.png").parameters["directions"] == []
    assert run("visualize", "--directions", write_directions(Erase("2:3", [1.0], [1.0])), *FEW).code == 0
    assert (folder / "2.direction-0-visualized.png").exists()


SILENT = """
import torch
from torch import nn

def half():
    torch.manual_seed(0)
    conv = nn.Conv2d(3, 2, 3)
    conv.weight.data[1] = 0
    conv.bias.data[1] = -1
    return nn.Sequential(conv, nn.ReLU())
"""


def test_silent_channels_are_reported_not_shown(run: Callable, folder: Path) -> None:
    (folder / "net.py").write_text(SILENT)
    half = ("--model", "net.py:half", "--input-size", 32, "--steps", 4)
    ran = run("visualize", "1:0-1", *half, "-o", "out")
    assert ran.code == 0
    assert "silent in every attempt, so no picture: 1:1" in ran.err
    assert sorted(path.name for path in (folder / "out").iterdir()) == ["1-0.png", "sheet.png"]
    ran = run("visualize", "1:1", *half, "-o", "a.png")
    assert ran.code == 2
    assert "'1:1' is silent, so there is no picture: it is 0 whatever was tried" in ran.err
    assert not (folder / "a.png").exists()


def test_channels_that_stay_gray_are_reported_and_shown(run: Callable, folder: Path) -> None:
    (folder / "net.py").write_text(SILENT.replace("= -1", "= 2"))
    half = ("--model", "net.py:half", "--input-size", 32, "--steps", 30)
    ran = run("visualize", "1:0-1", *half, "-o", "out")
    assert ran.code == 0
    (line,) = ran.err.splitlines()
    assert line.startswith("1:1 stayed gray: it is 2 whatever was tried: the channel is dead")
    assert (folder / "out" / "1-1.png").exists()
    seen, gray = json.loads(run("visualize", "1:0-1", *half, "-o", "out", "--json").out)
    assert seen["gray"] is None
    assert f"1:1 stayed gray: {gray['gray']}" == line


@pytest.mark.parametrize(
    ("words", "message"),
    [
        ((), "give something to visualize"),
        (("--directions", "nowhere.json"), "no such file of directions"),
        (("9:1",), "no layer '9'"),
        (("2:99",), "99"),
        (("2:1@99,99",), "outside '2'"),
        (("--class", "zebra"), "no class 'zebra'"),
        (("--class", "99"), "class 99 is out of range"),
        (("2:1", "--preset", "nice"), "no preset 'nice'"),
        (("2:1", "--transform", "spin:3"), "no transform 'spin'"),
        (("2:1", "--penalty", "tv:much"), "no regularizer such as tv:WEIGHT"),
        (("2:1", "-o", "no/such/a.png"), "no folder"),
        (("2:1", "-o", "a.gif"), "a picture ends in"),
        (("2:0-1", "-o", "a.png"), "several pictures go into a folder"),
        (("2:1", "--alpha", "-o", "a.jpg"), "JPEG has no transparency"),
        (("2:1", "--size", "2"), "size '2'"),
        (("2", "--like", "nowhere.png"), "no such picture"),
        (("2:1", "--between", "3"), "between takes 2 targets"),
    ],
)
def test_bad_command_lines(run: Callable, folder: Path, words: tuple[str, ...], message: str) -> None:
    before = contents(folder)
    ensure_refused(run("visualize", *words, *FEW), message)
    assert contents(folder) == before


@pytest.mark.parametrize(("of", "out", "kept"), [("2:1", "a.png", "picture: a.png"), ("2:0-1", "a", "pictures: a")])
def test_infinite_numbers_keep_the_last_finite_pictures(
    run: Callable, folder: Path, of: str, out: str, kept: str
) -> None:
    ran = run("visualize", of, *FEW, "--preset", "classic", "--rate", "1e39", "-o", out)
    assert ran.code == 2
    assert "no longer finite at step 1 of 3" in ran.err
    assert ran.err.endswith(f"kept the last finite {kept}\n")
    assert ran.err.count("\n") == 1
    assert (folder / out).exists()


def test_a_size_too_small_for_the_layer(run: Callable, folder: Path) -> None:
    (folder / "net.py").write_text(SILENT.replace("nn.Conv2d(3, 2, 3)", "nn.Conv2d(3, 2, 9)"))
    ran = run("visualize", "1:0", "--model", "net.py:half", "--input-size", 32, "--size", 8, "-o", "a.png")
    assert ran.code == 2
    assert "half can't run on 8x8 pixels" in ran.err
    assert "it was made for 32x32: try that size" in ran.err
    assert not (folder / "a.png").exists()
