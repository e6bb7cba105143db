"""Transforms: image -> image, drawn anew each step, differentiable.

One draw holds for a whole batch, so that a picture becomes the same alone and among others. Any function from images to
images is one, see `ensure`.
"""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace

import torch
from torch import Generator, Tensor
from torch.nn import functional as F

from dreamscope import images as pictures
from dreamscope.errors import DreamscopeError
from dreamscope.optimize.ingredients import named


class Transform(ABC):
    """A transform that draws from the ascent's own generator, and may change along the ascent."""

    @abstractmethod
    def __call__(self, images: Tensor, generator: Generator, progress: float = 0.0) -> Tensor:
        """Transform images (N, 3, H, W).

        Parameters
        ----------
        images
            In [0, 1]; what comes back may have another size.
        generator
            The source of all random numbers.
        progress
            The share of the ascent that is over, 0 to less than 1.
        """


@dataclass(frozen=True)
class Shift(Transform):
    """Roll the picture by up to `pixels` each way, around its edges.

    The gradient comes back through the roll, so every pixel is seen at every phase of the network's
    strides, and the network's padded border falls on another place each time.
    """

    pixels: int

    def __post_init__(self) -> None:
        if not 0 <= self.pixels <= 100_000 or self.pixels != int(self.pixels):
            raise DreamscopeError(f"a shift is a whole number of pixels, 0 to 100000, not {self.pixels:g}")

    def __call__(self, images: Tensor, generator: Generator, progress: float = 0.0) -> Tensor:  # noqa: ARG002
        """Shift (N, 3, H, W)."""
        down, right = torch.randint(-self.pixels, self.pixels + 1, (2,), generator=generator).tolist()
        return images.roll((down, right), dims=(2, 3))


@dataclass(frozen=True)
class Scale(Transform):
    """Zoom about the middle by a factor between `least` and `most`; what is missing at the edges is mirrored."""

    least: float = 0.9
    most: float = 1.1

    def __post_init__(self) -> None:
        _check_range(self.least, self.most, "a scale")

    def __call__(self, images: Tensor, generator: Generator, progress: float = 0.0) -> Tensor:  # noqa: ARG002
        """Zoom (N, 3, H, W)."""
        # Even in the logarithm: as much larger as smaller.
        factor = math.exp(_between(math.log(self.least), math.log(self.most), generator))
        return turned(images, 1 / factor, 0.0)


@dataclass(frozen=True)
class Rotate(Transform):
    """Turn about the middle by up to `degrees` either way; what is missing at the corners is mirrored."""

    degrees: float = 5.0

    def __call__(self, images: Tensor, generator: Generator, progress: float = 0.0) -> Tensor:  # noqa: ARG002
        """Turn (N, 3, H, W)."""
        return turned(images, 1.0, math.radians(_between(-self.degrees, self.degrees, generator)))


@dataclass(frozen=True)
class Flip(Transform):
    """Mirror the picture, left for right, every other time."""

    def __call__(self, images: Tensor, generator: Generator, progress: float = 0.0) -> Tensor:  # noqa: ARG002
        """Mirror (N, 3, H, W), or not."""
        return images.flip(3) if _between(0, 1, generator) < 0.5 else images


@dataclass(frozen=True)
class Crop(Transform):
    """Cut a part out, with sides between `least` and `most` of the picture's, and show it with sides `shown` of them.

    The shape stays that of the picture. Smaller crops cost less, and several of them see more than a large one.
    """

    least: float = 0.5
    most: float = 1.0
    shown: float = 1.0

    def __post_init__(self) -> None:
        _check_range(self.least, self.most, "a crop")
        if self.most > 1:
            raise DreamscopeError(f"a crop is a share of the picture, at most 1, not {self.most:g}")
        if not 0 < self.shown <= 4:
            raise DreamscopeError(f"a crop is shown at more than 0 and at most 4 times its size, not {self.shown:g}")

    def __call__(self, images: Tensor, generator: Generator, progress: float = 0.0) -> Tensor:  # noqa: ARG002
        """Crop (N, 3, H, W)."""
        height, width = images.shape[-2:]
        share = _between(self.least, self.most, generator)
        rows, columns = max(1, round(height * share)), max(1, round(width * share))
        size = (max(1, round(self.shown * height)), max(1, round(self.shown * width)))
        return _shown(_part(images, rows, columns, generator), size)


@dataclass(frozen=True)
class Window(Transform):
    """Cut a part out anywhere, between `least` and `most` of the largest that fits, and show it at `height` x `width`.

    Its shape is that of what is shown, whatever the picture's: so a network that was trained on one size sees the parts
    of a picture of any. Without `height` and `width` it is shown at the network's input size, see `sized`.
    """

    least: float = 0.4
    most: float = 1.0
    height: int = 0
    width: int = 0

    def __post_init__(self) -> None:
        _check_range(self.least, self.most, "a window")
        if self.most > 1:
            raise DreamscopeError(f"a window is a share of the picture, at most 1, not {self.most:g}")
        pixels = (self.height, self.width)
        if pixels != (0, 0) and (min(pixels) < 1 or any(each != int(each) for each in pixels)):
            raise DreamscopeError(f"a window is shown at whole pixels, not {self.height:g}x{self.width:g}")

    def __call__(self, images: Tensor, generator: Generator, progress: float = 0.0) -> Tensor:  # noqa: ARG002
        """Cut a window out of (N, 3, H, W)."""
        if not self.height:
            raise DreamscopeError("a window needs the pixels that it is shown at, such as window:0.4,1,224,224")
        down, across = images.shape[-2:]
        scale = min(down / self.height, across / self.width) * _between(self.least, self.most, generator)
        rows, columns = max(1, round(self.height * scale)), max(1, round(self.width * scale))
        return _shown(_part(images, rows, columns, generator), (self.height, self.width))


