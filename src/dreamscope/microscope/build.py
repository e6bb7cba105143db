"""Build an atlas: what is missing in a store is made, and what is there stays.

First everything in a coarse form, so that there is soon something to look at, then in a finer one.
"""

from __future__ import annotations

import os
import random
import time
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from itertools import chain, zip_longest
from pathlib import Path

from dreamscope.engines.base import Engine, Failure
from dreamscope.engines.choose import engine as named_engine
from dreamscope.engines.local import Local
from dreamscope.microscope import about
from dreamscope.microscope.items import (
    activation_atlas,
    channel_pictures,
    class_channels,
    class_effects,
    class_pictures,
    classes,
    exemplars,
    layer_pictures,
    photo_views,
    trust,
    wiring,
)
from dreamscope.microscope.items.base import Item, Numbers
from dreamscope.microscope.items.kinds import Maker, Order
from dreamscope.microscope.photo_pass import KEY as PHOTOS
from dreamscope.microscope.photo_pass import PhotoPass, growing
from dreamscope.microscope.photo_statistics import PhotoStatistics
from dreamscope.microscope.settings import SIDE, TOP, Atlas
from dreamscope.microscope.site import Site
from dreamscope.microscope.store import Store
from dreamscope.models.classifier import Classifier
from dreamscope.photos import Source, absolute, shards
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
    left : int
        Items that there was no time for, or that are there in a coarse form only.
    failed : dict of str to str
        Items of which nothing could be made, and why.
    checked : int
        Items that were made once more, to be compared.
    differing : dict of str to str
        Those that came out otherwise, and how.
    seconds : float
        What it took.
    """

    folder: Path
    made: int = 0
    kept: int = 0
    left: int = 0
    failed: dict[str, str] = field(default_factory=dict)
    checked: int = 0
    differing: dict[str, str] = field(default_factory=dict)
    seconds: float = 0.0


def build(
    atlas: Atlas,
    folder: str | Path,
    photos: Source | Sequence[Source] = (),
    *,
    engine: Engine | None = None,
    budget: float | None = None,
    verify: int = 0,
    callback: Callback | None = None,
    progress: bool = False,
) -> Built:
    """Make what is missing of an atlas, and its pages, which are written now and then meanwhile.

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
    budget
        Seconds after which nothing more is begun; as long as it takes if not given.
    verify
        Items to be made once more at the end, drawn at random, and compared with what is there.
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
    until = None if budget is None else started + budget
    with reported(callback, progress=progress) as report, Store(built.folder / DATA) as store, engine:
        builder = _Builder(atlas, store, engine, report, built, until)
        builder.run([photos] if isinstance(photos, str | Path) else photos)
        builder.site.write(store)
        builder.verify(verify)
    built.seconds = time.monotonic() - started
    return built


def microscope(
    model: Classifier,
    out: str | Path,
    photos: Source | Sequence[Source] = (),
    *,
    layers: str | Sequence[str] | None = None,
    size: int = SIDE,
    top: int = TOP,
    engine: str | Engine = "local",
    address: str | None = None,
    workers: int | None = None,
    budget: float | None = None,
    verify: int = 0,
    callback: Callback | None = None,
    progress: bool = False,
) -> Built:
    """Make an atlas of a classifier: a site to browse, of every channel of some layers and of every class.

    A second call goes on where one before ended, and makes nothing that is there already.

    Parameters
    ----------
    model
        The classifier.
    out
        The site's folder; open its ``index.html``.
    photos
        Folders, photos, labels files or archives; without any, there are only pictures from noise.
    layers
        Layers or globs; the network's blocks if not given.
    size
        Pixels of a channel's picture, 32 to 1024.
    top
        Photos for each channel, 1 to 100.
    engine
        Where the work is done: ``local``, in processes of this machine; ``ray``, on a Ray cluster; ``here``, in this
        process; or an engine of your own.
    address
        Of the Ray cluster; one of this machine if not given.
    workers
        Processes; one for each processor, or as many as the cluster has places for, if not given.
    budget
        Seconds after which nothing more is begun; as long as it takes if not given.
    verify
        Items to be made once more at the end, drawn at random, and compared with what is there.
    callback
        ``callback(stage, done, total)``.
    progress
        Show a bar.

    Raises
    ------
    DreamscopeError
        If a layer or a number is invalid, nothing can be written there, no photo can be read, or another process builds
        the same.
    """
    where = named_engine(engine, workers=workers, address=address) if isinstance(engine, str) else engine
    atlas = Atlas.of(model, layers, side=size, top=top)
    return build(atlas, out, photos, engine=where, budget=budget, verify=verify, callback=callback, progress=progress)


