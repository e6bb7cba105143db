from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from studios import Running, pixels

from dreamscope import images
from dreamscope.recipes import Recipe

pytestmark = pytest.mark.embedded


def test_a_photo_is_taken_for_something_else_and_still_is_when_it_is_brought_back(
    page: Any, running: Running, photo: Path, tmp_path: Path, accessible: Callable[[Any], None]
) -> None:
    page.goto("/fool")
    accessible(page)
    page.set_input_files("#file", photo)
    page.locator("#before li").nth(3).wait_for()
    seen = page.locator("#before li span").first.text_content()
    page.fill("#class", "golf ball")
    page.select_option("#norm", "linf")
    page.click("#run")
    page.wait_for_selector("#download:not([hidden])")
    assert page.locator("#after .wanted span").text_content() == "golf ball"
    assert page.text_content("#verdict").startswith(f"The network saw {seen}; now it is ")
    assert "times as strong" in page.text_content("#change-title")
    assert "of 255 steps of brightness" in page.text_content("#size")
    assert pixels(page, "#fooled").shape == (160, 240, 4)
    assert page.evaluate("document.querySelector('#change').naturalWidth") == 240
    accessible(page)
    with page.expect_download() as download:
        page.click("#download")
    target = tmp_path / download.value.suggested_filename
    download.value.save_as(target)
    assert target.name == "my-flower-fooled.png"
    assert Recipe.read(target).parameters["norm"] == "linf"
    # The file fools outside of the studio too, and hardly differs from the photo.
    ((first,),) = running.studio.model.classify(images.read(target), top=1)
    assert first.label == "golf ball"
    assert (images.read(target) - images.read(photo)).abs().max() < 0.1
    page.click("#another")
    page.set_input_files("#file", target)
    page.locator("#message", has_text="made to fool").wait_for()
    assert page.locator("#before li span").first.text_content() == "golf ball"


def test_limits_are_told_in_plain_words_and_stopping_keeps_what_there_is(page: Any) -> None:
    page.goto("/fool")
    assert page.is_hidden("#limit-label")
    page.select_option("#method", "fgsm")
    page.fill("#limit", "1")
    assert page.text_content("#limit-words") == "as much, all in all, as one dot turned from black to white"
    page.select_option("#norm", "linf")
    assert page.text_content("#limit-words") == "1 of 255 steps of brightness for each dot"
    page.select_option("#method", "minimal")
    page.select_option("#norm", "l2")
    page.select_option("#longer", "256")
    page.fill("#class", "no such class at all")
    page.click("[data-sample=flower]")
    page.click("#run:not([disabled])")
    page.locator("#message", has_text="no class").wait_for()
    page.fill("#class", "")
    page.keyboard.press("Enter")
    page.wait_for_selector("#fooled:not([hidden])")
    page.click("#stop")
    page.locator("#verdict", has_text="stopped").wait_for()
    assert page.locator("#after li").count() == 4
