from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import colours
import pytest
from nets import Planted, Vgg, seeded
from studios import Running, pixels, serve
from torch import nn

from dreamscope.models.wrapping import wrap
from dreamscope.studio.page_facts import PAGES

NUMBERED = """() => {
  const kinds = ["a[href]", "button", "input", "select", "textarea", "summary", "video[controls]", "[tabindex='0']"];
  // What shows the focus: the control, or what stands for it.
  const instead = { file: control => control.closest("label"), radio: control => control.nextElementSibling };
  window.shows = control => instead[control.type]?.(control) ?? control;
  window.ring = control => {
    const { outlineStyle, outlineWidth, boxShadow } = getComputedStyle(shows(control));
    return `${outlineStyle} ${outlineWidth} ${boxShadow}`;
  };
  // From the beginning of the page.
  document.body.tabIndex = -1;
  document.body.focus();
  document.body.removeAttribute("tabindex");
  return [...document.querySelectorAll(kinds.join(", "))].map((control, number) => {
    control.dataset.number = number;
    control.unfocused = ring(control);
    const there = control.checkVisibility({ visibilityProperty: true }) && !control.matches(":disabled");
    // Of radio buttons the chosen one is reached; the others by arrow keys.
    const reachable = there && (control.type !== "radio" || control.checked) && !control.closest("dialog");
    return [`${control.localName}#${control.id} ${control.textContent.trim().slice(0, 20)}`, reachable];
  });
}"""
"""Number all controls in the order of the page; return what each is called and whether it is to be reached."""

FOCUSED = """() => {
  const control = document.activeElement;
  if (control === document.body) return null;
  if (!control.dataset.number) return [-1, false, false];
  const shown = shows(control), style = getComputedStyle(shown), box = shown.getBoundingClientRect();
  const far = parseFloat(style.outlineWidth) + parseFloat(style.outlineOffset);
  const [left, top, right, bottom] = [box.left - far, box.top - far, box.right + far, box.bottom + far];
  let inside = right > 0 && bottom > 0 && left < innerWidth && top < innerHeight;
  for (let each = shown.parentElement; each !== document.body; each = each.parentElement) {
    if (getComputedStyle(each).overflow === "visible") continue;
    const edge = each.getBoundingClientRect();
    // Something long may go on above or below.
    inside &&= left > edge.left - 1 && right < edge.right + 1 && (top > edge.top - 1 || bottom < edge.bottom + 1);
  }
  return [Number(control.dataset.number), style.outlineStyle !== "none" && ring(control) !== control.unfocused, inside];
}"""
"""Return the focused control's number, whether its focus is shown, and whether that is cut off by nothing."""

MOVING = """() => [...document.querySelectorAll("*")].filter(each => {
  const { animationName, transitionDuration, scrollBehavior } = getComputedStyle(each);
  const lasting = transitionDuration.split(", ").some(time => parseFloat(time));
  return animationName !== "none" || lasting || scrollBehavior !== "auto";
}).map(each => each.outerHTML.slice(0, 80))"""
"""Return what moves, or would."""

COUNTED = """() => {
  const real = requestAnimationFrame;
  window.drawn = 0;
  window.requestAnimationFrame = act => real(now => { window.drawn += 1; act(now); });
}"""
"""Count the frames that are drawn."""


@pytest.fixture(scope="module")
def running(request: pytest.FixtureRequest) -> Iterator[Running]:
    """A studio of a small network, of one whose channels carry a colour each, or of one with many channels."""
    which = getattr(request, "param", "small")
    if which == "planted":
        yield from serve(wrap(Planted(), name=which, input_size=16, labels=list(colours.COLOURS)))
    else:
        wide = nn.Sequential(nn.Conv2d(3, 70, 3), nn.ReLU(), nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(70, 5))
        labels = ["apple", "bee", "cat", "dog", "elk"]
        yield from serve(wrap(seeded(wide if which == "wide" else Vgg()), name=which, input_size=32, labels=labels))


