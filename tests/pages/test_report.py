from __future__ import annotations

import io
import json
import os
import re
from base64 import b64decode
from dataclasses import replace
from pathlib import Path

import pytest
from blindings import FOLDER, NASTY, READ, made
from htmlpages import Page
from PIL import Image

from dreamscope import files, images
from dreamscope.dissection.blinding import Blinding
from dreamscope.dissection.intervals import Estimate
from dreamscope.errors import DreamscopeError
from dreamscope.models.edit_base import Edit
from dreamscope.pages import environment, imagined, report


def written(blinding: Blinding, folder: Path) -> str:
    """A report without pictures that take time, which have tests of their own."""
    return report.write(blinding, folder / "report.html", pictures=0).read_text("utf-8")


def test_the_page_needs_nothing_beside_it(tmp_path: Path) -> None:
    text = written(made(tmp_path), tmp_path)
    page = Page(text)
    assert all(each.startswith(("data:image/jpeg;base64,", "#")) for each in page.references)
    assert not re.search(r"url\(\s*['\"]?[^#\s'\"]|@import", text)
    assert page.tags.count("script") == 1
    assert "link" not in page.tags
    assert page.tags.count("h1") == 1


def test_the_numbers_are_the_same_everywhere(tmp_path: Path) -> None:
    blinding = made(tmp_path)
    content = report.as_dict(blinding)
    page = Page(written(blinding, tmp_path))
    assert json.loads((tmp_path / "report.json").read_text("utf-8")) == content
    assert json.loads(page.texts["script"]) == content
    assert content["verdict"] == blinding.verdict()
    opening, _, rest = blinding.verdict().partition(": ")
    assert page.texts["h1"] == opening == content["opening"]
    assert (rest[0].upper() + rest[1:]) in page.texts["p"]
    assert content["result"]["loss"] == vars(blinding.result.loss)
    assert [each["file"] for each in content["photos"]] == [f"class&{index}.png" for index in range(4)]
    assert [each["file"] for each in content["controls"]] == [f"rest&{index}.png" for index in range(6)]
    assert {*content["controls"][0]} == {
        "file", "before", "confidence_before", "after", "confidence_after", "still", "changed", "edits"
    }  # fmt: skip
    assert content["design"]["counts"] == blinding.design.counts
    assert content["removed"][0] == {
        "address": str(blinding.removed[0].address),
        "number": None,
        "score": 1.0,
        "difference": None,
        "auc": 0.5,
    }
    assert content["removed"][-1]["number"] == 0
    assert len(content["agreement"]) == 3
    assert content["recipe"]["dreamscope"]["command"] == "blind"
    assert content["course"]["unit"] == "% of the directions erased"


def test_the_json_holds_every_trial_and_the_edits(tmp_path: Path) -> None:
    blinding = made(tmp_path)
    content = report.as_dict(blinding)
    assert [each["name"] for each in content["trials"]] == [each.name for each in blinding.trials]
    chosen, readout = content["trials"][-1], blinding.chosen.readouts[READ[-1]]
    assert chosen["readouts"][READ[-1]] == {
        "recall_at_1_percent": vars(readout.recall()),
        "auc": vars(readout.area()),
        "positives": 20,
        "negatives": 100,
        "probes": 2,
    }
    assert chosen["recall"] == vars(blinding.chosen.recall)
    assert tuple(Edit.from_dict(each) for each in content["edits"]) == blinding.model.edits


def cells(text: str, name: str) -> list[str]:
    """What stands in the row of a table that has this name."""
    row = next(each for each in re.findall(r"<tr.*?</tr>", text, re.DOTALL) if f">{name}</th>" in each)
    return re.findall(r"<td>(.*?)(?:<small>|</td>)", row)


@pytest.mark.parametrize(
    ("units", "names"),
    [
        ("both", ["2 random channels", "1 random direction", "2 channels by the frequency rule"]),
        ("channels", ["2 random channels", "2 channels by the frequency rule"]),
        ("directions", ["50 random channels", "1 random direction", "50 channels by the frequency rule"]),
    ],
)
def test_other_edits_stand_beside_it(tmp_path: Path, units: str, names: list[str]) -> None:
    text = written(made(tmp_path, units=units, count=12), tmp_path)
    # At the features: 19 of 20 photos before, 1 after.
    assert cells(text, "as it was")[3:] == ["95.0%", "0.950"]
    assert cells(text, "this edit")[3:] == ["5.0%", "0.050"]
    assert cells(text, "the class&#39;s output deleted")[0] == "0.0%"
    assert cells(text, "the class&#39;s output deleted")[3] == "95.0%"
    for name in names:
        assert cells(text, name)[1] == "–"
    assert ("1 random direction" in text) == (units != "channels")


