"""Parameterizations: tensors -> image. What is climbed decides what a picture can easily become.

Anything that has ``parameters()`` and ``image()`` is one, see `Parameterization`: a network that paints, the latent
of a generator, a part that several images share plus one of their own. Those here are climbed as one tensor.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable, Mapping
from typing import ClassVar, Protocol, Self, TypeGuard, runtime_checkable

import torch
from torch import Generator, Tensor

from dreamscope.errors import DreamscopeError, ensure_one_of
from dreamscope.images import Size, gray, size_of
from dreamscope.optimize.color_correlation import correlated, independent

_EDGE = 0.002
"""How near to black or white the numbers of a picture are looked for: at the ends themselves they are infinite."""

_SIDE = 224
_PHOTOS = ((0.147, 1.20), (0.078, 1.34), (0.124, 1.21))
"""Strength and slope of photos' waves by frequency f in cycles a pixel, strength * f ** -slope, for each of the
independent colours: the mean over 600 photos of ImageNet's validation set, 224 pixels wide, in units of the sigmoid's
argument, by an orthonormal transform under a Hann window."""


@runtime_checkable
class Parameterization(Protocol):
    """What an ascent climbs: some tensors, and the images that they make.

    An ascent changes the tensors in place. Those of an ``nn.Module`` do: a module with a method ``image()`` is a
    parameterization. What is only true between steps (numbers in bounds) goes into a method ``constrain()``, which is
    called after each step where there is one.

    Examples
    --------
    >>> class Gray:
    ...     def __init__(self):
    ...         self.level = torch.zeros(1)
    ...     def parameters(self):
    ...         return self.level
    ...     def image(self):
    ...         return self.level.sigmoid().expand(1, 3, 64, 64)
    >>> isinstance(Gray(), Parameterization)
    True
    """

    def parameters(self) -> Tensor | Iterable[Tensor]:
        """Return what is climbed: leaves, floating point; where some require gradients, only those are climbed."""

    def image(self) -> Tensor:
        """Return the images that the parameters make, (N, 3, H, W) in [0, 1], differentiable."""


@runtime_checkable
class Constrained(Protocol):
    """A parameterization whose tensors have bounds."""

    def constrain(self) -> None:
        """Bring the parameters back into their bounds, in place."""


class Numbers(ABC):
    """A parameterization by one tensor of numbers (N, ...) for images of a size.

    Parameters
    ----------
    numbers
        What is climbed; the caller's tensor stays as it is.
    size
        Of the images.

    Attributes
    ----------
    rate : float
        How far a step of Adam goes in these numbers, if nothing else is said.
    """

    rate: ClassVar[float]

    def __init__(self, numbers: Tensor, size: Size) -> None:
        # Another tensor over the same memory: an ascent replaces what is in it, and copies nothing before.
        self.numbers, self.size = numbers.detach(), size

    @classmethod
    def noise(cls, count: int, size: Size, generator: Generator) -> Self:
        """Return the parameterization of `count` images of faint noise."""
        return cls(cls.draw(count, size, generator), size)

    @classmethod
    def of(cls, images: Tensor) -> Self:
        """Return the parameterization of these images (N, 3, H, W), or of the nearest that can be had."""
        return cls(cls.encode(images), size_of(images))

    @classmethod
    @abstractmethod
    def draw(cls, count: int, size: Size, generator: Generator) -> Tensor:
        """Return numbers of faint noise."""

    @classmethod
    @abstractmethod
    def encode(cls, images: Tensor) -> Tensor:
        """Return numbers whose images are these, or the nearest that can be had."""

    @abstractmethod
    def image(self) -> Tensor:
        """Return the images, (N, 3, H, W) in [0, 1]."""

    def parameters(self) -> Tensor:
        """Return the numbers."""
        return self.numbers

    def repeated(self, count: int, device: torch.device) -> Self:
        """Return the parameterization of the same images `count` times in a row, on a device."""
        numbers = self.numbers.repeat(count, *[1] * (self.numbers.dim() - 1))
        return type(self)(numbers.to(device), self.size)


class Pixel(Numbers):
    """Each number is a colour of a pixel, (N, 3, H, W)."""

    rate = 0.02

    @classmethod
    def draw(cls, count: int, size: Size, generator: Generator) -> Tensor:
        """Return noise around middle gray."""
        return 0.5 + 0.01 * torch.randn((count, 3, size.height, size.width), generator=generator)

    @classmethod
    def encode(cls, images: Tensor) -> Tensor:
        """Return the images themselves."""
        return images

    def image(self) -> Tensor:
        """Return the numbers themselves."""
        return self.numbers

    def constrain(self) -> None:
        """Clip to [0, 1]."""
        self.numbers.clamp_(0, 1)


class Gray(Pixel):
    """Each number is the lightness of a pixel, (N, 1, H, W), the same in all three channels.

    The gradient of a number is the sum of those of its three colours. Images in colours become gray (luma, Rec. 601).
    """

    @classmethod
    def draw(cls, count: int, size: Size, generator: Generator) -> Tensor:
        """Return noise around middle gray."""
        return 0.5 + 0.01 * torch.randn((count, 1, size.height, size.width), generator=generator)

    @classmethod
    def encode(cls, images: Tensor) -> Tensor:
        """Return the luma of images."""
        return gray(images).clamp(0, 1)

    def image(self) -> Tensor:
        """Return the numbers as three equal channels."""
        return self.numbers.expand(-1, 3, -1, -1)


class Fourier(Numbers):
    """Numbers are waves in colours that are independent of each other, the finer the weaker, (N, 3, H, W // 2 + 1, 2).

    After Olah, Mordvintsev and Schubert, "Feature Visualization" (Distill 2017): in this basis a step along
    the gradient changes coarse shapes and fine detail, lightness and hue, as much as photos vary in them.
    """

    rate = 0.25
    decay: ClassVar[float] = 1.25
    """How fast waves weaken with their frequency: about 1.2 in photos. More is smoother, and recognized by more
    networks."""
    contrast: ClassVar[float] = 0.05
    """Standard deviation of the noise, in units of the sigmoid's argument."""

    def __init__(self, numbers: Tensor, size: Size) -> None:
        super().__init__(numbers, size)
        self._weight = self._weights(size).to(self.numbers)

    @classmethod
    def draw(cls, count: int, size: Size, generator: Generator) -> Tensor:
        """Return waves of random strength and phase."""
        return cls.contrast * torch.randn((count, 3, size.height, size.width // 2 + 1, 2), generator=generator)

    @classmethod
    def encode(cls, images: Tensor) -> Tensor:
        """Return the waves of images, up to colours that are all but black or white."""
        waves = independent(images.clamp(_EDGE, 1 - _EDGE).logit())
        spectrum: Tensor = torch.fft.rfft2(waves, norm="ortho")
        return torch.view_as_real(spectrum) / cls._weights(size_of(images)).to(images)

    def image(self) -> Tensor:
        """Return the waves' sum, made colours, squeezed into [0, 1]."""
        spectrum = torch.view_as_complex((self.numbers * self._weight).contiguous())
        waves = torch.fft.irfft2(spectrum, s=(self.size.height, self.size.width), norm="ortho")
        return torch.sigmoid(correlated(waves))

    @classmethod
    def _weights(cls, size: Size) -> Tensor:
        weight = frequencies(size).clamp_min(1 / max(size.width, size.height)) ** -cls.decay
        # White numbers then make a picture of unit variance, whatever the size.
        return (weight / weight.square().mean().sqrt())[..., None]


class Detail(Fourier):
    """Waves as in `Fourier`, but those that are long beside the picture hardly move: what lies on top of a photo.

    Where light and dark lie, and in which colours, is in the longest waves; with them held, an ascent can't paint the
    photo over.
    """

    decay: ClassVar[float] = 1.5
    contrast: ClassVar[float] = 0.2
    held: ClassVar[float] = 3.0
    """Waves that fit fewer times into the shorter side move less, in proportion to the square of their frequency."""

    @classmethod
    def _weights(cls, size: Size) -> Tensor:
        share = frequencies(size) * min(size.width, size.height) / cls.held
        # Not 0 for the mean colour: it has to be encoded.
        damping = share.square() / (1 + share.square())
        return super()._weights(size) * damping.clamp_min(1e-3)[..., None]


class Maco(Numbers):
    """How strong each wave is is fixed, as in photos; only phases move: (N, 3, H, W // 2 + 1) in radians.

    Magnitude-constrained optimisation (Fel et al. 2023, "Unlocking feature visualization for deep networks"):
    an ascent can't pour strength into high frequencies, which is what static is.
    """

    rate = 0.3

    def __init__(self, numbers: Tensor, size: Size) -> None:
        super().__init__(numbers, size)
        longer = max(size.width, size.height)
        frequency = frequencies(size).clamp_min(1 / longer)
        # The same waves across a picture, whatever its size.
        bands = [strength * frequency**-slope * (longer / _SIDE) ** (1 - slope) for strength, slope in _PHOTOS]
        magnitude = torch.stack(bands)
        # A mean colour has no phase to find.
        magnitude[:, 0, 0] = 0
        self._magnitude = magnitude.to(self.numbers)

    @classmethod
    def draw(cls, count: int, size: Size, generator: Generator) -> Tensor:
        """Return phases that are all equally likely."""
        # Of real noise: where a wave stands twice in the table, the two agree.
        return _phases(torch.randn((count, 3, size.height, size.width), generator=generator))

    @classmethod
    def encode(cls, images: Tensor) -> Tensor:
        """Return the phases of images."""
        return _phases(independent(images.clamp(_EDGE, 1 - _EDGE).logit()))

    def image(self) -> Tensor:
        """Return the waves' sum, made colours, squeezed into [0, 1]."""
        spectrum = torch.polar(self._magnitude.expand_as(self.numbers).contiguous(), self.numbers)
        waves = torch.fft.irfft2(spectrum, s=(self.size.height, self.size.width), norm="ortho")
        return torch.sigmoid(correlated(waves))


class Contrasted:
    """Another's images with more contrast: how a finished picture is shown.

    Parameters
    ----------
    of
        The other.
    wanted
        Standard deviation of a colour that images are brought up to; 0 for as they are.
    most
        At most so many times their own.
    """

    def __init__(self, of: Parameterization, wanted: float, most: float) -> None:
        self.of, self.wanted, self.most = of, wanted, most

    def parameters(self) -> Tensor | Iterable[Tensor]:
        """Return the other's parameters."""
        return self.of.parameters()

    def image(self) -> Tensor:
        """Return the other's images, colours further from their means, which stay."""
        images = self.of.image()
        variance, mean = torch.var_mean(images, (2, 3), keepdim=True)
        own = variance.mean(1, keepdim=True).sqrt().clamp_min(1e-6)
        return (mean + (images - mean) * (self.wanted / own).clamp(1, self.most)).clamp(0, 1)


class Covered:
    """Another's images where a mask is white, and given images where it is black.

    Parameters
    ----------
    of
        The other.
    below
        (N, 3, H, W), what is seen where nothing is climbed.
    mask
        (1, 1, H, W) in [0, 1].
    """

    def __init__(self, of: Parameterization, below: Tensor, mask: Tensor) -> None:
        self.of, self.below, self.mask = of, below, mask

    def parameters(self) -> Tensor | Iterable[Tensor]:
        """Return the other's parameters."""
        return self.of.parameters()

    def image(self) -> Tensor:
        """Return the images."""
        return self.below + (self.of.image() - self.below) * self.mask

    def constrain(self) -> None:
        """Bring the other's parameters back into their bounds, if it has any."""
        if isinstance(self.of, Constrained):
            self.of.constrain()


def tensors_of(parameterization: Parameterization) -> list[Tensor]:
    """Return the tensors that are climbed: those that require gradients, or all where none does.

    Raises
    ------
    DreamscopeError
        If there are none, or one of them is no leaf of floating-point numbers.
    """
    given = parameterization.parameters()
    found = [given] if isinstance(given, Tensor) else list(given)
    found = [each for each in found if each.requires_grad] or found
    if not found:
        raise DreamscopeError(f"{type(parameterization).__name__} has no parameters to climb")
    for each in found:
        if not each.is_leaf or not each.is_floating_point():
            what = "the result of other tensors" if each.is_floating_point() else str(each.dtype)
            raise DreamscopeError(f"a parameter is a leaf tensor of floating-point numbers, not {what}")
    return found


def rate_of(parameterization: object, otherwise: float) -> float:
    """Return how far a step of Adam goes in a parameterization: its own ``rate`` if it has one."""
    rate = getattr(parameterization, "rate", None)
    return float(rate) if isinstance(rate, int | float) else otherwise


def made_of(images: Tensor, chosen: Chosen) -> Parameterization:
    """Return the parameterization of images (N, 3, H, W): one that is named, an object, or what a function makes.

    Raises
    ------
    DreamscopeError
        If there is no such name, or the function returns something else.
    """
    if isinstance(chosen, str):
        ensure_one_of(chosen, PARAMETERIZATIONS, "parameterization")
        return PARAMETERIZATIONS[chosen].of(images)
    if is_made(chosen):
        return chosen
    found = chosen(images) if callable(chosen) else chosen
    if not is_made(found):
        raise DreamscopeError(
            f"a parameterization is a name, or has parameters() and image(); {type(found).__name__} has not"
        )
    return found


def held_by(images: Tensor, chosen: object) -> Tensor:
    """Return images (N, 3, H, W) as far as a parameterization can hold them: in gray for ``gray``."""
    return Gray.of(images).image() if chosen == "gray" else images


def is_made(chosen: object) -> TypeGuard[Parameterization]:
    """Return whether that is a parameterization: neither a name nor what makes one."""
    return isinstance(chosen, Parameterization) and not isinstance(chosen, type)


def _phases(waves: Tensor) -> Tensor:
    phases: Tensor = torch.fft.rfft2(waves).angle()
    return phases


def frequencies(size: Size) -> Tensor:
    """Return the frequency of each wave of a real picture, in cycles a pixel, (H, W // 2 + 1)."""
    down = torch.fft.fftfreq(size.height)[:, None]
    across = torch.fft.rfftfreq(size.width)[None]
    return torch.hypot(down, across)


PARAMETERIZATIONS: Mapping[str, type[Numbers]] = {
    "fourier": Fourier,
    "pixel": Pixel,
    "maco": Maco,
    "detail": Detail,
    "gray": Gray,
}
"""By name; the first is the default."""

Chosen = str | Parameterization | Callable[[Tensor], Parameterization]
"""A name in `PARAMETERIZATIONS`, one's own object, or a function that makes one from the image to start with."""
