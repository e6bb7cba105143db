"""What photos say of all channels of some layers, gathered in parts that merge: memory is for the channels only.

Of each channel: how its responses are spread, the photos that excite it most and where, and what it responds to each
class with. Of the photos: some of each class and a few of all, drawn by their numbers, to be looked at again.
"""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from dreamscope.exploration.clipping import unclipped
from dreamscope.exploration.exemplars import Best, largest
from dreamscope.exploration.responses import Responses, mean_and_norm
from dreamscope.microscope.items.base import Numbers
from dreamscope.models.classifier import Classifier
from dreamscope.models.labels import truth_of
from dreamscope.optimize.precision import prepared
from dreamscope.photos import Photo, Stream
from dreamscope.probes import LOGITS, probe

BATCH = 32
OF_A_CLASS = 16
"""Photos of a class that are kept to be looked at again: the first ones."""
SAMPLE = 256
"""Photos of all kinds that are kept to be looked at again."""
_MOST_REASONS = 100


@dataclass
class PhotoStatistics:
    """What is known of the channels after some photos.

    Attributes
    ----------
    widths : dict of str to int
        Layers, and how many channels they have.
    top : int
        Photos kept for each channel.
    count : int
        Photos that were read.
    responses : Responses
        Of all channels of all layers, in a row.
    best : dict of str to Best
        Layer -> the photos that excite its channels most; photos by their numbers among all that were given.
    classes : dict of int to (int, Tensor)
        Class -> its number of photos, and the sum of their responses, float64 (channels of all layers,).
    kept : dict of int to (Photo, int or None)
        The photos that are named anywhere, by their numbers, and the class that each is of.
    unreadable : dict of str to str
        Photos skipped because they can't be read, by file name, and why; the first of them.
    """

    widths: dict[str, int]
    top: int
    count: int = 0
    responses: Responses = field(init=False)
    best: dict[str, Best] = field(init=False)
    classes: dict[int, tuple[int, Tensor]] = field(default_factory=dict)
    kept: dict[int, tuple[Photo, int | None]] = field(default_factory=dict)
    unreadable: dict[str, str] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.responses = Responses(list(self.widths.values()))
        self.best = {layer: Best(width, self.top) for layer, width in self.widths.items()}

    def merge(self, other: PhotoStatistics) -> None:
        """Add what was gathered of the photos that follow."""
        self.count += other.count
        self.responses.merge(other.responses)
        for layer, best in self.best.items():
            best.merge(other.best[layer])
        for index, (count, total) in other.classes.items():
            known, before = self.classes.get(index, (0, torch.zeros_like(total)))
            self.classes[index] = (known + count, before + total)
        self.kept |= other.kept
        self.unreadable = dict([*self.unreadable.items(), *other.unreadable.items()][:_MOST_REASONS])
        self.forget()

    def forget(self) -> None:
        """Keep only the photos that are named: among a channel's best, the first of their class, or of the sample."""
        named = {number for best in self.best.values() for number in best.photos.unique().tolist()}
        named |= {*self.sample(), *self.of_classes()}
        self.kept = {number: each for number, each in sorted(self.kept.items()) if number in named}

    def sample(self) -> list[int]:
        """Return the numbers of a few photos of all kinds, drawn by their numbers, in their order."""
        return sorted(sorted(self.kept, key=_lot)[:SAMPLE])

    def of_classes(self) -> dict[int, int]:
        """Return the numbers of the first photos of each class, and which it is."""
        found: dict[int, int] = {}
        counts: dict[int, int] = {}
        for number, (_, index) in sorted(self.kept.items()):
            if index is not None and counts.get(index, 0) < OF_A_CLASS:
                counts[index] = counts.get(index, 0) + 1
                found[number] = index
        return found

    def numbers(self, root: Path) -> dict[str, np.ndarray[Any, Any]]:
        """Return all of it as arrays, for `of_numbers`; photos are named by where they lie from `root` on."""
        photos = [
            [number, os.path.relpath(photo.path, root), photo.label, index]
            for number, (photo, index) in self.kept.items()
        ]
        about = {"widths": self.widths, "top": self.top, "count": self.count, "photos": photos}
        text = json.dumps({**about, "unreadable": self.unreadable})
        found = {f"responses/{name}": value.numpy() for name, value in self.responses.state().items()}
        for layer, best in self.best.items():
            found |= {f"best/{layer}/{name}": value.numpy() for name, value in best.state().items()}
        classes = sorted(self.classes)
        width = sum(self.widths.values())
        sums = [self.classes[index][1].numpy() for index in classes]
        return {
            **found,
            "classes": np.array(classes, dtype=np.int64),
            "class_counts": np.array([self.classes[index][0] for index in classes], dtype=np.int64),
            "class_sums": np.stack(sums) if sums else np.zeros((0, width)),
            "about": np.frombuffer(text.encode("utf-8", "surrogateescape"), dtype=np.uint8),
        }

    @classmethod
    def of_numbers(cls, numbers: Numbers, root: Path = Path()) -> PhotoStatistics:
        """Return what `numbers` has written; `root` is needed by whoever opens the photos."""
        about = json.loads(numbers["about"].tobytes().decode("utf-8", "surrogateescape"))
        found = cls(about["widths"], about["top"], about["count"])
        state = {name: torch.from_numpy(value.copy()) for name, value in numbers.items() if "/" in name}
        found.responses.restore({name.removeprefix("responses/"): value for name, value in state.items()})
        for layer, best in found.best.items():
            start = f"best/{layer}/"
            best.restore({name.removeprefix(start): value for name, value in state.items() if name.startswith(start)})
        for index, count, total in zip(
            *(numbers[name] for name in ("classes", "class_counts", "class_sums")), strict=True
        ):
            found.classes[int(index)] = (int(count), torch.from_numpy(total.copy()))
        found.kept = {number: (Photo(root / path, label), index) for number, path, label, index in about["photos"]}
        found.unreadable = about["unreadable"]
        return found


