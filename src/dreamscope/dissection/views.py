"""Views: the same photos mildly changed, as another day or another hand would have taken them.

A class that is recognised again in the mirror was not removed; recall over views says so.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from types import MappingProxyType

from torch import Tensor

from dreamscope import images as pictures

_KEPT = 0.85
"""The share of each side that a crop keeps."""

_BLUR = 2 / 224
"""The standard deviation of the blur, as a share of the shorter side."""


def _mirrored(images: Tensor) -> Tensor:
    return images.flip(-1)


def _cropped(images: Tensor) -> Tensor:
    size = pictures.size_of(images)
    height, width = round(_KEPT * size.height), round(_KEPT * size.width)
    return pictures.resize(images[..., :height, :width], size).clamp(0, 1)


def _cropped_and_mirrored(images: Tensor) -> Tensor:
    # Turned by half a circle, the lower right is the upper left.
    return _cropped(images.flip(-2, -1)).flip(-2)


def _brighter(images: Tensor) -> Tensor:
    return (1.3 * images).clamp(0, 1)


def _darker(images: Tensor) -> Tensor:
    return 0.7 * images


def _blurred(images: Tensor) -> Tensor:
    return pictures.blur(images, _BLUR * min(images.shape[-2:])).clamp(0, 1)


VIEWS: Mapping[str, Callable[[Tensor], Tensor]] = MappingProxyType(
    {
        "mirror": _mirrored,
        "crop": _cropped,
        "crop mirrored": _cropped_and_mirrored,
        "brighter": _brighter,
        "darker": _darker,
        "blurred": _blurred,
    }
)
"""Name -> a function from images (N, 3, H, W) in [0, 1] to others of the same shape; none of them draws at random.

The crops are 85 % of each side, from the upper left and from the lower right, resized to the whole. The blur is
Gaussian, of 2 pixels where the shorter side has 224.
"""


def views(images: Tensor) -> Iterator[tuple[str, Tensor]]:
    """Yield each of `VIEWS`: its name, and what it makes of images (N, 3, H, W) in [0, 1], of the network's size."""
    for name, view in VIEWS.items():
        yield name, view(images)
