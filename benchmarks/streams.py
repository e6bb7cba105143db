"""Many photos: what gathering statistics of all channels costs beside plain inference, and whether memory grows."""

from __future__ import annotations

from itertools import cycle, islice
from pathlib import Path

import torch

from benchmarks.clock import Times, interleaved
from benchmarks.large import Peak
from dreamscope.dissection.photo_set import PhotoSet
from dreamscope.exploration.unit_layers import unit_layers
from dreamscope.models.classifier import Classifier
from dreamscope.optimize.precision import prepared
from dreamscope.photos import Photo, Stream, find

PHOTOS = Path(__file__).parents[2] / "shared" / "photos"
COUNT = 10_000
ROUNDS = 10
BATCH = 32


def repeated(photos: list[Photo], count: int) -> list[Photo]:
    """Return so many photos, the same again and again."""
    return list(islice(cycle(photos), count))


def measure(model: Classifier) -> tuple[dict[str, Times], float, float]:
    """Return the times a photo, and the peak gigabytes of the first tenth and of all photos."""
    layers = unit_layers(model)
    fast, _ = prepared(model, layers, max(model.input_size), "float32")
    photos = find(PHOTOS)

    def plain(count: int) -> None:
        with torch.no_grad():
            for _, batch in Stream(repeated(photos, count), fast, batch=BATCH):
                fast.logits(batch)

    def contrast(count: int) -> None:
        PhotoSet(fast, layers, "photos", repeated(photos, count))

    with Peak() as first:
        contrast(COUNT // ROUNDS)
    with Peak() as all_:
        times = interleaved({"plain": plain, "contrast": contrast}, steps=COUNT // ROUNDS, rounds=ROUNDS)
    return times, first.most / 1e9, (first.most + all_.most) / 1e9
