from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from studios import Seen, pixels

pytestmark = pytest.mark.embedded

SMALL = {"#size": "256", "#preset": "classic"}


def opened(page: Any) -> None:
    page.goto("/dream")
    for selector, value in SMALL.items():
        page.select_option(selector, value)


def finished(page: Any) -> None:
    page.wait_for_selector("#made:not([hidden])")


def test_a_photo_is_dreamt_on_stopped_compared_and_taken_home(
    page: Any, photo: Path, tmp_path: Path, accessible: Callable[[Any], None]
) -> None:
    opened(page)
    accessible(page)
    page.set_input_files("#file", photo)
    finished(page)
    after = pixels(page, "#canvas")
    assert after.shape == (171, 256, 4)
    page.fill("#compare", "0")
    before = pixels(page, "#canvas")
    assert (after[..., :3] - before[..., :3]).abs().float().mean() > 5
    with page.expect_download() as download:
        page.click("#download")
    target = tmp_path / download.value.suggested_filename
    download.value.save_as(target)
    assert target.name == "my-flower-dream.png"
    accessible(page)
    # Its settings come back with the picture.
    page.goto("/dream")
    page.set_input_files("#file", target)
    page.locator("#message", has_text="settings are back").wait_for()
    assert page.input_value("#size") == "256"
    assert page.input_value("#preset") == "classic"
    # And what was made in the visit is there.
    assert page.locator("#history button").count() == 1


def test_stopped_it_keeps_what_there_is(page: Any, photo: Path) -> None:
    page.goto("/dream")
    page.select_option("#size", "1024")
    page.set_input_files("#file", photo)
    page.locator("#stop").wait_for()
    page.wait_for_selector("#progress[value]:not([value='0'])")
    page.click("#stop")
    finished(page)
    assert float(page.get_attribute("#progress", "value") or 1) < 1


def test_only_where_one_painted_it_dreams(page: Any, photo: Path) -> None:
    opened(page)
    page.set_input_files("#file", photo)
    finished(page)
    page.check("#masking")
    # With the keyboard: the field in the middle.
    page.focus("#paint")
    page.keyboard.press("5")
    page.click("#run")
    page.wait_for_selector("#made", state="hidden")
    finished(page)
    after = pixels(page, "#canvas")[..., :3].float()
    page.fill("#compare", "0")
    change = (after - pixels(page, "#canvas")[..., :3].float()).abs().mean(2)
    assert change[70:100, 110:150].mean() > 5
    assert change[:20, :20].mean() < 1.5


def test_previews_a_film_the_difference_deeper_and_back(page: Any, photo: Path) -> None:
    opened(page)
    page.click("#panel summary")
    page.fill("#steps", "2")
    page.press("#steps", "Tab")
    page.set_input_files("#file", photo)
    finished(page)
    page.click("#difference")
    page.locator("#shown img").wait_for()
    page.click("#film")
    page.locator("#shown video").wait_for()
    assert page.evaluate("document.querySelector('#shown video').readyState >= 0")
    page.click("#deeper")
    page.wait_for_selector("#made", state="hidden")
    finished(page)
    assert page.locator("#history button").count() == 2
    page.wait_for_selector("#previews [data-layer='blocks.0.0'] img")
    page.click("#previews [data-layer='blocks.0.0']")
    page.wait_for_selector("#made", state="hidden")
    finished(page)
    assert page.locator("#history button").first.text_content() == "blocks.0.0"
    page.locator("#history button").last.click()
    page.wait_for_selector("#made:not([hidden])")
    assert page.get_attribute("#previews [data-layer='blocks.4.2']", "aria-pressed") == "true"


def test_a_class_grows(page: Any, photo: Path) -> None:
    opened(page)
    page.fill("#class", "goldfish")
    page.click("#panel summary")
    page.fill("#steps", "3")
    page.press("#steps", "Tab")
    page.set_input_files("#file", photo)
    finished(page)
    assert page.locator("#history button").text_content() == "goldfish"


def test_what_is_wrong_is_said(page: Any, seen: Seen, photo: Path, tmp_path: Path) -> None:
    opened(page)
    page.fill("#class", "goldfisch")
    page.set_input_files("#file", photo)
    page.locator("#message", has_text="did you mean 'goldfish'").wait_for()
    broken = tmp_path / "broken.png"
    broken.write_bytes(b"<svg>")
    page.set_input_files("#file", broken)
    page.locator("#message", has_text="broken.png").wait_for()
    # Browsers note that the server refused it.
    (noted,) = seen.complaints
    assert "400" in noted
    seen.complaints.clear()
