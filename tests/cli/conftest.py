from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import colours
import pytest
import torch
from command_lines import Ran

from dreamscope import images
from dreamscope.cli import main

USER_FILE = """
import torch
from torch import nn

def tiny():
    torch.manual_seed(0)
    return nn.Sequential(nn.Conv2d(3, 6, 3, padding=1), nn.ReLU(True), nn.Conv2d(6, 4, 3, stride=2),
                         nn.AdaptiveAvgPool2d(1), nn.Flatten())
"""

PLANTED_FILE = """
import sys
sys.path.insert(0, {tests!r})
from nets import Planted as planted
"""


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A working folder with a user's own tiny model, ``net.py:tiny``."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "net.py").write_text(USER_FILE)
    return tmp_path


@pytest.fixture
def run(folder: Path, capsys: pytest.CaptureFixture[str]) -> Callable[..., Ran]:
    def call(*words: object) -> Ran:
        with pytest.raises(SystemExit) as stopped:
            main([str(word) for word in words])
        captured = capsys.readouterr()
        return Ran(int(stopped.value.code or 0), captured.out, captured.err)

    return call


@pytest.fixture
def photo(folder: Path) -> Path:
    """``photo.png``, noise of 48x40 pixels, in the working folder."""
    return images.write(torch.rand((1, 3, 40, 48), generator=torch.Generator().manual_seed(0)), folder / "photo.png")


def colour_folder(folder: Path, count: int) -> Path:
    colours.draw(folder, count)
    (folder / "planted.py").write_text(PLANTED_FILE.format(tests=str(Path(__file__).parents[1])))
    (folder / "labels.txt").write_text("green\nblue\nred\n")
    return folder


@pytest.fixture
def photos(folder: Path) -> Path:
    """A working folder with 6 photos of each of three colours, and a network in which each is one channel's."""
    return colour_folder(folder, 6)


@pytest.fixture
def many_photos(folder: Path) -> Path:
    """As `photos`, with 22 of each colour: enough to search on a part and to measure on the others."""
    return colour_folder(folder, 22)
