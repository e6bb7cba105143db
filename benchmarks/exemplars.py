"""Exemplars of all channels of a stage, beside plain inference of the same photos."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import cycle, islice
from pathlib import Path
from tempfile import TemporaryDirectory

import torch
from PIL import Image
from torch import Tensor
from torch.utils.data import DataLoader, Dataset

from benchmarks.clock import Times, interleaved
from benchmarks.streams import BATCH, PHOTOS
from dreamscope import images
from dreamscope.exploration.exemplars import exemplars
from dreamscope.exploration.unit_layers import unit_layers
from dreamscope.models.classifier import Classifier
from dreamscope.optimize.precision import prepared
from dreamscope.photos import Photo, Stream, find
from dreamscope.probes import LOGITS

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
        photos = _linked(Path(folder), find(PHOTOS), count)
        return interleaved({"plain": plain, "exemplars": looked_through}, steps=count, rounds=rounds)


def beside_bare_loop(model: Classifier, count: int = 2_000, rounds: int = ROUNDS) -> dict[str, Times]:
    """Return the seconds a photo of exemplars of a stage's channels, and of a bare `DataLoader` of two processes.

    The photos are JPEGs whose longer side is 500 pixels. The bare loop runs the folded network and records nothing.
    """
    stages = [name for name in unit_layers(model, f"{STAGE}*") if name.startswith(STAGE)]
    fast, _ = prepared(model, [LOGITS], max(model.input_size), "float32")

    def bare(steps: int) -> None:
        with torch.inference_mode():
            for batch in DataLoader(_Decoded(photos[:steps], fast), batch_size=BATCH, num_workers=2):
                fast(batch)

    def looked_through(steps: int) -> None:
        exemplars(model, photos[:steps], stages)

    with TemporaryDirectory() as folder:
        photos = _of_500_pixels(Path(folder), count)
        return interleaved({"bare loop": bare, "exemplars": looked_through}, steps=count, rounds=rounds)


class _Decoded(Dataset[Tensor]):
    def __init__(self, photos: Sequence[Photo], model: Classifier) -> None:
        self._photos, self._model = photos, model

    def __len__(self) -> int:
        return len(self._photos)

    def __getitem__(self, index: int) -> Tensor:
        return self._model.prepared(images.read(self._photos[index].path))[0]


def _of_500_pixels(folder: Path, count: int) -> list[Photo]:
    larger = folder / "larger"
    larger.mkdir()
    for number, photo in enumerate(find(PHOTOS / "imagenet600")):
        with Image.open(photo.path) as picture:
            scale = 500 / max(picture.size)
            resized = picture.convert("RGB").resize((round(picture.width * scale), round(picture.height * scale)))
        resized.save(larger / f"{number}.jpg", quality=90)
    linked = folder / "linked"
    linked.mkdir()
    return _linked(linked, find(larger), count)


def _linked(folder: Path, photos: Sequence[Photo], count: int) -> list[Photo]:
    """Return so many photos under names of their own, the same again and again if there are fewer."""
    for number, photo in enumerate(islice(cycle(photos), count)):
        (folder / f"{number}{photo.path.suffix}").symlink_to(photo.path.absolute())
    return find(folder)
