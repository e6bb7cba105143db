"""A class: the channels that speak for it, and what blinding the network to it would cost.

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
from dreamscope.microscope.items.base import Item, Made, Numbers
from dreamscope.microscope.items.bench import Bench
from dreamscope.microscope.items.photo_views import item_of
from dreamscope.microscope.photo_statistics import PhotoStatistics
from dreamscope.microscope.settings import Atlas
from dreamscope.models.ablation import Ablation
from dreamscope.models.addresses import Address
from dreamscope.photos import Photo

KIND = "class"
OTHERS = 96
"""Photos of other things on which the cost is measured."""
DOSES = (1, 2, 4, 8, 16, 32)
"""Channels that are switched off, until hardly any photo of the class is recognised."""
GONE = 0.2
"""The share of the photos recognised before that may still be, for the network to count as blind to the class."""
SHOWN = 12
LATE = 2 / 3
"""Channels of a class are those of the layers behind this share of all: earlier ones serve everything."""


def items(atlas: Atlas, photos: PhotoStatistics) -> Iterator[Item]:
    """Yield an item for each class that there is a photo of."""
    own: dict[int, list[int]] = {}
    for number, index in photos.of_classes().items():
        own.setdefault(index, []).append(number)
    late = atlas.layers[int(LATE * (len(atlas.layers) - 1)) :]
    for index, numbers in sorted(own.items()):
        others = [number for number in photos.sample() if photos.kept[number][1] != index][:OTHERS]
        settings = {"class": index, "own": len(numbers), "late": late, "doses": DOSES}
        yield item_of(KIND, str(index), photos, [*numbers, *others], **settings).needing(class_channels.KEY)


def make(bench: Bench, item: Item, needed: Mapping[str, Numbers]) -> Made:
    """Find the class's channels, and measure what switching them off does."""
    index, found = item.settings["class"], needed[class_channels.KEY]
    speaking = list(zip(found["channels"][index].tolist(), found["weights"][index].tolist(), strict=True))
    said = [(bench.address(place), weight) for place, weight in speaking]
    late = [(each, weight) for each, weight in said if Address.parse(each).layer in item.settings["late"]]
    facts = {
        "channels": [[each, round(weight, 4)] for each, weight in late[:SHOWN]],
        "photos": [number for number, *_ in item.settings["photos"][: item.settings["own"]]],
        "blind": _blinded(bench, item, [each for each, weight in late if weight > 0]),
    }
    return Made(facts=facts)


def _blinded(bench: Bench, item: Item, late: list[str]) -> dict[str, Any] | None:
    """Return what is recognised without the fewest channels that take the class away, or without the most tried."""
    index, own = item.settings["class"], item.settings["own"]
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