def test_of_few_photos_shares_are_counts(tmp_path: Path) -> None:
    text = written(made(tmp_path), tmp_path)
    # Four photos of the class and six of other things; probes scored twenty.
    assert cells(text, "as it was")[:4] == ["0 of 4", "0 of 4", "0 of 6", "95.0%"]
    assert cells(text, "2 random channels")[0] == "3.8 of 4"
    assert "among many it may be 0% to 49%" in Page(text).texts["small"]


def test_readouts_stand_layer_by_layer(tmp_path: Path) -> None:
    text = written(made(tmp_path, units="channels"), tmp_path)
    # As it was, random channels, frequency, this edit.
    assert cells(text, READ[0]) == ["40.0%"] * 4
    assert cells(text, READ[1]) == ["80.0%", "75.0%", "60.0%", "70.0%"]
    assert cells(text, READ[2]) == ["95.0%", "90.0%", "50.0%", "5.0%"]


def test_without_course_or_readouts_their_sections_are_left_out(tmp_path: Path) -> None:
    blinding = made(tmp_path, units="channels", curve=False)
    page = Page(written(blinding, tmp_path))
    assert page.tags.count("svg") == 1
    assert "Less and more" not in page.texts["h2"]
    blinding = replace(blinding, trials=tuple(replace(each, readouts={}) for each in blinding.trials))
    page = Page(written(blinding, tmp_path))
    assert "svg" not in page.tags
    assert "Where it can still be read" not in page.texts["h2"]
    assert report.as_dict(blinding)["course"] is None


def test_points_of_accuracy_are_not_said_of_photos_without_labels(tmp_path: Path) -> None:
    blinding = made(tmp_path)
    for labelled, name in (
        (0, "answers changed on everything else (photos)"),
        (6, "top-1 lost on everything else (photos)"),
    ):
        said = replace(blinding, result=replace(blinding.result, labelled=labelled))
        assert name in said.verdict()
        page = Page(written(said, tmp_path))
        # A share of photos has its unit beside it.
        assert (name if labelled else "answers changed on everything else") in page.texts["dt"]
        assert labelled or "0 of 6" in page.texts["dd"]
        assert said.result.loss_name() in page.texts["th"]
        assert report.as_dict(said)["result"]["labelled"] == labelled


def test_labels_and_names_are_no_markup(tmp_path: Path) -> None:
    label = NASTY + "</script><!--<script>"
    text = written(made(tmp_path, label), tmp_path)
    page = Page(text)
    assert page.tags.count("script") == 1
    assert "b" not in page.tags
    assert "<b>" not in text
    assert "&lt;b&gt;&amp;&#34;$x$" in text
    assert json.loads(page.texts["script"])["label"] == label


def test_no_folder_is_named(tmp_path: Path) -> None:
    written(made(tmp_path), tmp_path)
    for name in ("report.html", "report.json"):
        text = re.sub(r"base64,[^\"]*", "", (tmp_path / name).read_text("utf-8"))
        assert FOLDER not in text
        assert tmp_path.name not in text
        assert "bad.png" in text


