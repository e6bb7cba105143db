from __future__ import annotations

import os
import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from xml.etree import ElementTree as ET

import pytest
import torch
from nets import Vgg, seeded
from PIL import Image

from dreamscope import images, intervals, photos, plots
from dreamscope.errors import DreamscopeError
from dreamscope.models.edits import Ablation
from dreamscope.models.wrapping import wrap
from dreamscope.recipes import Recipe
from dreamscope.techniques.blind import Blinding, Removed
from dreamscope.techniques.channels import ChannelScores
from dreamscope.techniques.comparison import Dose, Stage
from dreamscope.techniques.evaluation import Answer, evaluate

FOLDER = "somebodys-own-folder"
NASTY = '<b>&"$x$ crane'
LAYERS = {"features.1": 8, "features.4": 12}


def scores_of(label: str = NASTY, methods: tuple[str, ...] = ("joint", "contrast", "frequency")) -> ChannelScores:
    generator = torch.Generator().manual_seed(0)
    names = ("target_mean", "control_mean", "difference", "auc")
    return ChannelScores(
        layers=LAYERS,
        class_index=0,
        label=label,
        scores={name: torch.randn(20, generator=generator) for name in methods},
        numbers={name: torch.rand(20, generator=generator) for name in names},
        counts={"targets": 4, "controls": 6},
        unreadable={},
        recipe=Recipe("dissect", {"name": "small"}, {}, {}, "0"),
    )


def made(tmp_path: Path, label: str = NASTY, count: int = 4) -> Blinding:
    """Put a blinding together by hand; its photos lie in a folder of their own."""
    generator = torch.Generator().manual_seed(1)
    for kind, number in (("class", count), ("rest", 6)):
        folder = tmp_path / FOLDER / f"{FOLDER}-{kind}"
        folder.mkdir(parents=True)
        for index in range(number):
            images.write(torch.rand((1, 3, 40, 48), generator=generator), folder / f"{kind}&{index}.png")
    targets = photos.find(tmp_path / FOLDER / f"{FOLDER}-class")
    model = wrap(seeded(Vgg()), name="small", input_size=32, labels=[label, *"bcde"])
    blinded = model.edited(Ablation("features.4:0-3", "zero"))
    scores = scores_of(label)

    def dose(channels: int) -> Dose:
        hits = [index >= channels for index in range(10)]
        return Dose(channels, intervals.share(hits), intervals.mean([float(index < channels) for index in range(10)]))

    def stage(channels: int) -> Stage:
        seen = [Answer((0 if place >= channels else 1 + place % 4,), 0.9, 0.5, None, 0.5) for place in range(count)]
        return Stage(channels, tuple(seen), channels == 4)

    patch = torch.rand((1, 3, 20, 20), generator=generator)
    places = scores.ranking()[:4].tolist()
    return Blinding(
        on_controls=None,
        model=blinded,
        result=evaluate(model, blinded, targets, photos.find(tmp_path / FOLDER / f"{FOLDER}-rest"), class_index=0),
        curve=tuple(dose(channels) for channels in (1, 2, 4, 8)),
        curve_frequency=tuple(dose(channels) for channels in (1, 2, 4)),
        course=tuple(stage(channels) for channels in (0, 1, 2, 4, 8)),
        frequency=dose(4),
        random=Dose(4, intervals.spread([1.0, 0.9]), intervals.spread([0.0, 1.0])),
        removed=tuple(Removed(scores.address(p), 1.0, float("nan"), 0.5, patch if p % 2 else None) for p in places),
        scores=scores,
        turns=1,
        counts=dict.fromkeys(("targets to find on", "targets to measure on", "controls to find on"), 4)
        | {"others to measure on": 6},
        unreadable={"bad.png": "picture 'bad.png' is empty (0 bytes)"},
        recipe=Recipe("blind", {"name": "small"}, {"targets": photos.reference(targets), "rest": None}, {}, "0"),
    )


def test_the_curve_is_xml_that_refers_to_nothing_outside(tmp_path: Path) -> None:
    text = plots.dose_curve(made(tmp_path))
    root = ET.fromstring(text)
    assert root.tag == "{http://www.w3.org/2000/svg}svg"
    for element in root.iter():
        for name, value in element.attrib.items():
            assert not name.endswith(("href", "src")) or value.startswith("#")
    assert "<!DOCTYPE" not in text
    assert FOLDER not in text


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


@pytest.mark.parametrize(("name", "top"), [("ranking.jpg", 4), ("no/such/ranking.png", 4), ("ranking.png", 0)])
def test_the_ranking_refuses(tmp_path: Path, name: str, top: int) -> None:
    with pytest.raises(DreamscopeError):
        plots.ranking(scores_of(), tmp_path / name, top)
    assert os.listdir(tmp_path) == []


def test_nothing_to_rank_is_said(tmp_path: Path) -> None:
    scores = replace(scores_of(), scores={"joint": torch.zeros(20)})
    with pytest.raises(DreamscopeError, match="above 0"):
        plots.ranking(scores, tmp_path / "ranking.png")


def test_no_matplotlib_until_something_is_drawn() -> None:
    check = "import dreamscope.plots, dreamscope.report, sys; assert 'matplotlib' not in sys.modules"
    subprocess.run([sys.executable, "-c", check], check=True)
