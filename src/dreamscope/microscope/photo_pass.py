"""One pass over any number of photos, in parts that workers make side by side, merged in the photos' order.

So the numbers are the same whatever the workers. What a part says is kept on disk until it is merged, and what was
merged so far now and then: a pass that was killed goes on behind the last part that it finished.
"""

from __future__ import annotations

import hashlib
import os
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from itertools import islice
from pathlib import Path

from dreamscope import archives
from dreamscope.engines.base import Engine, Failure, Work
from dreamscope.errors import DreamscopeError
from dreamscope.microscope.items.base import Made
from dreamscope.microscope.photo_statistics import PhotoStatistics
from dreamscope.microscope.store import Store
from dreamscope.photos import Photo
from dreamscope.progress import Callback

KEY = "photos"
LARGEST = 4096
"""Photos of a part at most."""
_SHARE = 16
CHECKPOINT = 16
"""Parts after which what was merged is written."""

Shards = Callable[[], Iterable[Sequence[Photo]]]
"""Called to walk through the photos from the first on: the parts, in an order that is always the same."""


def growing(shards: Iterable[Sequence[Photo]]) -> Iterator[Sequence[Photo]]:
    """Yield photos in parts that grow as there are more: a sixteenth of those before, up to `LARGEST`.

    Of few photos each worker gets some; of many, whoever merges the parts has to keep up with all workers.
    """
    part: list[Photo] = []
    before = 0
    for shard in shards:
        part += shard
        if len(part) >= min(before // _SHARE, LARGEST):
            yield part
            before += len(part)
            part = []
    if part:
        yield part


@dataclass(frozen=True)
class Part:
    """Some photos that follow one another.

    Attributes
    ----------
    number : int
        Of the part, from 0.
    first : int
        The number of the first photo.
    photos : sequence of Photo
        The photos.
    digest : str
        Of these photos and of all before them.
    """

    number: int
    first: int
    photos: Sequence[Photo]
    digest: str


@dataclass
class PhotoPass:
    """What one pass is about.

    Attributes
    ----------
    work : Work
        What an engine's workers begin with: given a `Part` they return its `PhotoStatistics`.
    network : str
        A digest of the network.
    widths : Mapping of str to int
        The layers and their numbers of channels.
    top : int
        Photos kept for each channel.
    shards : callable
        See `Shards`.
    root : Path
        The folder that all photos lie in: what is kept names them from there on, so that both can be moved.
    """

    work: Work
    network: str
    widths: Mapping[str, int]
    top: int
    shards: Shards
    root: Path

    def run(self, store: Store, engine: Engine, callback: Callback | None = None) -> PhotoStatistics:
        """Go through all photos, or through those that were not gone through before.

        Raises
        ------
        DreamscopeError
            If there is no photo that can be read, or a part can't be worked on.
        """
        merged, number, parts = self._resumed(store)
        ready: set[int] = set()
        last = store[KEY].digest if number else None

        def missing() -> Iterator[Part]:
            nonlocal last
            for part in parts:
                last = part.digest
                if store.digest(_key(part.number)) == part.digest:
                    ready.add(part.number)
                else:
                    yield part

        def merge_ready() -> None:
            nonlocal number
            while number in ready:
                ready.remove(number)
                merged.merge(PhotoStatistics.of_numbers(store.numbers(_key(number)), self.root))
                digests[number] = store[_key(number)].digest
                number += 1
                if number % CHECKPOINT == 0:
                    self._keep(store, merged, number, digests[number - 1], done=False)

        digests: dict[int, str] = {}
        for part, found in engine.run(self.work, missing()):
            if isinstance(found, Failure):
                raise DreamscopeError(f"photos from '{part.photos[0].path.name}' on: {found.message}")
            store.add(_key(part.number), part.digest, Made(found.numbers(self.root)), brief=True)
            ready.add(part.number)
            merge_ready()
            if callback is not None:
                callback("photos", merged.count, 0)
        merge_ready()
        if not merged.count:
            reason = next(iter(merged.unreadable.values()), "none were given")
            raise DreamscopeError(f"no photo can be read: {reason}")
        if last is not None and not (KEY in store and store[KEY].facts["done"] and store[KEY].digest == last):
            self._keep(store, merged, number, last, done=True)
        return merged

    def _parts(self) -> Iterator[Part]:
        chain = hashlib.sha256(repr((self.network, dict(self.widths), self.top)).encode())
        first = 0
        for number, photos in enumerate(self.shards()):
            for photo in photos:
                about = (os.path.relpath(photo.path, self.root), photo.label, _changed(archives.holder(photo.path)))
                chain.update(repr(about).encode("utf-8", "surrogateescape"))
            yield Part(number, first, photos, chain.hexdigest()[:32])
            first += len(photos)

    def _resumed(self, store: Store) -> tuple[PhotoStatistics, int, Iterator[Part]]:
        """Return what was merged before, the number of its parts, and the parts that follow."""
        if KEY in store:
            number, parts = int(store[KEY].facts["shards"]), self._parts()
            # The digest of a part is one of all before it, too: the same one means the same photos.
            if [part.digest for part in islice(parts, number - 1, number)] == [store[KEY].digest]:
                return PhotoStatistics.of_numbers(store.numbers(KEY), self.root), number, parts
        return PhotoStatistics(dict(self.widths), self.top), 0, self._parts()

    def _keep(self, store: Store, merged: PhotoStatistics, number: int, digest: str, *, done: bool) -> None:
        store.add(
            KEY, digest, Made(merged.numbers(self.root), facts={"shards": number, "count": merged.count, "done": done})
        )
        for key in [key for key in store if key.startswith(f"{_PARTS}/")]:
            if done or int(key.partition("/")[2]) < number:
                store.drop(key)


@lru_cache(64)
def _changed(path: Path) -> tuple[int, int] | None:
    """Return the size of a file and when it was changed, ``None`` if it is not there. Of an archive, many ask."""
    try:
        facts = path.stat()
    except OSError:
        return None
    return facts.st_size, facts.st_mtime_ns


_PARTS = "photo-parts"


def _key(number: int) -> str:
    return f"{_PARTS}/{number:09}"