def test_many_photos_are_cut_short_and_it_says_so(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(report, "MOST_PHOTOS", 3)
    monkeypatch.setattr(report, "MOST_CONTROLS", 2)
    blinding = replace(made(tmp_path), removed=(), unreadable={})
    text = written(blinding, tmp_path)
    page = Page(text)
    assert page.tags.count("img") == 3 + 2
    assert "The first 3 of 4" in page.texts["p"]
    assert "The first 2 of 6" in page.texts["p"]
    assert {"All 4, one by one", "All 6, one by one"} <= {*re.findall(r"<summary>(.*?)</summary>", text)}
    for name in [*(f"class&amp;{index}.png" for index in range(4)), *(f"rest&amp;{index}.png" for index in range(6))]:
        assert f'<td class="left">{name}</td>' in text
    assert "could not be read" not in page.texts["h2"]


def test_a_photo_that_is_no_longer_there_leaves_a_gap(tmp_path: Path) -> None:
    blinding = made(tmp_path)
    blinding.result.photos[0].path.unlink()
    page = Page(written(blinding, tmp_path))
    patches = sum(each.patch is not None for each in blinding.removed)
    assert page.tags.count("img") == 3 + len(blinding.result.controls) + patches


def test_few_photos_and_folds_are_said(tmp_path: Path) -> None:
    blinding = made(tmp_path)
    blinding = replace(blinding, design=replace(blinding.design, folds=4, agreement=0.8))
    page = Page(written(blinding, tmp_path))
    assert "are few: one more or less decides" in page.texts["p"]
    assert "4 times, in folds that take turns" in page.texts["p"]
    assert "have 80% in common" in page.texts["p"]
    assert "4 in each fold" in page.texts["td"]


def test_what_is_not_finite_is_null(tmp_path: Path) -> None:
    blinding = made(tmp_path)
    nothing = Estimate(float("nan"), float("-inf"), float("inf"), 0)
    blinding = replace(blinding, result=replace(blinding.result, confidence_after=nothing))
    written(blinding, tmp_path)
    kept = json.loads((tmp_path / "report.json").read_text("utf-8"), parse_constant=pytest.fail)
    assert kept["result"]["confidence_after"] == {"value": None, "low": None, "high": None, "count": 0}


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
        written(blinding, tmp_path)
    assert sorted(os.listdir(tmp_path)) == sorted([FOLDER, taken])


def test_no_temporary_file_is_left(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    blinding = made(tmp_path)
    written(blinding, tmp_path)
    assert sorted(os.listdir(tmp_path)) == sorted([FOLDER, "report.html", "report.json"])
    before = (tmp_path / "report.html").read_bytes()

    def full(*_: object, **__: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(files.Path, "write_text", full)
    with pytest.raises(DreamscopeError, match="No space left"):
        written(blinding, tmp_path)
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


def test_a_photo_says_what_became_of_it(tmp_path: Path) -> None:
    blinding = made(tmp_path)
    label, rows = blinding.label, []
    for row, (before, still) in zip(
        blinding.result.photos, [(label, True), (label, False), ("b", True), ("b", False)], strict=True
    ):
        rows.append(replace(row, before=before, still=still))
    others = tuple(replace(row, changed=count) for row, count in zip(blinding.result.controls, (0, 1), strict=False))
    blinding = replace(blinding, result=replace(blinding.result, photos=tuple(rows), controls=others))
    found = re.findall(r'<strong class="(seen|unseen)">(.*?)<', written(blinding, tmp_path))
    assert found == [
        ("seen", "still recognised"),
        ("unseen", "no longer recognised"),
        ("seen", "recognised only now"),
        ("unseen", "not recognised before either"),
        ("seen", "same answer"),
        ("unseen", "another answer"),
    ]


def test_the_recipe_on_the_page_leaves_long_lists_to_the_json(tmp_path: Path) -> None:
    blinding = made(tmp_path)
    assert blinding.recipe is not None
    blinding = replace(blinding, recipe=blinding.recipe.but(read=[[0.5] * 1280] * 30, center=[0.5] * 1280, few=[1, 2]))
    page = Page(written(blinding, tmp_path))
    shown = json.loads(page.texts["pre"])["dreamscope"]["parameters"]
    assert shown == {"read": "30 x 1280 numbers", "center": "1280 numbers", "few": [1, 2]}
    assert report.as_dict(blinding)["recipe"]["dreamscope"]["parameters"]["center"] == [0.5] * 1280


def test_pictures_are_on_the_page_and_progress_is_told(tmp_path: Path) -> None:
    told: list[tuple[str, int, int]] = []
    blinding = made(tmp_path)
    path = report.write(blinding, tmp_path / "report.html", callback=lambda *each: told.append(each))
    page = Page(path.read_text("utf-8"))
    assert "What it used to imagine" in page.texts["h2"]
    assert told
    assert "What it used to imagine" not in Page(written(blinding, tmp_path)).texts["h2"]


def test_each_thing_removed_has_its_picture_beside_its_patch(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(imagined, "_LARGE", (24, 2))
    monkeypatch.setattr(report, "imagined", lambda *_, **__: [])
    blinding = made(tmp_path)

    def drawn(**options: int) -> list[str]:
        text = report.write(blinding, tmp_path / "report.html", **options).read_text("utf-8")
        said = "Of the first" in text
        assert said == (options.get("pictures", 3) < 3)
        return re.findall(r'alt="made from noise for (.*?)"', text)

    names = [str(each.address) for each in blinding.removed]
    # Directions stand above channels.
    assert drawn() == [names[2], *names[:2]]
    assert drawn(pictures=2) == names[:2]
    assert drawn(pictures=1) == names[:1]
    with pytest.raises(DreamscopeError, match="0 or more, not -1"):
        report.write(blinding, tmp_path / "report.html", pictures=-1)
