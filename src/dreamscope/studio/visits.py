"""Visits: what one visitor has brought and made, in a folder of its own that goes when the visit ends."""

from __future__ import annotations

import secrets
import shutil
import tempfile
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from dreamscope.errors import DreamscopeError

MOST_VISITS = 64
"""Visits at a time."""

MOST_KEPT = 1000
"""Files of one visit; the oldest of what was made go first."""


@dataclass(frozen=True)
class Kept:
    """A file of a visit.

    Attributes
    ----------
    name : str
        What the browser calls it; nobody can guess it.
    path : Path
        Where it is.
    title : str
        What a download of it is called.
    facts : dict
        What else pages show of it.
    """

    name: str
    path: Path
    title: str
    facts: dict[str, Any] = field(default_factory=dict)


class Visit:
    """What one visitor has brought and made.

    Attributes
    ----------
    name : str
        The secret that its cookie holds.
    folder : Path
        Where its files are.
    admitted : bool
        Whether the password was given.
    state : dict
        What a page keeps from one job to the next, by the page's name.
    """

    def __init__(self, folder: Path) -> None:
        self.name = secrets.token_urlsafe(32)
        self.folder = folder
        self.admitted = False
        self.state: dict[str, Any] = {}
        self.connections = 0
        self.seen = time.monotonic()
        self._kept: dict[str, Kept] = {}
        self._lock = threading.Lock()

    def keep(self, title: str, write: Callable[[Path], Any], **facts: Any) -> Kept:
        """Write a file of this visit.

        Parameters
        ----------
        title
            What it is called, with a suffix.
        write
            Called with the path.
        facts
            What else pages show of it.
        """
        name = secrets.token_urlsafe(12)
        # A folder for each, so that a recipe names what went in as its owner does.
        (self.folder / name).mkdir()
        path = self.folder / name / title
        try:
            write(path)
        except BaseException:
            shutil.rmtree(path.parent, ignore_errors=True)
            raise
        kept = Kept(name, path, title, facts)
        with self._lock:
            self._kept[name] = kept
            while len(self._kept) > MOST_KEPT:
                oldest = self._kept.pop(next(iter(self._kept)))
                shutil.rmtree(oldest.path.parent, ignore_errors=True)
        return kept

    def drop(self, kept: Kept) -> None:
        """Remove a file."""
        with self._lock:
            self._kept.pop(kept.name, None)
        shutil.rmtree(kept.path.parent, ignore_errors=True)

    def find(self, name: Any) -> Kept:
        """Return a file of this visit; raise a `DreamscopeError` if there is none of that name."""
        with self._lock:
            kept = self._kept.get(name) if isinstance(name, str) else None
        if kept is None:
            raise DreamscopeError("no such picture in this visit; it may have ended: load the page again")
        return kept

    @property
    def kept(self) -> list[Kept]:
        """All files, the oldest first."""
        with self._lock:
            return list(self._kept.values())


class Visits:
    """All visits, by the secret in their cookies.

    Parameters
    ----------
    grace
        Seconds from the last page that was closed until a visit ends.
    """

    def __init__(self, grace: float) -> None:
        self.grace = grace
        self._root = Path(tempfile.mkdtemp(prefix="dreamscope-studio-"))
        self._all: dict[str, Visit] = {}

    @property
    def all(self) -> list[Visit]:
        """Those that have not ended."""
        return list(self._all.values())

    def find(self, name: str | None) -> Visit | None:
        """Return the visit of a cookie, or ``None`` if there is none or it has ended."""
        visit = self._all.get(name or "")
        if visit is not None:
            visit.seen = time.monotonic()
        return visit

    def begin(self) -> Visit:
        """Begin a visit; raise a `DreamscopeError` if there are too many."""
        self.sweep()
        if len(self._all) >= MOST_VISITS:
            raise DreamscopeError(f"{MOST_VISITS} people are here already; try again in a while")
        visit = Visit(Path(tempfile.mkdtemp(dir=self._root)))
        self._all[visit.name] = visit
        return visit

    def sweep(self) -> None:
        """End the visits whose pages were all closed long enough ago."""
        now = time.monotonic()
        for name, visit in list(self._all.items()):
            if not visit.connections and now - visit.seen >= self.grace:
                del self._all[name]
                visit.state.clear()
                shutil.rmtree(visit.folder, ignore_errors=True)

    def close(self) -> None:
        """End all of them."""
        self._all.clear()
        shutil.rmtree(self._root, ignore_errors=True)
