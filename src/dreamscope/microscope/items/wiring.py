"""What channels are connected to: the channels before them that feed them, and the classes behind that they serve."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import numpy as np
import torch

from dreamscope.microscope.items import class_effects
from dreamscope.microscope.items.base import Item, Made, Numbers, place_of
from dreamscope.microscope.items.bench import Bench
from dreamscope.microscope.items.photo_views import item_of
from dreamscope.microscope.photo_pass import KEY as PHOTOS
from dreamscope.microscope.photo_statistics import PhotoStatistics
from dreamscope.microscope.settings import Atlas
from dreamscope.probes import tapped

KIND = "wiring"
FED_BY = 6
"""Channels that feed a channel, shown at most."""
SERVED = 8
"""Classes that a channel speaks for or against, shown at most."""
_EXEMPLARS = 2
"""Photos of each channel in which is looked for what feeds it: those that excite it most."""
_BATCH = 8


def items(atlas: Atlas, photos: PhotoStatistics, effects: Sequence[str]) -> Iterator[Item]:
    """Yield an item for each layer; `effects` are the keys of what is known of the classes."""
    for place, layer in enumerate(atlas.layers):
        best = photos.best[layer]
        rows = zip(*(each[:, :_EXEMPLARS].tolist() for each in (best.photos, best.places, best.shown)), strict=True)
        # Where each channel is excited most, if it is.
        excited = [
            (channel, number, where)
            for channel, row in enumerate(rows)
            for number, where, value in zip(*row, strict=True)
            if value != 0
        ]
        before = atlas.layers[place - 1] if place else None
        numbers = sorted({number for _, number, _ in excited}) if before else []
        settings = {"layer": layer, "before": before, "excited": excited}
        yield item_of(KIND, place_of(layer), photos, numbers, **settings).needing(PHOTOS, *effects)


def make(bench: Bench, item: Item, needed: Mapping[str, Numbers]) -> Made:
    """Return ``feeds`` and ``serves`` with their weights, the strongest first; -1 where there is none.

    A channel feeds another by its activation times the slope of the other's, summed over positions: what would be
    missing without it, to first order, where the other is excited most. It serves a class by the slope of the class's
    score, in scores for a response that is higher by one standard deviation.
    """
    layer, before = item.settings["layer"], item.settings["before"]
    width = bench.model.layers[layer].channels
    numbers: dict[str, np.ndarray[Any, Any]] = {}
    if before is not None:
        numbers["feeds"], numbers["feeds_weights"] = _strongest(_fed(bench, item, before, layer), FED_BY)
    if any(key.startswith(class_effects.KIND) for key in needed):
        spread = PhotoStatistics.of_numbers(needed[PHOTOS]).responses.deviation.numpy()
        start = bench.start(layer)
        slopes = (class_effects.gathered(needed) * spread)[:, start : start + width]
        numbers["serves"], numbers["serves_weights"] = _strongest(slopes.T, SERVED)
    return Made(numbers=numbers)


def _fed(bench: Bench, item: Item, before: str, layer: str) -> np.ndarray[Any, Any]:
    """Return (channels, channels of the layer before): how much each feeds each."""
    axes = [bench.model.layers[name].channel_axis for name in (before, layer)]
    widths = [bench.model.layers[name].channels for name in (before, layer)]
    found, counts = torch.zeros(widths[1], widths[0]), torch.zeros(widths[1], 1)
    for start in range(0, len(item.settings["excited"]), _BATCH):
        wanted = item.settings["excited"][start : start + _BATCH]
        each = [(row, picture) for row in wanted if (picture := bench.photo(item.photos[row[1]])) is not None]
        if not each:
            continue
        rows, pictures = [row for row, _ in each], torch.cat([picture for _, picture in each])
        channels, places = torch.tensor([row[0] for row in rows]), torch.tensor([row[2] for row in rows])
        with torch.enable_grad(), tapped(bench.model, [before, layer]) as caught:
            bench.model.logits(pictures.requires_grad_())
            source, target = caught[before], caught[layer].movedim(axes[1], 1)
            # One backward pass for all of them: each photo has a channel of its own.
            values = target.reshape(*target.shape[:2], -1)[torch.arange(len(rows)), channels, places]
            (gradient,) = torch.autograd.grad(values.sum(), source, allow_unused=True)
        part = (torch.zeros_like(source) if gradient is None else gradient * source).detach().movedim(axes[0], 1)
        found.index_add_(0, channels, part.reshape(*part.shape[:2], -1).sum(2).float().cpu())
        counts.index_add_(0, channels, torch.ones(len(rows), 1))
    fed: np.ndarray[Any, Any] = (found / counts.clamp_min(1)).numpy()
    return fed


def _strongest(weights: np.ndarray[Any, Any], most: int) -> tuple[np.ndarray[Any, Any], np.ndarray[Any, Any]]:
    """Return the columns of the largest magnitude in each row, and what stands there."""
    order = np.argsort(-np.abs(weights), axis=1, kind="stable")[:, :most]
    found = np.take_along_axis(weights, order, axis=1).astype(np.float32)
    places = np.where(found == 0, -1, order).astype(np.int32)
    short = ((0, 0), (0, most - places.shape[1]))
    return np.pad(places, short, constant_values=-1), np.pad(found, short)
