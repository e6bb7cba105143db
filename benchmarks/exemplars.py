"""Exemplars of all channels of a stage, beside plain inference of the same photos."""

from __future__ import annotations

from itertools import cycle, islice
from pathlib import Path
from tempfile import TemporaryDirectory

import torch

from benchmarks.clock import Times, interleaved
from benchmarks.streams import BATCH, PHOTOS
from dreamscope.exploration.exemplars import exemplars
from dreamscope.exploration.unit_layers import unit_layers
from dreamscope.models.classifier import Classifier
from dreamscope.optimize.precision import prepared
from dreamscope.photos import Photo, Stream, find

COUNT = 1_000
ROUNDS = 3
STAGE = "blocks.5"


def measure(model: Classifier, count: int = COUNT, rounds: int = ROUNDS) -> dict[str, Times]:
    """Return the seconds a photo of the whole network alone, and of exemplars of all channels of a stage.

    These are the channels of the stage's layers that ``dissect`` ranks, and of what the stage puts out. Plain is the
    folded network too, so that folding is no part of the ratio; both read the same files.
    """
    layers = [*(name for name in unit_layers(model, STAGE) if name.startswith(f"{STAGE}.")), STAGE]
    fast, _ = prepared(model, layers, max(model.input_size), "float32")

    def plain(steps: int) -> None:
        with torch.no_grad():
            for _, batch in Stream(photos[:steps], fast, batch=BATCH):
                fast.logits(batch)

    def looked_through(steps: int) -> None:
        exemplars(model, photos[:steps], layers)

    with TemporaryDirectory() as folder:
        photos = _linked(Path(folder), count)
        return interleaved({"plain": plain, "exemplars": looked_through}, steps=count, rounds=rounds)


def _linked(folder: Path, count: int) -> list[Photo]:
    """Return so many photos under names of their own, the same again and again if there are fewer."""
    for number, photo in enumerate(islice(cycle(find(PHOTOS)), count)):
        (folder / f"{number}{photo.path.suffix}").symlink_to(photo.path.absolute())
    return find(folder)
