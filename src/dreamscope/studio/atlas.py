"""Pictures of channels that the studio shares with an atlas: what one of them has made, the other does not make."""

from __future__ import annotations

import io
import logging
import threading
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from PIL import Image
from torch import Tensor

from dreamscope import images
from dreamscope.errors import DreamscopeError
from dreamscope.microscope import about
from dreamscope.microscope.build import DATA
from dreamscope.microscope.items import channel_pictures
from dreamscope.microscope.items.base import Item, Made
from dreamscope.microscope.items.bench import Bench
from dreamscope.microscope.settings import Atlas
from dreamscope.microscope.store import LockedError, Store
from dreamscope.models.addresses import Address
from dreamscope.models.classifier import Classifier
from dreamscope.optimize.ascent import Step
from dreamscope.studio.jobs import Job

_SIGN = "most"
_SILENT = "nothing that was tried excites it; exemplars show whether any photo does"
_log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Picture:
    """What a channel asks for: (1, 3, H, W) in [0, 1], and whether nothing that was tried excites it."""

    image: Tensor
    silent: bool

    @property
    def gray(self) -> str:
        """Why it shows nothing; empty if something is seen."""
        return _SILENT if self.silent else ""


@dataclass(frozen=True)
class _Plan:
    """What an atlas has of channels, or is to have.

    Attributes
    ----------
    of : str or None
        The digest of what the store is of; ``None`` before it begins.
    atlas : Atlas
        That.
    bench : Bench
        What items are made with.
    items : dict
        By layer, those of the same channels together.
    """

    of: str | None
    atlas: Atlas
    bench: Bench
    items: dict[str, list[tuple[Item, ...]]]

    @classmethod
    def made(cls, of: str | None, atlas: Atlas) -> _Plan:
        items: dict[str, list[tuple[Item, ...]]] = {}
        for forms in zip(*(channel_pictures.items(atlas, care) for care in ("coarse", "fine")), strict=True):
            if forms[0].settings["sign"] == _SIGN:
                items.setdefault(forms[0].settings["layer"], []).append(forms)
        return cls(of, atlas, Bench(atlas.model, atlas.layers), items)

    def forms(self, address: Address) -> Sequence[Item] | None:
        """Return the coarse and the fine item of a channel; ``None`` if it is none, or not of the atlas."""
        found = self.items.get(address.layer)
        return found[_channel(address) // channel_pictures.AT_ONCE] if found and _is_channel(address) else None

    def holds(self, store: Store, forms: Iterable[Item]) -> bool:
        """Return whether one of some items is there as it would be made."""
        return any(store.digest(item.key) == item.digest(self.atlas.network, {}) for item in forms)


class AtlasPictures:
    """The pictures of channels in an atlas, read and added to; called from any thread.

    A whole item is made at a time, as a build would make it. Nobody is kept from building: the store is locked only
    while an item is written, and nothing is made for it while a build writes there.

    Parameters
    ----------
    model
        The network.
    site
        The folder of the atlas; with the first picture one of all blocks begins, if there is none.

    Raises
    ------
    DreamscopeError
        If it is an atlas of another network, or can't be read.
    """

    def __init__(self, model: Classifier, site: str | Path) -> None:
        if Path(site).exists() and not Path(site).is_dir():
            raise DreamscopeError(f"no atlas in '{site}': it is a file; give a folder")
        self._model, self._store = model, Store(Path(site) / DATA)
        self._lock = threading.Lock()
        self._plan: _Plan | None = None
        self._broken = False
        self._settle()

    def find(self, addresses: Iterable[Address]) -> dict[Address, Picture]:
        """Return the pictures of channels that the atlas has."""
        with self._lock:
            plan = self._current()
            found = {} if plan is None else {address: self._read(plan, address) for address in addresses}
        return {address: picture for address, picture in found.items() if picture is not None}

    def takes(self, layer: str) -> bool:
        """Return whether pictures of a layer's channels can be added now."""
        with self._lock:
            plan = self._current()
            return plan is not None and layer in plan.items and not (self._broken or self._store.locked)

    def make(self, address: Address, job: Job, *, shown: bool = False) -> dict[Address, Picture]:
        """Return the pictures of a channel and its neighbours, which are made now and added.

        Parameters
        ----------
        address
            The channel.
        job
            For whom; it is stopped when that is.
        shown
            Whether the job shows how the channel's own picture grows.
        """
        with self._lock:
            plan = self._current()
        forms = None if plan is None else plan.forms(address)
        if plan is None or forms is None:
            raise DreamscopeError(f"the atlas of this studio is another by now, without {address}; try again")
        item = forms[0]
        start, stop = item.settings["channels"]
        each = [Address(address.layer, (channel,)) for channel in range(start, stop)]
        at = each.index(address)

        def step(step: Step) -> None:
            if shown:
                job.progress("step", step.number, step.total)
                # Very large ones are made a few at a time, and it is not said which.
                if len(step.values) == len(each):
                    job.frame(step.image[at : at + 1])
            job.check()

        made = channel_pictures.make(plan.bench, item, {}, step)
        self._add(plan, forms, made)
        bodies = [made.pictures[_name(one)] for one in each]
        return dict(zip(each, map(_picture, bodies, made.numbers["silent"]), strict=True))

    def picture(self, address: Address, job: Job) -> Picture | None:
        """Return the picture of a channel, made if need be while `job` shows it; ``None`` if it can't be added now."""
        found = self.find([address])
        if not found and _is_channel(address) and self.takes(address.layer):
            found = self.make(address, job, shown=True)
        return found.get(address)

    def _add(self, plan: _Plan, forms: Sequence[Item], made: Made) -> None:
        """Add a coarse item, unless a build began meanwhile, or another studio has made it."""
        item = forms[0]
        try:
            with self._lock, self._store as store:
                if store.digest(about.KEY) != plan.of:
                    return
                if plan.of is None:
                    about.keep(plan.atlas, [], store)
                if not plan.holds(store, forms) or store.damaged(item.key):
                    store.add(item.key, item.digest(plan.atlas.network, {}), made)
        except LockedError:
            return
        except DreamscopeError as error:
            # What can't be added need not be made in this way.
            self._broken = True
            _log.warning("the studio adds nothing to the atlas any more: %s", error)

    def _current(self) -> _Plan | None:
        """Return what is to be in the atlas as it is now; ``None`` if it has become one of another network."""
        try:
            self._store.refresh()
            self._settle()
        except DreamscopeError as error:
            if self._plan is not None:
                _log.warning("the studio does without the atlas: %s", error)
            self._plan = None
        return self._plan

    def _settle(self) -> None:
        digest = self._store.digest(about.KEY)
        if self._plan is None or digest != self._plan.of:
            self._plan = _Plan.made(digest, about.kept(self._model, self._store) or Atlas.of(self._model))

    def _read(self, plan: _Plan, address: Address) -> Picture | None:
        forms = plan.forms(address)
        if forms is None or not plan.holds(self._store, forms):
            return None
        key, (start, _) = forms[0].key, forms[0].settings["channels"]
        body = self._store.file(key, f"{_name(address)}.webp")
        try:
            silent = self._store.numbers(key, "silent")["silent"]
        except DreamscopeError:
            # A build has just put another form in its place.
            return None
        return None if body is None else _picture(body, silent[_channel(address) - start])


def _is_channel(address: Address) -> bool:
    return address == Address(address.layer, (address.channels or ())[:1])


def _channel(address: Address) -> int:
    return (address.channels or (0,))[0]


def _name(address: Address) -> str:
    return channel_pictures.name_of(address.layer, _channel(address), _SIGN)


def _picture(body: bytes, silent: Any) -> Picture:
    with Image.open(io.BytesIO(body)) as opened:
        return Picture(images.read(opened), bool(silent))
