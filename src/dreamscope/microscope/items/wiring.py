"""What channels are connected to: the channels before them that feed them, and the classes behind that they serve."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import numpy as np
import torch
from torch import Tensor

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
_PHOTOS = 8


def items(atlas: Atlas, photos: PhotoStatistics, effects: Sequence[str]) -> Iterator[Item]:
    """Yield an item for each layer; `effects` are the keys of what is known of the classes."""
    for place, layer in enumerate(atlas.layers):
        before = atlas.layers[place - 1] if place else None
        yield item_of(
            KIND,
            place_of(layer),
            photos,
            photos.sample()[:_PHOTOS],
            layer=layer,
            before=before,
        ).needing(PHOTOS, *effects)


def make(bench: Bench, item: Item, needed: Mapping[str, Numbers]) -> Made:
    """Return ``feeds`` and ``serves`` with their weights, the strongest first; -1 where there is none.

    A channel feeds another by its activation times the slope of the other's mean, summed over positions: what of it
    would be missing without it, to first order. It serves a class by the slope of the class's score, in scores for a
    response that is higher by one standard deviation.
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
    pictures = bench.pictures(item)
    axes = [bench.model.layers[name].channel_axis for name in (before, layer)]
    rows = []
    with torch.enable_grad(), tapped(bench.model, [before, layer]) as caught:
        bench.model.logits(pictures.requires_grad_())
        source, target = caught[before], caught[layer].movedim(axes[1], 1)
        means = target.flatten(2).mean(2).mean(0) if target.dim() > 2 else target.mean(0)
        for mean in means:
            (gradient,) = torch.autograd.grad(mean, source, retain_graph=True, allow_unused=True)
            rows.append(_weighed(gradient, source.detach(), axes[0]))
    return torch.stack(rows).float().cpu().numpy()


def _weighed(gradient: Tensor | None, source: Tensor, axis: int) -> Tensor:
    """Return what each channel of a layer adds, (channels,): nothing where it is not on the way."""
    part = (torch.zeros_like(source) if gradient is None else gradient * source).movedim(axis, 1)
    return part.flatten(2).sum((0, 2)) if part.dim() > 2 else part.sum(0)


def _strongest(weights: np.ndarray[Any, Any], most: int) -> tuple[np.ndarray[Any, Any], np.ndarray[Any, Any]]:
    """Return the columns of the largest magnitude in each row, and what stands there."""
    order = np.argsort(-np.abs(weights), axis=1, kind="stable")[:, :most]
    found = np.take_along_axis(weights, order, axis=1).astype(np.float32)
    places = np.where(found == 0, -1, order).astype(np.int32)
    short = ((0, 0), (0, most - places.shape[1]))
    return np.pad(places, short, constant_values=-1), np.pad(found, short)
