from __future__ import annotations

import json
from collections.abc import Callable
from contextlib import nullcontext
from dataclasses import replace
from pathlib import Path

import pytest
import torch

from dreamscope import images
from dreamscope.adversarial.fool import Fooling
from dreamscope.optimize.ascent import Step
from dreamscope.recipes import Recipe

TINY = ("--model", "net.py:tiny", "--input-size", "32")


@pytest.fixture
def photo(folder: Path) -> Path:
    return images.write(torch.rand((1, 3, 40, 48), generator=torch.Generator().manual_seed(0)), folder / "photo.png")


def answer(run: Callable, picture: str) -> str:
    return json.loads(run("classify", picture, *TINY, "--json").out)[0]["predictions"][0]["label"]


def test_invert_one_layer_and_a_strip(run: Callable, folder: Path, photo: Path) -> None:
    ran = run("invert", "photo.png", "--at", "0", *TINY, "--steps", 3)
    assert ran.code == 0, ran.err
    assert ran.out.splitlines()[-1] == "photo-inverted.png"
    assert images.read(folder / "photo-inverted.png").shape == (1, 3, 32, 32)
    ran = run("invert", "photo.png", "--at", "0", "--at", "2", *TINY, "--steps", 3, "-o", "strip.png")
    assert ran.code == 0, ran.err
    assert images.read(folder / "strip.png").shape[3] > 3 * 32
    assert Recipe.read(folder / "strip.png").parameters["at"] == ["0", "2"]
    told = json.loads(run("invert", "photo.png", "--at", "2", *TINY, "--steps", 3, "--json").out)
    assert told["layers"][0]["at"] == "2"
    assert told["layers"][0]["error"] > 0


def test_ctrl_c(run: Callable, folder: Path, photo: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def stop(step: Step) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr("dreamscope.cli.output.progress", lambda _what: nullcontext(stop))
    for command, told in (("invert", "kept the last good picture: left.png"), ("fool", "nothing was written")):
        ran = run(command, "photo.png", *TINY, "-o", "left.png" if command == "invert" else "fooled.png")
        assert (ran.code, ran.out) == (130, "")
        assert "stopped at step 1 of" in ran.err
        assert ran.err.endswith(f"{told}\n")
    assert images.read(folder / "left.png").shape == (1, 3, 32, 32)
    assert not (folder / "fooled.png").exists()


def test_fool_writes_the_picture_the_difference_and_a_table(run: Callable, folder: Path, photo: Path) -> None:
    before = answer(run, "photo.png")
    to = "class 1" if before != "class 1" else "class 2"
    ran = run("fool", "photo.png", "--to", to.removeprefix("class "), *TINY)
    assert ran.code == 0, ran.err
    assert ran.out.splitlines()[-1] == "photo-fooled.png  photo-fooled-difference.png"
    assert "L2" in ran.out
    assert answer(run, "photo-fooled.png") == to
    assert images.read(folder / "photo-fooled.png").shape == (1, 3, 40, 48)
    told = json.loads(run("fool", "photo.png", *TINY, "-o", "other.png", "--json").out)
    assert told["after"]["label"] == answer(run, "other.png") != before
    assert told["l2"] > 0


def test_a_budget_that_is_too_small_is_told_and_nothing_written(run: Callable, folder: Path, photo: Path) -> None:
    other = "1" if answer(run, "photo.png") != "class 1" else "2"
    before = {path.name for path in folder.iterdir()}
    ran = run("fool", "photo.png", "--to", other, *TINY, "--budget", "0.005", "--steps", 5)
    assert ran.code == 2
    assert "not fooled within l2 0.005 in 5 steps: still taken for" in ran.err
    assert "try a larger --budget" in ran.err
    assert {path.name for path in folder.iterdir()} == before


def test_only_a_file_that_fools_replaces_another(
    run: Callable, folder: Path, photo: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("old.png", "old-difference.png"):
        images.write(torch.zeros(1, 3, 9, 9), folder / name)
    before = {path: path.read_bytes() for path in folder.iterdir() if path.is_file()}
    # As if the network rounded otherwise on what was written.
    monkeypatch.setattr(Fooling, "reread", lambda self, _model, _path: replace(self, after=self.before))
    ran = run("fool", "photo.png", *TINY, "-o", "old.png")
    assert ran.code == 2
    assert "not fooled" in ran.err
    assert {path: path.read_bytes() for path in folder.iterdir() if path.is_file()} == before
    monkeypatch.undo()
    monkeypatch.chdir(folder)
    assert run("fool", "photo.png", *TINY, "-o", "old.png").code == 0
    assert images.read(folder / "old.png").shape == (1, 3, 40, 48)


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (("invert", "photo.png", "--at", "9"), "no layer '9'"),
        (("invert", "photo.png", "--at", "2", "--initial", "grey"), "did you mean 'gray'"),
        (("invert", "photo.png", "--at", "2", "-o", "photo.png"), "'photo.png' is an input"),
        (("invert", "nowhere.png", "--at", "2"), "no such picture"),
        (("fool", "photo.png", "--to", "9"), "class 9 is out of range"),
        (("fool", "photo.png", "--budget", "0"), "a budget is more than 0"),
        (("fool", "photo.png", "-o", "a.jpg"), "only .png keeps every level"),
        (("fool", "photo.png", "-o", "photo.png"), "'photo.png' is an input"),
        (("fool", "photo.png", "--method", "magic"), "no method 'magic'"),
        (
            (
                "fool",
                "nowhere.png",
            ),
            "no such picture",
        ),
    ],
)
def test_bad_command_lines(run: Callable, folder: Path, photo: Path, words: tuple[str, ...], message: str) -> None:
    before = photo.read_bytes()
    there = sorted(path.name for path in folder.iterdir())
    ran = run(*words, *TINY)
    assert ran.code == 2
    assert message in ran.err
    assert ran.err.count("\n") == 1
    assert photo.read_bytes() == before
    assert sorted(path.name for path in folder.iterdir() if path.name not in ("cache", "__pycache__")) == there
