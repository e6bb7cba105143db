"""What classes ask for, from noise."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from dreamscope.microscope.items.base import Item, Made, Numbers, webp
from dreamscope.microscope.items.bench import Bench
from dreamscope.microscope.photo_statistics import PhotoStatistics
from dreamscope.microscope.settings import Atlas
from dreamscope.visualization.visualize import visualize

KIND = "class-pictures"
CARE: dict[str, dict[str, Any]] = {"coarse": {"steps": 64, "share": 0.75}, "fine": {"steps": 128, "share": 1.0}}


def items(atlas: Atlas, photos: PhotoStatistics | None, care: str) -> Iterator[Item]:
    """Yield an item for each class that there is a photo of, or for each class if there are no photos at all."""
    shown = range(atlas.classes) if photos is None else sorted(set(photos.of_classes().values()))
    side = round(CARE[care]["share"] * max(atlas.model.input_size))
    for index in shown:
        image = {"size": side, "steps": CARE[care]["steps"], "crops": 1}
        yield Item(KIND, str(index), {"class": index, "image": image})


def make(bench: Bench, item: Item, needed: Mapping[str, Numbers]) -> Made:  # noqa: ARG001 - as all kinds are called
    """Make the class's image."""
    index = item.settings["class"]
    (image,) = visualize(
        bench.model, class_name=index, recipe=False, precision="float32/channels_last", **item.settings["image"]
    )
    return Made(pictures={f"classes/{index}": webp(image.image)})
