"""The plan of the house: a room imports only from below."""

from __future__ import annotations

import ast
import subprocess
import sys
from pathlib import Path

import pytest

import dreamscope

ROOT = Path(dreamscope.__file__).parent

# From the ground up; a folder stands for all that is in it.
FLOORS = [
    ["errors", "intervals", "memory", "colors"],
    ["files", "naming"],
    ["images"],
    ["photos", "recipes", "clips"],
    ["models"],
    ["probes"],
    ["objectives", "parameterizations", "transforms", "regularizers", "gradients", "starts"],
    ["moves"],
    ["engine", "tiles"],
    ["ascent"],
    ["techniques"],
    ["plots", "sheets", "scatter", "cuts", "gifs", "tracks"],
    ["report", "patchwork", "overlays", "album", "heatmaps"],
    ["film"],
    ["reel", "screening", "doses"],
    ["recording"],
    ["cli"],
]
LEVEL = {name: level for level, names in enumerate(FLOORS) for name in names}
FILES = sorted(path for path in ROOT.rglob("*.py") if path.parent != ROOT or not path.name.startswith("__"))


@pytest.mark.parametrize("path", FILES, ids=lambda path: str(path.relative_to(ROOT)))
def test_imports_go_down(path: Path) -> None:
    own = path.relative_to(ROOT).parts[0].removesuffix(".py")
    for node in ast.walk(ast.parse(path.read_text("utf-8"))):
        if isinstance(node, ast.ImportFrom):
            modules = [node.module or ""]
            if node.module == "dreamscope":
                modules = [f"dreamscope.{alias.name}" for alias in node.names if not alias.name.startswith("_")]
        elif isinstance(node, ast.Import):
            modules = [alias.name for alias in node.names]
        else:
            continue
        for module in modules:
            if module.startswith("dreamscope."):
                other = module.split(".")[1]
                assert LEVEL[other] < LEVEL[own] or other == own, f"{path.name} imports {module}"


def test_every_module_stands_on_a_floor() -> None:
    assert {path.relative_to(ROOT).parts[0].removesuffix(".py") for path in FILES} == set(LEVEL)


@pytest.mark.parametrize("code", ["import dreamscope", "from dreamscope.cli.app import app"])
def test_no_torch_until_it_is_needed(code: str) -> None:
    check = f"{code}; import sys; assert not {{'torch', 'numpy', 'timm'}} & set(sys.modules)"
    subprocess.run([sys.executable, "-c", check], check=True)


def test_public_names_are_there() -> None:
    for name in dreamscope.__all__:
        assert getattr(dreamscope, name) is not None
    with pytest.raises(AttributeError, match="no attribute 'nightmare'"):
        dreamscope.nightmare  # noqa: B018
