"""What whole layers see in one photo: a dream, which adds to it, and a caricature, which is made from it alone."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from dreamscope import images
from dreamscope.dreaming.dream import dream
from dreamscope.microscope.items.base import Item, Made, Numbers, place_of, webp
from dreamscope.microscope.items.bench import Bench
from dreamscope.microscope.settings import Atlas
from dreamscope.visualization.visualize import visualize

KIND = "layer"
PHOTO = "layer-photo"
SAMPLE = "sample:china"
"""The photo of all layers: one that is there on every machine, with something of many kinds in it."""

_SIDE = 320
_DREAM: dict[str, Any] = {"size": _SIDE, "octaves": 4, "steps": 10}
_CARICATURE: dict[str, Any] = {"size": _SIDE, "steps": 128}


def items(atlas: Atlas) -> Iterator[Item]:
    """Yield the photo, and the item of each layer."""
    yield Item(PHOTO, "photo", {"photo": SAMPLE, "size": _SIDE})
    for layer in atlas.layers:
        # Without positions there is nothing to dream of.
        if atlas.model.layers[layer].grid:
            yield Item(
                KIND,
                place_of(layer),
                {"layer": layer, "photo": SAMPLE, "dream": _DREAM, "caricature": _CARICATURE},
            )


def make_photo(bench: Bench, item: Item, needed: Mapping[str, Numbers]) -> Made:  # noqa: ARG001 - as all kinds are called
    """Make the photo as it is shown beside the others."""
    photo = images.at_most(images.read(item.settings["photo"]), item.settings["size"])
    return Made(pictures={"layers/photo": webp(photo)})


def make(bench: Bench, item: Item, needed: Mapping[str, Numbers]) -> Made:  # noqa: ARG001 - as all kinds are called
    """Make the pictures of a layer."""
    layer, photo = item.settings["layer"], item.settings["photo"]
    plain: dict[str, Any] = {"precision": "float32", "recipe": False}
    dreamt = dream(bench.model, photo, layer, **plain, **item.settings["dream"]).image
    (caricature,) = visualize(bench.model, [layer], like=photo, **plain, **item.settings["caricature"])
    place = place_of(layer)
    return Made(pictures={f"layers/{place}-dream": webp(dreamt), f"layers/{place}-caricature": webp(caricature.image)})
