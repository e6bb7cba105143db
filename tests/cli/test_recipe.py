from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import torch

from dreamscope import images


def test_recipe_of_what_has_none(run: Callable, folder: Path) -> None:
    images.write(torch.rand(1, 3, 40, 40), folder / "a.png")
    ran = run("recipe", "a.png")
    assert ran.code == 2
    assert "'a.png' holds no dreamscope recipe" in ran.err
