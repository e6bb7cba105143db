"""How class scores rise with channels: the slope of each score with each channel, over some photos.

A slope says what a small change would do, where the photos are. It is not what removing a channel does; that is
measured for some classes, see `classes`.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np
import torch
from torch import Tensor

from dreamscope.microscope.items.base import Item, Made, Numbers
from dreamscope.microscope.items.bench import Bench
from dreamscope.microscope.items.channel_pictures import first
from dreamscope.microscope.items.photo_views import item_of
from dreamscope.microscope.photo_statistics import PhotoStatistics
from dreamscope.microscope.settings import Atlas
from dreamscope.probes import tapped

KIND = "class-effects"
AT_ONCE = 50
"""Classes of one item."""
PHOTOS = 8
"""Photos over which slopes are averaged."""


def items(atlas: Atlas, photos: PhotoStatistics) -> Iterator[Item]:
    """Yield the items of all classes."""
    numbers = photos.sample()[:PHOTOS]
    for start in range(0, atlas.classes, AT_ONCE):
        stop = min(start + AT_ONCE, atlas.classes)
        yield item_of(KIND, f"{start}-{stop - 1}", photos, numbers, classes=[start, stop], layers=atlas.layers)


def make(bench: Bench, item: Item, needed: Mapping[str, Numbers]) -> Made:  # noqa: ARG001 - as all kinds are called
    """Return ``slopes``, (classes, channels of all layers): with a channel's response raised by 1."""
    pictures = bench.pictures(item)
    rows = []
    with torch.enable_grad(), tapped(bench.model, bench.layers) as caught:
        logits = bench.model.logits(pictures.requires_grad_())
        # The sum over positions: a mean that is higher by 1 is higher by 1 everywhere.
        heard = [caught[layer] for layer in bench.layers]
        for index in range(*item.settings["classes"]):
            gradients = torch.autograd.grad(logits[:, index].sum(), heard, retain_graph=True, allow_unused=True)
            each = zip(bench.layers, heard, gradients, strict=True)
            rows.append(torch.cat([_slopes(bench, layer, at, found) for layer, at, found in each]) / len(pictures))
    return Made(numbers={"slopes": torch.stack(rows).numpy()})


def gathered(needed: Mapping[str, Numbers]) -> np.ndarray[Any, Any]:
    """Return the slopes of all classes, (classes, channels), from the items of this kind that another needs.

    Each channel's mean over classes is taken off: what raises all scores alike decides nothing.
    """
    keys = sorted((key for key in needed if key.startswith(f"{KIND}/")), key=first)
    slopes = np.concatenate([needed[key]["slopes"] for key in keys])
    centred: np.ndarray[Any, Any] = slopes - slopes.mean(0, keepdims=True)
    return centred


def _slopes(bench: Bench, layer: str, at: Tensor, gradient: Tensor | None) -> Tensor:
    axis = bench.model.layers[layer].channel_axis
    if gradient is None:
        return torch.zeros(at.shape[axis])
    return (
        gradient.movedim(axis, 1).flatten(2).sum((0, 2)).float().cpu() if gradient.dim() > 2 else gradient.sum(0).cpu()
    )
