from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from xml.etree import ElementTree as ET

import numpy as np
import pytest
import torch
from blindings import FOLDER, READ, made, scores_of
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.text import Text
from PIL import Image

from dreamscope.dissection.blinding import Blinding
from dreamscope.errors import DreamscopeError
from dreamscope.figures import plots, style

CURVES = (plots.dose_curve, plots.readout_curve)


@pytest.fixture
def drawn(monkeypatch: pytest.MonkeyPatch) -> list[Figure]:
    """The figures that become SVG."""
    figures: list[Figure] = []
    save = style.svg
    monkeypatch.setattr(style, "svg", lambda figure: figures.append(figure) or save(figure))
    return figures


def lines(axes: Axes) -> dict[str, Line2D]:
    return {line.get_label(): line for line in axes.lines if not line.get_label().startswith("_")}


def texts(figure: Figure) -> set[str]:
    return {text.get_text() for text in figure.findobj(Text)}


@pytest.mark.parametrize("curve", CURVES)
@pytest.mark.parametrize("units", ["channels", "directions", "both"])
def test_a_curve_is_xml_that_refers_to_nothing_outside(
    tmp_path: Path, units: str, curve: Callable[[Blinding], str]
) -> None:
    text = curve(made(tmp_path, units=units))
    root = ET.fromstring(text)
    assert root.tag == "{http://www.w3.org/2000/svg}svg"
    for element in root.iter():
        for name, value in element.attrib.items():
            assert not name.endswith(("href", "src")) or value.startswith("#")
    assert "<!DOCTYPE" not in text
    assert FOLDER not in text


@pytest.mark.parametrize("curve", CURVES)
def test_the_same_blinding_gives_the_same_curve(tmp_path: Path, curve: Callable[[Blinding], str]) -> None:
    blinding = made(tmp_path)
    assert curve(blinding) == curve(blinding)


@pytest.mark.parametrize("curve", CURVES)
@pytest.mark.parametrize("units", ["channels", "directions", "both"])
def test_nothing_is_cut_off(tmp_path: Path, drawn: list[Figure], units: str, curve: Callable[[Blinding], str]) -> None:
    curve(made(tmp_path, units=units))
    page = drawn[0].bbox
    FigureCanvasAgg(drawn[0]).draw()
    boxes = [text.get_window_extent() for text in drawn[0].findobj(Text) if text.get_text() and text.get_visible()]
    assert len(boxes) > 10
    for box in boxes:
        assert page.x0 <= box.x0 <= box.x1 <= page.x1
        assert page.y0 <= box.y0 <= box.y1 <= page.y1


def test_the_curve_says_what_is_counted(tmp_path: Path, drawn: list[Figure]) -> None:
    blinding = made(tmp_path)
    for labelled in (0, 6, 2):
        plots.dose_curve(replace(blinding, result=replace(blinding.result, labelled=labelled)))
    assert [figure.axes[1].get_ylabel() for figure in drawn] == [
        "answers changed on the rest (%)",
        "top-1 lost on the rest (points)",
        "top-1 lost or answers changed on\nthe rest (points; 2 of 6 photos\nlabelled)",
    ]


def test_doses_of_channels(tmp_path: Path, drawn: list[Figure]) -> None:
    plots.dose_curve(made(tmp_path, units="channels"))
    upper, lower = drawn[0].axes
    assert lines(upper)["channels found (joint)"].get_xydata().tolist() == [[1, 80], [2, 70], [4, 50], [8, 0]]
    assert lines(upper)["frequency rule"].get_xdata().tolist() == [1, 2, 4]
    assert (lower.get_xscale(), lower.get_xlabel()) == ("log", "channels removed")
    assert [tick.get_text() for tick in lower.get_xticklabels()] == ["1", "2", "4", "8"]
    assert {"as many random channels", "chosen: 2"} <= texts(drawn[0])


@pytest.mark.parametrize("units", ["directions", "both"])
def test_doses_of_directions(tmp_path: Path, drawn: list[Figure], units: str) -> None:
    blinding = made(tmp_path, units=units)
    plots.dose_curve(blinding)
    upper, lower = drawn[0].axes
    before = 100 * blinding.result.recall_before.value
    doses = [[0, before], [20, 80], [40, 60], [60, 40], [80, 20], [100, 0]]
    assert lines(upper)["directions found"].get_xydata().tolist() == pytest.approx(np.array(doses))
    assert "frequency rule" not in lines(upper)
    assert (lower.get_xscale(), lower.get_xlabel()) == ("linear", "% of the directions erased")
    (bar,) = upper.containers
    assert bar.lines[0].get_xydata().tolist() == [[100, 95]]
    assert {"as many random directions", "chosen: 100%"} <= texts(drawn[0])


def test_no_course(tmp_path: Path) -> None:
    with pytest.raises(DreamscopeError, match=r"^this blinding has no course to draw; make it with curve=True$"):
        plots.dose_curve(made(tmp_path, curve=False))


def test_few_doses_and_no_other_rule_can_be_drawn(tmp_path: Path, drawn: list[Figure]) -> None:
    blinding = made(tmp_path, units="channels")
    stages = tuple(replace(stage, chosen=False) for stage in blinding.course.stages)
    for doses in (blinding.course.doses[2:3], ()):
        course = replace(blinding.course, doses=doses, frequency=(), stages=stages)
        ET.fromstring(plots.dose_curve(replace(blinding, course=course)))
    assert not any("chosen" in text for figure in drawn for text in texts(figure))


