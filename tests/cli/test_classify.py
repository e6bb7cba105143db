from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from archived import tar_of
from command_lines import PLANTED, TINY, contents, ensure_refused
from PIL import Image

from dreamscope import images
from dreamscope.recipes import Recipe


@pytest.mark.embedded
def test_classify(run: Callable) -> None:
    lines = run("classify", "sample:china", "sample:flower", "--top", 2).out.splitlines()
    assert lines[0] == "sample:china"
    assert lines[1].endswith("palace")
    assert len(lines) == 6
    printed = json.loads(run("classify", "sample:flower", "--json").out)
    assert printed[0]["predictions"][0]["label"] == "daisy"
    assert len(printed[0]["predictions"]) == 5


def test_classify_with_labels_from_a_file(run: Callable, folder: Path) -> None:
    (folder / "labels.txt").write_text("ant\nbee\ncat\ndog\n")
    ran = run("classify", "sample:china", *TINY, "--labels", "labels.txt", "--mean", ".5,.5,.5", "--std", ".5,.5,.5")
    assert {line.split()[1] for line in ran.out.splitlines()[1:]} == {"ant", "bee", "cat", "dog"}


def test_one_bad_picture_among_good_ones(run: Callable, folder: Path) -> None:
    images.write(torch.rand(1, 3, 40, 40), folder / "good.png")
    (folder / "bad.png").write_bytes(b"")
    ran = run("classify", "bad.png", "good.png", *TINY)
    assert ran.code == 2
    assert "good.png" in ran.out
    assert "'bad.png' is empty" in ran.err
    assert "1 of 2 pictures could not be classified" in ran.err
    alone = run("classify", "bad.png", *TINY)
    assert (alone.code, alone.err.count("\n")) == (2, 1)


@pytest.mark.embedded
def test_no_classes(run: Callable) -> None:
    ran = run("classify", "sample:china", "--model", "oxford_vgg19")
    assert ran.code == 2
    assert "oxford_vgg19 has no classes" in ran.err


def test_a_folder(run: Callable, photos: Path) -> None:
    (photos / "green" / "cherry.png").write_bytes((photos / "red" / "0.png").read_bytes())
    (photos / "green" / "torn.png").write_bytes(b"")
    ran = run("classify", ".", *PLANTED, "-o", "errors.png", "--csv", "table.csv")
    assert ran.code == 0, ran.err
    lines = ran.out.splitlines()
    assert lines[0] == "19 photos, planted"
    assert lines[1].startswith("top-1  94.7 % (18 of 19; 95 % interval ")
    # Of three classes, the first five are all.
    assert "top-5" not in ran.out
    assert "no two mistakes are the same confusion" in ran.out
    assert next(line.split() for line in lines if line.startswith("cherry.png"))[1] == "red"
    assert lines[-1] == "errors.png  table.csv"
    assert "torn.png" in ran.err
    assert Recipe.read("errors.png").command == "classify"
    assert Image.open("errors.png").width < 200
    assert (photos / "table.csv").read_text().count("\n") == 20


def test_an_archive_counts_as_a_folder(run: Callable, photos: Path) -> None:
    paths = sorted(photos.rglob("*/*.png"))
    tar_of(photos / "all.tar", {path.relative_to(photos).as_posix(): path.read_bytes() for path in paths})
    alone = run("classify", "red", "green", "blue", *PLANTED).out
    assert run("classify", "all.tar", *PLANTED).out == alone
    assert alone.startswith("18 photos, planted")
    one = run("classify", "all.tar/red/0.png", *PLANTED)
    assert one.out.replace("all.tar/", "") == run("classify", "red/0.png", *PLANTED).out
    assert run("classify", "all.tar/red/none.png", *PLANTED).err.count("\n") == 1


def test_a_folder_without_truths(run: Callable, photos: Path) -> None:
    (photos / "cherries").mkdir()
    (photos / "red").rename(photos / "cherries" / "ripe")
    ran = run("classify", "cherries", *PLANTED)
    assert "no accuracy: the photos' labels, such as 'ripe', name no class of" in ran.out
    assert "most frequent predictions\ntaken for  photos\nred             6\n" in ran.out
    printed = json.loads(run("classify", "cherries", *PLANTED, "--json").out)
    assert printed["top1"] is None
    assert "such as 'ripe'" in printed["no_accuracy"]
    assert {each["predicted"] for each in printed["answers"]} == {"red"}


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (("red", "nowhere"), "no such folder, photo or labels file: 'nowhere'"),
        (("red", "-o", "sheet.gif"), "a picture ends in .png"),
        (("red", "-o", "red/0.png"), "'red/0.png' is an input"),
        (("red", "--csv", "table.txt"), "a table of photos ends in .csv or .json"),
        (("red", "--csv", "no/table.csv"), "there is no folder 'no'"),
        (("labels.csv", "--csv", "labels.csv"), "'labels.csv' is an input"),
    ],
)
def test_bad_command_lines(run: Callable, photos: Path, words: tuple[str, ...], message: str) -> None:
    (photos / "labels.csv").write_text("file,label\nred/0.png,red\n")
    before = contents(photos)
    ensure_refused(run("classify", *words, *PLANTED), message)
    assert contents(photos) == before
