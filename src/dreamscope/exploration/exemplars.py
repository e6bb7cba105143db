"""Exemplars: which real photos, and where in them, excite each channel most?

One pass over any number of photos for all channels of some layers; only the best photos of each channel so far
are kept, so that memory does not grow with their number. Each photo counts once, where it excites the
channel most (Zeiler and Fergus, "Visualizing and Understanding Convolutional Networks", 2014). Channels with a ceiling,
which many photos reach (ReLU6), are ranked by what the ceiling cuts off.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Self

import torch
from torch import Tensor
from torch.nn import functional as F

from dreamscope.engines.base import Engine
from dreamscope.engines.photo_parts import Streamed, in_parts, opened, placed
from dreamscope.errors import DreamscopeError
from dreamscope.exploration.clipping import unclipped
from dreamscope.exploration.exemplar_index import Exemplars, Ranked
from dreamscope.exploration.patches import channels_of, windows
from dreamscope.exploration.unit_layers import unit_layers
from dreamscope.models.addresses import Address
from dreamscope.models.classifier import Classifier
from dreamscope.models.directions import Directions, directions_of, layer_of, name_at
from dreamscope.models.edit_base import place_of
from dreamscope.models.erase import Erase
from dreamscope.optimize.precision import prepared
from dreamscope.photos import Photo, Source, by_name, ensure_readable, find, reference
from dreamscope.probes import probe
from dreamscope.progress import Callback, reported
from dreamscope.recipes import Recipe

TOP = 9
"""Photos kept for each channel."""
MOST_TOP = 1000

_TRACE = 1e-4


class Best:
    """The best photos so far of each channel of a layer; memory is bounded by (channels, top).

    Attributes
    ----------
    values, shown, means, photos, places : Tensor
        (channels, up to top), the best first. Of equal values, which activations with a ceiling (ReLU6) and a floor
        have often, the one with the higher (for least, lower) mean; of equal means, the earlier photo. What is shown
        are the values, or what a ceiling leaves of them.
    """

    def __init__(self, channels: int, top: int, *, least: bool = False) -> None:
        self.values = torch.empty((channels, 0))
        self.shown = torch.empty((channels, 0))
        self.means = torch.empty((channels, 0))
        self.photos = torch.empty((channels, 0), dtype=torch.int64)
        self.places = torch.empty((channels, 0), dtype=torch.int64)
        self._top = top
        self._least = least

    def add(self, values: Tensor, means: Tensor, places: Tensor, numbers: Tensor, shown: Tensor | None = None) -> None:
        """Add a batch of photos (N,): their values, means and places, (N, channels) each, and their numbers."""
        rows = numbers.expand(values.shape[1], -1)
        self._take(values.T, (values if shown is None else shown).T, means.T, rows, places.T)

    def merge(self, other: Best, behind: int = 0) -> None:
        """Add what was kept of later photos, whose numbers begin behind so many."""
        self._take(other.values, other.shown, other.means, other.photos + behind, other.places)

    def _take(self, values: Tensor, shown: Tensor, means: Tensor, photos: Tensor, places: Tensor) -> None:
        values, shown = torch.cat([self.values, values], 1), torch.cat([self.shown, shown], 1)
        means = torch.cat([self.means, means], 1)
        # By the mean, then by the value: a stable sort leaves equal ones in the order they were in.
        order = means.argsort(dim=1, descending=not self._least, stable=True)
        by_value = values.gather(1, order).argsort(dim=1, descending=not self._least, stable=True)
        order = order.gather(1, by_value)[:, : self._top]
        self.values, self.shown, self.means = (each.gather(1, order) for each in (values, shown, means))
        self.photos = torch.cat([self.photos, photos], 1).gather(1, order)
        self.places = torch.cat([self.places, places], 1).gather(1, order)

    def state(self) -> dict[str, Tensor]:
        """Return what is kept, for `restore`."""
        return {name: getattr(self, name) for name in ("values", "shown", "means", "photos", "places")}

    def restore(self, state: Mapping[str, Tensor]) -> None:
        """Go on from what `state` returned."""
        for name in self.state():
            setattr(self, name, state[name])

    def ranked(self, among: Sequence[int]) -> Ranked:
        """Return them with the photos renumbered: as places in `among`, which is sorted."""
        return Ranked(self.shown, torch.searchsorted(torch.tensor(among), self.photos), self.places)


def exemplars(
    model: Classifier,
    photos: Source | Sequence[Source | Photo],
    at: str | Address | Sequence[str | Address] | None = None,
    *,
    directions: Directions = (),
    top: int = TOP,
    least: bool = False,
    engine: str | Engine | None = None,
    callback: Callback | None = None,
    progress: bool = False,
    recipe: bool = True,
) -> Exemplars:
    """Find the photos that excite the channels of some layers most, and where in them.

    Parameters
    ----------
    model
        The classifier.
    photos
        Folders, photos or labels files, see `dreamscope.photos.find`. Each is resized and cropped to the middle as
        the network was tested; those that can't be read are skipped and reported.
    at
        Layers, globs or addresses, one or several; all channels of their layers are ranked. The layers that `dissect`
        ranks if not given.
    directions
        In place of channels, directions: `Erase` edits, each of whose directions is ranked by what the edit reads of a
        position. In the result they stand as channels of their own, such as ``blocks.5.3.direction:0``.
    top
        Number of photos kept for each channel, 1 to 1000.
    least
        Keep the least exciting ones too: those with the lowest activation anywhere.
    engine
        Where photos are gone through, side by side in parts of them: ``local``, ``ray`` and so on, see
        `dreamscope.engines.choose.engine`; in this process if not given.
    callback
        Called with what is being done, how much of it is done, and of how much.
    progress
        Show a bar.
    recipe
        Keep a recipe.

    Returns
    -------
    Exemplars

    Raises
    ------
    DreamscopeError
        If there are no photos that can be read, no such layer, an address has a position or a weight, or a direction
        does not fit.
    """
    arguments = locals()
    if not 1 <= top <= MOST_TOP:
        raise DreamscopeError(f"top is 1 to {MOST_TOP} photos for each channel, not {top}")
    given = find(photos)
    edits = list(directions_of(model, directions).values())
    if edits and at is not None:
        raise DreamscopeError("give addresses or directions, not both: directions say themselves where they are")
    texts = [edit.address for edit in edits] if edits else [at] if isinstance(at, str | Address) else at
    layers = unit_layers(model) if texts is None else list(dict.fromkeys(a.layer for a in channels_of(model, texts)))
    made = None
    if recipe:
        resolved = {"at": None if edits else layers, "directions": [edit.to_dict() for edit in edits]}
        made = Recipe.of_call(exemplars, arguments, inputs={"photos": reference(given)}, resolved=resolved)
    rows = {layer: model.layers[layer].channels for layer in layers}
    if edits:
        rows = {name_at(layer): sum(edit.address.layer == layer for edit in edits) for layer in layers}
    search = _Search.of(model, rows, edits, top, least=least)
    best = {name: Best(count, top) for name, count in rows.items()}
    worst = {name: Best(count, top, least=True) for name, count in rows.items() if least}
    seen: list[Photo] = []
    unreadable: dict[Path, str] = {}
    with reported(callback, progress=progress) as report, opened(engine) as where:
        for part in in_parts(search, given, where, callback=report):
            for mine, more in ((best, part.best), (worst, part.worst)):
                for name, each in mine.items():
                    each.merge(more[name], behind=len(seen))
            seen += part.seen
            unreadable |= part.unreadable
    ensure_readable(len(given), unreadable)
    fields = windows(model, layers)
    # Only photos that are among some channel's first are worth a line in the index.
    among = sorted({number for each in (*best.values(), *worst.values()) for number in each.photos.unique().tolist()})
    return Exemplars(
        photos=tuple(seen[number] for number in among),
        most={name: each.ranked(among) for name, each in best.items()},
        least={name: each.ranked(among) for name, each in worst.items()},
        windows={name: fields[layer_of(name)] for name in rows},
        picture=(model.input_size[0], model.input_size[1]),
        count=len(seen),
        unreadable=by_name(unreadable),
        recipe=made,
        digests={},
    )


@dataclass(frozen=True)
class _Part:
    """What some photos say, numbered from 0 on."""

    best: dict[str, Best]
    worst: dict[str, Best]
    seen: list[Photo]
    unreadable: Mapping[Path, str]


@dataclass(frozen=True)
class _Search:
    """What is asked of photos: the largest and, if `least`, the smallest values of rows, by layer or direction."""

    fast: Classifier
    rows: Mapping[str, int]
    edits: Sequence[Erase]
    before: Mapping[str, str]
    top: int
    least: bool

    @classmethod
    def of(cls, model: Classifier, rows: Mapping[str, int], edits: Sequence[Erase], top: int, *, least: bool) -> Self:
        layers = [layer_of(name) for name in rows]
        # Of channels with a ceiling, which many photos reach, the layer before it still tells the photos apart.
        before = {} if edits else unclipped(model, layers)
        fast, _ = prepared(model, [*layers, *before.values()], max(model.input_size), "float32")
        return cls(fast, rows, edits, before, top, least)

    def __call__(self) -> Callable[[Streamed], _Part]:
        """Begin to work."""
        return replace(self, fast=placed(self.fast))._go

    @torch.no_grad()
    def _go(self, streamed: Streamed) -> _Part:
        stream = streamed(self.fast)
        best = {name: Best(count, self.top) for name, count in self.rows.items()}
        worst = {name: Best(count, self.top, least=True) for name, count in self.rows.items() if self.least}
        seen: list[Photo] = []
        extremes_of = _extremes if self.least else largest
        recorded_at = list(dict.fromkeys([*map(layer_of, self.rows), *self.before.values()]))
        # Of channels only the extremes are kept, since whole activations of many layers are too many.
        with probe(self.fast, recorded_at, keep=torch.clone if self.edits else extremes_of) as recorded:
            for named, pictures in stream:
                found: Mapping[str, Tensor] = recorded(pictures)
                if self.edits:
                    found = {name: extremes_of(each) for name, each in _along(self.edits, found).items()}
                extremes = {name: each.cpu() for name, each in found.items()}
                numbers = torch.arange(len(seen), len(seen) + len(named))
                for name in self.rows:
                    high, low = extremes[self.before.get(name, name)], extremes[name]
                    best[name].add(high[..., 0], high[..., 2], high[..., 1].long(), numbers, shown=low[..., 0])
                    if self.least:
                        worst[name].add(low[..., 3], low[..., 2], low[..., 4].long(), numbers)
                seen += named
        return _Part(best, worst, seen, stream.unreadable)


def _along(edits: Sequence[Erase], activations: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Return how far activations point in the directions of each layer, (N, directions, ...)."""
    found: dict[str, list[Tensor]] = {}
    for edit in edits:
        part = activations[edit.address.layer]
        part = part[place_of(part, edit.address)]
        found.setdefault(name_at(edit.address.layer), []).append(torch.tensordot(part, edit.read.to(part), ([1], [1])))
    return {name: torch.cat(each, -1).movedim(-1, 1) for name, each in found.items()}


def largest(activation: Tensor) -> Tensor:
    """Return the largest activation of each channel, its place and the mean, (N, channels, 3)."""
    flat = activation.reshape(*activation.shape[:2], -1)
    # No map has more positions than a float can count.
    return torch.stack(
        # `max` finds the place in half the time of `argmax`.
        [flat.amax(2).float(), _weighed(activation).max(2).indices.float(), flat.mean(2, dtype=torch.float32)],
        2,
    )


def _extremes(activation: Tensor) -> Tensor:
    """Return the same, and the smallest activation and its place, (N, channels, 5)."""
    flat = activation.reshape(*activation.shape[:2], -1)
    least = torch.stack([flat.amin(2).float(), _weighed(activation).min(2).indices.float()], 2)
    return torch.cat([largest(activation), least], 2)


def _weighed(activation: Tensor) -> Tensor:
    """Return activations (N, channels, positions) with a trace of their surroundings: of several equal ones at a
    ceiling or a floor, the one in the midst of others is to win, not the first in reading order.
    """
    if activation.dim() == 4 and min(activation.shape[2:]) > 2:
        activation = activation + _TRACE * F.avg_pool2d(activation, 3, 1, 1)
    return activation.reshape(*activation.shape[:2], -1)
