"""A real browser, for the tests of all pages."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterator
from itertools import product
from typing import Any

import pytest

BROWSER = next(
    (found for name in ("chromium", "chromium-browser", "google-chrome") if (found := shutil.which(name))), None
)
INSTALL = "no Chromium to look at the pages with: apt-get install chromium"


@pytest.fixture(scope="session")
def browser() -> Iterator[Any]:
    """Debian's Chromium, driven by Playwright."""
    if BROWSER is None:
        pytest.skip(INSTALL)
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        options = ["--no-sandbox", "--use-fake-device-for-media-stream", "--use-fake-ui-for-media-stream"]
        opened = playwright.chromium.launch(executable_path=BROWSER, args=options)
        yield opened
        opened.close()


@pytest.fixture
def accessible() -> Callable[[Any], None]:
    """Assert that axe-core finds nothing wrong with a page, by day and by night, on a desk and on a phone."""

    def check(page: Any) -> None:
        from axe_playwright_python.sync_playwright import Axe

        size = page.viewport_size
        for scheme, width in product(("dark", "light"), (390, 1440)):
            page.emulate_media(color_scheme=scheme)
            page.set_viewport_size({"width": width, "height": size["height"]})
            # It would ask for stylesheets once more, which a page that may connect to nothing does not let it.
            found = Axe().run(page, options={"preload": False})
            assert found.violations_count == 0, f"{scheme}, {width} pixels: {found.generate_report()}"
        page.emulate_media(color_scheme="null")
        page.set_viewport_size(size)

    return check