class Gatherer:
    """Runs photos through a network, and gathers what they say of its channels.

    Parameters
    ----------
    model
        The classifier.
    layers
        The layers.
    top
        Photos kept for each channel.
    """

    def __init__(self, model: Classifier, layers: Sequence[str], *, top: int) -> None:
        self._model, self._layers, self._top = model, list(layers), top
        # Of channels with a ceiling, which many photos reach, the layer before it still tells the photos apart.
        self._before = unclipped(model, self._layers)
        self._heard_at = list(dict.fromkeys([*self._layers, *self._before.values()]))
        self._fast, _ = prepared(model, self._heard_at, max(model.input_size), "float32")

    def part(self, photos: Sequence[Photo], first: int) -> PhotoStatistics:
        """Return what some photos say, numbered from `first` on."""
        widths = {layer: self._model.layers[layer].channels for layer in self._layers}
        found = PhotoStatistics(widths, self._top)
        places = {id(photo): number for number, photo in enumerate(photos, first)}
        classes = len(self._model.labels) or None
        stream = Stream(photos, self._model, batch=BATCH, needs=0, workers=0)
        heard_at = [*self._heard_at, *([LOGITS] if classes else [])]
        with torch.no_grad(), probe(self._fast, heard_at, keep=_both) as heard:
            for named, pictures in stream:
                each = {name: value.cpu() for name, value in heard(pictures).items()}
                numbers = torch.tensor([places[id(photo)] for photo in named])
                said = each[LOGITS].argmax(1).tolist() if classes else [None] * len(named)
                truths = [truth_of(photo, self._model.labels) for photo in named]
                indices = [guess if truth is None else truth for truth, guess in zip(truths, said, strict=True)]
                rows = torch.cat([each[layer] for layer in self._layers], 1)
                found.count += len(named)
                found.responses.add(rows[..., 0], rows[..., 1])
                for layer in self._layers:
                    high, low = each[self._before.get(layer, layer)], each[layer]
                    found.best[layer].add(high[..., 2], high[..., 4], high[..., 3].long(), numbers, shown=low[..., 2])
                for index, row in zip(indices, rows[..., 0].double(), strict=True):
                    if index is not None:
                        count, total = found.classes.get(index, (0, torch.zeros_like(row)))
                        found.classes[index] = (count + 1, total + row)
                found.kept |= dict(zip(numbers.tolist(), zip(named, indices, strict=True), strict=True))
                found.forget()
        found.unreadable = dict([*stream.skipped.items()][:_MOST_REASONS])
        return found


def _both(activation: Tensor) -> Tensor:
    """Return the mean, the norm, and of `largest` the value, the place and the mean, (N, channels, 5)."""
    return torch.cat([mean_and_norm(activation).float(), largest(activation)], 2)


def _lot(number: int) -> bytes:
    """Return what decides by lot, for each number the same each time."""
    return hashlib.sha256(number.to_bytes(8, "little")).digest()
