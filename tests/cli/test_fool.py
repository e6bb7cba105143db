from __future__ import annotations

import json
from collections.abc import Callable
from contextlib import nullcontext
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from command_lines import PLANTED, TINY, by_words, contents, ensure_refused

from dreamscope import images
from dreamscope.adversarial.fool import Fooling
from dreamscope.optimize.ascent import Step


def predicted(run: Callable, picture: str) -> str:
    return json.loads(run("classify", picture, *TINY, "--json").out)[0]["predictions"][0]["label"]


def test_fool_writes_the_picture_the_difference_and_a_table(run: Callable, folder: Path, photo: Path) -> None:
    before = predicted(run, "photo.png")
    to = "class 1" if before != "class 1" else "class 2"
    ran = run("fool", "photo.png", "--to", to.removeprefix("class "), *TINY)
    assert ran.code == 0, ran.err
    assert ran.out.splitlines()[-1] == "photo-fooled.png  photo-fooled-difference.png"
    assert "L2" in ran.out
    assert predicted(run, "photo-fooled.png") == to
    assert images.read(folder / "photo-fooled.png").shape == (1, 3, 40, 48)
    printed = json.loads(run("fool", "photo.png", *TINY, "-o", "other.png", "--json").out)
    assert printed["after"]["label"] == predicted(run, "other.png") != before
    assert printed["l2"] > 0


def test_a_budget_that_is_too_small_is_reported_and_nothing_written(run: Callable, folder: Path, photo: Path) -> None:
    other = "1" if predicted(run, "photo.png") != "class 1" else "2"
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


def test_ctrl_c(run: Callable, folder: Path, photo: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def stop(step: Step) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr("dreamscope.cli.output.progress", lambda _what: nullcontext(stop))
    ran = run("fool", "photo.png", *TINY, "-o", "fooled.png")
    assert (ran.code, ran.out) == (130, "")
    assert "stopped at step 1 of" in ran.err
    assert ran.err.endswith("nothing was written\n")
    assert not (folder / "fooled.png").exists()


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (("fool", "photo.png", "--to", "9"), "class 9 is out of range"),
        (("fool", "photo.png", "--budget", "0"), "a budget is more than 0"),
        (("fool", "photo.png", "-o", "a.jpg"), "only .png keeps every level"),
        (("fool", "photo.png", "-o", "photo.png"), "'photo.png' is an input"),
        (("fool", "photo.png", "--method", "magic"), "no method 'magic'"),
        (("fool", "nowhere.png"), "no such picture"),
    ],
    ids=by_words,
)
def test_bad_command_lines(run: Callable, folder: Path, photo: Path, words: tuple[str, ...], message: str) -> None:
    before = contents(folder)
    ensure_refused(run(*words, *TINY), message)
    assert contents(folder) == before


def test_fool_from_a_plain_colour(run: Callable, photos: Path) -> None:
    ran = run("fool", "#828080", "--to", "green", *PLANTED, "--size", "20x16")
    assert ran.code == 0, ran.err
    assert ran.out.splitlines()[-1] == "828080-fooled.png  828080-fooled-difference.png"
    told = json.loads(run("classify", "828080-fooled.png", *PLANTED, "--json").out)[0]["predictions"][0]
    assert told["label"] == "green"
    assert told["probability"] >= 0.99
    assert images.read(photos / "828080-fooled.png").shape == (1, 3, 16, 20)
    assert run("fool", "--recipe", "828080-fooled.png", *PLANTED, "-o", "again.png").code == 0
    assert torch.equal(images.read(photos / "828080-fooled.png"), images.read(photos / "again.png"))
