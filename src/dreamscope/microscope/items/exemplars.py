"""The parts of real photos that excite each channel most: a strip of patches for each channel."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

import torch

from dreamscope import images
from dreamscope.images import Size
from dreamscope.microscope.items.base import Item, Made, Numbers, place_of, webp
from dreamscope.microscope.items.bench import Bench
from dreamscope.microscope.photo_statistics import PhotoStatistics
from dreamscope.microscope.settings import Atlas

KIND = "exemplars"
AT_ONCE = 64
"""Channels of one item."""
PATCH = 112
"""Pixels of a patch's side; a strip is as wide as all of them together."""
_SMALLEST = 48


def items(atlas: Atlas, photos: PhotoStatistics) -> Iterator[Item]:
    """Yield the items of all layers."""
    for layer in atlas.layers:
        best = photos.best[layer]
        rows = [each.tolist() for each in (best.photos, best.places, best.shown)]
        # A photo in which a channel is 0 everywhere excites nothing.
        chosen = [
            [(number, place) for number, place, value in zip(*row, strict=True) if value != 0]
            for row in zip(*rows, strict=True)
        ]
        for start in range(0, len(chosen), AT_ONCE):
            part = chosen[start : start + AT_ONCE]
            paths = {number: photos.kept[number][0].path for row in part for number, _ in row}
            yield Item(
                KIND,
                f"{place_of(layer)}/{start}-{start + len(part) - 1}",
                {
                    "layer": layer,
                    "first": start,
                    "chosen": part,
                    "files": [[number, path.name] for number, path in sorted(paths.items())],
                },
                photos={number: str(path) for number, path in paths.items()},
            )


def make(bench: Bench, item: Item, needed: Mapping[str, Numbers]) -> Made:  # noqa: ARG001 - as all kinds are called
    """Cut the patches of an item."""
    layer, first = item.settings["layer"], item.settings["first"]
    window = bench.windows[layer].closer((bench.model.input_size[0], bench.model.input_size[1]))
    blank = torch.full((1, 3, PATCH, PATCH), 0.5)
    found = {}
    for channel, places in enumerate(item.settings["chosen"], first):
        patches = [
            blank
            if (picture := bench.photo(item.photos[number])) is None
            else images.resize(window.cut(picture, place, _SMALLEST), Size(PATCH, PATCH))
            for number, place in places
        ]
        if patches:
            found[f"exemplars/{place_of(f'{layer}:{channel}')}"] = webp(torch.cat(patches, 3).clamp(0, 1))
    return Made(pictures=found)
