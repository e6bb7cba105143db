"""Can a picture from noise be trusted? Whether it takes the path through the network that real photos take.

After Geirhos et al., "Don't trust your eyes: on the (un)reliability of feature visualizations" (2023): a picture may
excite a channel by ways that no photo goes. So the responses of all channels up to the channel's layer are compared,
each in standard deviations over photos: those to the picture with those to the photos that excite the channel most.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import numpy as np

from dreamscope.microscope.items import channel_pictures, photo_views
from dreamscope.microscope.items.base import Item, Made, Numbers, place_of
from dreamscope.microscope.items.bench import Bench
from dreamscope.microscope.photo_pass import KEY as PHOTOS
from dreamscope.microscope.photo_statistics import PhotoStatistics
from dreamscope.microscope.settings import Atlas

KIND = "trust"
CHANCE = 0.95
"""The share of random photos that a picture has to be more alike to the exemplars than."""

Array = np.ndarray[Any, Any]


def items(atlas: Atlas, pictures: Sequence[str], views: Sequence[str]) -> Iterator[Item]:
    """Yield an item for each layer, from the keys of all pictures of channels and of all photos."""
    for layer in atlas.layers:
        own = [key for key in pictures if key.startswith(f"{channel_pictures.KIND}/{place_of(layer)}/most/")]
        yield Item(KIND, place_of(layer), {"layer": layer}).needing(PHOTOS, *own, *views)


def make(bench: Bench, item: Item, needed: Mapping[str, Numbers]) -> Made:
    """Return how alike responses are, as cosines from -1 to 1, for each channel; NaN where nothing is known.

    ``picture``: to the picture and to the exemplars; ``photos``: to one exemplar and to the others, on average;
    ``random``: to random photos and to the exemplars, on average; ``other_path``: the picture is no more alike to the
    exemplars than the most alike of twenty random photos.
    """
    layer = item.settings["layer"]
    photos = PhotoStatistics.of_numbers(needed[PHOTOS])
    upto = bench.start(layer) + bench.model.layers[layer].channels
    mean, spread = (each.numpy()[:upto] for each in (photos.responses.mean, photos.responses.deviation))

    def standard(rows: Array) -> Array:
        away = (rows[:, :upto] - mean) / np.maximum(spread, 1e-6)
        # No single channel, however far out, is to decide.
        clipped = np.clip(away, -5, 5)
        found: Array = clipped / np.maximum(np.linalg.norm(clipped, axis=1, keepdims=True), 1e-9)
        return found

    views = [needed[key] for key in needed if key.startswith(f"{photo_views.KIND}/") and "numbers" in needed[key]]
    rows = {
        int(number): row
        for each in views
        for number, row in zip(each["numbers"], standard(each["responses"]), strict=True)
    }
    # There may be none: photos can be gone by now.
    random = np.array([rows[number] for number in photos.sample() if number in rows]).reshape(-1, upto)
    keys = sorted((key for key in needed if key.startswith(f"{channel_pictures.KIND}/")), key=channel_pictures.first)
    pictures = standard(np.concatenate([needed[key]["responses"] for key in keys]))
    best = photos.best[layer]
    found = np.full((3, len(pictures)), np.nan, dtype=np.float32)
    other = np.zeros(len(pictures), dtype=bool)
    for channel, picture in enumerate(pictures):
        chosen = zip(best.photos[channel].tolist(), best.shown[channel].tolist(), strict=True)
        own = [rows[number] for number, value in chosen if value != 0 and number in rows]
        if len(own) < 2:
            continue
        middle = _unit(np.sum(own, 0))
        chance = random @ middle
        found[0, channel] = picture @ middle
        found[1, channel] = np.mean([each @ _unit(np.sum(own, 0) - each) for each in own])
        found[2, channel] = chance.mean()
        other[channel] = picture @ middle <= np.quantile(chance, CHANCE)
    return Made(numbers={"picture": found[0], "photos": found[1], "random": found[2], "other_path": other})


def _unit(row: Array) -> Array:
    found: Array = row / max(float(np.linalg.norm(row)), 1e-9)
    return found
