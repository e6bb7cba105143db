"""Parameterizations: numbers -> image. What is climbed decides what a picture can easily become."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping

import torch
from torch import Generator, Tensor

from dreamscope.images import Size
from dreamscope.optimize.color_correlation import correlated, independent

_EDGE = 0.002
"""How near to black or white a picture's numbers are looked for: at the ends themselves they are infinite."""

_SIDE = 224
_PHOTOS = ((0.147, 1.20), (0.078, 1.34), (0.124, 1.21))
"""Strength and slope of photos' waves by frequency f in cycles a pixel, strength * f ** -slope, for each of the
independent colours: the mean over 600 photos of ImageNet's validation set, 224 pixels wide, in units of the sigmoid's
argument, by an orthonormal transform under a Hann window."""


class Parameterization(ABC):
    """From numbers (N, ...) to images (N, 3, H, W) and back."""

    @abstractmethod
    def start(self, count: int, size: Size, generator: Generator) -> Tensor:
        """Return the numbers of `count` pictures of faint noise."""

    @abstractmethod
    def image(self, numbers: Tensor) -> Tensor:
        """Return the images in [0, 1]."""

    @abstractmethod
    def numbers(self, images: Tensor) -> Tensor:
        """Return numbers whose images are these, or the nearest that can be had."""

    def within(self, numbers: Tensor) -> Tensor:
        """Bring numbers back to where they mean an image, in place."""
        return numbers


class Pixel(Parameterization):
    """Each number is a colour of a pixel."""

    def start(self, count: int, size: Size, generator: Generator) -> Tensor:
        """Return noise around middle gray."""
        return 0.5 + 0.01 * torch.randn((count, 3, size.height, size.width), generator=generator)

    def image(self, numbers: Tensor) -> Tensor:
        """Return the numbers themselves."""
        return numbers

    def numbers(self, images: Tensor) -> Tensor:
        """Return the images themselves."""
        return images

    def within(self, numbers: Tensor) -> Tensor:
        """Clip to [0, 1], in place."""
        return numbers.clamp_(0, 1)


class Fourier(Parameterization):
    """Numbers are waves in colours that are independent of each other, the finer the weaker.

    After Olah, Mordvintsev and Schubert, "Feature Visualization" (Distill 2017): in this basis a step along
    the gradient changes coarse shapes and fine detail, lightness and hue, as much as photos vary in them.

    Parameters
    ----------
    decay
        How fast waves weaken with their frequency: about 1.2 in photos. More is smoother, and taken for the same
        by more networks.
    contrast
        Standard deviation of the start, in units of the sigmoid's argument.
    """

    def __init__(self, size: Size, decay: float = 1.25, contrast: float = 0.05) -> None:
        self.size, self.decay, self.contrast = size, decay, contrast
        weight = frequencies(size).clamp_min(1 / max(size.width, size.height)) ** -decay
        # White numbers then make a picture of unit variance, whatever the size.
        self._weight = (weight / weight.square().mean().sqrt())[..., None]

    def start(self, count: int, size: Size, generator: Generator) -> Tensor:  # noqa: ARG002
        """Return waves (N, 3, H, W // 2 + 1, 2) of random strength and phase."""
        return self.contrast * torch.randn((count, 3, *self._weight.shape[:2], 2), generator=generator)

    def image(self, numbers: Tensor) -> Tensor:
        """Return the waves' sum, made colours, squeezed into [0, 1]."""
        spectrum = torch.view_as_complex((numbers * self._weight.to(numbers)).contiguous())
        waves = torch.fft.irfft2(spectrum, s=(self.size.height, self.size.width), norm="ortho")
        return torch.sigmoid(correlated(waves))

    def numbers(self, images: Tensor) -> Tensor:
        """Return the waves of images, up to colours that are all but black or white."""
        waves = independent(images.clamp(_EDGE, 1 - _EDGE).logit())
        spectrum: Tensor = torch.fft.rfft2(waves, norm="ortho")
        return torch.view_as_real(spectrum) / self._weight.to(images)


class Maco(Parameterization):
    """How strong each wave is is fixed, as in photos; only phases move.

    Magnitude-constrained optimisation (Fel et al. 2023, "Unlocking feature visualization for deep networks"):
    an ascent can't pour strength into high frequencies, which is what static is.
    """

    def __init__(self, size: Size) -> None:
        self.size = size
        longer = max(size.width, size.height)
        frequency = frequencies(size).clamp_min(1 / longer)
        # The same waves across a picture, whatever its size.
        bands = [strength * frequency**-slope * (longer / _SIDE) ** (1 - slope) for strength, slope in _PHOTOS]
        self._magnitude = torch.stack(bands)
        # A mean colour has no phase to find.
        self._magnitude[:, 0, 0] = 0

    def start(self, count: int, size: Size, generator: Generator) -> Tensor:  # noqa: ARG002
        """Return phases (N, 3, H, W // 2 + 1) in radians, all equally likely."""
        # Of real noise: where a wave stands twice in the table, the two agree.
        noise = torch.randn((count, 3, self.size.height, self.size.width), generator=generator)
        return _phases(noise)

    def image(self, numbers: Tensor) -> Tensor:
        """Return the waves' sum, made colours, squeezed into [0, 1]."""
        spectrum = torch.polar(self._magnitude.to(numbers).expand_as(numbers).contiguous(), numbers)
        waves = torch.fft.irfft2(spectrum, s=(self.size.height, self.size.width), norm="ortho")
        return torch.sigmoid(correlated(waves))

    def numbers(self, images: Tensor) -> Tensor:
        """Return the phases of images."""
        waves = independent(images.clamp(_EDGE, 1 - _EDGE).logit())
        return _phases(waves)


class Contrasted(Parameterization):
    """Another's images with more contrast: how a finished picture is shown.

    Parameters
    ----------
    of
        The other.
    wanted
        Standard deviation of a colour that images are brought up to; 0 for as they are.
    most
        How often their own it may be.
    """

    def __init__(self, of: Parameterization, wanted: float, most: float) -> None:
        self.of, self.wanted, self.most = of, wanted, most

    def start(self, count: int, size: Size, generator: Generator) -> Tensor:
        """Return what the other starts from."""
        return self.of.start(count, size, generator)

    def image(self, numbers: Tensor) -> Tensor:
        """Return the other's images, colours further from their means, which stay."""
        images = self.of.image(numbers)
        variance, mean = torch.var_mean(images, (2, 3), keepdim=True)
        own = variance.mean(1, keepdim=True).sqrt().clamp_min(1e-6)
        return (mean + (images - mean) * (self.wanted / own).clamp(1, self.most)).clamp(0, 1)

    def numbers(self, images: Tensor) -> Tensor:
        """Return the other's numbers of images: how much contrast was added to them can't be known."""
        return self.of.numbers(images)

    def within(self, numbers: Tensor) -> Tensor:
        """Bring numbers back as the other does."""
        return self.of.within(numbers)


def _phases(waves: Tensor) -> Tensor:
    phases: Tensor = torch.fft.rfft2(waves).angle()
    return phases


def frequencies(size: Size) -> Tensor:
    """Return the frequency of each wave of a real picture, in cycles a pixel, (H, W // 2 + 1)."""
    down = torch.fft.fftfreq(size.height)[:, None]
    across = torch.fft.rfftfreq(size.width)[None]
    return torch.hypot(down, across)


PARAMETERIZATIONS: Mapping[str, Callable[[Size], Parameterization]] = {
    "fourier": Fourier,
    "pixel": lambda _size: Pixel(),
    "maco": Maco,
}
"""How to make them for a size of picture, by name; the first is the default."""
