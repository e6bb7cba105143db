"""From a gradient to a step: what is evened out before the picture moves."""

from __future__ import annotations

from collections.abc import Callable, Mapping

import torch
from torch import Tensor
from torch.nn import functional as F

from dreamscope.images import blur, resampled
from dreamscope.optimize.color_correlation import COLOR_ROOT

Filter = Callable[[Tensor], Tensor]

_TINY = 1e-30


def as_is(gradient: Tensor) -> Tensor:
    """Return the gradient itself: the write-ups' ``x + rate * dL/dx``."""
    return gradient


class Times:
    """Multiply the gradient by one number, so that its direction stays."""

    def __init__(self, factor: float) -> None:
        self.factor = factor

    def __call__(self, gradient: Tensor) -> Tensor:
        """Return the gradient times the factor."""
        return gradient * self.factor


def unit_mean(gradient: Tensor) -> Tensor:
    """Divide by the mean absolute value of each image, as the DeepDream notebook of 2015 does."""
    return gradient / _mean_size(gradient)


def smoothed(gradient: Tensor) -> Tensor:
    """Add up the gradient blurred by three widths, each at unit mean: fine detail counts less.

    After the cascade of Gaussian filters in the PyTorch DeepDream write-ups of 2016-2020.
    """
    return unit_mean(sum((unit_mean(blur(gradient, width)) for width in (0.5, 1.0, 2.0)), torch.zeros_like(gradient)))


def laplacian(gradient: Tensor, levels: int = 5) -> Tensor:
    """Bring each band of a Laplacian pyramid to the same strength: coarse shapes grow as fast as fine ones.

    After Mordvintsev, "DeepDreaming with TensorFlow" (2016). Two things differ, both to be seen in pictures:
    what is coarser than the coarsest band is left out, since it only drives the picture to white; and the
    finest band, mostly static, gets half the strength of the others and is never lifted above its own share.
    """
    # In place from here on, on a copy: such pictures can be as large as memory allows.
    # Divided first, since raw gradients may be so small that their squares vanish.
    rest = unit_mean(gradient)
    bands: list[Tensor] = []
    while len(bands) < levels and min(rest.shape[-2:]) >= 8:
        low = _half(rest)
        bands.append(rest.sub_(_double(low, rest)))
        rest = low
    if not bands:
        return rest
    strengths = [torch.linalg.vector_norm(band, dim=(1, 2, 3), keepdim=True) for band in bands]
    strengths = [
        (strength / band[0].numel() ** 0.5).clamp_min(_TINY) for strength, band in zip(strengths, bands, strict=True)
    ]
    strengths[0] = 2 * torch.maximum(strengths[0], strengths[min(1, len(bands) - 1)])
    total = torch.zeros_like(rest)
    for band, strength in zip(reversed(bands), reversed(strengths), strict=True):
        total = band.div_(strength).add_(_double(total, band))
    return total.div_(_mean_size(total))


class FirstAtUnitMean:
    """Multiply each image's gradients by the rate that brings the mean absolute value of its first one to `size`.

    The bare loop with a rate that fits the network: raw gradients differ a thousandfold between networks. One object
    belongs to one ascent, or to one dream with all its octaves.

    Parameters
    ----------
    size
        The mean change in the first step.
    unit
        What gradients are multiplied by before, as by `Times`: the rates are those of the product.
    digits
        To which rates are rounded: the last bits of a gradient differ from run to run, what a recipe says should not.
    """

    def __init__(self, size: float = 1.0, unit: float = 1.0, *, digits: int | None = None) -> None:
        self.size, self.unit, self.digits = size, unit, digits
        self._rates: Tensor | None = None

    def __call__(self, gradient: Tensor) -> Tensor:
        """Return the gradient (N, ...) times the unit and the rate."""
        # In this order: with that rate given, it is the same to the last bit.
        gradient = gradient * self.unit
        if self._rates is None:
            found = (self.size / _mean_size(gradient)).flatten().tolist()
            rounded = found if self.digits is None else [float(f"{rate:.{self.digits}g}") for rate in found]
            self._rates = gradient.new_tensor(rounded).view(-1, *[1] * (gradient.dim() - 1))
        return gradient.mul_(self._rates)

    @property
    def rates(self) -> tuple[float | None, ...]:
        """The rate of each image, ``None`` for one whose first gradient is 0; empty before there is one."""
        found: list[float] = [] if self._rates is None else self._rates.flatten().tolist()
        known = [rate if rate < self.size / (2 * _TINY) else None for rate in found]
        if self.digits is None:
            return tuple(known)
        # As they were rounded, without the digits that single precision adds.
        return tuple(None if rate is None else float(f"{rate:.{self.digits}g}") for rate in known)


FILTERS: Mapping[str, Filter] = {
    "none": as_is,
    "mean": unit_mean,
    "gaussian": smoothed,
    "laplacian": laplacian,
}
"""The filters by name."""


def natural_colors(filter: Filter, share: float) -> Filter:
    """Follow `filter` by a mixing of colours: R, G and B move together as in photos.

    Climbing in colours that are independent of each other and going back to RGB multiplies a gradient by
    their covariance. A filter that evens gradients out to unit mean does so with the mixture; `as_is` and `Times` leave
    its size to the gradient, and `FirstAtUnitMean` to the first one.

    Parameters
    ----------
    filter
        What comes before.
    share
        0 leaves the gradient as it is, and so does a gradient in gray, of one channel; 1 mixes entirely: no more neon.
    """
    if share == 0:
        return filter
    raw = filter is as_is or isinstance(filter, Times | FirstAtUnitMean)
    before, after = (as_is, filter) if raw else (filter, None)

    def mixed(gradient: Tensor) -> Tensor:
        if gradient.shape[1] == 1:
            return filter(gradient)
        root = gradient.new_tensor(COLOR_ROOT)
        covariance = root @ root.T
        covariance = covariance / covariance.diagonal().mean()
        mixing = torch.lerp(torch.eye(3).to(covariance), covariance, share)
        mixture = torch.einsum("ij,njhw->nihw", mixing, before(gradient))
        return mixture.div_(_mean_size(mixture)) if after is None else after(mixture)

    return mixed


def _mean_size(images: Tensor) -> Tensor:
    """Return the mean absolute value of each image's numbers (N, ...), as (N, 1, ...)."""
    total: Tensor = torch.linalg.vector_norm(images, ord=1, dim=tuple(range(1, images.dim())) or None, keepdim=True)
    return (total / (images[0] if images.dim() > 1 else images).numel()).clamp_min(_TINY)


def _half(images: Tensor) -> Tensor:
    size = [-(-side // 2) for side in images.shape[-2:]]
    return resampled(images, (size[0], size[1]), mode="bilinear")


def _double(images: Tensor, like: Tensor) -> Tensor:
    return F.interpolate(images, like.shape[-2:], mode="bilinear", align_corners=False)