@pytest.fixture(autouse=True)
def listening(page: Any) -> None:
    """The window in which files are chosen is listened for from the start: later, it may open unheard."""
    page.on("filechooser", lambda _: None)


def walked(page: Any) -> None:
    """Assert that Tab reaches every control in the order of the page, and Shift+Tab too, and each shows it."""
    scrolled = "() => { const before = window.before; window.before = scrollY; return before === scrollY; }"
    page.wait_for_function(scrolled, polling=100)
    numbered = page.evaluate(NUMBERED)
    for key in ("Tab", "Shift+Tab"):
        reached: list[int] = []
        for _ in range(3 * len(numbered)):
            page.keyboard.press(key)
            found = page.evaluate(FOCUSED)
            if found is None and not reached:
                continue
            if found is None or found[0] in reached[:-1]:
                break
            number, shown, inside = found
            # A video has several controls in one; the first is the video itself.
            if number >= 0 and reached[-1:] != [number]:
                assert key != "Tab" or shown, f"{numbered[number]} shows no focus"
                assert key != "Tab" or inside, f"the focus of {numbered[number]} is cut off"
                reached.append(number)
        assert reached == sorted(reached, reverse=key != "Tab")
        missed = [name for number, (name, there) in enumerate(numbered) if there and number not in reached]
        assert missed == []


def still(page: Any) -> None:
    """Assert that nothing moves for whom movement is too much."""
    page.emulate_media(reduced_motion="reduce")
    assert page.evaluate(MOVING) == []
    page.emulate_media(reduced_motion="no-preference")


def focused(page: Any) -> str:
    """Return the id of what has the focus, or its tag."""
    found: str = page.evaluate("document.activeElement.id || document.activeElement.localName")
    return found


def to(page: Any, selector: str, key: str = "Tab") -> None:
    """Go on to a control, around the page if need be."""
    for _ in range(200):
        page.keyboard.press(key)
        if page.evaluate("selector => document.activeElement.matches(selector)", selector):
            return
    raise AssertionError(f"{selector} is not reached")


def pressed(page: Any, selector: str, key: str = "Enter") -> None:
    to(page, selector)
    page.keyboard.press(key)


def chosen(page: Any, files: Path | list[Path], selector: str = "#file") -> None:
    """Bring files: the browser's own window opens, and they are chosen there."""
    to(page, selector)
    with page.expect_file_chooser() as chooser:
        page.keyboard.press("Enter")
    chooser.value.set_files(files)


def downloaded(page: Any, selector: str) -> None:
    with page.expect_download():
        pressed(page, selector)
    assert focused(page) == selector.removeprefix("#")


def test_dream(page: Any, photo: Path, accessible: Callable[[Any], None]) -> None:
    page.goto("/dream")
    walked(page)
    still(page)
    pressed(page, "#size", "Home")
    pressed(page, "#preset", "c")
    chosen(page, photo)
    page.wait_for_selector("#made:not([hidden])")
    assert focused(page) == "run"
    walked(page)
    after = pixels(page, "#canvas")
    pressed(page, "#compare", "Home")
    assert not pixels(page, "#canvas").equal(after)
    downloaded(page, "#download")
    # Another layer, and back to the first dream.
    page.wait_for_selector("#previews li:first-child img")
    pressed(page, "#previews button")
    page.wait_for_selector("#history li:nth-child(2)")
    pressed(page, "#history li:nth-child(2) button")
    page.wait_for_selector("#previews li:last-child [aria-pressed=true]")
    assert focused(page) == "button"
    pressed(page, "#another")
    assert focused(page) == "file"
    still(page)


