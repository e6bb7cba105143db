"""An activation atlas of a layer: what it puts out for patches of photos, laid out so that like lies beside like.

After Carter et al., "Exploring Neural Networks with Activation Atlases" (Distill 2019): the mean activation of each
cell of the map is made visible, and named by the class whose score it would raise most.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import numpy as np
import torch
from torch import Tensor

from dreamscope import images
from dreamscope.errors import DreamscopeError
from dreamscope.exploration.projections import METHODS
from dreamscope.images import Size
from dreamscope.microscope.items import class_effects
from dreamscope.microscope.items.base import Item, Made, Numbers, place_of, webp
from dreamscope.microscope.items.bench import Bench
from dreamscope.microscope.items.photo_views import item_of
from dreamscope.microscope.photo_statistics import PhotoStatistics
from dreamscope.microscope.settings import Atlas
from dreamscope.models.addresses import Address
from dreamscope.objectives.likeness import Direction
from dreamscope.probes import probe
from dreamscope.visualization.visualize import visualize

KIND = "activation-atlas"
CELLS = 10
"""Rows and columns of the map."""
CELL = 80
"""Pixels of a cell's side."""
FEWEST = 3
"""Patches in a cell that is shown."""
PATCHES = 8
"""Patches of each photo, drawn by a seed."""
PICTURE: dict[str, Any] = {
    "size": 96,
    "steps": 48,
    "rate": 0.12,
    "crops": 1,
    "contrast": 0.22,
    "transform": ["shift:6", "scale:0.9,1.1", "noise:0.04"],
    "precision": "float32/channels_last",
}
_PAPER = 0.94


def items(atlas: Atlas, photos: PhotoStatistics, effects: Sequence[str]) -> Iterator[Item]:
    """Yield an item for each layer that has positions; `effects` are the keys of what is known of the classes."""
    for layer in atlas.layers:
        if atlas.model.layers[layer].grid:
            numbers = photos.sample()
            yield item_of(KIND, place_of(layer), photos, numbers, layer=layer, picture=PICTURE).needing(*effects)


def make(bench: Bench, item: Item, needed: Mapping[str, Numbers]) -> Made:
    """Make the map of a layer."""
    layer = item.settings["layer"]
    patches = _patches(bench, item, layer)
    plane, _ = METHODS["tsne" if len(patches) > 3 else "pca"](patches.double().numpy(), 0)
    low, high = plane.min(0), plane.max(0)
    cells = np.minimum(((plane - low) / np.maximum(high - low, 1e-9) * CELLS).astype(int), CELLS - 1)
    mean = patches.mean(0)
    members: dict[tuple[int, int], list[int]] = {}
    for number, (column, row) in enumerate(cells.tolist()):
        members.setdefault((row, column), []).append(number)
    shown = {place: patches[each].mean(0) - mean for place, each in sorted(members.items()) if len(each) >= FEWEST}
    if not shown:
        return Made()
    wanted = [Direction(Address(layer), vector) for vector in shown.values()]
    made = visualize(bench.model, wanted, recipe=False, **item.settings["picture"])
    sheet = torch.full((1, 3, CELLS * CELL, CELLS * CELL), _PAPER)
    for (row, column), each in zip(shown, made, strict=True):
        small = images.resize(each.image, Size(CELL, CELL)).clamp(0, 1)
        sheet[..., row * CELL : (row + 1) * CELL, column * CELL : (column + 1) * CELL] = small
    argued = _classes(bench, layer, torch.stack(list(shown.values())), needed)
    return Made(
        pictures={f"atlases/{place_of(layer)}": webp(sheet)},
        facts={
            "rows": CELLS,
            "columns": CELLS,
            "cell": CELL,
            "patches": len(patches),
            "cells": [
                {"row": row, "column": column, "count": len(members[row, column]), "class": index, "score": score}
                for (row, column), (index, score) in zip(shown, argued, strict=True)
            ],
        },
    )


def _patches(bench: Bench, item: Item, layer: str) -> Tensor:
    """Return what the layer puts out at some positions of each photo, (patches, channels)."""
    generator = torch.Generator().manual_seed(0)
    found = []
    with torch.no_grad(), probe(bench.model, [layer]) as heard:
        for number, *_ in item.settings["photos"]:
            picture = bench.photo(item.photos[number])
            if picture is not None:
                positions = heard(picture)[layer].flatten(2)[0].T.float().cpu()
                found.append(positions[torch.randperm(len(positions), generator=generator)[:PATCHES]])
    if not found:
        raise DreamscopeError("none of its photos can be read any more")
    return torch.cat(found)


def _classes(
    bench: Bench, layer: str, vectors: Tensor, needed: Mapping[str, Numbers]
) -> list[tuple[int | None, float]]:
    """Return the class whose score each of the vectors would raise most, and by how much, to first order."""
    if not needed:
        return [(None, 0.0)] * len(vectors)
    start = bench.start(layer)
    slopes = class_effects.gathered(needed)[:, start : start + vectors.shape[1]]
    scores = vectors.numpy() @ slopes.T
    best = scores.argmax(1)
    return [(int(index), round(float(row[index]), 3)) for index, row in zip(best, scores, strict=True)]
