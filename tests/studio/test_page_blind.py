from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import colours
import pytest
from nets import Planted
from safetensors.torch import load_file
from studios import Running, pixels, serve

from dreamscope.dissection import readout
from dreamscope.dissection.scores import ChannelScores
from dreamscope.models.wrapping import wrap
from dreamscope.studio.actions import blind


@pytest.fixture(scope="module")
def running() -> Iterator[Running]:
    """A studio of a network in which each colour is carried by one channel."""
    yield from serve(wrap(Planted(), name="planted", input_size=16, labels=list(colours.COLOURS)))


@pytest.fixture(autouse=True)
def quick_probes(monkeypatch: pytest.MonkeyPatch) -> None:
    """What is read is plain here, whatever the strength."""
    monkeypatch.setattr(readout, "_strength", lambda *_: 1.0)


def files(folder: Path, *names: str, count: int = 8) -> list[Path]:
    """Return photos of some colours, named after them."""
    return [
        path.rename(path.with_stem(f"{name}-{path.stem}"))
        for name in names
        for path in sorted((folder / name).iterdir())[:count]
    ]


def brought(page: Any, coloured: Path, count: int = 8) -> None:
    """Bring red photos, and others."""
    page.goto("/blind")
    page.set_input_files("#targets [data-files]", files(coloured, "red", count=count))
    page.set_input_files("#controls [data-files]", files(coloured, "green", "blue", count=count))
    page.wait_for_selector("#find:not([disabled])")
    page.locator("#guessed", has_text=f"It takes {count} of {count} for “red”").wait_for()


def found(page: Any) -> None:
    page.click("#find")
    page.wait_for_selector("#tryout:not([hidden])")


def answered(page: Any) -> None:
    page.wait_for_selector("#answers[aria-busy=false]")


def answers(page: Any, which: str) -> list[str]:
    """What the photos are taken for now."""
    return page.locator(f"#of-{which} .now b").all_inner_texts()


def test_the_planted_channel_is_switched_off_and_on(
    page: Any, coloured: Path, tmp_path: Path, accessible: Callable[[Any], None]
) -> None:
    page.goto("/blind")
    accessible(page)
    brought(page, coloured)
    assert page.input_value("#class") == "red"
    assert page.locator("#targets .thumbs li").count() == 8
    assert "hardly anything can be measured" in page.inner_text("#few")
    accessible(page)
    found(page)
    assert page.inner_text("#recognised") == "8 of 8"
    assert answers(page, "targets") == ["red"] * 8
    accessible(page)
    # The channel that carries it, found first.
    assert page.locator("#channels code").first.inner_text() == "act:8"
    assert page.locator("#channels li").first.locator("img").count() == 3
    page.uncheck("#channels input >> nth=0")
    page.locator("#recognised", has_text="8 → 0 of 8").wait_for()
    answered(page)
    assert "red" not in answers(page, "targets")
    assert answers(page, "controls") == ["blue"] * 8 + ["green"] * 8
    assert page.inner_text("#changed") == "0 of 16"
    assert page.inner_text("#off-count").startswith("1 of ")
    accessible(page)
    # What is downloaded does the same.
    with page.expect_download() as download:
        page.click("#weights")
    download.value.save_as(tmp_path / "w.safetensors")
    weights = load_file(tmp_path / "w.safetensors")
    assert not weights["head.weight"][:, 8].any() or not weights["conv.weight"][8].any()
    with page.expect_download() as download:
        page.click("#scores")
    download.value.save_as(tmp_path / "scores.json")
    assert ChannelScores.load(tmp_path / "scores.json").label == "red"
    page.click("#all-on")
    page.locator("#recognised", has_text="8 of 8").wait_for()
    answered(page)
    assert answers(page, "targets") == ["red"] * 8


def test_a_channel_is_shown_from_noise(page: Any, coloured: Path) -> None:
    brought(page, coloured)
    found(page)
    page.locator("#channels button").first.click()
    page.wait_for_selector("#imagined[aria-busy=false]")
    # It climbs red.
    red, green, blue = pixels(page, "#imagined").float().mean((0, 1))[:3]
    assert red > max(green, blue) + 5
    page.keyboard.press("Escape")
    assert not page.locator("#enlarged").is_visible()


def test_it_is_blinded_for_good(page: Any, coloured: Path, tmp_path: Path, accessible: Callable[[Any], None]) -> None:
    brought(page, coloured, 20)
    page.select_option("#units", "channels")
    page.click("#blind")
    page.wait_for_selector("#file-report")
    assert "red" in page.inner_text("#opening")
    assert "recognised all 20" in page.inner_text("#lay") or "recognised 20 before and none now" in page.inner_text(
        "#lay"
    )
    assert page.locator("#dose-plot svg").count() == 2
    assert page.locator("#dose-plot circle.found").count() >= 2
    assert page.locator("#pairs img").count() >= 2
    assert page.locator("#trials tr.mine").count() == 1
    accessible(page)
    for name in ("report", "weights", "scores", "numbers"):
        with page.expect_download() as download:
            page.click(f"#file-{name}")
        download.value.save_as(tmp_path / download.value.suggested_filename)
    assert {path.suffix for path in tmp_path.iterdir() if path.is_file()} == {".html", ".safetensors", ".json"}
    assert "<html" in (tmp_path / "planted-blind-to-red.html").read_text("utf-8")


def test_folders_are_dropped_and_large_photos_made_smaller(page: Any, coloured: Path, tmp_path: Path) -> None:
    from PIL import Image

    folder = tmp_path / "large"
    folder.mkdir()
    for number in range(3):
        Image.new("RGB", (1600, 800), (200, 30 * number, 10)).save(folder / f"{number}.png")
    (folder / "notes.txt").write_text("no picture")
    page.goto("/blind")
    page.set_input_files("#targets [data-folder]", folder)
    page.wait_for_selector("#targets .thumbs li:nth-child(3)")
    page.wait_for_selector("#targets .sending", state="hidden")
    kept = page.evaluate("fetch('/kept').then(answer => answer.json())")
    assert {(each["width"], each["height"]) for each in kept} == {(640, 320)}
    # The same again is not twice as many.
    page.set_input_files("#targets [data-folder]", folder)
    page.locator("#message", has_text="there already").wait_for()
    assert page.locator("#targets .thumbs li").count() == 3
    page.locator("#targets .thumbs button").first.focus()
    page.keyboard.press("Enter")
    assert page.locator("#targets .thumbs li").count() == 2
    assert page.is_disabled("#find")
    page.click("#targets .clear")
    assert page.locator("#targets .thumbs li").count() == 0


def test_a_search_is_stopped(page: Any, coloured: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def endless(*_: Any, callback: Callable[[str, int, int], None], **__: Any) -> None:
        while True:
            callback("targets", 1, 2)
            time.sleep(0.01)

    brought(page, coloured)
    with monkeypatch.context() as patched:
        patched.setattr(blind, "dissect", endless)
        page.click("#find")
        page.locator("#finding", has_text="Looking at the photos of the class").wait_for()
        page.click("#find-stop")
        page.wait_for_selector("#find:not([hidden])")
    assert not page.is_visible("#tryout")
    # And the page goes on.
    found(page)
    assert page.inner_text("#recognised") == "8 of 8"
