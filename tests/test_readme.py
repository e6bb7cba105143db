"""What the README shows, works."""

from __future__ import annotations

import re
import shlex
from pathlib import Path

import pytest

README = (Path(__file__).parents[1] / "README.md").read_text("utf-8")


def blocks(language: str) -> list[str]:
    return re.findall(rf"```{language}\n(.*?)```", README, flags=re.DOTALL)


@pytest.mark.embedded
def test_the_python_runs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.chdir(tmp_path)
    (code,) = blocks("python")
    # The same dream in few steps: this is about the names, not about the picture.
    exec(code.replace("seed=1)", "seed=1, steps=1, octaves=1)"), {})
    assert (tmp_path / "dream.png").is_file()
    assert "label='daisy', probability=0.35" in capsys.readouterr().out


def test_the_command_lines_are_ones() -> None:
    """Every option and every command in the README exists."""
    from typer.main import get_command

    from dreamscope.cli.app import app

    known = {
        name: {option for parameter in command.params for option in parameter.opts}
        for name, command in get_command(app).commands.items()
    }
    lines = [
        line
        for block in blocks("sh")
        for line in block.replace("\\\n", "").splitlines()
        if line.startswith("dreamscope ")
    ]
    assert len(lines) > 10
    for line in lines:
        _, command, *words = shlex.split(line, comments=True)
        for word in words:
            if word.startswith("-"):
                assert word in known[command], line


def test_pictures_are_there() -> None:
    for picture in re.findall(r"!\[.*?\]\((.*?)\)", README):
        assert (Path(__file__).parents[1] / picture).is_file(), picture
