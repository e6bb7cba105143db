"""What channels ask for, from noise: what excites each most, and what excites it least."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np

from dreamscope.microscope.items.base import Item, Made, Numbers, place_of, webp
from dreamscope.microscope.items.bench import Bench
from dreamscope.microscope.settings import Atlas
from dreamscope.optimize.ascent import StepCallback
from dreamscope.visualization.visualize import visualize

KIND = "channel-pictures"
AT_ONCE = 16
"""Channels of one item: what is lost when a worker is killed."""

STEPS = {"coarse": (24, 24), "fine": (48, 160)}
"""Steps of a picture by the care that it is made with: of the network's first layer, and of its last; of what excites
a channel least, half of them."""

# Of one thread, pictures in this format take two thirds of the time.
_PLAIN: dict[str, Any] = {"precision": "float32/channels_last", "crops": 1, "contrast": 0.22}


def items(atlas: Atlas, care: str) -> Iterator[Item]:
    """Yield the items of all layers, made with some care."""
    # In the network, not in the atlas: with other layers beside it, a layer's pictures stay what they are.
    depths = {layer: place / max(1, len(atlas.model.layers) - 1) for place, layer in enumerate(atlas.model.layers)}
    for layer in atlas.layers:
        count, depth = atlas.widths[layer], depths[layer]
        for start in range(0, count, AT_ONCE):
            stop = min(start + AT_ONCE, count)
            for sign in ("most", "least"):
                settings = _settings(care, sign, atlas, depth)
                yield Item(
                    KIND,
                    f"{place_of(layer)}/{sign}/{start}-{stop - 1}",
                    {"layer": layer, "channels": [start, stop], "sign": sign, "picture": settings},
                )


def make(
    bench: Bench,
    item: Item,
    needed: Mapping[str, Numbers],  # noqa: ARG001 - as all kinds are called
    callback: StepCallback | None = None,
) -> Made:
    """Make the pictures of an item, `callback` hearing of each step."""
    layer, (start, stop), sign = (item.settings[name] for name in ("layer", "channels", "sign"))
    found = visualize(
        bench.model,
        [f"{layer}:{channel}" for channel in range(start, stop)],
        negative=sign == "least",
        recipe=False,
        callback=callback,
        **item.settings["picture"],
    )
    pictures = [each.image for each in found]
    return Made(
        numbers={
            "reached": np.array([each.reached for each in found], dtype=np.float32),
            "silent": np.array([each.silent for each in found]),
        },
        pictures={
            name_of(layer, channel, sign): webp(picture)
            for channel, picture in zip(range(start, stop), pictures, strict=True)
        },
    )


def name_of(layer: str, channel: int, sign: str) -> str:
    """Return the path in the site of a channel's picture, without the suffix."""
    return f"pictures/{place_of(f'{layer}:{channel}')}-{sign}"


def first(key: str) -> int:
    """Return the first channel of an item, by its key."""
    return int(key.rpartition("/")[2].partition("-")[0])


def _settings(care: str, sign: str, atlas: Atlas, depth: float) -> dict[str, Any]:
    """Return how pictures are made at a depth from 0 to 1: early layers, which show small patterns, need less."""
    side = min(atlas.side, max(atlas.model.input_size))
    first, last = STEPS[care]
    steps = max(1, round((first + (last - first) * depth) * (1 if sign == "most" else 0.5)))
    if care == "coarse":
        return {**_PLAIN, "size": side, "steps": steps, "rate": 0.15, "transform": ["shift:4", "noise:0.03"]}
    crops = ["crop:0.4,1,0.8", "rotate:8", "noise:0.04"]
    # Small patterns need no crops, and would be hidden by them.
    transform = crops if depth > 0.2 else ["shift:8", "noise:0.04"]
    return {**_PLAIN, "size": side, "steps": steps, "rate": 0.1, "transform": transform}