def test_a_mask_is_painted(page: Any, photo: Path, accessible: Callable[[Any], None]) -> None:
    page.goto("/dream")
    pressed(page, "#size", "Home")
    pressed(page, "#preset", "c")
    pressed(page, "#masking", " ")
    chosen(page, photo)
    page.wait_for_selector("#made:not([hidden])")
    to(page, "#paint")
    # From the middle to the left, then a stroke back while Space is held.
    brush = pixels(page, ".brush")
    for _ in range(2):
        page.keyboard.press("Shift+ArrowLeft")
    assert not pixels(page, ".brush").equal(brush)
    assert not pixels(page, "#paint").any()
    page.keyboard.down(" ")
    page.keyboard.press("Shift+ArrowRight")
    page.keyboard.up(" ")
    page.keyboard.press("Shift+ArrowRight")
    painted = pixels(page, "#paint")[..., 3] > 0
    assert painted[85, 58:92].all()
    assert not painted[:, 115:].any()
    assert not painted[:60].any()
    page.keyboard.press("9")
    painted = pixels(page, "#paint")[..., 3] > 0
    assert painted[115:, 172:].all()
    accessible(page)
    walked(page)
    pressed(page, "#run")
    page.wait_for_selector("#history li:nth-child(2)")
    assert focused(page) == "run"
    after = pixels(page, "#canvas").float()
    pressed(page, "#compare", "Home")
    change = (after - pixels(page, "#canvas").float()).abs().mean(2)
    assert change[80:90, 65:85].mean() > 4 * change[:30, 120:].mean()


def test_look(page: Any) -> None:
    page.goto("/look")
    page.locator("#channels img").nth(11).wait_for()
    walked(page)
    still(page)
    pressed(page, "[data-layer='features.1'] > a")
    assert page.inner_text("#title") == "features.1"
    assert page.evaluate("document.activeElement.textContent").startswith("features.1")
    page.locator("#channels img").nth(7).wait_for()
    to(page, "[data-channel='0']")
    page.keyboard.press("ArrowRight")
    page.keyboard.press("Enter")
    page.wait_for_selector("#download:not([hidden])")
    assert page.inner_text("#title") == "features.1:1"
    assert focused(page) == "title"
    walked(page)
    still(page)
    downloaded(page, "#download")
    page.keyboard.press("ArrowRight")
    assert page.inner_text("#title") == "features.1:2"
    pressed(page, "#all")
    assert page.evaluate("document.activeElement.dataset.channel") == "2"
    to(page, "#search")
    page.keyboard.type("classi")
    pressed(page, "#layers a")
    assert page.inner_text("#title") == "classifier"


@pytest.mark.parametrize("running", ["wide"], indirect=True)
def test_many_tiles_have_an_end(page: Any) -> None:
    page.goto("/m/wide/1")
    page.focus("[data-channel='58']")
    page.keyboard.press("Tab")
    # They are all in sight, so more would come by themselves.
    page.set_viewport_size({"width": 1280, "height": 2400})
    page.wait_for_timeout(200)
    page.keyboard.press("Tab")
    assert focused(page) == "more"
    page.keyboard.press("Enter")
    assert page.evaluate("document.activeElement.dataset.channel") == "60"
    assert page.is_hidden("#more")


def test_explain(page: Any, photo: Path) -> None:
    page.goto("/explain")
    walked(page)
    still(page)
    pressed(page, "#panel summary")
    pressed(page, "[value=rise]", " ")
    assert not page.is_checked("[value=rise]")
    chosen(page, photo)
    page.wait_for_selector("#sheet:not([hidden])")
    assert focused(page) == "another"
    walked(page)
    still(page)
    # Another class, the maps fainter, one taken home.
    before = page.inner_text("#maps-title")
    pressed(page, "#answers li:nth-child(2) button")
    page.wait_for_function("before => document.querySelector('#maps-title').textContent !== before", arg=before)
    page.wait_for_selector("#sheet:not([hidden])")
    pressed(page, "#opacity", "Home")
    assert page.eval_on_selector(".over img + img", "image => image.style.opacity") == "0"
    with page.expect_download():
        pressed(page, "#maps button")
    to(page, "#class")
    page.keyboard.type("elk")
    page.keyboard.press("Enter")
    page.locator("#maps-title", has_text="elk").wait_for()
    pressed(page, "#another")
    assert focused(page) == "file"


