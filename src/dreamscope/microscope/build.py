"""Build an atlas: what is missing in a store is made, and what is there stays."""

from __future__ import annotations

import time
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from dreamscope.engines.base import Engine, Failure
from dreamscope.engines.local import Local
from dreamscope.microscope.items import channel_pictures, exemplars
from dreamscope.microscope.items.base import Item
from dreamscope.microscope.items.kinds import Maker, Order
from dreamscope.microscope.photo_pass import KEY as PHOTOS
from dreamscope.microscope.photo_pass import PhotoPass
from dreamscope.microscope.photo_statistics import SHARD, PhotoStatistics
from dreamscope.microscope.settings import Atlas
from dreamscope.microscope.store import Store
from dreamscope.photos import Source, find
from dreamscope.progress import Callback, reported

DATA = "data"
"""The store's folder in a site."""


@dataclass
class Built:
    """What a build did.

    Attributes
    ----------
    folder : Path
        The site.
    made, kept : int
        Items that were made, and that were there.
    failed : dict of str to str
        Items of which nothing could be made, and why.
    seconds : float
        What it took.
    """

    folder: Path
    made: int = 0
    kept: int = 0
    failed: dict[str, str] = field(default_factory=dict)
    seconds: float = 0.0


def build(
    atlas: Atlas,
    folder: str | Path,
    photos: Source | Sequence[Source] = (),
    *,
    engine: Engine | None = None,
    callback: Callback | None = None,
    progress: bool = False,
) -> Built:
    """Make what is missing of an atlas.

    Parameters
    ----------
    atlas
        What it is of.
    folder
        The site, which holds the store; made if there is none.
    photos
        Folders, photos, labels files or archives; without any, there are no exemplars.
    engine
        Where the work is done; in a process for each processor of this machine if not given.
    callback
        ``callback(stage, done, total)``.
    progress
        Show a bar.

    Raises
    ------
    DreamscopeError
        If nothing can be written there, no photo can be read, or another process builds the same.
    """
    started = time.monotonic()
    engine = Local() if engine is None else engine
    built = Built(Path(folder))
    with reported(callback, progress=progress) as report, Store(built.folder / DATA) as store:
        _Build(atlas, store, engine, report, built).run([photos] if isinstance(photos, str | Path) else photos)
    built.seconds = time.monotonic() - started
    return built


@dataclass
class _Build:
    atlas: Atlas
    store: Store
    engine: Engine
    report: Callback | None
    built: Built

    def run(self, photos: Sequence[Source]) -> None:
        wanted: set[str] = set()
        statistics = self._photos(photos) if photos else None
        if statistics is not None:
            wanted.add(PHOTOS)
            wanted |= self._make("exemplars", exemplars.items(self.atlas, statistics))
        wanted |= self._make("pictures of channels", channel_pictures.items(self.atlas, "coarse"))
        for key in [key for key in self.store if key not in wanted]:
            self.store.drop(key)
        self.store.tidy()

    def _photos(self, sources: Sequence[Source]) -> PhotoStatistics:
        found = find(sources)
        parts = [found[start : start + SHARD] for start in range(0, len(found), SHARD)]
        return PhotoPass(self.atlas.model, self.atlas.network, self.atlas.layers, self.atlas.top, lambda: parts).run(
            self.store, self.engine, self.report
        )

    def _make(self, stage: str, items: Iterable[Item]) -> set[str]:
        """Make what is missing of some items; return the keys of all of them."""
        listed = list(items)
        digests: dict[str, str] = {}
        for item in listed:
            needed = {key: self.store[key].digest for key in item.needs}
            digests[item.key] = item.digest(self.atlas.network, needed)
        missing = [item for item in listed if self.store.digest(item.key) != digests[item.key]]
        self.built.kept += len(listed) - len(missing)

        def orders() -> Iterator[Order]:
            for item in missing:
                yield Order(item, {key: self.store.numbers(key) for key in item.needs})

        maker = Maker(self.atlas.model, self.atlas.layers)
        for done, (order, made) in enumerate(self.engine.run(maker, orders()), 1):
            if isinstance(made, Failure):
                self.built.failed[order.item.key] = made.message
            else:
                self.store.add(order.item.key, digests[order.item.key], made)
                self.built.made += 1
            if self.report is not None:
                self.report(stage, done, len(missing))
        return {item.key for item in listed}
