"""Hallucination: one photo, or several of a size, dreamt towards an aim."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import torch
from torch import Generator, Tensor

from dreamscope import images
from dreamscope.augmentation import keeping
from dreamscope.augmentation.aims import Aim, guide_at
from dreamscope.augmentation.keeping import Keep, Pixels
from dreamscope.dreaming.octaves import Dreamer
from dreamscope.dreaming.presets import Settings
from dreamscope.models.blocks import blocks
from dreamscope.models.classifier import Classifier
from dreamscope.objectives import Each, Objective

SETTINGS = Settings(
    loss="mean",
    steps=12,
    rate=1.5 / 255,
    octaves=3,
    octave_scale=1.5,
    jitter=8,
    filter="laplacian",
    natural=0.7,
    precision="float32/channels_last",
)
"""Of a dream that changes what is there and leaves the rest: few steps, and shapes before texture."""

_GRAY = 1 / 255
"""Pictures whose channels differ by less are gray."""


@dataclass(frozen=True)
class Hallucinator:
    """Dreams of photos towards an aim.

    Attributes
    ----------
    model : Classifier
        The classifier.
    aim : Aim
        What is climbed towards.
    settings : Settings
        Of the dream. Gray photos are dreamt on in gray, whatever the parameterization.
    keep : tuple of Keep
        What holds the dream to the photo.
    keep_layer : str
        Whose activations are kept by `dreamscope.augmentation.keeping.Features`.
    """

    model: Classifier
    aim: Aim
    settings: Settings = SETTINGS
    keep: tuple[Keep, ...] = ()
    keep_layer: str = ""

    def __call__(
        self,
        photos: Tensor,
        generator: Generator,
        *,
        guides: Sequence[Tensor] = (),
        mask: Tensor | None = None,
    ) -> Tensor:
        """Return the dreams.

        Parameters
        ----------
        photos
            (N, 3, H, W) in [0, 1], all gray or none.
        generator
            The source of all random numbers.
        guides
            For the aim ``guide``: for each photo one with the thing, (1, 3, h, w) in [0, 1].
        mask
            (1, 1, H, W) in [0, 1]: where photos may change.

        Returns
        -------
        Tensor
            Like `photos`.
        """
        size = images.size_of(photos)
        settings = replace(self.settings, parameterization="gray") if is_gray(photos) else self.settings
        objective: Objective
        if guides:
            objective = Each(tuple(self.aim.objective(self.model, guide_at(each, size)) for each in guides))
        else:
            objective = self.aim.objective(self.model)
        for keep in self.keep:
            if isinstance(keep, Pixels):
                settings = replace(settings, penalty=[*settings.penalty, keep.penalty(photos)])
            else:
                objective = objective + keep.objective(self.model, photos, self.keep_layer)
                # Activations are compared place by place.
                settings = replace(settings, jitter=0)
        dreamer = Dreamer.climbing(self.model, objective, settings, size, count=len(photos))
        return dreamer(photos, objective, generator=generator, coverage=mask)


def is_gray(pictures: Tensor) -> bool:
    """Return whether pictures (N, 3, H, W) in [0, 1] have no colours."""
    return bool((pictures.amax(1) - pictures.amin(1)).max() < _GRAY)


def blended(photo: Tensor, dream: Tensor, strength: float | Tensor) -> Tensor:
    """Return the photo with so much of what was dreamt on it; more than 1 exaggerates."""
    return (photo + strength * (dream - photo)).clamp(0, 1)


def kept_layer(model: Classifier) -> str:
    """Return the block whose activations are kept: that where a fifth of the network is over."""
    found = blocks(model)
    return found[len(found) // 5]


def ensure_keep(given: str | Keep | Sequence[str | Keep]) -> tuple[Keep, ...]:
    """Return what holds dreams to their photos, see `dreamscope.augmentation.keeping`."""
    several = [given] if isinstance(given, str | Keep) else given
    return tuple(keeping.ensure(each) for each in several)


def seeded(seed: int, number: int) -> Generator:
    """Return the source of random numbers of picture `number`, whatever is made before it."""
    return torch.Generator().manual_seed((seed * 1_000_003 + number) % 2**63)
