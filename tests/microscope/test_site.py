"""The pages of an atlas, read and walked through in a real browser, from a folder that was moved elsewhere."""

from __future__ import annotations

import re
import shutil
from collections.abc import Callable, Iterator
from html.parser import HTMLParser
from pathlib import Path
from typing import Any
from urllib.parse import unquote, urlsplit

import colours
import pytest
from htmlpages import ENDLESS, Page
from nets import Planted

from dreamscope.engines.base import Here
from dreamscope.microscope import site as sites
from dreamscope.microscope.build import DATA, build
from dreamscope.microscope.items import activation_atlas, channel_pictures, class_pictures, layer_pictures
from dreamscope.microscope.settings import Atlas
from dreamscope.microscope.site import Site
from dreamscope.microscope.store import Store
from dreamscope.models.wrapping import wrap

HOSTILE = '<img src=x onerror=alert(1)> & "blue"\'s'
LABELS = ["green", HOSTILE, "red"]


@pytest.fixture(scope="module")
def atlas(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """An atlas of a small network, moved to another folder: photos and a class are called what is HTML."""
    folder = tmp_path_factory.mktemp("atlas")
    colours.draw(folder / "photos", 6)
    for path in sorted((folder / "photos").rglob("*.png")):
        path.rename(path.with_name(f"<b onclick='alert(1)'>{path.parent.name} #{path.stem} 100% & \"more\".png"))
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(channel_pictures, "STEPS", {"coarse": (1, 1), "fine": (1, 1)})
        patch.setattr(layer_pictures, "_DREAM", {"size": 32, "octaves": 1, "steps": 1})
        patch.setattr(layer_pictures, "_CARICATURE", {"size": 32, "steps": 1})
        patch.setattr(class_pictures, "CARE", {care: {"steps": 1, "share": 1.0} for care in ("coarse", "fine")})
        patch.setitem(activation_atlas.PICTURE, "steps", 1)
        patch.setitem(activation_atlas.PICTURE, "size", 32)
        model = wrap(Planted(), input_size=16, labels=LABELS)
        build(
            Atlas.of(model, ["conv", "act"], side=32, top=4), folder / "made", folder / "photos" / "red", engine=Here()
        )
        build(Atlas.of(model, ["conv", "act"], side=32, top=4), folder / "made", folder / "photos", engine=Here())
    yield (folder / "made").rename(folder / "moved elsewhere & on")
    shutil.rmtree(folder)


class _Links(HTMLParser):
    """All that a page refers to, and where it can be entered."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.links: list[str] = []
        self.ids: list[str] = []
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        for name, value in attrs:
            if name in ("href", "src") and value is not None:
                self.links.append(value)
            if name == "id" and value is not None:
                self.ids.append(value)


def pages_of(site: Path) -> dict[Path, _Links]:
    found = [site / "index.html", *(site / "layers").rglob("*.html"), *(site / "classes").rglob("*.html")]
    return {path.resolve(): _Links(path.read_text("utf-8")) for path in found}


def ensure_whole(site: Path) -> set[Path]:
    """Assert that all links and pictures are there, and return the pages that the first one leads to."""
    pages = pages_of(site)
    leads: dict[Path, set[Path]] = {}
    for path, page in pages.items():
        assert len(page.ids) == len(set(page.ids)), path
        leads[path] = set()
        for link in page.links:
            if link.startswith("data:"):
                continue
            parts = urlsplit(link)
            assert not parts.scheme, link
            assert not parts.netloc, link
            target = (path.parent / unquote(parts.path)).resolve() if parts.path else path
            assert target.is_file(), f"{path} -> {link}"
            assert site.resolve() in target.parents, link
            if parts.fragment:
                assert parts.fragment in pages[target].ids, link
            if target in pages:
                leads[path].add(target)
    reached, ahead = set(), [(site / "index.html").resolve()]
    while ahead:
        path = ahead.pop()
        if path not in reached:
            reached.add(path)
            ahead += leads[path]
    return reached


def test_every_link_and_picture_is_there(atlas: Path) -> None:
    reached = ensure_whole(atlas)
    assert reached == set(pages_of(atlas))
    assert len(reached) == 1 + 2 * (1 + 9) + 1 + 3


def test_pages_are_html_in_which_names_are_text(atlas: Path) -> None:
    assert "wbr" not in ENDLESS
    for path in pages_of(atlas):
        text = path.read_text("utf-8")
        assert "<img src=x" not in text
        assert "<b onclick" not in text
        assert "default-src 'none'" in text
        assert "http" not in text.replace("http-equiv", "")
        Page(text.replace("<wbr>", "").replace("<link ", "<meta "))
    assert "&lt;img src=x onerror=alert(1)&gt;" in (atlas / "classes" / "1.html").read_text("utf-8")


@pytest.mark.parametrize("kind", ["photos", "photo-views", "exemplars", "channel-pictures", "class", "wiring", "about"])
def test_half_a_store_is_half_a_site(atlas: Path, tmp_path: Path, kind: str) -> None:
    shutil.copytree(atlas, tmp_path / "site")
    with Store(tmp_path / "site" / DATA) as store:
        for key in [key for key in store if key.partition("/")[0] == kind]:
            store.drop(key)
        if kind == "about":
            assert Site(tmp_path / "site").write(store) is None
            return
        before = len(pages_of(atlas))
        Site(tmp_path / "site").write(store)
    assert ensure_whole(tmp_path / "site") == set(pages_of(tmp_path / "site"))
    # Classes are known by their own items, too; without photos there are no pages of nothing.
    assert len(pages_of(tmp_path / "site")) == before


def test_only_what_changed_is_written_and_nothing_of_others_is_removed(atlas: Path, tmp_path: Path) -> None:
    site = tmp_path / "site"
    shutil.copytree(atlas, site)
    (site / "layers" / "notes.html").write_text("<p>mine")
    (site / "layers" / "gone").mkdir()
    (site / "layers" / "gone" / "0.html").write_bytes((site / "layers" / "act" / "0.html").read_bytes())
    store, pages = Store(site / DATA), Site(site)
    first = pages.write(store)
    assert first is not None
    assert (first.changed, first.removed) == (0, 1)
    assert (site / "layers" / "notes.html").is_file()
    assert not (site / "layers" / "gone").exists()
    (site / "index.html").unlink()
    with store:
        store.drop("trust/act")
    second = pages.write(store)
    assert second is not None
    # The channels of that layer, its own page, the first page, which shows its best, and the search.
    (site / "layers" / "notes.html").unlink()
    changed = {
        path.name for path in pages_of(site) if path.read_bytes() != (atlas / path.relative_to(site)).read_bytes()
    }
    assert changed <= {f"{channel}.html" for channel in range(9)} | {"index.html"}
    assert second.changed >= 10
    assert not [path for path in site.rglob("*") if path.name.startswith(".dreamscope")]


def test_pages_are_written_again_only_when_it_is_time(
    atlas: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    store, pages, now = Store(atlas / DATA), Site(tmp_path), [0.0]
    monkeypatch.setattr(sites.time, "monotonic", lambda: now[0])
    pages.refresh(store)
    assert not (tmp_path / "index.html").exists()
    pages.write(store)
    (tmp_path / "search.js").unlink()
    now[0] = sites.EVERY - 1
    pages.refresh(store)
    assert not (tmp_path / "search.js").exists()
    now[0] = sites.EVERY + 1
    pages.refresh(store)
    assert (tmp_path / "search.js").exists()


@pytest.fixture(params=[(1440, "light"), (390, "dark")], ids=["desktop", "phone"])
def page(browser: Any, atlas: Path, request: pytest.FixtureRequest) -> Iterator[Any]:
    """The first page, opened as a file; nothing may be asked for that is no file, and nothing go wrong."""
    width, scheme = request.param
    context = browser.new_context(
        viewport={"width": width, "height": 900}, color_scheme=scheme, reduced_motion="reduce"
    )
    opened = context.new_page()
    complaints: list[str] = []
    opened.on("console", lambda message: complaints.append(message.text) if message.type == "error" else None)
    opened.on("pageerror", lambda error: complaints.append(str(error)))
    opened.on("dialog", lambda dialog: complaints.append(dialog.message))
    opened.on(
        "request",
        lambda each: None if each.url.startswith((atlas.resolve().as_uri(), "data:")) else complaints.append(each.url),
    )
    # What a page that is left has still asked for is no longer waited for.
    opened.on(
        "requestfailed", lambda each: None if "ABORTED" in each.failure else complaints.append(f"failed: {each.url}")
    )
    opened.goto((atlas / "index.html").resolve().as_uri())
    yield opened
    assert opened.evaluate("document.documentElement.scrollWidth <= innerWidth")
    context.close()
    assert complaints == []


def test_a_walk(page: Any, accessible: Callable) -> None:
    accessible(page)
    page.click("article h2 >> text=act")
    assert page.inner_text("h1") == "act"
    accessible(page)
    page.click(".tiles a[href$='act/8.html']")
    assert re.sub(r"\s", "", page.inner_text("h1")) == "act:8"
    assert "4 show red" in page.inner_text(".lead")
    accessible(page)
    page.click(".exemplars > li:nth-child(2) > a")
    photo = page.locator("dialog[open]")
    photo.wait_for()
    assert "<b onclick='alert(1)'>red" in photo.inner_text()
    page.wait_for_function("document.querySelector('dialog[open] img').naturalWidth === 16")
    accessible(page)
    page.keyboard.press("ArrowRight")
    page.locator("#exemplar-2[open]").wait_for()
    page.click("dialog[open] h2 a")
    assert page.inner_text("h1") == "red"
    accessible(page)
    assert "recognises 0 of the 6 photos" in page.inner_text(".portrait")
    page.click("#speak + .tiles a >> nth=0")
    assert re.sub(r"\s", "", page.inner_text("h1")) in ("act:8", "conv:8")
    page.click(".path a >> nth=0")
    assert page.inner_text("h1").startswith("Planted")
    page.click("header nav >> text=Classes")
    accessible(page)
    page.fill("[data-filter]", "onerror")
    assert page.locator(".tiles li:visible").count() == 1
    page.click(".tiles li:visible a")
    assert page.inner_text("h1") == HOSTILE


def test_by_keyboard_alone(page: Any) -> None:
    page.goto(page.url.replace("index.html", "layers/act/3.html"))
    page.keyboard.press("ArrowRight")
    page.wait_for_url("**/act/4.html")
    page.keyboard.press("ArrowLeft")
    page.wait_for_url("**/act/3.html")
    page.focus(".exemplars > li:first-child > a")
    page.keyboard.press("Enter")
    page.locator("#exemplar-0[open]").wait_for()
    # In a photo that is open, arrows lead to the next photo, not to the next channel.
    page.keyboard.press("ArrowRight")
    page.locator("#exemplar-1[open]").wait_for()
    page.keyboard.press("Escape")
    page.locator("#exemplar-1").wait_for(state="hidden")
    assert page.locator("dialog[open]").count() == 0
    assert page.evaluate("document.activeElement.getAttribute('href')") in ("#exemplar-0", "#exemplar-1")
    page.keyboard.press("/")
    page.keyboard.type("act:8")
    page.locator("#found .tiles a").wait_for()
    page.keyboard.press("Escape")
    assert page.is_hidden("#found")
    assert page.evaluate("document.activeElement.id") == "query"
    page.keyboard.type(" ")
    page.locator("#found .tiles a").wait_for()
    page.keyboard.press("ArrowDown")
    page.keyboard.press("Enter")
    page.wait_for_url("**/act/8.html")


def found_for(page: Any, text: str) -> dict[str, list[str]]:
    page.fill("#query", "")
    page.fill("#query", text)
    page.wait_for_function("text => !document.querySelector('#found').hidden", arg=text)
    return {
        "words": page.locator("#found .words a").all_text_contents(),
        "channels": page.locator("#found .tiles b").all_text_contents(),
    }


def test_the_search(page: Any) -> None:
    assert found_for(page, "act:8")["channels"] == ["act:8"]
    assert found_for(page, "act") == {"words": ["act"], "channels": [f"act:{channel}" for channel in range(9)]}
    red = found_for(page, "red")
    assert red["words"] == ["red"]
    assert "act:8" in red["channels"]
    assert "act:6" not in red["channels"]
    assert found_for(page, "onerror")["words"] == [HOSTILE]
    # The channels that carry nothing respond to everything: with 20 at least.
    assert sorted(found_for(page, "act mean>15")["channels"]) == [f"act:{channel}" for channel in range(6)]
    assert found_for(page, "act mean>15 mean<1") == {"words": [], "channels": []}
    assert "Nothing fits" in page.inner_text("#found")
    assert found_for(page, "act positive<0.9")["channels"] == ["act:6", "act:7", "act:8"]
    assert page.evaluate("document.querySelector('#found .tiles img').src").startswith("file:")
    page.fill("#query", "")
    assert page.is_hidden("#found")


def test_a_layer_is_sorted_and_shows_what_is_asked_for(page: Any) -> None:
    page.goto(page.url.replace("index.html", "layers/act/index.html"))
    order = ".tiles li b"
    assert page.locator(order).all_text_contents() == [str(channel) for channel in range(9)]
    page.select_option("[data-sort]", "sparse")
    assert set(page.locator(order).all_text_contents()[:3]) == {"6", "7", "8"}
    page.select_option("[data-sort]", "mean")
    assert set(page.locator(order).all_text_contents()[6:]) == {"6", "7", "8"}
    page.click(".controls >> text=from noise")
    assert page.is_hidden(".tiles li:first-child .patch")
    page.click(".controls >> text=best patch")
    assert page.is_hidden(".tiles li:first-child .drawn")
    assert page.is_visible(".tiles li:first-child .patch")


def test_the_activation_atlas_is_walked_with_arrows(page: Any) -> None:
    page.goto(page.url.replace("index.html", "layers/act/index.html"))
    cells = page.locator(".atlas a")
    assert cells.count() > 1
    assert page.locator(".atlas a[tabindex='0']").count() == 1
    cells.first.focus()
    before = page.evaluate("document.activeElement.dataset.name")
    assert re.fullmatch(r".+, \d+ patch(es)?", before)
    places = set()
    for key in ("ArrowDown", "ArrowRight", "ArrowDown", "ArrowRight"):
        page.keyboard.press(key)
        places.add(page.evaluate("document.activeElement.style.gridArea"))
    assert len(places) > 1
    page.keyboard.press("Enter")
    page.wait_for_url("**/classes/*.html")


def test_without_scripts_photos_still_open(browser: Any, atlas: Path) -> None:
    context = browser.new_context(java_script_enabled=False)
    page = context.new_page()
    page.goto((atlas / "layers" / "act" / "8.html").resolve().as_uri())
    assert page.is_hidden("#search")
    page.click(".exemplars > li:first-child > a")
    assert page.is_visible("#exemplar-0 .photo img")
    page.click("#exemplar-0 [data-close]")
    assert page.is_hidden("#exemplar-0")
    context.close()
