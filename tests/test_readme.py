"""What the README shows, works."""

from __future__ import annotations

import re
import shlex
from pathlib import Path
from typing import Any

import pytest
from typer.main import get_command

from dreamscope.cli.app import application
from dreamscope.models.classifier import Classifier
from dreamscope.objectives.targets import targets

README = (Path(__file__).parents[1] / "README.md").read_text("utf-8")


def blocks(language: str) -> list[str]:
    return re.findall(rf"```{language}\n(.*?)```", README, flags=re.DOTALL)


@pytest.mark.embedded
def test_the_python_runs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.chdir(tmp_path)
    names: dict[str, object] = {}
    for code in blocks("python"):
        # The same dream in few steps: this is about the names, not about the picture.
        exec(code.replace("seed=1)", "seed=1, steps=1, octaves=1)"), names)
    assert (tmp_path / "dream.png").is_file()
    assert "label='daisy', probability=0.35" in capsys.readouterr().out


LINES = [
    line for block in blocks("sh") for line in block.replace("\\\n", "").splitlines() if line.startswith("dreamscope ")
]


def parsed(line: str) -> tuple[str, dict[str, Any]]:
    """Return the command of a line and what its options are given, as the command line reads them."""
    _, name, *words = shlex.split(line, comments=True)
    command = get_command(application()).commands[name]
    if hasattr(command, "commands"):
        command, words = command.commands[words[0]], words[1:]
    return name, command.make_context(name, words).params


@pytest.mark.parametrize("line", LINES)
def test_the_command_lines_are_ones(line: str) -> None:
    """Every option and every command in the README exists, and takes what it is given."""
    parsed(line)


@pytest.mark.embedded
@pytest.mark.parametrize("line", [line for line in LINES if "--at" in line or line.startswith("dreamscope visualize")])
def test_the_addresses_are_ones(line: str, lite0: Classifier, vgg19: Classifier) -> None:
    """Every layer, channel and class in the README exists in the network that the line is about."""
    name, given = parsed(line)
    model = {None: lite0, lite0.name: lite0, vgg19.name: vgg19}[next(iter(given.get("model") or ()), None)]
    wanted = [text for key in ("at", "of") for text in _listed(given.get(key))]
    wanted += [f"class:{label}" for label in given.get("class_name", given.get("class_")) or [] if name == "visualize"]
    assert not wanted or targets(model, wanted)


def _listed(value: str | list[str] | None) -> list[str]:
    return [value] if isinstance(value, str) else value or []


def test_pictures_are_there() -> None:
    for picture in re.findall(r"!\[.*?\]\((.*?)\)", README):
        assert (Path(__file__).parents[1] / picture).is_file(), picture