@pytest.mark.parametrize("running", ["planted"], indirect=True)
def test_blind(page: Any, coloured: Path, accessible: Callable[[Any], None]) -> None:
    photos = {name: sorted((coloured / name).iterdir())[:6] for name in ("red", "green")}
    page.goto("/blind")
    walked(page)
    still(page)
    chosen(page, photos["red"], "#targets [data-files]")
    chosen(page, photos["green"], "#controls [data-files]")
    page.wait_for_selector("#find:not([disabled])")
    page.locator("#guessed", has_text="It takes 6 of 6").wait_for()
    # The focus goes from a photo that is removed to the next, and from the last to the one before.
    pressed(page, "#controls li:nth-child(5) button")
    page.keyboard.press("Enter")
    assert page.locator("#controls li").count() == 4
    assert page.evaluate("document.activeElement.matches('#controls li:last-child button')")
    pressed(page, "#find")
    page.wait_for_selector("#tryout:not([hidden])")
    assert focused(page) == "find"
    walked(page)
    still(page)
    pressed(page, "#channels input", " ")
    page.locator("#recognised", has_text="6 → 0 of 6").wait_for()
    downloaded(page, "#weights")
    pressed(page, "#all-on")
    page.locator("#recognised", has_text="6 of 6").wait_for()
    # The focus goes into the window, stays there, and comes back.
    pressed(page, "#channels button")
    page.wait_for_selector("#imagined[aria-busy=false]")
    assert focused(page) == "close"
    accessible(page)
    page.keyboard.press("Tab")
    assert focused(page) in ("close", "body")
    page.keyboard.press("Escape")
    assert not page.is_visible("#enlarged")
    assert page.evaluate("document.activeElement.matches('#channels li:first-child button')")


def test_live(page: Any) -> None:
    page.goto("/live")
    walked(page)
    still(page)
    pressed(page, "#camera")
    page.wait_for_selector("#chosen:not([hidden])")
    assert focused(page) == "pause"
    page.keyboard.press(" ")
    page.wait_for_selector("#step:not([hidden])")
    pressed(page, "#another")
    assert focused(page) == "file"
    pressed(page, "[data-sample=flower]")
    page.wait_for_selector("#answers li:nth-child(3)")
    assert focused(page) == "another"
    walked(page)
    still(page)
    pressed(page, "#grid", "End")
    assert page.inner_text("#chosen-title") == "features.4:11"
    page.keyboard.press("ArrowLeft")
    page.keyboard.press(" ")
    assert page.inner_text("#off-list") == "features.4:10 ×"
    assert page.get_attribute("#grid", "aria-valuetext") == "channel 10, off"
    pressed(page, "#off-list button")
    assert focused(page) == "another"
    pressed(page, "[data-method=guided]")
    page.wait_for_selector("#traces img")
    pressed(page, "[name=layer]", "ArrowLeft")
    page.locator("#layer", has_text="8 channels").wait_for()


def test_fool(page: Any, photo: Path) -> None:
    page.goto("/fool")
    walked(page)
    still(page)
    chosen(page, photo)
    page.wait_for_selector("#run:not([disabled])")
    assert focused(page) == "run"
    pressed(page, "#method", "u")
    pressed(page, "#limit", "End")
    assert page.inner_text("#limit-words").startswith("as much, all in all, as 32 dots")
    walked(page)
    pressed(page, "#method", "a")
    to(page, "#class")
    page.keyboard.type("bee")
    page.keyboard.press("Enter")
    page.wait_for_selector("#verdict:not(:empty)")
    walked(page)
    still(page)
    pressed(page, "#run")
    page.wait_for_selector("#verdict:not(:empty)")
    assert focused(page) == "run"
    pressed(page, "#another")
    assert focused(page) == "file"


def test_invert(page: Any, photo: Path) -> None:
    page.goto("/invert")
    walked(page)
    still(page)
    chosen(page, photo)
    page.locator("#layers img").nth(1).wait_for()
    assert focused(page) == "another"
    pressed(page, "#steps", "Home")
    pressed(page, "#layers button")
    page.wait_for_selector("#download:not([hidden])")
    assert page.get_attribute("#layers button >> nth=0", "aria-pressed") == "true"
    walked(page)
    still(page)
    after = pixels(page, "#canvas")
    pressed(page, "#compare", "Home")
    assert not pixels(page, "#canvas").equal(after)
    downloaded(page, "#download")
    pressed(page, "#another")
    assert focused(page) == "file"


