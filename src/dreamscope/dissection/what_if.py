"""What if: what photos would be taken for without some channels, answered while somebody waits.

An edit changes nothing before it. What comes before the layers that may be edited is computed once; what the last
edits made of the photos between them is kept, so that a change late in the network costs the last part of a pass only.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field

import torch
from torch import Tensor

from dreamscope.dissection.predictions import PhotoPrediction, predictions
from dreamscope.errors import DreamscopeError
from dreamscope.models.addresses import resolve
from dreamscope.models.classifier import Classifier
from dreamscope.models.edit_base import Edit
from dreamscope.models.edits import EditLike
from dreamscope.models.tails import Tail, Whole, cut_before, part_behind
from dreamscope.optimize.precision import prepared
from dreamscope.photos import Photo, Stream
from dreamscope.probes import tapped
from dreamscope.progress import Callback

MOST = 2**28
"""Bytes of activations of the intact network that are kept at most, and as many again of an edited one."""

BATCH = 32

_Key = tuple[Edit, ...]
"""Edits before a cut."""


@dataclass
class _Start:
    """A place where a pass can begin.

    `cut` is a layer, or ``None`` for the pictures themselves; `part` is what runs from there. `intact` is what the
    unedited network put out there, and `newest` what came last with edits before it, and with which.
    """

    cut: str | None
    part: Tail | Whole
    intact: Tensor
    newest: tuple[_Key, Tensor] | None = None

    def runs(self, edit: Edit) -> bool:
        """Return whether an edit is of a layer behind this place."""
        return edit.address.layer in self.part.model.layers

    def before(self, edits: Iterable[Edit]) -> _Key:
        """Return those of some edits that are in force before the pass begins."""
        return tuple(edit for edit in edits if not self.runs(edit))

    def given(self, key: _Key) -> Tensor | None:
        """Return what was put out here with edits before it, if that is known."""
        if not key:
            return self.intact
        return self.newest[1] if self.newest is not None and self.newest[0] == key else None


@dataclass
class _Caught:
    """What a layer puts out, batch by batch, with edits before it."""

    start: _Start
    key: _Key
    parts: list[Tensor] = field(default_factory=list)


class WhatIf:
    """Photos, and what they would be taken for if a network were edited.

    Parameters
    ----------
    model
        The classifier.
    photos
        The photos.
    layers
        The layers that may be edited: the later they are, the faster comes the answer.
    class_index
        The class whose probability is of interest.
    callback
        ``callback(stage, done, total)``, while photos are read and run through the intact network.

    Attributes
    ----------
    photos : tuple of Photo
        Those that can be read.
    unreadable : dict
        Those that can't, by file name, and why.
    intact : list of PhotoPrediction
        What the photos are taken for by the network as it is.

    Raises
    ------
    DreamscopeError
        If no photo can be read, there is no such layer, or the network has no classes.

    Examples
    --------
    ::

        what_if = WhatIf(model, photos, ["blocks.5.3.bn2.act", "bn2.act"], class_index=309)
        what_if.predictions([Ablation("bn2.act:143")])
    """

    def __init__(
        self,
        model: Classifier,
        photos: Sequence[Photo],
        layers: Sequence[str],
        *,
        class_index: int,
        callback: Callback | None = None,
    ) -> None:
        wanted = {address.layer for address in resolve(layers, model)}
        self._layers = [name for name in model.layers if name in wanted]
        self._model, _ = prepared(model, self._layers, max(model.input_size), "float32")
        self._class = class_index
        self._named: list[Photo] = []
        stream = Stream(photos, model, batch=BATCH)
        with torch.no_grad():
            logits = self._read(stream, callback)
        self.photos = tuple(self._named)
        self.unreadable = stream.skipped
        self.intact = self._predictions(logits)

    def _read(self, stream: Stream, callback: Callback | None) -> Tensor:
        """Run all photos through the intact network, and keep where later passes can begin."""
        cuts = self._cuts()
        kept: dict[str | None, list[Tensor]] = {}
        logits: list[Tensor] = []
        with tapped(self._model, [cut for cut in cuts if cut is not None]) as caught:
            for named, images in stream:
                logits.append(self._model.logits(images))
                found: dict[str | None, Tensor] = {None: images}
                found.update(caught)
                if not kept:
                    kept = {cut: [] for cut in _affordable(cuts, found, len(stream.photos))}
                for cut, parts in kept.items():
                    parts.append(found[cut])
                self._named += named
                if callback is not None:
                    callback("photos", len(self._named) + len(stream.unreadable), len(stream.photos))
        self._starts = [_Start(cut, part_behind(self._model, cut), torch.cat(parts)) for cut, parts in kept.items()]
        return torch.cat(logits)

    def _cuts(self) -> list[str | None]:
        """Return the layers that passes can begin behind, the earliest first; ``None`` is the pictures themselves."""
        first, *later = (cut_before(self._model, self._layers[place:]) for place in range(len(self._layers)))
        return list(dict.fromkeys([first, *(cut for cut in later if cut is not None)]))

    def predictions(
        self, edits: EditLike | Iterable[EditLike] = (), *, callback: Callback | None = None
    ) -> list[PhotoPrediction]:
        """Return what the photos are taken for with some edits, in the order of `photos`.

        Parameters
        ----------
        edits
            Edits of activations at the layers that were named; see `Classifier.edited`.
        callback
            ``callback(stage, done, total)``; what it raises leaves nothing behind.

        Raises
        ------
        DreamscopeError
            If an edit is of another layer, or does not fit.
        """
        added = self._model.edited(edits).edits[len(self._model.edits) :]
        for edit in added:
            if edit.address.layer not in self._layers:
                raise DreamscopeError(
                    f"'{edit.address}' is none of the layers that may be edited here: {', '.join(self._layers)}"
                )
        if not added:
            return self.intact
        return self._predictions(torch.cat(list(self._passes(added, callback))))

    @torch.no_grad()
    def _passes(self, edits: Sequence[Edit], callback: Callback | None) -> Iterator[Tensor]:
        """Yield class scores, batch by batch, from the latest place where these edits are known so far."""
        # The first start has no edits before it.
        number, given = next(
            (number, found)
            for number, start in reversed(list(enumerate(self._starts)))
            if (found := start.given(start.before(edits))) is not None
        )
        start = self._starts[number]
        model = start.part.model.edited([edit for edit in edits if start.runs(edit)])
        catching = [
            _Caught(later, key)
            for later in self._starts[number + 1 :]
            if later.given(key := later.before(edits)) is None
        ]
        with tapped(model, [str(each.start.cut) for each in catching]) as caught:
            done = 0
            for batch in given.split(BATCH):
                with start.part.given(batch) as images:
                    yield model.logits(images)
                for each in catching:
                    each.parts.append(caught[str(each.start.cut)])
                done += len(batch)
                if callback is not None:
                    callback("photos", done, len(given))
        for each in catching:
            each.start.newest = (each.key, torch.cat(each.parts))

    def _predictions(self, logits: Tensor) -> list[PhotoPrediction]:
        return predictions(logits, self._named, self._class, self._model.labels)

    def __repr__(self) -> str:
        return f"WhatIf({self._model.name!r}, {len(self.photos)} photos, {self._layers})"


def _affordable(cuts: Sequence[str | None], found: Mapping[str | None, Tensor], count: int) -> list[str | None]:
    """Return the cuts where activations of so many photos are kept; `found` holds those of some.

    The latest are kept first. From the first that is returned every edit can be reached.
    """
    kept: list[str | None] = []
    left = MOST
    for cut in reversed(cuts):
        left -= found[cut][:1].nbytes * count
        if left < 0 and cut is not None:
            return [None, *reversed(kept)]
        kept.append(cut)
    return list(reversed(kept))
