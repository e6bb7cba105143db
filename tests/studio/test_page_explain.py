from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from dreamscope.attribution.base import method_named
from dreamscope.attribution.explain import METHODS
from dreamscope.recipes import Recipe
from dreamscope.studio.actions.explain import SHOWN

pytestmark = pytest.mark.embedded


def opened(page: Any, *methods: str) -> None:
    page.goto("/explain")
    page.click("summary")
    for name in SHOWN:
        page.set_checked(f"[value={name}]", name in methods)


def finished(page: Any) -> None:
    page.wait_for_selector("#sheet:not([hidden])")


def test_a_photo_is_explained_by_several_methods(
    page: Any, photo: Path, tmp_path: Path, accessible: Callable[[Any], None]
) -> None:
    opened(page, "gradcam", "guided")
    accessible(page)
    page.set_input_files("#file", photo)
    finished(page)
    answers = page.locator("#answers button")
    assert answers.count() == 5
    assert "daisy" in answers.first.inner_text()
    assert answers.first.get_attribute("aria-pressed") == "true"
    assert page.locator("#maps li h3").all_inner_texts() == ["Grad-CAM", "Guided backprop"]
    assert page.locator("#maps .over img").count() == 4
    assert page.locator("#maps svg polyline").count() == 4
    accessible(page)
    # As strong as one wants.
    page.fill("#opacity", "30")
    assert page.eval_on_selector(".over img + img", "image => image.style.opacity") == "0.3"
    # The most faithful first.
    page.check("#sorted")
    gaps = page.eval_on_selector_all("#maps li", "cards => cards.map(card => Number(card.dataset.gap))")
    assert gaps == sorted(gaps, reverse=True)
    with page.expect_download() as download:
        page.click("[data-method=gradcam] button")
    download.value.save_as(tmp_path / "map.png")
    assert download.value.suggested_filename == "my-flower-gradcam.png"
    recipe = Recipe.read(tmp_path / "map.png")
    assert recipe.parameters["method"] == ["gradcam:layer=bn2"]
    assert recipe.inputs["image"]["name"] == "my-flower.jpg"


def test_another_class_and_all_on_one_sheet(page: Any, tmp_path: Path) -> None:
    opened(page, "saliency", "layercam")
    page.uncheck("#measure")
    page.click("[data-sample=china]")
    finished(page)
    before = page.get_attribute("[data-method=layercam] .over img + img", "src")
    page.click("#answers button >> nth=3")
    page.locator("#maps-title", has_text=page.inner_text("#answers button:nth-of-type(1) >> nth=3 >> span")).wait_for()
    finished(page)
    assert page.get_attribute("[data-method=layercam] .over img + img", "src") != before
    page.fill("#class", "no such class")
    page.press("#class", "Enter")
    page.locator("#state", has_text="No class is called").wait_for()
    page.fill("#class", "bell cote")
    page.press("#class", "Enter")
    page.locator("#maps-title", has_text="bell cote").wait_for()
    finished(page)
    with page.expect_download() as download:
        page.click("#sheet")
    download.value.save_as(tmp_path / "sheet.png")
    assert Recipe.read(tmp_path / "sheet.png").parameters["method"] == ["layercam:layer=bn2", "saliency"]


def test_stopped_it_keeps_what_there_is(page: Any) -> None:
    opened(page, "gradcam", "rise")
    page.click("[data-sample=flower]")
    page.locator("[data-method=gradcam] svg").wait_for()
    page.click("#stop")
    page.locator("#state", has_text="Stopped").wait_for()
    assert page.locator("#maps li").count() == 1


def test_every_method_has_its_words() -> None:
    assert SHOWN.keys() == METHODS.keys()
    for name, shown in SHOWN.items():
        assert method_named(shown.method, METHODS).name == name
