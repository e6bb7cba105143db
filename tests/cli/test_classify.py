from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest
import torch

from dreamscope import images

TINY = ("--model", "net.py:tiny", "--input-size", "32")


def test_models(run: Callable) -> None:
    told = run("models").out
    assert told.startswith("efficientnet_lite0  (1000 ImageNet classes")
    assert "needs no network" in told
    groups = json.loads(run("models", "--json").out)
    assert groups["embedded"] == ["efficientnet_lite0", "oxford_vgg19"]
    assert len(groups["torchvision"]) > 50
    assert len(groups["timm"]) > 500
    assert run("models", "resnet1*").out.split() == ["resnet101", "resnet152", "resnet18"]
    assert run("models", "nothing*").code == 2


def test_layers(run: Callable) -> None:
    told = run("layers", "net.py:tiny", "--input-size", 32).out.splitlines()
    assert told[0].split() == ["layer", "type", "channels", "size", "stride", "receptive", "field", "calls"]
    assert told[1].split() == ["0", "Conv2d", "6", "32x32", "1", "3", "1"]
    assert told[3].split() == ["2", "Conv2d", "4", "15x15", "2", "5", "1"]
    assert told[5].split() == ["4", "Flatten", "4", "-", "-", "all", "1"]
    assert run("layers", "net.py:tiny", "--size", 64, "--at", "2").out.splitlines()[1].split()[3] == "31x31"


def test_layers_as_json(run: Callable) -> None:
    rows = json.loads(run("layers", "net.py:tiny", "--input-size", 32, "--at", "[02]", "--json").out)
    assert [row["name"] for row in rows] == ["0", "2"]
    assert rows[1]["receptive_field"] == [5, 5]


def test_layers_refuses_what_matches_nothing(run: Callable) -> None:
    ran = run("layers", "net.py:tiny", "--at", "features.*")
    assert ran.code == 2
    assert "no layer of tiny matches 'features.*'" in ran.err


@pytest.mark.embedded
def test_classify(run: Callable) -> None:
    told = run("classify", "sample:china", "sample:flower", "--top", 2).out.splitlines()
    assert told[0] == "sample:china"
    assert told[1].endswith("palace")
    assert len(told) == 6
    answers = json.loads(run("classify", "sample:flower", "--json").out)
    assert answers[0]["predictions"][0]["label"] == "daisy"
    assert len(answers[0]["predictions"]) == 5


def test_classify_with_labels_from_a_file(run: Callable, folder: Path) -> None:
    (folder / "labels.txt").write_text("ant\nbee\ncat\ndog\n")
    told = run("classify", "sample:china", *TINY, "--labels", "labels.txt", "--mean", ".5,.5,.5", "--std", ".5,.5,.5")
    assert {line.split()[1] for line in told.out.splitlines()[1:]} == {"ant", "bee", "cat", "dog"}


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
