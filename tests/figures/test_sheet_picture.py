from __future__ import annotations

import io
import json
import re
from base64 import b64decode
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from htmlpages import Page
from PIL import Image
from torch import Tensor

from dreamscope import images
from dreamscope.errors import DreamscopeError
from dreamscope.figures import sheet_picture
from dreamscope.models.classifier import Classifier
from dreamscope.sheets.differences import BANDS, change
from dreamscope.sheets.gallery import Gallery, gallery
from dreamscope.sheets.plan import plan

NASTY = "</figure></pre><script>alert(1)</script><b>&\"$x$' ]]>"
COLORS = ((1.0, 0.0, 0.0), (0.0, 1.0, 0.0), (0.0, 0.0, 1.0))


@pytest.fixture
def made(vgg: Classifier, tmp_path: Path) -> Gallery:
    """Three cells, red, green and blue, one of them with a label that is markup, and one without a picture."""
    folder = tmp_path / "cells"
    settings = {"preset": "plain", "steps": 0, "size": 40}
    found = gallery(plan("layers", [vgg], ["gray"], at=["0", "1", "2", "3"], **settings), folder=folder)
    shown = list(found.shown)
    for number, color in enumerate(COLORS):
        images.write(torch.tensor(color).view(1, 3, 1, 1).expand(1, 3, 30, 40), folder / f"{number}.png")
        shown[number] = replace(shown[number], path=folder / f"{number}.png")
    shown[1] = replace(shown[1], label=NASTY, note=NASTY)
    shown[3] = replace(shown[3], path=None, note="not finite")
    return replace(found, shown=tuple(shown), recipe=replace(found.recipe, inputs={"image": NASTY}))


def count(page: Tensor, color: tuple[float, ...]) -> int:
    return int((page[0] == torch.tensor(color).view(3, 1, 1)).all(0).sum())


def test_the_picture_shows_all(made: Gallery) -> None:
    page = sheet_picture.picture(made)
    assert [count(page, color) for color in COLORS] == [40 * 30] * 3
    small = sheet_picture.picture(made, most=20, columns=1)
    assert [count(small, color) for color in COLORS] == [20 * 15] * 3
    assert small.shape[2] > small.shape[3]


def test_a_series_is_one_row(made: Gallery) -> None:
    series = replace(made, plan=replace(made.plan, over="steps"))
    assert sheet_picture.picture(series).shape[3] == 4 * 50 + 10
    assert sheet_picture.picture(series, columns=2).shape[3] == 2 * 50 + 10
    many = replace(series, shown=series.shown[:3] * 3)
    assert sheet_picture.picture(many).shape[3] < 9 * 50


def test_the_page_needs_nothing_beside_it(made: Gallery, tmp_path: Path) -> None:
    text = sheet_picture.page(made, tmp_path / "a.html").read_text("utf-8")
    page = Page(text)
    assert all(each.startswith(("data:image/jpeg;base64,", "#")) for each in page.references)
    assert not re.search(r"https?:|url\(|@import", text)
    assert not {"script", "link", "iframe", "b"} & set(page.tags)
    assert "default-src 'none'" in text
    assert not re.search(r"\son\w+=", text)


def test_every_picture_is_there_with_its_recipe(made: Gallery, tmp_path: Path) -> None:
    text = sheet_picture.page(made, tmp_path / "a.html").read_text("utf-8")
    page = Page(text)
    assert page.tags.count("figure") == 4
    assert page.tags.count("img") == 3
    for reference, color in zip(re.findall(r'src="data:image/jpeg;base64,([^"]*)"', text), COLORS, strict=True):
        picture = images.read(Image.open(io.BytesIO(b64decode(reference))))
        assert picture.shape == (1, 3, 30, 40)
        assert (picture.mean((2, 3))[0] - torch.tensor(color)).abs().max() < 0.02
    assert page.texts["figcaption"] == "features.0" + NASTY + "features.2features.3"
    assert page.texts["small"] == "Conv2d" + NASTY + "MaxPool2dnot finite"
    recipes = [*(each.recipe for each in made.shown), made.recipe]
    assert page.texts["pre"] == "".join(each.to_json(indent=2) for each in recipes)
    assert NASTY in json.loads(recipes[-1].to_json())["dreamscope"]["inputs"]["image"]


def test_a_click_enlarges_without_a_script(made: Gallery, tmp_path: Path) -> None:
    text = sheet_picture.page(made, tmp_path / "a.html").read_text("utf-8")
    there = set(re.findall(r' id="([^"]*)"', text))
    links = re.findall(r'href="#([^"]*)"', text)
    assert set(links) <= there
    for number in range(4):
        assert f'<a href="#cell-{number}"><' in text
        assert f'<a href="#place-{number}">close' in text
    assert text.count(">next<") == text.count(">previous<") == 3
    assert "figure:target" in text


def test_labels_are_no_markup(made: Gallery, tmp_path: Path) -> None:
    text = sheet_picture.page(
        made, tmp_path / "a.html", changes={NASTY: change(*[torch.zeros(1, 3, 8, 8)] * 2)}
    ).read_text()
    assert "alert(1)</script>" not in text
    assert NASTY in Page(text).texts["td"]


def test_what_changed(made: Gallery, tmp_path: Path) -> None:
    before = torch.full((1, 3, 64, 64), 0.5)
    found = change(before, before + 0.1)
    maps = torch.rand(1, 3, 30, 40)
    page = Page(sheet_picture.page(made, tmp_path / "a.html", changes={"even": found}, maps=maps).read_text("utf-8"))
    assert page.tags.count("img") == 4
    assert page.texts["th"] == "change (of 255)" + "".join(BANDS)
    assert page.texts["td"] == "even25.5" + "0 %" * (len(BANDS) - 1) + "100 %"


def test_refusals(made: Gallery, tmp_path: Path) -> None:
    before = sorted(tmp_path.iterdir())
    with pytest.raises(DreamscopeError, match=r"not 'a\.htm'"):
        sheet_picture.page(made, tmp_path / "a.htm")
    with pytest.raises(DreamscopeError, match="there is no folder"):
        sheet_picture.page(made, tmp_path / "nowhere" / "a.html")
    assert sorted(tmp_path.iterdir()) == before