def test_what_is_read_layer_by_layer(tmp_path: Path, drawn: list[Figure]) -> None:
    plots.readout_curve(made(tmp_path, units="directions"))
    (axes,) = drawn[0].axes
    assert [tick.get_text() for tick in axes.get_xticklabels()] == list(READ)
    assert {name: line.get_xydata().tolist() for name, line in lines(axes).items()} == {
        "intact network": [[0, 40], [1, 80], [2, 95]],
        "directions found": [[0, 40], [1, 70], [2, 5]],
        # The intact one's, too, up to the second block.
        "as many random directions": [[1, 80], [2, 90]],
        "frequency rule (50 channels)": [[0, 40], [1, 60], [2, 50]],
    }
    widths = {name: line.get_linewidth() for name, line in lines(axes).items()}
    assert max(widths, key=widths.__getitem__) == "directions found"
    assert lines(axes)["frequency rule (50 channels)"].get_linestyle() == "--"
    assert [line.get_ydata()[0] for line in axes.lines if line.get_linestyle() == ":"] == [10]
    assert {"blind if unreadable here", "unreadable:\n10% or less"} <= texts(drawn[0])


def test_how_sure_a_readout_is(tmp_path: Path, drawn: list[Figure]) -> None:
    blinding = made(tmp_path)
    plots.readout_curve(blinding)
    bands = [each.get_datalim(drawn[0].axes[0].transData) for each in drawn[0].axes[0].collections]
    recalls = [blinding.intact.readouts[layer].recall() for layer in READ]
    assert bands[0].y0 == pytest.approx(100 * recalls[0].low)
    assert bands[0].y1 == pytest.approx(100 * recalls[-1].high)
    assert len(bands) == 4


@pytest.mark.parametrize(
    ("units", "others"),
    [("channels", "as many random channels"), ("both", "as many random directions")],
)
def test_whom_a_readout_is_compared_with(tmp_path: Path, drawn: list[Figure], units: str, others: str) -> None:
    plots.readout_curve(made(tmp_path, units=units))
    found = "channels and directions found" if units == "both" else "channels found"
    assert set(lines(drawn[0].axes[0])) == {"intact network", found, others, "frequency rule (2 channels)"}


def test_where_the_verdict_looks_is_shaded(tmp_path: Path, drawn: list[Figure]) -> None:
    blinding = made(tmp_path)
    plots.readout_curve(replace(blinding, design=replace(blinding.design, read_at=READ[1:])))
    shade = drawn[0].axes[0].patches[-1]
    assert (shade.get_x(), shade.get_x() + shade.get_width()) == (0.5, 2.5)
    assert "blind if unreadable from here on" in texts(drawn[0])


def of_layers(blinding: Blinding, layers: Sequence[str]) -> Blinding:
    """The same readouts at other layers."""
    trials = []
    for trial in blinding.trials:
        given = list(trial.readouts.values())
        found = {layer: given[min(place, 2)] for place, layer in enumerate(layers)}
        trials.append(replace(trial, readouts=found))
    return replace(blinding, trials=tuple(trials), design=replace(blinding.design, read_at=(layers[-1],)))


def test_many_layers_with_long_names(tmp_path: Path, drawn: list[Figure]) -> None:
    layers = [f"features.denseblock{number // 10}.denselayer{number % 10}" for number in range(47)]
    plots.readout_curve(of_layers(made(tmp_path), layers))
    (axes,) = drawn[0].axes
    ticks = [tick for tick in axes.get_xticklabels() if tick.get_text()]
    assert 12 <= len(ticks) <= 20
    # The last layer has its name.
    assert max(axes.get_xticks()) == 46
    assert all(len(tick.get_text()) <= 20 for tick in ticks)
    FigureCanvasAgg(drawn[0]).draw()
    assert min(tick.get_window_extent().x0 for tick in ticks) >= 0
    assert min(tick.get_window_extent().y0 for tick in ticks) >= 0


def test_a_single_layer(tmp_path: Path, drawn: list[Figure]) -> None:
    plots.readout_curve(of_layers(made(tmp_path), ["the <b>$x$ layer"]))
    (axes,) = drawn[0].axes
    # Side by side, not on each other.
    assert len({line.get_xdata()[0] for line in lines(axes).values()}) == 4


def test_edits_without_readouts_are_left_out(tmp_path: Path, drawn: list[Figure]) -> None:
    blinding = made(tmp_path, units="channels")
    trials = [each if each.name in ("intact", "chosen") else replace(each, readouts={}) for each in blinding.trials]
    plots.readout_curve(replace(blinding, trials=tuple(trials)))
    assert set(lines(drawn[0].axes[0])) == {"intact network", "channels found"}


def test_no_readouts(tmp_path: Path) -> None:
    blinding = made(tmp_path)
    trials = tuple(replace(trial, readouts={}) for trial in blinding.trials)
    with pytest.raises(DreamscopeError, match="no readouts to draw"):
        plots.readout_curve(replace(blinding, trials=trials))


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
