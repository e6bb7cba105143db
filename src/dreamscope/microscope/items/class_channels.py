"""The channels that speak for each class, out of all layers: one item, from the slopes of all classes."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np

from dreamscope.microscope.items import class_effects
from dreamscope.microscope.items.base import Item, Made, Numbers
from dreamscope.microscope.items.bench import Bench
from dreamscope.microscope.photo_pass import KEY as PHOTOS
from dreamscope.microscope.photo_statistics import PhotoStatistics

KIND = "class-channels"
KEY = f"{KIND}/all"
STRONGEST = 64
"""Channels kept for each class."""


def item(effects: Sequence[str]) -> Item:
    """Return the item, from the keys of what is known of the classes."""
    return Item(KIND, "all", {"strongest": STRONGEST}).needing(PHOTOS, *effects)


def make(bench: Bench, item: Item, needed: Mapping[str, Numbers]) -> Made:  # noqa: ARG001 - as all kinds are called
    """Return ``channels``, (classes, up to 64) places among those of all layers, the strongest first, and ``weights``.

    A weight is in scores for a response that is higher by one standard deviation, as in `wiring`.
    """
    spread = PhotoStatistics.of_numbers(needed[PHOTOS]).responses.deviation.numpy()
    weights = class_effects.gathered(needed) * spread
    order = np.argsort(-weights, axis=1, kind="stable")[:, : item.settings["strongest"]]
    found = np.take_along_axis(weights, order, axis=1).astype(np.float32)
    return Made(numbers={"channels": order.astype(np.int32), "weights": found})
