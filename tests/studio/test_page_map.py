from __future__ import annotations

import json
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch

from dreamscope import images

pytestmark = pytest.mark.embedded


@pytest.fixture
def folders(tmp_path: Path) -> Path:
    """Parts of the two sample photos, in a folder each."""
    random = torch.Generator().manual_seed(0)
    for name in ("china", "flower"):
        (tmp_path / "photos" / name).mkdir(parents=True)
        photo = images.at_most(images.read(f"sample:{name}"), 480)
        for number in range(4):
            top, left = (int(torch.randint(0, 80, (), generator=random)) for _ in range(2))
            images.write(photo[..., top : top + 224, left : left + 224], tmp_path / "photos" / name / f"{number}.jpg")
    return tmp_path / "photos"


def drawn(page: Any) -> str:
    """Return the map's pixels, as text: there are many."""
    page.wait_for_timeout(200)
    found: str = page.evaluate("document.querySelector('#map canvas').toDataURL()")
    return found


def test_folders_are_laid_out_flown_through_and_taken_home(
    page: Any, folders: Path, tmp_path: Path, accessible: Callable[[Any], None]
) -> None:
    page.goto("/map")
    accessible(page)
    page.set_input_files("#folder", folders)
    page.wait_for_selector("#atlas:not([hidden])")
    assert re.sub(r"\s+", " ", page.text_content("#keys span")).strip() in ("china 4flower 4", "flower 4china 4")
    assert "100% of the photos" in page.text_content("#agreement")
    canvas = page.locator("#map canvas")
    whole = drawn(page)
    assert len(whole) > 20_000
    # With the keyboard from photo to photo: it is shown large, with those nearest to it, of its own kind first.
    canvas.focus()
    page.keyboard.press("Shift+ArrowRight")
    page.wait_for_selector("#tip:not([hidden])")
    chosen = page.text_content("#chosen p")
    kind = "china" if "china" in chosen else "flower"
    assert page.locator("#chosen ol small").all_text_contents()[:3] == [kind] * 3
    assert page.locator("#tip div img").count() == 5
    accessible(page)
    page.click("#chosen ol button >> nth=0")
    page.wait_for_timeout(600)
    assert drawn(page) != whole
    # Colours may mean what the network takes them for.
    page.select_option("#keys select", "answer")
    assert "china" not in page.text_content("#keys span")
    with page.expect_download() as download:
        page.click("#page")
    download.value.save_as(tmp_path / "map.html")
    text = (tmp_path / "map.html").read_text("utf-8")
    (data,) = re.findall(r'id="points">(.*?)</script>', text, flags=re.DOTALL)
    assert len(json.loads(data)["points"]) == 8
    assert "dreamscope-studio" not in text
    assert str(tmp_path) not in text
    with page.expect_download() as download:
        page.click("#png")
    download.value.save_as(tmp_path / "map.png")
    assert images.size_of(images.read(tmp_path / "map.png")).width > 500
    # The page stands alone.
    alone = page.context.new_page()
    wanted: list[str] = []
    alone.on("request", lambda request: wanted.append(request.url))
    alone.goto(f"file://{tmp_path / 'map.html'}")
    assert len(drawn(alone)) > 20_000
    assert [url for url in wanted if not url.startswith("data:")] == [f"file://{tmp_path / 'map.html'}"]
    accessible(alone)


def test_another_layer_lays_them_out_anew_and_too_few_are_too_few(page: Any, folders: Path) -> None:
    page.goto("/map")
    photos = sorted(folders.glob("*/*.jpg"))
    page.set_input_files("#file", photos[:3])
    page.locator("#message", has_text="4 photos or more").wait_for()
    page.set_input_files("#file", photos[3:5])
    page.wait_for_selector("#atlas:not([hidden])")
    # Without folders colours can only mean answers.
    assert page.is_hidden("#keys label")
    before = drawn(page)
    page.select_option("#layer", "blocks.1.0")
    page.wait_for_selector("#stop:not([hidden])")
    page.wait_for_selector("#run:not([hidden])")
    assert drawn(page) != before
