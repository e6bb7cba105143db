from __future__ import annotations

import io
import json
import re
from base64 import b64decode
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from galleries import COLORS, NASTY, gallery_of_colors
from htmlpages import Page
from PIL import Image
from torch import Tensor

from dreamscope import images
from dreamscope.errors import DreamscopeError
from dreamscope.models.classifier import Classifier
from dreamscope.pages import sheet_page
from dreamscope.sheets.differences import BANDS, change
from dreamscope.sheets.gallery import Gallery, gallery
from dreamscope.sheets.plan import plan


@pytest.fixture
def made(vgg: Classifier, tmp_path: Path) -> Gallery:
    return gallery_of_colors(vgg, tmp_path)


def test_the_page_needs_nothing_beside_it(made: Gallery, tmp_path: Path) -> None:
    text = sheet_page.write(made, tmp_path / "a.html").read_text("utf-8")
    page = Page(text)
    assert all(each.startswith(("data:image/jpeg;base64,", "#")) for each in page.references)
    assert not re.search(r"https?:|url\(|@import", text)
    assert not {"script", "link", "iframe", "b"} & set(page.tags)
    assert "default-src 'none'" in text
    assert not re.search(r"\son\w+=", text)


def test_every_picture_is_there_with_its_recipe(made: Gallery, tmp_path: Path) -> None:
    text = sheet_page.write(made, tmp_path / "a.html").read_text("utf-8")
    page = Page(text)
    # The photo as it was, three dreams, and one that did not come out.
    assert page.tags.count("figure") == 5
    assert page.tags.count("img") == 4
    first, *shown = [
        images.read(Image.open(io.BytesIO(b64decode(each))))
        for each in re.findall(r'src="data:image/jpeg;base64,([^"]*)"', text)
    ]
    assert (first - 0.5).abs().max() < 0.02
    for picture, color in zip(shown, COLORS, strict=True):
        assert picture.shape == (1, 3, 30, 40)
        assert (picture.mean((2, 3))[0] - torch.tensor(color)).abs().max() < 0.02
    assert page.texts["figcaption"] == "grayfeatures.0" + NASTY + "features.2features.3"
    assert page.texts["small"] == "untouchedConv2d" + NASTY + "MaxPool2dnot finite"
    recipes = [*(each.recipe for each in made.cells), made.recipe]
    assert page.texts["pre"] == "".join(each.to_json(indent=2) for each in recipes)
    assert NASTY in json.loads(recipes[-1].to_json())["dreamscope"]["inputs"]["image"]


def test_a_click_enlarges_without_a_script(made: Gallery, tmp_path: Path) -> None:
    text = sheet_page.write(made, tmp_path / "a.html").read_text("utf-8")
    there = set(re.findall(r' id="([^"]*)"', text))
    links = re.findall(r'href="#([^"]*)"', text)
    assert set(links) <= there
    for number in range(5):
        assert f'<a href="#cell-{number}"><' in text
        assert f'<a href="#place-{number}">close' in text
    assert text.count(">next<") == text.count(">previous<") == 4
    assert "figure:target" in text


def test_two_ways_are_a_table(vgg: Classifier, tmp_path: Path) -> None:
    settings = {"at": ["0", "3"], "preset": "plain", "steps": 0, "size": 40}
    made = gallery(plan(("layers", "losses"), [vgg], ["gray"], values=["mean", "gram"], **settings))
    lost = (*made.cells[:3], replace(made.cells[3], picture=None, note="not finite"))
    text = sheet_page.write(replace(made, cells=lost), tmp_path / "a.html").read_text("utf-8")
    page = Page(text)
    assert page.texts["th"] == "meangram" + "features.0" + "features.3"
    # The untouched photo stands where the headings meet.
    assert page.tags.count("figure") == 5
    assert page.tags.count("img") == 4
    assert page.tags.count("pre") == 4 + 1
    there = re.findall(r' id="([^"]*)"', text)
    assert sorted(there) == sorted(f"{what}-{number}" for what in ("cell", "place") for number in range(5))
    assert set(re.findall(r'href="#([^"]*)"', text)) <= set(there)
    assert page.texts["figcaption"].startswith("gray")
    assert "features.3, gram" in page.texts["figcaption"]


def test_photos_stand_beside_their_dreams(vgg: Classifier, image: Tensor, tmp_path: Path) -> None:
    made = gallery(plan("photos", [vgg], ["gray", image], preset="plain", steps=0, size=40))
    page = Page(sheet_page.write(made, tmp_path / "a.html").read_text("utf-8"))
    assert page.tags.count("li") == 2
    assert page.tags.count("figure") == page.tags.count("img") == 4
    assert page.texts["small"] == "untouched" * 2


def test_what_should_be_known_is_said(vgg: Classifier, tmp_path: Path) -> None:
    sets = {"even": (1, 1), "high": (4, 4)}
    made = gallery(plan("weights", [vgg], ["gray"], at=["0", "3"], sets=sets, preset="plain", steps=0, size=40))
    assert made.plan.remarks[0] in Page(sheet_page.write(made, tmp_path / "a.html").read_text("utf-8")).texts["p"]


def test_labels_are_no_markup(made: Gallery, tmp_path: Path) -> None:
    text = sheet_page.write(
        made, tmp_path / "a.html", changes={NASTY: change(*[torch.zeros(1, 3, 8, 8)] * 2)}
    ).read_text()
    assert "alert(1)</script>" not in text
    assert "script" not in Page(text).tags
    assert NASTY in Page(text).texts["td"]


def test_what_changed(made: Gallery, tmp_path: Path) -> None:
    before = torch.full((1, 3, 64, 64), 0.5)
    found = change(before, before + 0.1)
    maps = torch.rand(1, 3, 30, 40)
    page = Page(sheet_page.write(made, tmp_path / "a.html", changes={"even": found}, maps=maps).read_text("utf-8"))
    assert page.tags.count("img") == 5
    assert page.texts["th"] == "cell" + "change (of 255)" + "".join(BANDS)
    assert page.texts["td"] == "even25.5" + "0%" * (len(BANDS) - 1) + "100%"


def test_refusals(made: Gallery, tmp_path: Path) -> None:
    before = sorted(tmp_path.iterdir())
    with pytest.raises(DreamscopeError, match=r"a\.htm'.* ends in \.html"):
        sheet_page.write(made, tmp_path / "a.htm")
    with pytest.raises(DreamscopeError, match="there is no folder"):
        sheet_page.write(made, tmp_path / "nowhere" / "a.html")
    assert sorted(tmp_path.iterdir()) == before
