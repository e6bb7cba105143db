from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import colours
import filmed
import pytest
from nets import Planted
from PIL import Image
from studios import Running, serve

from dreamscope.film.writer import write
from dreamscope.models.classifier import Classifier
from dreamscope.models.wrapping import wrap
from dreamscope.studio.actions import live

pytestmark = pytest.mark.embedded


@pytest.fixture(scope="module")
def running(request: pytest.FixtureRequest) -> Iterator[Running]:
    """A studio of the embedded network, or of one of which it is known which channel says what."""
    known = getattr(request, "param", "") == "planted"
    model: Classifier = (
        wrap(Planted(), input_size=16, labels=list(colours.COLOURS)) if known else request.getfixturevalue("lite0")
    )
    yield from serve(model)


known_network = pytest.mark.parametrize("running", ["planted"], indirect=True)


def opened(page: Any) -> None:
    page.goto("/live")


def answered(page: Any) -> None:
    page.wait_for_selector("#answers li:nth-child(3)")
    page.wait_for_selector("#chosen:not([hidden])")


def answers(page: Any) -> list[str]:
    return [str(each) for each in page.locator("#answers span").all_inner_texts()]


def shares(page: Any) -> list[float]:
    return [float(each.rstrip("%")) for each in page.locator("#answers b").all_inner_texts()]


def seen(page: Any) -> str:
    """Return the pixels of the grid, to be compared."""
    return str(page.evaluate("document.querySelector('#grid').toDataURL()"))


def brightness(page: Any, selector: str) -> float:
    """Return the mean of a canvas's colours where there are any, from 0 to 255."""
    return float(
        page.evaluate(
            """selector => { const canvas = document.querySelector(selector);
            const data = canvas.getContext("2d").getImageData(0, 0, canvas.width, canvas.height).data;
            let sum = 0, count = 0;
            for (let place = 0; place < data.length; place += 4) {
              if (data[place + 3]) { sum += data[place] + data[place + 1] + data[place + 2]; count += 3; }
            }
            return sum / count; }""",
            selector,
        )
    )


def still(page: Any) -> None:
    """Wait until nothing on the grid changes any more."""
    for _ in range(60):
        before = seen(page)
        page.wait_for_timeout(600)
        if seen(page) == before:
            return
    raise AssertionError("the grid goes on changing")


def changed(page: Any, before: str = "") -> None:
    """Wait until the grid is another than before, than now if not given."""
    before = before or seen(page)
    for _ in range(200):
        if seen(page) != before:
            return
        page.wait_for_timeout(100)
    raise AssertionError("the grid does not change")


def test_the_camera_is_watched_paused_and_stepped(page: Any, accessible: Callable[[Any], None]) -> None:
    opened(page)
    accessible(page)
    page.click("#camera")
    answered(page)
    assert len(answers(page)) == 5
    changed(page)
    changed(page)
    page.locator("#rate", has_text="frames a second").wait_for()
    # Other moments come and are kept.
    page.wait_for_selector("#moments li:nth-child(2)")
    page.click("#pause")
    still(page)
    accessible(page)
    before = seen(page)
    page.click("#step")
    changed(page, before)
    still(page)
    page.click("#pause")
    changed(page)
    # Another layer has other maps.
    page.check("[name=layer][value='blocks.6.0']", force=True)
    page.locator("#layer", has_text="320 channels").wait_for()
    page.click("#another")
    page.wait_for_selector("#drop")
    assert page.is_hidden("#grid")
    still(page)
    page.click("#camera")
    changed(page)


def test_hidden_it_sends_nothing(page: Any) -> None:
    opened(page)
    page.click("#camera")
    answered(page)
    page.evaluate(
        """() => { Object.defineProperty(document, "hidden", { get: () => window.away, configurable: true });
        window.away = true; document.dispatchEvent(new Event("visibilitychange")); }"""
    )
    still(page)
    page.evaluate("window.away = false; document.dispatchEvent(new Event('visibilitychange'))")
    changed(page)


def test_a_photo_a_channel_of_it_large_and_the_keyboard(page: Any, photo: Path) -> None:
    opened(page)
    page.set_input_files("#file", photo)
    answered(page)
    still(page)
    # The same photo again gives the same: nothing moves by itself.
    assert page.locator("#rate").inner_text() == ""
    before = brightness(page, "#large")
    page.click("#grid", position={"x": 5, "y": 5})
    assert page.inner_text("#chosen-title") == "blocks.2.1:0"
    page.locator("#value", has_text="strongest").wait_for()
    assert brightness(page, "#large") != pytest.approx(before, abs=0.01)
    assert page.locator("#moments li").count() == 1
    page.focus("#grid")
    page.keyboard.press("ArrowRight")
    page.keyboard.press("ArrowRight")
    assert page.inner_text("#chosen-title") == "blocks.2.1:2"
    assert page.get_attribute("#grid", "aria-valuenow") == "2"
    page.keyboard.press(" ")
    assert page.is_checked("#switch")
    page.locator("#value", has_text="It is off").wait_for()
    page.click("#off-list button")
    page.wait_for_selector("#off", state="hidden")
    page.fill("#channel", "7")
    page.keyboard.press("Enter")
    assert page.inner_text("#chosen-title") == "blocks.2.1:7"


