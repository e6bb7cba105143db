"""A real browser, for the tests of all pages."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterator
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
    """Assert that axe-core finds nothing wrong with a page."""

    def check(page: Any) -> None:
        from axe_playwright_python.sync_playwright import Axe

        # Of stylesheets it would ask the page's own address, which a page that may connect to nothing does not let it.
        found = Axe().run(page, options={"preload": False})
        assert found.violations_count == 0, found.generate_report()

    return check
