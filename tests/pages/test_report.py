from __future__ import annotations

import io
import json
import os
import re
from base64 import b64decode
from dataclasses import replace
from pathlib import Path

import pytest
from blindings import FOLDER, NASTY, made
from htmlpages import Page
from PIL import Image

from dreamscope import files, images
from dreamscope.dissection.intervals import Estimate
from dreamscope.errors import DreamscopeError
from dreamscope.pages import environment, report


def test_the_page_needs_nothing_beside_it(tmp_path: Path) -> None:
    text = report.write(made(tmp_path), tmp_path / "report.html").read_text("utf-8")
    page = Page(text)
    assert all(each.startswith(("data:image/jpeg;base64,", "#")) for each in page.references)
    assert not re.search(r"url\(\s*['\"]?[^#\s'\"]|@import", text)
    assert page.tags.count("script") == 1
    assert "link" not in page.tags
    assert page.tags.count("h1") == 1


def test_the_numbers_are_the_same_everywhere(tmp_path: Path) -> None:
    blinding = made(tmp_path)
    content = report.as_dict(blinding)
    page = Page(report.write(blinding, tmp_path / "report.html").read_text("utf-8"))
    assert json.loads((tmp_path / "report.json").read_text("utf-8")) == content
    assert json.loads(page.texts["script"]) == content
    assert content["verdict"] == blinding.verdict()
    opening, _, rest = blinding.verdict().partition(": ")
    assert page.texts["h1"] == opening
    assert (rest[0].upper() + rest[1:]) in page.texts["p"]
    assert content["result"]["loss"] == vars(blinding.result.loss)
    assert [each["file"] for each in content["photos"]] == [f"class&{index}.png" for index in range(4)]
    assert content["frequency"]["channels"] == 4
    assert content["removed"][0] == {
        "address": str(blinding.removed[0].address),
        "score": 1.0,
        "difference": None,
        "auc": 0.5,
    }
    assert len(content["agreement"]) == 3
    assert content["recipe"]["dreamscope"]["command"] == "blind"


def test_points_of_accuracy_are_not_said_of_photos_without_labels(tmp_path: Path) -> None:
    blinding = made(tmp_path)
    for labelled, name in (
        (0, "answers changed on everything else (%)"),
        (6, "top-1 lost on everything else (points)"),
    ):
        said = replace(blinding, result=replace(blinding.result, labelled=labelled))
        assert name in said.verdict()
        page = Page(report.write(said, tmp_path / "report.html").read_text("utf-8"))
        assert name in page.texts["dt"]
        assert name in page.texts["td"]
        assert report.as_dict(said)["result"]["labelled"] == labelled


def test_labels_and_names_are_no_markup(tmp_path: Path) -> None:
    label = NASTY + "</script><!--<script>"
    text = report.write(made(tmp_path, label), tmp_path / "report.html").read_text("utf-8")
    page = Page(text)
    assert page.tags.count("script") == 1
    assert "b" not in page.tags
    assert "<b>" not in text
    assert "&lt;b&gt;&amp;&#34;$x$" in text
    assert json.loads(page.texts["script"])["label"] == label


def test_no_folder_is_named(tmp_path: Path) -> None:
    report.write(made(tmp_path), tmp_path / "report.html")
    for name in ("report.html", "report.json"):
        text = re.sub(r"base64,[^\"]*", "", (tmp_path / name).read_text("utf-8"))
        assert FOLDER not in text
        assert tmp_path.name not in text
        assert "bad.png" in text


def test_many_photos_are_cut_short_and_it_says_so(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(report, "MOST_PHOTOS", 3)
    blinding = replace(made(tmp_path), removed=(), unreadable={})
    page = Page(report.write(blinding, tmp_path / "report.html").read_text("utf-8"))
    assert page.tags.count("img") == 3
    assert "The first 3 of 4" in page.texts["p"]
    assert "could not be read" not in page.texts["h2"]


def test_a_photo_that_is_no_longer_there_leaves_a_gap(tmp_path: Path) -> None:
    blinding = made(tmp_path)
    blinding.result.photos[0].path.unlink()
    page = Page(report.write(blinding, tmp_path / "report.html").read_text("utf-8"))
    patches = sum(each.patch is not None for each in blinding.removed)
    assert page.tags.count("img") == 3 + patches


def test_few_photos_and_folds_are_said(tmp_path: Path) -> None:
    blinding = replace(made(tmp_path), folds=4)
    said = Page(report.write(blinding, tmp_path / "report.html").read_text("utf-8")).texts["p"]
    assert "4 photos are few: one more or less moves recall by 25 points" in said
    assert "split into 4 folds" in said


def test_what_is_not_finite_is_null(tmp_path: Path) -> None:
    blinding = made(tmp_path)
    nothing = Estimate(float("nan"), float("-inf"), float("inf"), 0)
    blinding = replace(blinding, result=replace(blinding.result, loss=nothing))
    report.write(blinding, tmp_path / "report.html")
    kept = json.loads((tmp_path / "report.json").read_text("utf-8"), parse_constant=pytest.fail)
    assert kept["result"]["loss"] == {"value": None, "low": None, "high": None, "count": 0}


@pytest.mark.parametrize("name", ["report.htm", "report", "no/such/report.html"])
def test_unwritable_is_refused_and_nothing_is_left(tmp_path: Path, name: str) -> None:
    blinding = made(tmp_path)
    with pytest.raises(DreamscopeError):
        report.write(blinding, tmp_path / name)
    assert os.listdir(tmp_path) == [FOLDER]


@pytest.mark.parametrize("taken", ["report.html", "report.json"])
def test_both_files_or_none(tmp_path: Path, taken: str) -> None:
    blinding = made(tmp_path)
    (tmp_path / taken).mkdir()
    with pytest.raises(DreamscopeError, match="is a folder"):
        report.write(blinding, tmp_path / "report.html")
    assert sorted(os.listdir(tmp_path)) == sorted([FOLDER, taken])


def test_no_temporary_file_is_left(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    blinding = made(tmp_path)
    report.write(blinding, tmp_path / "report.html")
    assert sorted(os.listdir(tmp_path)) == sorted([FOLDER, "report.html", "report.json"])
    before = (tmp_path / "report.html").read_bytes()

    def full(*_: object, **__: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(files.Path, "write_text", full)
    with pytest.raises(DreamscopeError, match="No space left"):
        report.write(blinding, tmp_path / "report.html")
    assert sorted(os.listdir(tmp_path)) == sorted([FOLDER, "report.html", "report.json"])
    assert (tmp_path / "report.html").read_bytes() == before


def test_thumbnails_are_small_and_hold_only_pixels(tmp_path: Path) -> None:
    images.write(images.read("sample:china"), tmp_path / "a.jpg", note="where I live")
    found = environment.picture(tmp_path / "a.jpg", longest=160)
    assert found is not None
    seen = found.split("base64,")[1]
    with Image.open(io.BytesIO(b64decode(seen))) as picture:
        assert max(picture.size) == 160
        assert not picture.getexif()


def test_controls_measured_beside(tmp_path: Path) -> None:
    blinding = made(tmp_path)
    controls = replace(blinding.result, photos=())
    report.write(replace(blinding, on_controls=controls), tmp_path / "report.html")
    assert "top-1 on the controls" in (tmp_path / "report.html").read_text("utf-8")
    seen = json.loads((tmp_path / "report.json").read_text("utf-8"))
    assert seen["on_controls"]["top1_after"]["value"] == controls.top1_after.value
