from __future__ import annotations

from collections.abc import Callable
from fractions import Fraction
from pathlib import Path
from typing import Any

import pytest
from studios import pixels

from dreamscope.film.reader import Clip
from dreamscope.film.writer import read_note
from dreamscope.recipes import Recipe

pytestmark = pytest.mark.embedded


def opened(page: Any, photo: Path) -> None:
    page.goto("/film")
    page.select_option("#size", "192")
    page.select_option("#fps", "8")
    page.fill("#seconds", "2")
    page.keyboard.press("Tab")
    page.set_input_files("#file", photo)
    page.wait_for_selector("#run:not([disabled])")


def places(page: Any) -> list[str]:
    found: list[str] = page.locator("#track [role=slider]").evaluate_all(
        "all => all.map(each => each.getAttribute('aria-valuetext'))"
    )
    return found


def test_a_dive_is_planned_on_the_timeline_made_watched_and_taken_home(
    page: Any, photo: Path, tmp_path: Path, accessible: Callable[[Any], None]
) -> None:
    page.goto("/film")
    accessible(page)
    opened(page, photo)
    assert [each.split(" s:")[0] for each in places(page)] == ["0", "1.2"]
    # With the keyboard: along, one more, another layer there, slower, and away again.
    page.locator("#track [role=slider]").nth(1).focus()
    page.keyboard.press("ArrowLeft")
    page.click("#add")
    assert [each.split(" s:")[0] for each in places(page)] == ["0", "0.6", "1.1"]
    page.keyboard.press("Delete")
    assert len(places(page)) == 2
    page.locator("#track [role=slider]").nth(1).focus()
    page.click("[data-layer='blocks.1.0']")
    page.fill("#speed", "-0.5")
    assert places(page)[1] == "1.1 s: blocks.1.0, 1.41 times farther each second"
    # With the mouse: dragged.
    box = page.locator("#track [role=slider]").nth(1).bounding_box()
    track = page.locator("#track").bounding_box()
    page.mouse.move(box["x"] + box["width"] / 2, box["y"] + box["height"] / 2)
    page.mouse.down()
    page.mouse.move(track["x"] + track["width"] / 2, track["y"])
    page.mouse.up()
    assert places(page)[1].startswith("1 s: ")
    accessible(page)
    page.click("#run")
    page.wait_for_selector("#download:not([hidden])")
    page.wait_for_function("() => document.querySelector('#video').videoWidth === 192")
    reel = pixels(page, "#reel")
    assert (reel[:, :-4, 3] == 255).all()
    accessible(page)
    with page.expect_download() as download:
        page.click("#download")
    target = tmp_path / download.value.suggested_filename
    download.value.save_as(target)
    assert target.name == "my-flower-dive.mp4"
    clip = Clip.open(target)
    assert (clip.count, clip.fps, clip.size.width) == (16, Fraction(8), 192)
    recipe = Recipe.from_json(read_note(target) or "")
    assert recipe.parameters["schedule"].endswith(" 1s:blocks.1.0")
    assert recipe.parameters["zoom"] == "0s:1.3 1s:0.707"


def test_stopping_keeps_the_film_so_far_and_too_much_is_not_begun(page: Any, photo: Path) -> None:
    opened(page, photo)
    page.fill("#seconds", "60")
    page.press("#seconds", "Tab")
    page.select_option("#size", "768")
    page.wait_for_selector("#run[disabled]")
    assert "too many" in page.text_content("#much")
    page.select_option("#size", "192")
    page.click("#run")
    page.wait_for_function("() => document.querySelector('#progress').value > 0")
    page.click("#stop")
    page.wait_for_selector("#video:not([hidden])")
    assert "The film so far" in page.text_content("#state")
