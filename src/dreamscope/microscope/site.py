"""The site of an atlas: static pages beside its store, that need no server and no network.

A page is written whole or not at all, and only if it is another than before; pages of what is no longer there go.
"""

from __future__ import annotations

import hashlib
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from dreamscope import files
from dreamscope.errors import DreamscopeError
from dreamscope.microscope.about import KEY as ABOUT
from dreamscope.microscope.catalog import Catalog
from dreamscope.microscope.search_index import search_index
from dreamscope.microscope.store import Store
from dreamscope.microscope.views import Views, drawn
from dreamscope.pages import environment

INDEX = "index.html"
SEARCH = "search.js"
EVERY = 30.0
"""Seconds from one writing of the pages to the next, at least."""
_SHARE = 0.05
"""Of the time, what writing pages again takes at most."""

_STATIC = ("style.css", "microscope.css", "microscope.js")
_OURS = b'<meta name="generator" content="dreamscope microscope">'


@dataclass(frozen=True)
class Written:
    """What writing a site did: how many pages there are, how many were written, how many removed, and the seconds."""

    pages: int
    changed: int
    removed: int
    seconds: float


class Site:
    """The pages of an atlas.

    Parameters
    ----------
    folder
        Where to; the store lies in it.
    """

    def __init__(self, folder: str | Path) -> None:
        self.folder = Path(folder)
        self._shown: dict[str, bytes] = {}
        """Page -> a digest of what it showed when it was last written by this object."""
        self._due: float | None = None

    def write(self, store: Store) -> Written | None:
        """Write what the store holds; nothing if it does not yet say what it is of.

        Raises
        ------
        DreamscopeError
            If nothing can be written there, or the store is damaged.
        """
        if ABOUT not in store:
            return None
        started = time.monotonic()
        catalog = Catalog(store)
        views = Views(catalog)
        changed = sum(
            self._write(f"static/{name}", lambda name=name: str(environment.static(name)))  # type: ignore[misc]
            for name in _STATIC
        )
        changed += self._write(SEARCH, lambda: search_index(catalog))
        names: set[str] = set()
        for name, template, context in _pages(catalog, views):
            names.add(name)
            changed += self._page(name, template, {**context, "has_classes": bool(catalog.classes)})
        removed = self._sweep(names)
        took = time.monotonic() - started
        self._due = time.monotonic() + max(EVERY, took / _SHARE)
        return Written(len(names), changed, removed, took)

    def refresh(self, store: Store) -> None:
        """Write the pages again if they were written before, some time ago; see `write`."""
        if self._due is not None and time.monotonic() > self._due:
            self.write(store)

    def _page(self, name: str, template: str, context: dict[str, Any]) -> bool:
        shown = hashlib.sha256(repr(context).encode("utf-8", "surrogateescape")).digest()
        if self._shown.get(name) == shown and (self.folder / name).is_file():
            return False
        root = "../" * name.count("/")
        changed = self._write(
            name, lambda: environment.render_part(f"microscope/{template}", root=root, drawn=drawn, **context)
        )
        self._shown[name] = shown
        return changed

    def _write(self, name: str, make: Callable[[], str]) -> bool:
        """Write a file, unless it says the same already; return whether it was written."""
        path = self.folder / name
        # A file name may hold bytes that are no text.
        content = make().encode("utf-8", "xmlcharrefreplace")
        try:
            if path.read_bytes() == content:
                return False
        except OSError:
            pass
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise DreamscopeError(f"can't write '{path}': {error.strerror or error}") from error
        with files.written_whole(path) as temporary:
            temporary.write_bytes(content)
        return True

    def _sweep(self, names: set[str]) -> int:
        """Remove pages of this kind that belong to nothing; files that were not written here stay."""
        files.sweep(self.folder)
        removed = 0
        for part in ("layers", "classes"):
            for path in sorted((self.folder / part).rglob("*.html"), reverse=True):
                if path.relative_to(self.folder).as_posix() in names:
                    continue
                with path.open("rb") as file:
                    ours = _OURS in file.read(1024)
                if ours:
                    path.unlink()
                    removed += 1
                    if not any(path.parent.iterdir()):
                        path.parent.rmdir()
        return removed


def _pages(catalog: Catalog, views: Views) -> Iterator[tuple[str, str, dict[str, Any]]]:
    """Yield the name, the template and the context of each page; the first page last."""
    for layer, channel in catalog.every():
        yield f"layers/{layer.place}/{channel}.html", "channel", views.channel(layer.name, channel)
    for layer in catalog.layers.values():
        yield f"layers/{layer.place}/{INDEX}", "layer", views.layer(layer.name)
    for index in catalog.classes:
        yield f"classes/{index}.html", "class", views.class_(index)
    if catalog.classes:
        yield f"classes/{INDEX}", "classes", views.classes()
    yield INDEX, "index", views.index()
