from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from studios import pixels

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
