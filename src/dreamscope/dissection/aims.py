"""Aims: what of a class is to be taken away, as far as removing channels can do it.

The answer is what the network itself says. What can be read is more: a fresh linear probe may find a class of which
the network no longer says a word.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import Any, NamedTuple

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional as F

from dreamscope.dissection.channel_masks import masked
from dreamscope.dissection.first_order import Channels, effects, margin
from dreamscope.dissection.statistics import shrunk_covariance
from dreamscope.errors import DreamscopeError
from dreamscope.models.classifier import Classifier
from dreamscope.probes import means, probe

AIMS = ("answer", "readout")

SLACK = 0.5
"""Logits by which the class is to trail: a photo that is just not taken for it might be after the next crop."""

LEFT = 0.05
"""The share of the class's photos that may trail by less when no more channels are needed."""

FALSE_ALARMS = 0.01
"""The share of controls that a probe may take for the class."""

READ = 0.02
"""The share of the class's photos that a probe may still find, beyond those that it finds by chance."""

BATCH = 32

_FEWEST = 4
"""Photos of each kind, so that there are two in each half."""

_RIDGE = 1e-6
_ROUNDING = 1e-6

_Matrix = np.ndarray[Any, np.dtype[np.float64]]


class Look(NamedTuple):
    """What is left of a class.

    Attributes
    ----------
    carried : Tensor
        (all channels,): how much of it removing each channel would take, to first order.
    reached : bool
        Whether so little is left that no more channels are needed.
    """

    carried: Tensor
    reached: bool


class Aim(ABC):
    """What is to be taken away.

    Attributes
    ----------
    photos : int
        The number of photos of the class.
    """

    photos: int

    @abstractmethod
    def look(self, channels: Channels) -> Look:
        """Return what is left without the channels that are removed already."""


class AnswerAim(Aim):
    """No photo of the class is taken for it by the network any more.

    Parameters
    ----------
    model
        The classifier.
    targets
        (N, 3, H, W), prepared: photos of the class.
    class_index
        The class.
    """

    def __init__(self, model: Classifier, targets: Tensor, class_index: int) -> None:
        self.photos = len(targets)
        self._model = model
        self._targets = targets
        self._classes = torch.full((len(targets),), class_index, device=model.device)

    def look(self, channels: Channels) -> Look:
        """Return what is left of the class's lead over the other classes."""
        carried, near = torch.zeros(len(channels.removed)), 0
        for batch, own in zip(self._targets.split(BATCH), self._classes.split(BATCH), strict=True):
            (found,) = effects(self._model, channels, batch, lambda logits, own=own: _hold(logits, own))  # type: ignore[misc]
            carried -= found.changes.sum(0).cpu()
            near += int((margin(found.output, own) > -SLACK).sum())
        return Look(carried / self.photos, near <= LEFT * self.photos)


class ReadoutAim(Aim):
    """No fresh linear probe tells photos of the class from others any more.

    The probe is Fisher's linear discriminant with a `shrunk_covariance`, fitted anew at each look. What a channel
    carries is what its removal would take from the distance between the sets along the discriminant.

    Parameters
    ----------
    model
        The classifier.
    targets, controls
        (N, 3, H, W), prepared: photos of the class and of other things.
    layer
        Whose channels the probe reads, as means over positions; see `dreamscope.models.blocks.features`.
    seed
        Of the split in halves.

    Raises
    ------
    DreamscopeError
        If there are fewer than four targets or controls.
    """

    def __init__(self, model: Classifier, targets: Tensor, controls: Tensor, layer: str, *, seed: int = 0) -> None:
        if min(len(targets), len(controls)) < _FEWEST:
            raise DreamscopeError(
                f"{len(targets)} targets and {len(controls)} controls are too few to train and try a linear probe; "
                f"give {_FEWEST} of each, or aim at the answer"
            )
        self.photos = len(targets)
        self._model = model
        self._sets = (targets, controls)
        self._layer = layer
        generator = torch.Generator().manual_seed(seed)
        self._orders = [torch.randperm(len(images), generator=generator).numpy() for images in self._sets]

    def look(self, channels: Channels) -> Look:
        """Return what is left to be read by a probe that learns now."""
        mine, others = (self._features_of(images, channels) for images in self._sets)
        direction = torch.from_numpy(discriminant(mine, others)).float().to(self._model.device)
        carried = torch.zeros(len(channels.removed))
        for images, sign in zip(self._sets, (-1, 1), strict=True):
            for batch in images.split(BATCH):
                (found,) = effects(self._model, channels, batch, lambda read: read @ direction, of=self._features)
                carried += sign * found.changes.sum(0).cpu() / len(images)
        return Look(carried, self._unreadable(mine, others))

    def _features(self, images: Tensor) -> Tensor:
        with probe(self._model, [self._layer], keep=means) as seen:
            return seen(images)[self._layer].float()

    def _features_of(self, images: Tensor, channels: Channels) -> _Matrix:
        keep = channels.split((~channels.removed).float())
        with torch.no_grad(), masked(self._model, keep):
            read = torch.cat([self._features(batch).cpu() for batch in images.split(BATCH)])
        return read.double().numpy()

    def _unreadable(self, mine: _Matrix, others: _Matrix) -> bool:
        """Return whether probes of one half of the photos find little more of the other half than chance would."""
        halves = [np.array_split(order, 2) for order in self._orders]
        found, by_chance = 0, 0.0
        for learn, measure in ((0, 1), (1, 0)):
            direction = discriminant(mine[halves[0][learn]], others[halves[1][learn]])
            alarms = np.sort(others[halves[1][measure]] @ direction)[::-1]
            allowed = int(FALSE_ALARMS * len(alarms))
            scores = mine[halves[0][measure]] @ direction
            found += int((scores > alarms[allowed]).sum())
            # Of photos like the controls, so many lie above the limit.
            by_chance += len(scores) * (allowed + 1) / (len(alarms) + 1)
        return found <= READ * self.photos + by_chance


def discriminant(positives: _Matrix, negatives: _Matrix) -> _Matrix:
    """Return the direction along which two sets of features lie apart the farthest, for the spread within them.

    Parameters
    ----------
    positives, negatives
        (photos, features).

    Returns
    -------
    ndarray
        (features,): the inverse of the shrunk covariance within the sets, times the difference of their means.
    """
    from scipy.linalg import solve

    together = np.concatenate([positives, negatives])
    spread = together.std(0)
    # What is the same for all photos, up to rounding, tells nothing.
    spread[spread <= _ROUNDING * np.abs(together).max(0)] = 1
    sets = [each / spread for each in (positives, negatives)]
    within = np.concatenate([each - each.mean(0) for each in sets])
    covariance = shrunk_covariance(torch.from_numpy(within)).numpy()
    # Where all features are the same for all photos, it would be zero.
    covariance[np.diag_indices_from(covariance)] += _RIDGE
    direction: _Matrix = solve(covariance, sets[0].mean(0) - sets[1].mean(0), assume_a="pos") / spread
    return direction


def _hold(logits: Tensor, classes: Tensor) -> Tensor:
    """Return how firmly each photo is still taken for the class: next to nothing once it trails by the slack."""
    return F.softplus((margin(logits, classes) + SLACK) * 2) / 2
