"""Can a picture from noise be trusted? Whether it excites its channel by the same inputs as real photos do.

After Geirhos et al., "Don't trust your eyes: on the (un)reliability of feature visualizations" (2023): a picture may
excite a channel by ways that no photo goes. So what the layers before put out is compared where the channel is excited
most - in the picture, in the photos that excite it most, and in random photos, each at its own best place.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import islice

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional as F

from dreamscope.exploration.activations import as_maps
from dreamscope.microscope.items import channel_pictures
from dreamscope.microscope.items.base import SUFFIX, Item, Made, Numbers, from_webp, place_of
from dreamscope.microscope.items.bench import Bench, known_layers
from dreamscope.microscope.items.photo_views import item_of
from dreamscope.microscope.photo_statistics import PhotoStatistics
from dreamscope.microscope.settings import Atlas
from dreamscope.probes import probe

KIND = "trust"
BEFORE = 3
"""Blocks before a layer that are compared."""
EXEMPLARS = 6
"""Photos of each channel, at most."""
FEWEST = 2
"""Photos without which nothing is said of a channel."""
RANDOM = 96
"""Random photos."""
_BATCH = 16
_FAR = 5.0
"""Standard deviations: no single channel, however far out, is to decide."""


def items(atlas: Atlas, photos: PhotoStatistics, pictures: Sequence[str]) -> Iterator[Item]:
    """Yield an item for each layer that has others before it, from the keys of all pictures of channels."""
    sources = known_layers(atlas.model, atlas.layers)
    random = photos.sample()[:RANDOM]
    for layer in atlas.layers:
        before = sources[: sources.index(layer)][-BEFORE:]
        if not before:
            continue
        best = photos.best[layer]
        # A photo in which a channel is 0 everywhere excites nothing.
        chosen = [
            [number for number, value in zip(*row, strict=True) if value != 0][:EXEMPLARS]
            for row in zip(best.photos.tolist(), best.shown.tolist(), strict=True)
        ]
        numbers = sorted({*random, *(number for row in chosen for number in row)})
        settings = {"layer": layer, "before": before, "chosen": chosen, "random": random}
        own = [key for key in pictures if key.startswith(f"{channel_pictures.KIND}/{place_of(layer)}/most/")]
        yield item_of(KIND, place_of(layer), photos, numbers, **settings).seeing(*own)


def make(bench: Bench, item: Item, needed: Mapping[str, Numbers]) -> Made:
    """Return how alike inputs are, as cosines from -1 to 1, for each channel; NaN where nothing is known.

    ``picture``: those in the picture and in the exemplars; ``photos``: in one exemplar and in the others, on average;
    ``random``: in random photos and in the exemplars, on average; ``other_path``: the picture is less alike to the
    exemplars than half of the random photos are.
    """
    layer, chosen = item.settings["layer"], item.settings["chosen"]
    paths = _Paths(bench, layer, item.settings["before"])
    found = np.full((3, len(chosen)), np.nan, dtype=np.float32)
    other = np.zeros(len(chosen), dtype=bool)
    made = _pictures(bench, layer, needed)
    # There may be none: photos can be gone by now.
    random = paths.of(picture for _, picture in _there(bench, item, item.settings["random"]))
    if made and random is not None:
        exemplars = _exemplars(bench, item, paths)
        for channel, inputs in paths.pairs((picture, [channel]) for channel, picture in made.items()):
            if len(exemplars.get(channel, ())) < FEWEST:
                continue
            (picture,), own = paths.standard(inputs[None]), paths.standard(exemplars[channel])
            middle = F.normalize(own.sum(0), dim=0)
            chance = paths.standard(random[:, channel]) @ middle
            found[0, channel] = float(picture @ middle)
            found[1, channel] = np.mean([float(each @ F.normalize(own.sum(0) - each, dim=0)) for each in own])
            found[2, channel] = float(chance.mean())
            other[channel] = bool(picture @ middle < chance.median())
    return Made(numbers={"picture": found[0], "photos": found[1], "random": found[2], "other_path": other})


@dataclass
class _Paths:
    """What layers put out where the channels of a later one are excited most."""

    bench: Bench
    layer: str
    before: Sequence[str]

    def of(self, pictures: Iterator[Tensor]) -> Tensor | None:
        """Return (pictures, channels, inputs), and remember what is usual; ``None`` if there are no pictures."""
        rows = []
        count, total, squares = 0, torch.zeros(()), torch.zeros(())
        for below, inputs in self._batches(pictures):
            every = below.flatten(2).double()
            count += every.shape[0] * every.shape[2]
            total, squares = total + every.sum((0, 2)), squares + every.square().sum((0, 2))
            rows.append(inputs)
        if not rows:
            return None
        self.mean = (total / count).float()
        self.spread = (squares / count - (total / count).square()).clamp_min(1e-12).sqrt().float()
        return torch.cat(rows)

    def pairs(self, pictures: Iterable[tuple[Tensor, Sequence[int]]]) -> Iterator[tuple[int, Tensor]]:
        """Yield, for each channel that a picture is wanted for, the channel and its inputs, (inputs,)."""
        wanted: list[Sequence[int]] = []

        def taken() -> Iterator[Tensor]:
            for picture, channels in pictures:
                wanted.append(channels)
                yield picture

        rows = (row for _, inputs in self._batches(taken()) for row in inputs)
        for number, row in enumerate(rows):
            for channel in wanted[number]:
                # A clone, or each would hold its whole batch in memory.
                yield channel, row[channel].clone()

    def standard(self, inputs: Tensor) -> Tensor:
        """Return inputs (N, inputs) in standard deviations over random photos, as directions."""
        return F.normalize(((inputs - self.mean) / self.spread).clamp(-_FAR, _FAR), dim=1)

    def _batches(self, pictures: Iterator[Tensor]) -> Iterator[tuple[Tensor, Tensor]]:
        """Yield what lies below each position, (N, inputs, rows, columns), and (N, channels, inputs) below the best."""
        while batch := list(islice(pictures, _BATCH)):
            with torch.no_grad(), probe(self.bench.fast, [*self.before, self.layer]) as seen:
                caught = seen(torch.cat(batch))
                top = _maps(caught[self.layer])
                height, width = top.shape[2:]
                below = torch.cat(
                    [F.adaptive_avg_pool2d(_maps(caught[name]), (height, width)) for name in self.before], 1
                )
            places = top.flatten(2).argmax(2)[:, None].expand(-1, below.shape[1], -1)
            yield below, below.flatten(2).gather(2, places).transpose(1, 2)


def _maps(values: Tensor) -> Tensor:
    """Return what a layer puts out, (N, channels, ...), as (N, channels, rows, columns)."""
    if values.dim() == 3:
        values = torch.stack([found for each in values if (found := as_maps(each)) is not None])
    return (values if values.dim() == 4 else values[..., None, None]).float().cpu()


def _exemplars(bench: Bench, item: Item, paths: _Paths) -> dict[int, Tensor]:
    """Return the inputs of each channel in its photos, (photos that are there, inputs)."""
    channels: dict[int, list[int]] = {}
    for channel, numbers in enumerate(item.settings["chosen"]):
        for number in numbers:
            channels.setdefault(number, []).append(channel)
    found: dict[int, list[Tensor]] = {}
    given = ((picture, channels[number]) for number, picture in _there(bench, item, channels))
    for channel, row in paths.pairs(given):
        found.setdefault(channel, []).append(row)
    return {channel: torch.stack(each) for channel, each in found.items()}


def _there(bench: Bench, item: Item, numbers: Iterable[int]) -> Iterator[tuple[int, Tensor]]:
    for number in numbers:
        picture = bench.photo(item.photos[number])
        if picture is not None:
            yield number, picture


def _pictures(bench: Bench, layer: str, needed: Mapping[str, Numbers]) -> dict[int, Tensor]:
    """Return the channels' pictures that are there, as they are shown: out of their files, as the network sees them."""
    files = {name: body for each in needed.values() for name, body in each.items() if name.endswith(SUFFIX)}
    names = {
        channel: channel_pictures.name_of(layer, channel, "most") + SUFFIX
        for channel in range(bench.model.layers[layer].channels)
    }
    return {channel: bench.model.prepared(from_webp(files[name])) for channel, name in names.items() if name in files}
