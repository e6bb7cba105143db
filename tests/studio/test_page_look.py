from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from studios import Running, pixels

from dreamscope import files, images
from dreamscope.models.classifier import Classifier
from dreamscope.photos import Photo
from dreamscope.recipes import Recipe
from dreamscope.studio.page_facts import facts

pytestmark = pytest.mark.embedded

LAYER = "/m/efficientnet_lite0/blocks.0.0"


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Four photos that differ, in a folder and one inside it."""
    made = tmp_path / "holiday"
    (made / "deeper").mkdir(parents=True)
    for number, sample in enumerate(("china", "flower")):
        photo = images.at_most(images.read(f"sample:{sample}"), 240)
        images.write(photo, made / f"photo {number}.jpg")
        images.write(photo.flip(3), made / "deeper" / f"mirrored {number}.jpg")
    (made / "notes.txt").write_text("no photo")
    return made


def stored(kind: str) -> list[Path]:
    return list((files.cache_folder() / "studio").glob(f"{kind}-*"))


def test_a_layer_shows_its_channels_and_a_channel_what_it_asks_for(
    page: Any, tmp_path: Path, accessible: Callable[[Any], None]
) -> None:
    page.goto(LAYER)
    page.locator("#channels img").nth(15).wait_for()
    assert page.inner_text("#title") == "blocks.0.0"
    accessible(page)
    page.click("[data-channel='3']")
    page.wait_for_selector("#download:not([hidden])")
    assert page.url.endswith(f"{LAYER}/3")
    page.wait_for_timeout(100)
    picture = pixels(page, "#canvas")
    assert picture.shape == (224, 224, 4)
    assert picture[..., :3].float().std() > 20
    # Both sample photos excite it somewhere, and a part of each is shown.
    page.locator("#patches img").nth(1).wait_for()
    assert "takes it for" in page.inner_text("#noise-says")
    with page.expect_download() as download:
        page.click("#download")
    download.value.save_as(tmp_path / "channel.png")
    assert Recipe.read(tmp_path / "channel.png").parameters["of"] == "blocks.0.0:3"
    accessible(page)
    # Back and forward.
    page.go_back()
    page.locator("#channels img").first.wait_for()
    assert page.inner_text("#title") == "blocks.0.0"
    page.go_forward()
    page.wait_for_selector("#download:not([hidden])")
    # The next visitor needn't wait: pictures of a network are nobody's secret.
    assert len(stored("picture")) == 17
    assert len(stored("exemplars")) == 1


def test_own_photos_are_looked_in_and_stay_ones_own(page: Any, folder: Path) -> None:
    page.goto(LAYER)
    page.wait_for_selector("#source-says:has-text('2 sample photos')")
    page.set_input_files("#folder", folder)
    page.wait_for_selector("#source-says:has-text('4 photos of yours')")
    page.click("[data-show=photos]")
    page.wait_for_selector("[data-channel='3'] img, [data-channel='3'] em")
    page.goto(f"{LAYER}/5")
    page.locator("#patches img").nth(3).wait_for()
    first = page.get_attribute("#patches img", "src")
    page.check("#whole")
    assert page.get_attribute("#patches img", "src") != first
    assert page.locator("#patches .box").count() == 4
    assert "4 photos" in page.inner_text("#real-says")
    assert stored("exemplars") == []
    page.click("#forget")
    page.wait_for_selector("#source-says:has-text('2 sample photos')")
    page.locator("#patches li").nth(2).wait_for(state="detached")


def test_the_owners_photos_are_everybodys(page: Any, running: Running, folder: Path) -> None:
    running.studio.photos = tuple(Photo(path, "daisy") for path in folder.glob("*.jpg"))
    try:
        page.goto(f"{LAYER}/2")
        page.wait_for_selector("#source-says:has-text('2 photos of this studio')")
        page.wait_for_selector("#patches small:has-text('daisy')")
        assert len(stored("exemplars")) == 1
    finally:
        running.studio.photos = ()


def test_the_last_features_speak_for_classes(page: Any) -> None:
    page.goto("/m/efficientnet_lite0/bn2/7")
    page.wait_for_selector("#for li")
    assert page.locator("#for li").count() == 6
    assert page.inner_text("#for li >> nth=0").startswith("miniskirt")
    page.click("#stop")


def test_layers_are_searched_and_folded(page: Any) -> None:
    page.goto("/look")
    page.wait_for_selector("#layers a[aria-current]")
    page.fill("#search", "conv_pwl")
    found = page.locator("#layers a").all_inner_texts()
    assert found
    assert all("conv_pwl" in text for text in found)
    page.fill("#search", "no such thing")
    assert page.is_visible("#none")
    page.fill("#search", "")
    page.click("[data-layer='blocks.0.0'] summary")
    page.click("[data-layer='blocks.0.0.conv_dw'] a")
    assert page.inner_text("#title") == "blocks.0.0.conv_dw"


def test_an_address_that_is_none_says_what_is_meant(page: Any) -> None:
    page.goto("/m/efficientnet_lite0/blocks.4.3/1")
    page.locator("[role=alert]", has_text="or 'blocks.4.2'").wait_for()
    page.goto("/m/vgg19/features.28")
    page.locator("[role=alert]", has_text="looks into efficientnet_lite0, not into 'vgg19'").wait_for()


@pytest.mark.parametrize(
    ("address", "wrong"),
    [
        ("blocks.4.2/9999", "112 channels"),
        ("blocks.4.2/x", "'x' is no channel's number"),
        ("blocks.4.2/1-2", "counted from 0, as in blocks.4.2/0"),
        ("blocks.4.2@3,3", "no layer"),
        ("blocks.*", "one is looked at at a time"),
    ],
)
def test_addresses_are_checked(lite0: Classifier, address: str, wrong: str) -> None:
    found = facts("look", lite0, {"model": "efficientnet_lite0", "address": address})
    assert wrong in found["wrong"]
    assert found["at"]["layer"] is None


def test_an_address_names_a_layer_and_a_channel(lite0: Classifier) -> None:
    path = {"model": "efficientnet_lite0", "address": "blocks.4.2/40"}
    assert facts("look", lite0, path)["at"] == {"layer": "blocks.4.2", "channel": 40}
