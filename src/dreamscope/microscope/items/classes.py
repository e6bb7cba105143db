"""A class: what the network imagines it to be, the channels that speak for it, and what blinding to it would cost.

The blinding of an atlas is a quick one: channels by their slopes, more and more of them, measured on the photos that
are there. `dreamscope blind` searches better, and measures on photos that it did not search with.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from dreamscope.dissection.predictions import PhotoPrediction
from dreamscope.dissection.what_if import WhatIf
from dreamscope.errors import DreamscopeError
from dreamscope.microscope.items import class_channels
from dreamscope.microscope.items.base import Item, Made, Numbers, webp
from dreamscope.microscope.items.bench import Bench
from dreamscope.microscope.photo_statistics import PhotoStatistics
from dreamscope.microscope.settings import Atlas
from dreamscope.models.ablation import Ablation
from dreamscope.models.addresses import Address
from dreamscope.photos import Photo
from dreamscope.visualization.visualize import visualize

KIND = "class"
OTHERS = 96
"""Photos of other things on which the cost is measured."""
DOSES = (1, 2, 4, 8, 16, 32)
"""Channels that are switched off, until hardly any photo of the class is recognised."""
GONE = 0.2
"""The share of the photos recognised before that may still be, for the network to count as blind to the class."""
SHOWN = 12
LATE = 2 / 3
"""Channels are switched off in the layers behind this share of all: earlier ones serve everything."""

CARE: dict[str, dict[str, Any]] = {"coarse": {"steps": 64, "share": 0.75}, "fine": {"steps": 128, "share": 1.0}}


def items(atlas: Atlas, photos: PhotoStatistics | None, care: str) -> Iterator[Item]:
    """Yield an item for each class that there is a photo of, or for each class if there are no photos at all."""
    own: dict[int, list[int]] = {index: [] for index in range(atlas.classes)} if photos is None else {}
    for number, index in (photos.of_classes() if photos is not None else {}).items():
        own.setdefault(index, []).append(number)
    late = atlas.layers[int(LATE * (len(atlas.layers) - 1)) :]
    side = round(CARE[care]["share"] * max(atlas.model.input_size))
    for index, numbers in sorted(own.items()):
        settings = {"class": index, "image": {"size": side, "steps": CARE[care]["steps"], "crops": 1}}
        if photos is None:
            yield Item(KIND, str(index), settings)
            continue
        others = [number for number in photos.sample() if photos.kept[number][1] != index][:OTHERS]
        rows = [[number, photos.kept[number][0].path.name, photos.kept[number][1]] for number in [*numbers, *others]]
        yield Item(
            KIND,
            str(index),
            {**settings, "photos": rows, "own": len(numbers), "late": late, "doses": DOSES},
            photos={number: str(photos.kept[number][0].path) for number in [*numbers, *others]},
        ).needing(class_channels.KEY)


def make(bench: Bench, item: Item, needed: Mapping[str, Numbers]) -> Made:
    """Make the class's image, and measure what switching its channels off does."""
    index = item.settings["class"]
    (image,) = visualize(
        bench.model, class_name=index, recipe=False, precision="float32/channels_last", **item.settings["image"]
    )
    facts: dict[str, Any] = {"label": bench.model.label(index), "channels": [], "photos": [], "blind": None}
    if class_channels.KEY in needed:
        found = needed[class_channels.KEY]
        speaking = list(zip(found["channels"][index].tolist(), found["weights"][index].tolist(), strict=True))
        facts["channels"] = [[bench.address(place), round(weight, 4)] for place, weight in speaking[:SHOWN]]
        facts["photos"] = [number for number, *_ in item.settings["photos"][: item.settings["own"]]]
        facts["blind"] = _blinded(bench, item, [bench.address(place) for place, weight in speaking if weight > 0])
    return Made(pictures={f"classes/{index}": webp(image.image)}, facts=facts)


def _blinded(bench: Bench, item: Item, channels: list[str]) -> dict[str, Any] | None:
    """Return what is recognised without the fewest channels that take the class away, or without the most tried."""
    index, own = item.settings["class"], item.settings["own"]
    late = [each for each in channels if Address.parse(each).layer in item.settings["late"]]
    rows = item.settings["photos"]
    try:
        targets = _what_if(bench, item, rows[:own], index)
    except DreamscopeError:
        return None
    before = _of_class(targets.intact, index)
    if not before or not late:
        return None
    off: list[str] = []
    after = before
    for dose in item.settings["doses"]:
        if len(off) < len(late):
            off = late[:dose]
            after = _of_class(targets.predictions(_edits(off)), index)
        if after <= GONE * before:
            break
    others = bench.remembered(
        ("others", tuple(number for number, *_ in rows[own:])), lambda: _what_if(bench, item, rows[own:], 0)
    )
    right = {item.photos[number]: truth for number, _, truth in rows[own:]}
    truths = [right[str(photo.path)] for photo in others.photos]
    counts = [
        sum(each.top[0] == truth for each, truth in zip(said, truths, strict=True))
        for said in (others.intact, others.predictions(_edits(off)))
    ]
    return {"off": off, "recognised": [before, after, len(targets.photos)], "others": [*counts, len(truths)]}


def _what_if(bench: Bench, item: Item, rows: list[Any], index: int) -> WhatIf:
    photos = [Photo(Path(item.photos[number])) for number, *_ in rows]
    return WhatIf(bench.model, photos, item.settings["late"], class_index=index)


def _of_class(said: list[PhotoPrediction], index: int) -> int:
    return sum(each.top[0] == index for each in said)


def _edits(off: list[str]) -> list[Ablation]:
    by_layer: dict[str, list[int]] = {}
    for text in off:
        address = Address.parse(text)
        by_layer.setdefault(address.layer, []).extend(address.channels or ())
    return [Ablation(Address(layer, tuple(sorted(each)))) for layer, each in by_layer.items()]