def test_map(page: Any, coloured: Path) -> None:
    page.goto("/map")
    walked(page)
    still(page)
    chosen(page, sorted(coloured.glob("*/*.png"))[::4])
    page.wait_for_selector("#atlas:not([hidden])")
    assert focused(page) == "layer"
    to(page, "#map canvas")
    page.keyboard.press("Shift+ArrowRight")
    page.wait_for_selector("#tip:not([hidden])")
    page.keyboard.press("Enter")
    walked(page)
    still(page)
    # To its neighbour, whose neighbours are then there instead.
    before = page.inner_text("#chosen-title")
    pressed(page, "#chosen button")
    assert page.inner_text("#chosen-title") != before
    assert page.evaluate("document.activeElement.matches('#chosen li:first-child button')")
    downloaded(page, "#png")
    pressed(page, "#another")
    assert focused(page) == "file"


def test_film(page: Any, photo: Path) -> None:
    page.goto("/film")
    walked(page)
    still(page)
    pressed(page, "#size", "Home")
    pressed(page, "#fps", "Home")
    to(page, "#seconds")
    page.keyboard.type("1")
    chosen(page, photo)
    page.wait_for_selector("#run:not([disabled])")
    assert focused(page) == "run"
    places = page.locator("#track [role=slider]")
    to(page, "#track [role=slider]:last-of-type")
    page.keyboard.press("ArrowLeft")
    assert places.last.get_attribute("aria-valuenow") == "0.5"
    pressed(page, "#add")
    assert places.count() == 3
    page.keyboard.press("Delete")
    assert places.count() == 2
    pressed(page, "#layers button")
    assert "features.1" in places.first.get_attribute("aria-valuetext")
    # A key that is held a little too long does not stop what it began.
    to(page, "#run")
    for _ in range(3):
        page.keyboard.down("Enter")
    page.keyboard.up("Enter")
    page.wait_for_selector("#download:not([hidden])")
    assert page.inner_text("#state") == ""
    assert focused(page) == "run"
    walked(page)
    still(page)
    downloaded(page, "#download")
    pressed(page, "#another")
    assert focused(page) == "file"


@pytest.mark.parametrize("name", PAGES)
def test_on_a_phone_with_a_keyboard(page: Any, name: str) -> None:
    page.set_viewport_size({"width": 390, "height": 800})
    page.goto(f"/{name}")
    walked(page)
    page.reload()
    # What all pages begin with can be skipped.
    page.keyboard.press("Tab")
    assert page.evaluate("document.activeElement.getBoundingClientRect().left") > 0
    page.keyboard.press("Enter")
    page.keyboard.press("Tab")
    assert page.evaluate("document.activeElement.closest('main') !== null")


def test_who_wants_less_motion_gets_less(page: Any, photo: Path, coloured: Path) -> None:
    page.goto("/dream")
    assert page.evaluate(MOVING)
    page.emulate_media(reduced_motion="reduce")
    pressed(page, "#size", "Home")
    chosen(page, photo)
    page.wait_for_selector("#made:not([hidden])")
    # A film waits until it is played.
    pressed(page, "#film")
    page.wait_for_function("() => document.querySelector('#shown video')?.readyState === 4")
    page.wait_for_timeout(300)
    assert page.evaluate("document.querySelector('#shown video').paused")
    # The map does not glide.
    page.goto("/map")
    chosen(page, sorted(coloured.glob("*/*.png"))[::20])
    page.wait_for_selector("#atlas:not([hidden])")
    to(page, "#map canvas")
    page.keyboard.press("Shift+ArrowRight")
    page.evaluate(COUNTED)
    page.keyboard.press("Enter")
    page.wait_for_timeout(300)
    assert 1 <= page.evaluate("window.drawn") < 10