@dataclass(frozen=True)
class Noise(Transform):
    """Add Gaussian noise of standard deviation `width`, fading to none at the end of the ascent."""

    width: float = 0.1

    def __post_init__(self) -> None:
        _check_width(self.width, "noise")

    def __call__(self, images: Tensor, generator: Generator, progress: float = 0.0) -> Tensor:
        """Add noise to (N, 3, H, W), the same to each."""
        noise = torch.randn(images.shape[1:], generator=generator).to(images)
        return images + self.width * (1 - progress) * noise


@dataclass(frozen=True)
class Blur(Transform):
    """Blur with a Gaussian of standard deviation `width` pixels, fading to none at the end of the ascent."""

    width: float = 2.0

    def __post_init__(self) -> None:
        _check_width(self.width, "a blur")

    def __call__(self, images: Tensor, generator: Generator, progress: float = 0.0) -> Tensor:  # noqa: ARG002
        """Blur (N, 3, H, W)."""
        width = self.width * (1 - progress)
        # Narrower than that changes nothing.
        return pictures.blur(images, width) if width > 0.2 else images


TRANSFORMS: Mapping[str, Callable[..., Transform]] = {
    "shift": Shift,
    "scale": Scale,
    "rotate": Rotate,
    "flip": Flip,
    "crop": Crop,
    "window": Window,
    "noise": Noise,
    "blur": Blur,
}
"""The transforms by name."""


class Own(Transform):
    """A function from images to images, (N, 3, H, W) each; its randomness is its own business."""

    def __init__(self, function: Callable[[Tensor], Tensor]) -> None:
        self.function = function

    def __call__(self, images: Tensor, generator: Generator, progress: float = 0.0) -> Tensor:  # noqa: ARG002
        """Call the function; raise if it returns something else."""
        found = self.function(images)
        if not isinstance(found, Tensor) or found.dim() != 4 or found.shape[:2] != images.shape[:2]:
            what = f"shape {tuple(found.shape)}" if isinstance(found, Tensor) else type(found).__name__
            raise DreamscopeError(f"a transform returns images ({len(images)}, 3, H, W), not {what}")
        return found


def ensure(given: str | Transform | Callable[[Tensor], Tensor]) -> Transform:
    """Return the transform that a text names (``shift:8``), one as it is, or any function from images to images.

    Raises
    ------
    DreamscopeError
        If it is none of these.
    """
    found = named(given, TRANSFORMS, "transform")
    if isinstance(found, Transform):
        return found
    if not callable(found):
        raise DreamscopeError(f"a transform is a text such as shift:8, or a function of images, not {found!r}")
    return Own(found)


def sized(transform: Transform, input_size: tuple[int, int]) -> Transform:
    """Return a window that says no size with that of a network's input, (height, width); others as they are."""
    if isinstance(transform, Window) and not transform.height:
        return replace(transform, height=input_size[0], width=input_size[1])
    return transform


def _check_range(least: float, most: float, what: str) -> None:
    if not min(least, most) > 0:
        raise DreamscopeError(f"the factors of {what} are more than 0, not {min(least, most):g}")
    if least > most:
        raise DreamscopeError(f"{what} lies between two factors, the smaller first, not {least:g} and {most:g}")


def _check_width(width: float, what: str) -> None:
    if not width >= 0:
        raise DreamscopeError(f"the width of {what} is 0 or more, not {width:g}")


def _between(least: float, most: float, generator: Generator) -> float:
    return least + (most - least) * torch.rand((), generator=generator, dtype=torch.float64).item()


def _part(images: Tensor, rows: int, columns: int, generator: Generator) -> Tensor:
    """Return so many rows and columns of images (N, 3, H, W), from anywhere."""
    height, width = images.shape[-2:]
    top = int(_between(0, height - rows + 1, generator))
    left = int(_between(0, width - columns + 1, generator))
    return images[..., top : top + rows, left : left + columns]


def _shown(part: Tensor, size: tuple[int, int]) -> Tensor:
    """Return a part at (height, width)."""
    if size[0] < part.shape[-2]:
        return pictures.resampled(part, size, mode="bilinear")
    return F.interpolate(part, size, mode="bilinear", align_corners=False)


def turned(images: Tensor, zoom: float, angle: float) -> Tensor:
    """Show images zoomed out `zoom` times and turned by `angle` radians about the middle, edges mirrored."""
    height, width = images.shape[-2:]
    cosine, sine = zoom * math.cos(angle), zoom * math.sin(angle)
    # In coordinates that run from -1 to 1 in both directions, so the sides' ratio comes in.
    turn = images.new_tensor([[cosine, -sine * height / width, 0.0], [sine * width / height, cosine, 0.0]])
    grid = F.affine_grid(turn.expand(len(images), 2, 3), list(images.shape), align_corners=False)
    return F.grid_sample(images, grid, mode="bilinear", padding_mode="reflection", align_corners=False)
