from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from command_lines import TINY

from dreamscope import images


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