def test_what_a_channel_saw_and_what_it_looks_for(
    page: Any, photo: Path, monkeypatch: pytest.MonkeyPatch, accessible: Callable[[Any], None]
) -> None:
    monkeypatch.setattr(live, "_PICTURE", {"size": 64, "steps": 3, "precision": "float32/contiguous"})
    opened(page)
    page.set_input_files("#file", photo)
    answered(page)
    page.click("[data-method=guided]")
    page.wait_for_selector("#traces img")
    page.click("#dream")
    page.wait_for_selector("#pictures img")
    accessible(page)
    title = page.inner_text("#chosen-title")
    # What it saw was in that frame, not in what comes next.
    page.click("#another")
    page.set_input_files("#file", photo)
    page.wait_for_selector("#frame:not([hidden])")
    assert page.locator("#traces img").count() == 0
    # It is still there after the page was loaded again.
    opened(page)
    page.set_input_files("#file", photo)
    answered(page)
    assert page.inner_text("#chosen-title") == title
    page.wait_for_selector("#pictures img")


def test_a_channel_in_real_photos(page: Any, photo: Path) -> None:
    opened(page)
    page.set_input_files("#file", str(photo))
    answered(page)
    page.get_by_role("button", name="Find it in photos").click()
    page.wait_for_selector("#examples li img")
    assert "photos" in page.inner_text("#examples-says")
    assert page.locator("#find").is_hidden()
    name = page.inner_text("#chosen-title")
    first = page.get_attribute("#examples img", "src")
    # What was found of the layer is there for its other channels, too, and again for this one.
    for channel in ("5", name.partition(":")[2]):
        page.fill("#channel", channel)
        page.press("#channel", "Enter")
        page.locator("#chosen-title", has_text=f":{channel}").wait_for()
        page.locator("#examples-says", has_text="photos").wait_for()
        assert page.locator("#find").is_hidden()
    assert page.get_attribute("#examples img", "src") == first


def test_a_video_is_watched(page: Any, tmp_path: Path) -> None:
    path = tmp_path / "walk.mp4"
    write(filmed.panning(30, 96, 96), path, fps=10)
    opened(page)
    page.set_input_files("#file", path)
    answered(page)
    changed(page)
    page.click("#pause")
    still(page)
    before = seen(page)
    page.click("#step")
    changed(page, before)
    still(page)


@known_network
def test_switched_off_a_channel_takes_its_class_away(page: Any, tmp_path: Path) -> None:
    path = tmp_path / "red.png"
    Image.new("RGB", (16, 16), (180, 25, 25)).save(path)
    opened(page)
    page.check("[name=layer][value='act']", force=True)
    page.set_input_files("#file", path)
    answered(page)
    assert answers(page)[0] == "red"
    before = shares(page)
    page.fill("#channel", "8")
    page.keyboard.press("Enter")
    page.check("#switch")
    page.locator("#before", has_text="With all channels on: red").wait_for()
    assert shares(page) != before
    assert answers(page)[0] != "red"
    # Several can be off; all come back together.
    page.click("#grid", position={"x": 5, "y": 5}, modifiers=["Shift"])
    assert page.locator("#off-list button").count() == 2
    page.click("#all-on")
    page.wait_for_selector("#before", state="hidden")
    assert answers(page)[0] == "red"
    assert shares(page) == before
    assert not page.is_checked("#switch")


def test_without_a_camera_it_says_so(page: Any) -> None:
    page.add_init_script("Object.defineProperty(navigator, 'mediaDevices', { get: () => undefined })")
    opened(page)
    assert page.is_visible("#no-camera")
    assert page.is_hidden("#camera")


def test_what_is_no_picture_is_said_to_be_none(page: Any, tmp_path: Path) -> None:
    path = tmp_path / "broken.png"
    path.write_bytes(b"nothing of a picture")
    opened(page)
    page.set_input_files("#file", path)
    page.locator("#message", has_text="no picture").wait_for()
    assert page.is_visible("#drop")


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_colours_follow_the_page(page: Any, photo: Path, scheme: Any) -> None:
    page.emulate_media(color_scheme=scheme)
    opened(page)
    page.set_input_files("#file", photo)
    answered(page)
    assert (brightness(page, "#grid") > 128) == (scheme == "light")
