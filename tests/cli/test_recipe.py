from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest
import torch

import dreamscope
from dreamscope import images


def test_recipe_of_what_has_none(run: Callable, folder: Path) -> None:
    images.write(torch.rand(1, 3, 40, 40), folder / "a.png")
    ran = run("recipe", "a.png")
    assert ran.code == 2
    assert "'a.png' holds no dreamscope recipe" in ran.err


@pytest.mark.embedded
def test_doctor(run: Callable) -> None:
    told = json.loads(run("doctor", "--json").out)
    assert told["versions"]["torch"].startswith(torch.__version__.split("+")[0])
    assert "cpu" in told["devices"]
    assert told["models that need no network"] == {"efficientnet_lite0": "ok", "oxford_vgg19": "ok"}
    assert set(told["caches"]) == {"dreamscope", "torchvision", "timm"}
    assert "efficientnet_lite0 ok" in run("doctor").out


def test_version_and_help(run: Callable) -> None:
    assert run("--version").out == f"dreamscope {dreamscope.__version__}\n"
    for words in ([], ["--help"], ["-h"]):
        assert "Look into an image classifier" in run(*words).out
    for command in ("dream", "models", "layers", "classify", "recipe", "doctor"):
        assert "Usage: dreamscope" in run(command, "--help").out
