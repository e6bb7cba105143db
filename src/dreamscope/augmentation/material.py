"""Material: features of photos, of their standard augmentations and of dreams, made when they are first asked for."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import torch
from torch import Tensor

from dreamscope import images
from dreamscope.augmentation.aims import Features, means_of
from dreamscope.augmentation.aims import aim as aimed
from dreamscope.augmentation.arms import MAGNITUDES, STRENGTHS
from dreamscope.augmentation.hallucination import Hallucinator, blended, seeded
from dreamscope.augmentation.keeping import Keep
from dreamscope.dreaming.presets import Settings
from dreamscope.models.addresses import Address
from dreamscope.models.classifier import Classifier

Array = np.ndarray[Any, Any]

VERSIONS = 8
"""Standard augmentations of a photo."""
_AT_ONCE = 16
_KEPT = 4
"""Sets of dreams that are kept: of all that is known in a draw, and of its folds."""


@dataclass(frozen=True)
class Dreaming:
    """How dreams are made.

    Attributes
    ----------
    aim : str
        One of `dreamscope.augmentation.aims.AIMS`.
    addresses : tuple of Address
        The aim's layers.
    settings : Settings
        Of the dream.
    keep : tuple of Keep
        What holds dreams to their photos.
    keep_layer : str
        Whose activations are kept.
    count : int
        Number of dreams of a draw, and of healthy photos dreamt on towards nothing.
    """

    aim: str
    addresses: tuple[Address, ...]
    settings: Settings
    keep: tuple[Keep, ...]
    keep_layer: str
    count: int


@dataclass
class Pictures:
    """Photos as a network is given them, and the features of all that is made of them.

    Attributes
    ----------
    model : Classifier
        The classifier.
    images : Tensor
        uint8 (N, 3, H, W).
    layer : str
        Whose means over positions heads learn from.
    features : Mapping
        Layer -> (N, channels), of the photos: of `layer` and of the aim's layers.
    dreaming : Dreaming
        How dreams are made.
    seed : int
        Of all that is drawn.
    """

    model: Classifier
    images: Tensor
    layer: str
    features: Features
    dreaming: Dreaming
    seed: int
    _varied: dict[tuple[int, int], Array] = field(default_factory=dict, repr=False)
    _dreams: dict[tuple[Any, ...], list[Array]] = field(default_factory=dict, repr=False)
    _controls: dict[tuple[int, ...], list[Array]] = field(default_factory=dict, repr=False)

    def photos(self, numbers: Sequence[int]) -> Array:
        """Return the features of photos, (N, features)."""
        return self.features[self.layer][list(numbers)].double().numpy()

    def augmented(self, numbers: Sequence[int], level: int) -> Array:
        """Return the features of `VERSIONS` random crops, flips, turns and more of each photo."""
        for number in numbers:
            if (number, level) not in self._varied:
                self._varied[number, level] = self._read(self._variants(number, level))
        return np.concatenate([self._varied[number, level] for number in numbers])

    def dreamt(self, positives: Sequence[int], negatives: Sequence[int], level: int) -> tuple[Array, Array]:
        """Return the features of hallucinated positives, and of healthy photos dreamt on towards nothing."""
        key = (tuple(positives), tuple(negatives))
        if key not in self._dreams:
            # All strengths are of the same dreams; those of other draws are not asked for again.
            while len(self._dreams) >= _KEPT:
                self._dreams.pop(next(iter(self._dreams)))
            self._dreams[key] = self._made(positives, negatives)
        if key[1] not in self._controls:
            order = torch.randperm(len(negatives), generator=seeded(self.seed, 1)).tolist()
            halves = [[negatives[place] for place in order[part::2]] for part in (0, 1)]
            self._controls[key[1]] = self._made(halves[0], halves[1], others=negatives)
        return self._dreams[key][level], self._controls[key[1]][level]

    def _made(self, towards: Sequence[int], away: Sequence[int], others: Sequence[int] = ()) -> list[Array]:
        """Return the features of dreams of photos of `away` (or of `others`), for each strength."""
        dreaming, bases = self.dreaming, others or away
        generator = seeded(self.seed, 2 + sum(towards))
        order = torch.randperm(len(bases), generator=generator).tolist()
        drawn = [bases[order[place % len(order)]] for place in range(dreaming.count)]
        guides = [towards[int(place)] for place in torch.randint(len(towards), (len(drawn),), generator=generator)]
        found = aimed(
            dreaming.aim,
            dreaming.addresses,
            *({name: rows[list(each)] for name, rows in self.features.items()} for each in (towards, away)),
        )
        hallucinator = Hallucinator(self.model, found, dreaming.settings, dreaming.keep, dreaming.keep_layer)
        rows: list[list[Array]] = [[] for _ in STRENGTHS]
        for start in range(0, len(drawn), _AT_ONCE):
            photos = self._pictures(drawn[start : start + _AT_ONCE])
            followed = [self._pictures([each]) for each in guides[start : start + _AT_ONCE]]
            dreams = hallucinator(photos, generator, guides=followed if dreaming.aim == "guide" else ())
            for made, strength in zip(rows, STRENGTHS, strict=True):
                made.append(self._read(blended(photos, dreams, strength)))
        return [np.concatenate(each) for each in rows]

    def _pictures(self, numbers: Sequence[int]) -> Tensor:
        return self.images[list(numbers)].float() / 255

    def _variants(self, number: int, level: int) -> Tensor:
        from torchvision.transforms import v2

        height, width = self.images.shape[2:]
        varied = v2.Compose(
            [
                v2.RandomResizedCrop((height, width), scale=(0.6, 1.0), ratio=(0.85, 1.18), antialias=True),
                v2.RandomHorizontalFlip(),
                v2.RandomRotation(15),
                v2.RandAugment(magnitude=MAGNITUDES[level]),
            ]
        )
        # torchvision draws from PyTorch's own generator: what it was at is put back.
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed((self.seed * 1_000_003 + 10 * number + level) % 2**63)
            made = torch.stack([varied(self.images[number]) for _ in range(VERSIONS)])
        return made.float() / 255

    def _read(self, pictures: Tensor) -> Array:
        """Return the features of pictures (N, 3, H, W) in [0, 1] that are as the network is given them."""
        # As 8 bits hold them, like the photos.
        batches = (images.to_8_bits(part) for part in pictures.split(_AT_ONCE))
        return means_of(self.model, [self.layer], batches)[self.layer].double().numpy()
