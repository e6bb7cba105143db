from __future__ import annotations

import json
from collections.abc import Callable
from contextlib import nullcontext
from pathlib import Path

import pytest
from command_lines import TINY, by_words, contents, ensure_refused

from dreamscope import images
from dreamscope.optimize.ascent import Step
from dreamscope.recipes import Recipe


def test_invert_one_layer_and_a_strip(run: Callable, folder: Path, photo: Path) -> None:
    ran = run("invert", "photo.png", "--at", "0", *TINY, "--steps", 3)
    assert ran.code == 0, ran.err
    assert ran.out.splitlines()[-1] == "photo-inverted.png"
    assert images.read(folder / "photo-inverted.png").shape == (1, 3, 32, 32)
    ran = run("invert", "photo.png", "--at", "0", "--at", "2", *TINY, "--steps", 3, "-o", "strip.png")
    assert ran.code == 0, ran.err
    assert images.read(folder / "strip.png").shape[3] > 3 * 32
    assert Recipe.read(folder / "strip.png").parameters["at"] == ["0", "2"]
    printed = json.loads(run("invert", "photo.png", "--at", "2", *TINY, "--steps", 3, "--json").out)
    assert printed["layers"][0]["at"] == "2"
    assert printed["layers"][0]["error"] > 0


def test_ctrl_c(run: Callable, folder: Path, photo: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def stop(step: Step) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr("dreamscope.cli.output.progress", lambda _what: nullcontext(stop))
    ran = run("invert", "photo.png", *TINY, "-o", "left.png")
    assert (ran.code, ran.out) == (130, "")
    assert "stopped at step 1 of" in ran.err
    assert ran.err.endswith("kept the last good picture: left.png\n")
    assert images.read(folder / "left.png").shape == (1, 3, 32, 32)


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (("invert", "photo.png", "--at", "9"), "no layer '9'"),
        (("invert", "photo.png", "--at", "2", "--initial", "grey"), "did you mean 'gray'"),
        (("invert", "photo.png", "--at", "2", "-o", "photo.png"), "'photo.png' is an input"),
        (("invert", "nowhere.png", "--at", "2"), "no such picture"),
    ],
    ids=by_words,
)
def test_bad_command_lines(run: Callable, folder: Path, photo: Path, words: tuple[str, ...], message: str) -> None:
    before = contents(folder)
    ensure_refused(run(*words, *TINY), message)
    assert contents(folder) == before
