"""What the store knows of all channels, side by side: one number, or one row of numbers, for each."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any, Self

import numpy as np

from dreamscope.microscope.items.base import Numbers
from dreamscope.microscope.photo_statistics import PhotoStatistics
from dreamscope.microscope.records import Layer

Array = np.ndarray[Any, Any]


@dataclass
class Columns:
    """What was made of channels.

    Attributes
    ----------
    reached : array
        How far each was driven by its picture, of all layers in a row; NaN where that is not known.
    trust, serves, feeds : dict
        By layer: cosines (4, channels), and (numbers, weights) with a row for each channel.
    """

    reached: Array
    trust: dict[str, Array] = field(default_factory=dict)
    serves: dict[str, tuple[Array, Array]] = field(default_factory=dict)
    feeds: dict[str, tuple[Array, Array]] = field(default_factory=dict)

    @classmethod
    def read(cls, numbers: Callable[..., Numbers | None], keys: Sequence[str], layers: Sequence[Layer]) -> Self:
        """Read the items of these keys, whose numbers are returned by `numbers`, as far as they are of the layers."""
        found = cls(np.full(sum(layer.channels for layer in layers), np.nan))
        for layer in layers:
            for key in (key for key in keys if key.startswith(f"channel-pictures/{layer.place}/most/")):
                reached = numbers(key, "reached")
                start, _, stop = key.rpartition("/")[2].partition("-")
                if reached is not None and int(stop) < layer.channels:
                    found.reached[layer.first + int(start) : layer.first + int(stop) + 1] = reached["reached"]
            trust = numbers(f"trust/{layer.place}")
            if trust is not None and len(trust["picture"]) == layer.channels:
                found.trust[layer.name] = np.stack(
                    [trust[name].astype(float) for name in ("picture", "photos", "random", "other_path")]
                )
            wiring = numbers(f"wiring/{layer.place}") or {}
            for kept, name in ((found.serves, "serves"), (found.feeds, "feeds")):
                if name in wiring and len(wiring[name]) == layer.channels:
                    kept[layer.name] = (wiring[name], wiring[f"{name}_weights"])
        return found


def spreads(photos: PhotoStatistics) -> dict[str, Array]:
    """Return how all channels respond to photos, of all layers in a row, by what is said of them in `Spread`."""
    said = photos.responses
    histogram = said.histogram.numpy()
    above = histogram[:, histogram.shape[1] // 2 + 1 :].sum(1) / max(1, said.count)
    return {
        "mean": said.mean.numpy(),
        "deviation": said.deviation.numpy(),
        "positive": above,
        "loud": said.loud.numpy(),
        "histogram": histogram,
    }


def known(value: float) -> float | None:
    """Return a number in few digits, ``None`` for NaN."""
    return None if np.isnan(value) else round(float(value), 6)


def row(found: tuple[Array, Array] | None, channel: int) -> list[tuple[int, float]]:
    """Return a channel's numbers and their weights, without those that stand for none."""
    if found is None:
        return []
    pairs = zip(found[0][channel].tolist(), found[1][channel].tolist(), strict=True)
    return [(int(number), round(weight, 6)) for number, weight in pairs if number >= 0]
