from __future__ import annotations

import re
from xml.etree import ElementTree

import pytest

from dreamscope.pages.histogram import BARS, drawn


def bars_of(svg: str) -> list[tuple[float, float]]:
    """Return where each bar begins and how high it is, in units of the drawing."""
    (outline,) = re.findall(r'class="bar" d="(.*?)"', svg)
    found = re.findall(r"M([\d.]+) ([\d.]+)V([\d.]+)", outline)
    return [(float(x), float(low) - float(high)) for x, low, high in found]


def test_a_bin_is_spread_evenly_over_its_width() -> None:
    # One bin of a quarter of the width and one of the rest, with as much in each.
    svg = drawn([0.0, 1.0, 4.0], [10, 10], "responses")
    assert svg is not None
    heights = [height for _, height in bars_of(svg)]
    assert len(heights) == BARS
    assert heights[: BARS // 4] == pytest.approx([heights[0]] * (BARS // 4), abs=0.15)
    assert heights[-1] == pytest.approx(heights[0] / 3, abs=0.15)


def test_both_axes_have_numbers_and_a_name_is_text() -> None:
    svg = drawn([-2.0, -1.0, 0.0, 3.0], [1, 0, 3], '<b> & "responses"', mean=0.5)
    assert svg is not None
    found = ElementTree.fromstring(str(svg))
    texts = [each.text or "" for each in found.iter() if each.tag == "text"]
    assert {"\u22122", "0", "2"} <= set(texts)
    assert any(text.endswith("%") for text in texts)
    assert texts[-1] == found.get("aria-label") == '<b> & "responses"'
    assert [each.get("class") for each in found.iter("path")][-2:] == ["zero", "mean"]


def test_what_is_zero_alone_is_one_bar_from_zero_on() -> None:
    svg = drawn([-1.0, -1e-5, 1e-5, 1.0, 2.0], [0, 30, 0, 10], "responses")
    assert svg is not None
    places = bars_of(svg)
    assert 'class="zero"' not in svg
    assert places[0][1] == pytest.approx(max(height for _, height in places))
    everywhere = drawn([-1.0, -1e-5, 1e-5, 1.0], [0, 30, 0], "responses")
    assert everywhere is not None
    assert len(bars_of(everywhere)) == 1
    assert drawn([0.0, 1.0], [0], "responses") is None
