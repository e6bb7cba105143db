"""How channels respond to photos, in one pass: statistics, never activations.

A photo's response at a channel is one number, the mean of the activation over positions; of a set of photos, the
count, mean, variance and a histogram are kept, how loud the channel was, and how often among a layer's loudest.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import torch
from torch import Tensor

_OCTAVES = (-16, 8)
_BINS = 4
"""Histogram bins: four for each doubling from 2^-16 to 2^8, on both sides of zero, which has a bin of its own."""


class Responses:
    """The responses of all channels of some layers to a set of photos.

    Attributes
    ----------
    count : int
        Photos so far.
    mean, deviation : Tensor
        Of the mean activation, (channels of all layers,).
    times_loud : Tensor
        The number of photos in which the channel was among its layer's `loudest` by L2 norm; silent ones never are.
    loud : Tensor
        The same as a share of the photos.
    loudness : Tensor
        The mean L2 norm, as a share of that of its layer's loudest channel.
    histogram : Tensor
        How many photos' means fell into each bin, (channels of all layers, bins), from the most negative bin on.
    """

    def __init__(self, widths: Sequence[int], *, loudest: int = 5) -> None:
        total = sum(widths)
        self.count = 0
        self._widths = list(widths)
        self._loudest = loudest
        self._mean = torch.zeros(total, dtype=torch.float64)
        self._squares = torch.zeros(total, dtype=torch.float64)
        self._norms = torch.zeros(total, dtype=torch.float64)
        self.times_loud = torch.zeros(total)
        self._side = (_OCTAVES[1] - _OCTAVES[0]) * _BINS
        self.histogram = torch.zeros(total, 2 * self._side + 1)

    def add(self, means: Tensor, norms: Tensor) -> None:
        """Add a batch: the mean activations and their L2 norms, both (N, channels of all layers)."""
        batch = means.double()
        self._add_moments(len(batch), batch.mean(0), (batch - batch.mean(0)).square().sum(0))
        self.histogram.scatter_add_(1, self._bins(means).T, torch.ones_like(means).T)
        self._norms += norms.double().sum(0)
        start = 0
        for width in self._widths:
            top = norms[:, start : start + width].topk(min(self._loudest, width), dim=1)
            heard = top.indices[top.values > 0]
            self.times_loud[start : start + width] += torch.bincount(heard, minlength=width)
            start += width

    def merge(self, other: Responses) -> None:
        """Add what was gathered of other photos at the same layers.

        Whoever gathers parts side by side gets the same numbers each time if they are merged in the same order.
        """
        if other.count:
            self._add_moments(other.count, other._mean, other._squares)
            self.histogram += other.histogram
            self._norms += other._norms
            self.times_loud += other.times_loud

    def _add_moments(self, count: int, mean: Tensor, squares: Tensor) -> None:
        # Welford's update for parts (Chan et al. 1979): no sum of large squares is ever taken.
        total = self.count + count
        delta = mean - self._mean
        self._squares += squares + delta.square() * (self.count * count / total)
        self._mean += delta * (count / total)
        self.count = total

    def add_seen(self, seen: Mapping[str, Tensor], layers: Sequence[str]) -> None:
        """Add a batch as a probe with `mean_and_norm` recorded it at all layers."""
        both = torch.cat([seen[name] for name in layers], 1).float().cpu()
        self.add(both[..., 0], both[..., 1])

    def state(self) -> dict[str, Tensor]:
        """Return what was gathered, for `restore`."""
        moments = {"mean": self._mean, "squares": self._squares, "norms": self._norms}
        return {
            "count": torch.tensor(self.count),
            **moments,
            "times_loud": self.times_loud,
            "histogram": self.histogram,
        }

    def restore(self, state: Mapping[str, Tensor]) -> None:
        """Go on from what `state` returned."""
        self.count = int(state["count"])
        self._mean, self._squares, self._norms = (state[name] for name in ("mean", "squares", "norms"))
        self.times_loud, self.histogram = state["times_loud"], state["histogram"]

    @staticmethod
    def edges() -> Tensor:
        """Return where the histogram's bins begin and end, (bins + 1,); the first and the last hold all beyond, too."""
        steps = torch.arange((_OCTAVES[1] - _OCTAVES[0]) * _BINS + 1, dtype=torch.float64)
        side = (_OCTAVES[0] + steps / _BINS).exp2()
        return torch.cat([-side.flip(0), side])

    def _bins(self, values: Tensor) -> Tensor:
        size = values.abs().clamp_min(2.0 ** _OCTAVES[0])
        place = ((size.log2() - _OCTAVES[0]) * _BINS).clamp(0, self._side - 1).long() + 1
        return torch.where(values.abs() < 2.0 ** _OCTAVES[0], 0, place) * values.sign().long() + self._side

    @property
    def mean(self) -> Tensor:
        """The mean response of each channel."""
        return self._mean.float()

    @property
    def deviation(self) -> Tensor:
        """The standard deviation over photos."""
        return (self._squares / max(1, self.count - 1)).sqrt().float()

    @property
    def loud(self) -> Tensor:
        """The share of photos in which the channel was among the loudest of its layer."""
        return self.times_loud / max(1, self.count)

    @property
    def loudness(self) -> Tensor:
        """The mean norm of each channel as a share of that of its layer's loudest."""
        parts = self._norms.split(self._widths)
        return torch.cat([part / part.max().clamp_min(1e-30) for part in parts]).float()


def mean_and_norm(activation: Tensor) -> Tensor:
    """Return what `Responses` needs of an activation (N, C, ...): (N, C, 2)."""
    flat = activation.reshape(*activation.shape[:2], -1)
    # PyTorch's own vector_norm takes five times as long on channels_last maps.
    return torch.stack([flat.mean(2), flat.square().sum(2).sqrt()], 2)
