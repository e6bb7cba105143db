"""The photos that an atlas shows: as the network sees them, and what it takes them for."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

import torch

from dreamscope.microscope.items.base import Item, Made, Numbers, webp
from dreamscope.microscope.items.bench import Bench
from dreamscope.microscope.photo_statistics import PhotoStatistics
from dreamscope.models.classifier import Prediction

KIND = "photo-views"
AT_ONCE = 64
_ANSWERS = 3
_BATCH = 16


def items(photos: PhotoStatistics) -> Iterator[Item]:
    """Yield the items of all photos that are kept."""
    numbers = sorted(photos.kept)
    for start in range(0, len(numbers), AT_ONCE):
        some = numbers[start : start + AT_ONCE]
        yield item_of(KIND, f"{start}-{start + len(some) - 1}", photos, some)


def item_of(kind: str, name: str, photos: PhotoStatistics, numbers: list[int], **settings: Any) -> Item:
    """Return an item that is made from some photos."""
    rows = [[number, photos.kept[number][0].path.name, photos.kept[number][1]] for number in numbers]
    paths = {number: str(photos.kept[number][0].path) for number in numbers}
    return Item(kind, name, {"photos": rows, **settings}, photos=paths)


def make(bench: Bench, item: Item, needed: Mapping[str, Numbers]) -> Made:  # noqa: ARG001 - as all kinds are called
    """Look at the photos of an item; those that are gone by now are left out."""
    found = {}
    for number, name, index in item.settings["photos"]:
        picture = bench.photo(item.photos[number])
        if picture is not None:
            found[number] = (name, index, picture)
    if not found:
        return Made(facts={"photos": {}})
    pictures = [picture for _, _, picture in found.values()]
    answers: list[list[Prediction]] = [[] for _ in found]
    if bench.model.labels:
        with torch.no_grad():
            batches = torch.cat(pictures).split(_BATCH)
            answers = [each for batch in batches for each in bench.model.classify(batch, top=_ANSWERS)]
    return Made(
        pictures={f"photos/{number}": webp(picture) for number, (_, _, picture) in found.items()},
        facts={
            "photos": {
                str(number): {
                    "name": name,
                    "class": index,
                    "answers": [[each.index, round(each.probability, 4)] for each in said],
                }
                for (number, (name, index, _)), said in zip(found.items(), answers, strict=True)
            }
        },
    )