@dataclass
class _Builder:
    atlas: Atlas
    store: Store
    engine: Engine
    report: Callback | None
    built: Built
    until: float | None
    wanted: set[str] = field(default_factory=set)
    there: dict[str, Item] = field(default_factory=dict)

    @cached_property
    def site(self) -> Site:
        return Site(self.built.folder)

    def run(self, photos: Sequence[Source]) -> None:
        atlas = self.atlas
        self.wanted.add(about.KEY)
        about.keep(atlas, [absolute(Path(source)).name for source in photos], self.store)
        statistics = self._photos(photos) if photos else None
        if statistics is not None:
            self._make("exemplars", exemplars.items(atlas, statistics))
            self._make("photos that are shown", photo_views.items(statistics))
            # Photos may have other numbers than before.
            self._drop_unwanted(f"{photo_views.KIND}/")
        # From here on what photos say and what is shown of them belong together.
        self.site.write(self.store)
        coarse, fine = (list(channel_pictures.items(atlas, care)) for care in ("coarse", "fine"))
        pictures = self._make("pictures of channels", coarse, fine)
        self._make("pictures of layers", layer_pictures.items(atlas))
        effects: list[str] = []
        if statistics is not None:
            effects = self._make("what channels mean to classes", class_effects.items(atlas, statistics))
            if effects:
                self._make("channels of classes", [class_channels.item(effects)])
            self._make("what channels are fed by", wiring.items(atlas, statistics, effects))
            self._make("trust in pictures", trust.items(atlas, statistics, pictures))
        both = [list(class_pictures.items(atlas, statistics, care)) for care in ("coarse", "fine")]
        self._make("pictures of classes", *both)
        if statistics is not None:
            if effects:
                self._make("classes", classes.items(atlas, statistics))
            self._make("activation atlases", activation_atlas.items(atlas, statistics, effects))
        self._make("finer pictures of channels", _by_turns(fine))
        self._make("finer pictures of classes", both[1])
        if statistics is not None:
            self._make("trust in pictures", trust.items(atlas, statistics, pictures))
        self._drop_unwanted("")
        self.store.tidy()

    def verify(self, count: int) -> None:
        """Make some items once more, drawn at random, and compare them with what is there."""
        drawn = random.sample(sorted(self.there), min(count, len(self.there)))
        orders = self._orders(self.there[key] for key in drawn)
        for order, made in self.engine.run(self._maker, orders):
            self.built.checked += 1
            different = made.message if isinstance(made, Failure) else self.store.differs(order.item.key, made)
            if different is not None:
                self.built.differing[order.item.key] = different
            if self.report is not None:
                self.report("made once more", self.built.checked, len(drawn))

    def _drop_unwanted(self, prefix: str) -> None:
        for key in [key for key in self.store if key.startswith(prefix) and key not in self.wanted]:
            self.store.drop(key)

    def _photos(self, sources: Sequence[Source]) -> PhotoStatistics:
        self.wanted.add(PHOTOS)
        atlas, root = self.atlas, Path(os.path.commonpath([_folder_of(Path(each)) for each in sources]))
        gone_through = PhotoPass(
            self._maker, atlas.network, atlas.widths, atlas.top, lambda: growing(shards(sources)), root
        )
        return gone_through.run(self.store, self.engine, self.report)

    @cached_property
    def _maker(self) -> Maker:
        # The same for all stages, so that workers need not begin again with each.
        return Maker(self.atlas.model, self.atlas.layers, self.atlas.top)

    def _make(self, stage: str, items: Iterable[Item], finer: Iterable[Item] = ()) -> list[str]:
        """Make what is missing of some items, unless a finer form of it is there; return the keys of what is there."""
        listed = list(items)
        self.wanted |= {item.key for item in listed}
        # What is needed but could not be made is needed in vain: so is what needs it.
        listed = [item for item in listed if all(key in self.store for key in item.needs)]
        digests = {item.key: self._digest(item) for item in listed}
        good = {item.key: {self._digest(item)} for item in finer if all(key in self.store for key in item.needs)}
        missing = [
            item
            for item in listed
            if self.store.digest(item.key) not in {digests[item.key]} | good.get(item.key, set())
        ]
        self.built.kept += len(listed) - len(missing)
        done = 0
        for order, made in self.engine.run(self._maker, self._orders(missing)):
            done += 1
            if isinstance(made, Failure):
                self.built.failed[order.item.key] = made.message
            else:
                self.store.add(order.item.key, digests[order.item.key], made)
                self.built.made += 1
            self.site.refresh(self.store)
            if self.report is not None:
                self.report(stage, done, len(missing))
        self.built.left += len(missing) - done
        self.there |= {item.key: item for item in listed if self.store.digest(item.key) == digests[item.key]}
        return [item.key for item in listed if item.key in self.store]

    def _digest(self, item: Item) -> str:
        return item.digest(self.atlas.network, {key: self.store[key].digest for key in item.needs})

    def _orders(self, items: Iterable[Item]) -> Iterator[Order]:
        for item in items:
            if self.until is not None and time.monotonic() > self.until:
                return
            yield Order(item, {key: self._needed(key, item) for key in item.needs})

    def _needed(self, key: str, item: Item) -> Numbers:
        numbers = self.store.numbers(key)
        return {**numbers, **self.store.pictures(key)} if item.sees else numbers


def _folder_of(source: Path) -> Path:
    # Links are kept, and "..", which may lead elsewhere through a link, is not.
    place = absolute(source)
    return place if source.is_dir() else place.parent


def _by_turns(items: Sequence[Item]) -> list[Item]:
    """Return items of layers in turns, of the last layer first: time may be up before all are made."""
    by_layer: dict[str, list[Item]] = {}
    for item in items:
        by_layer.setdefault(item.settings["layer"], []).append(item)
    turns = zip_longest(*reversed(by_layer.values()))
    return [item for item in chain.from_iterable(turns) if item is not None]
