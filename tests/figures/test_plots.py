from __future__ import annotations

import os
import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from xml.etree import ElementTree as ET

import pytest
import torch
from blindings import FOLDER, made, scores_of
from matplotlib.axes import Axes
from PIL import Image

from dreamscope.errors import DreamscopeError
from dreamscope.figures import plots


def test_the_curve_is_xml_that_refers_to_nothing_outside(tmp_path: Path) -> None:
    text = plots.dose_curve(made(tmp_path))
    root = ET.fromstring(text)
    assert root.tag == "{http://www.w3.org/2000/svg}svg"
    for element in root.iter():
        for name, value in element.attrib.items():
            assert not name.endswith(("href", "src")) or value.startswith("#")
    assert "<!DOCTYPE" not in text
    assert FOLDER not in text


def test_the_curve_says_what_is_counted(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    said: list[str] = []
    monkeypatch.setattr(Axes, "set_ylabel", lambda _, label, **__: said.append(label))
    blinding = made(tmp_path)
    for labelled in (0, 6, 2):
        plots.dose_curve(replace(blinding, result=replace(blinding.result, labelled=labelled)))
    assert said[1::2] == [
        "answers changed on the rest (%)",
        "top-1 lost on the rest (points)",
        "top-1 lost or answers changed on\nthe rest (points; 2 of 6 photos\nlabelled)",
    ]


def test_the_same_blinding_gives_the_same_curve(tmp_path: Path) -> None:
    blinding = made(tmp_path)
    assert plots.dose_curve(blinding) == plots.dose_curve(blinding)


def test_one_dose_and_no_other_rule_can_be_drawn(tmp_path: Path) -> None:
    blinding = made(tmp_path)
    ET.fromstring(plots.dose_curve(replace(blinding, curve=blinding.curve[2:3], curve_frequency=())))
    odd = replace(blinding.random, channels=3)
    ET.fromstring(plots.dose_curve(replace(blinding, curve=(odd,), curve_frequency=(), random=odd)))


@pytest.mark.parametrize("methods", [("joint",), ("frequency", "contrast"), ("a", "b", "c", "d", "e")])
@pytest.mark.parametrize("top", [1, 40])
def test_the_ranking_is_a_picture(tmp_path: Path, methods: tuple[str, ...], top: int) -> None:
    path = plots.ranking(scores_of(methods=methods), tmp_path / "ranking.png", top)
    with Image.open(path) as picture:
        picture.load()
        assert picture.format == "PNG"
        assert picture.convert("RGB").getpixel((0, 0)) == (255, 255, 255)
    assert [name for name in os.listdir(tmp_path) if name.startswith(".")] == []


@pytest.mark.parametrize(("name", "top"), [("ranking.gif", 4), ("no/such/ranking.png", 4), ("ranking.png", 0)])
def test_the_ranking_refuses(tmp_path: Path, name: str, top: int) -> None:
    with pytest.raises(DreamscopeError):
        plots.ranking(scores_of(), tmp_path / name, top)
    assert os.listdir(tmp_path) == []


def test_nothing_to_rank_is_said(tmp_path: Path) -> None:
    scores = replace(scores_of(), scores={"joint": torch.zeros(20)})
    with pytest.raises(DreamscopeError, match="above 0"):
        plots.ranking(scores, tmp_path / "ranking.png")


def test_no_matplotlib_until_something_is_drawn() -> None:
    check = "import dreamscope.figures.plots, dreamscope.pages.report, sys; assert 'matplotlib' not in sys.modules"
    subprocess.run([sys.executable, "-c", check], check=True)
