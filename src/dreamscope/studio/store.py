"""The store: what was found out about a network, on disk for all visitors, until it is the oldest.

Nothing in it is of a visitor: it holds pictures from noise, and which photos of the studio's own excite a channel.
"""

from __future__ import annotations

import hashlib
import json
import os
import threading
from collections.abc import Callable
from functools import cached_property
from pathlib import Path
from typing import Any

from dreamscope import __version__, files
from dreamscope.errors import DreamscopeError
from dreamscope.models.classifier import Classifier
from dreamscope.sheets.cell_cache import digest_of

MOST_BYTES = 2**30
"""Of all files together, of all networks; what nobody looked at for longest goes first."""


class Store:
    """Files about one network, found again by what they are of.

    Parameters
    ----------
    model
        The network. Another one, or the same with other weights, has other files.
    """

    def __init__(self, model: Classifier) -> None:
        self._model = model
        self._lock = threading.Lock()
        self._tidied = False

    @property
    def folder(self) -> Path:
        """Where they are, in the cache folder."""
        return files.cache_folder() / "studio"

    def find(self, kind: str, suffix: str, **what: Any) -> Path | None:
        """Return the file of a kind, such as ``picture``, about something; ``None`` if it was not made yet."""
        path = self._path(kind, suffix, what)
        try:
            # What is looked at stays longest.
            os.utime(path)
        except OSError:
            return None
        return path

    def keep(self, kind: str, suffix: str, write: Callable[[Path], Any], **what: Any) -> Path | None:
        """Write a file, whole or not at all.

        Parameters
        ----------
        kind, suffix
            What it is, such as ``picture`` and ``.png``.
        write
            Called with a path.
        what
            All that decides how it looks, as JSON can hold it.

        Returns
        -------
        Path or None
            ``None`` if nothing can be written there: it is made again the next time.
        """
        path = self._path(kind, suffix, what)
        try:
            self.folder.mkdir(parents=True, exist_ok=True)
            self._tidy()
            with files.written_whole(path) as temporary:
                write(temporary)
        except (OSError, DreamscopeError):
            return None
        return path

    @cached_property
    def _network(self) -> str:
        return digest_of(self._model)

    def _path(self, kind: str, suffix: str, what: dict[str, Any]) -> Path:
        with self._lock:
            network = self._network
        content = json.dumps(
            [__version__, network, self._model.source, kind, what], sort_keys=True, default=str
        ).encode()
        return self.folder / f"{kind}-{hashlib.sha256(content).hexdigest()[:32]}{suffix}"

    def _tidy(self) -> None:
        """Remove the oldest once, if there are too many of earlier days."""
        with self._lock:
            if self._tidied:
                return
            self._tidied = True
        found = [(path, path.stat()) for path in self.folder.iterdir() if path.is_file()]
        room = MOST_BYTES
        for path, facts in sorted(found, key=lambda each: each[1].st_mtime, reverse=True):
            room -= facts.st_size
            if room < 0:
                path.unlink(missing_ok=True)
