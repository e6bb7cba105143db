from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from studios import pixels

from dreamscope.recipes import Recipe

pytestmark = pytest.mark.embedded


def test_what_is_left_of_a_photo_at_each_layer(
    page: Any, photo: Path, tmp_path: Path, accessible: Callable[[Any], None]
) -> None:
    page.goto("/invert")
    accessible(page)
    page.set_input_files("#file", photo)
    page.locator("#layers img").nth(1).wait_for()
    shares = [int(text.split("%")[0]) for text in page.locator("#layers small").all_text_contents() if text]
    assert shares[0] >= shares[1] > 50
    # A layer that is chosen is made large, while the others still come.
    page.select_option("#steps", "50")
    page.locator("#layers button").first.focus()
    page.keyboard.press("Enter")
    page.wait_for_selector("#download:not([hidden])")
    assert page.locator("#layers [aria-pressed=true]").count() == 1
    assert "alike" in page.text_content("#words")
    made = pixels(page, "#canvas")
    assert made.shape == (224, 224, 4)
    page.fill("#compare", "0")
    before = pixels(page, "#canvas")
    # The first block keeps nearly all of it, but it was made from noise.
    assert 0.1 < (made[..., :3] - before[..., :3]).abs().float().mean() < 30
    accessible(page)
    with page.expect_download() as download:
        page.click("#download")
    target = tmp_path / download.value.suggested_filename
    download.value.save_as(target)
    assert target.name == "my-flower-at-blocks.0.0.png"
    assert Recipe.read(target).command == "invert"
    page.click("#another")
    assert page.is_visible("#drop")
    assert page.locator("#layers img").count() == 0


def test_stopped_what_there_is_stays(page: Any) -> None:
    page.goto("/invert")
    page.click("[data-sample=flower]")
    page.wait_for_selector("#canvas:not([hidden])")
    page.select_option("#steps", "400")
    page.click("#layers button >> nth=0")
    page.wait_for_function("() => document.querySelector('#progress').value > 0")
    page.click("#stop")
    page.wait_for_selector("#download:not([hidden])")
    assert page.is_visible("#compare")
    page.click("#another")
