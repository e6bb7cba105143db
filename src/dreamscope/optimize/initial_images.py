"""Initial images besides photos: black, gray, white, any other colour, noise, clouds."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import torch
from PIL import ImageColor
from torch import Generator, Tensor
from torch.nn import functional as F

from dreamscope import images
from dreamscope.errors import DreamscopeError
from dreamscope.images import Pictures, Size
from dreamscope.recipes import reference


def noise(size: Size, generator: Generator) -> Tensor:
    """Gaussian noise around middle gray, each pixel and colour by itself."""
    return (0.5 + 0.06 * torch.randn((1, 3, size.height, size.width), generator=generator)).clamp(0, 1)


def clouds(size: Size, generator: Generator) -> Tensor:
    """Fractal noise: layers of smooth noise, each twice as fine and half as strong, in soft colours."""
    total = torch.zeros((1, 3, size.height, size.width))
    cells, strength = 2, 1.0
    while cells <= max(size.height, size.width):
        rows = max(2, cells * size.height // max(size.height, size.width))
        columns = max(2, cells * size.width // max(size.height, size.width))
        # Mostly the same for all three colours, or clouds become confetti.
        shared = torch.randn((1, 1, rows, columns), generator=generator)
        layer = shared + 0.5 * torch.randn((1, 3, rows, columns), generator=generator)
        total += strength * F.interpolate(layer, (size.height, size.width), mode="bicubic", align_corners=False)
        cells, strength = cells * 2, strength / 2
    return (0.5 + 0.16 * total / total.std()).clamp(0, 1)


INITIAL_IMAGES: Mapping[str, Callable[[Size, Generator], Tensor]] = {"noise": noise, "clouds": clouds}
"""Those that are drawn, by name; each makes (1, 3, H, W) in [0, 1]."""

PLAIN: Mapping[str, tuple[float, float, float]] = {
    "black": (0.0, 0.0, 0.0),
    "gray": (0.5, 0.5, 0.5),
    "grey": (0.5, 0.5, 0.5),
    "white": (1.0, 1.0, 1.0),
}
"""Plain ones by name. Besides them there is each colour that Pillow knows: ``#336699``, ``navy``."""


def is_initial(source: object) -> bool:
    """Return whether that names an initial image and no picture.

    Raises
    ------
    DreamscopeError
        If it begins as a colour does (``#``) and is none.
    """
    return isinstance(source, str) and (source in INITIAL_IMAGES or color_of(source) is not None)


def color_of(text: str) -> tuple[float, ...] | None:
    """Return the colour that a text names, red, green and blue in [0, 1], or ``None``."""
    if text in PLAIN:
        return PLAIN[text]
    try:
        found = ImageColor.getrgb(text)
        if len(found) == 3:
            return tuple(level / 255 for level in found)
    except ValueError:
        pass
    if text.startswith("#"):
        raise DreamscopeError(f"'{text}' is no colour; write it as #336699, or by a name such as navy")
    return None


def initial_picture(
    image: Pictures, size: int | str | Size | None, generator: Generator, *, own: Size | None = None
) -> Tensor:
    """Return the photos, or the initial image of that name, at the size asked for, (N, 3, H, W).

    Parameters
    ----------
    image
        What `dreamscope.images.read_all` takes, or the name of an initial image.
    size
        The longer side in pixels, or ``WIDTHxHEIGHT``; that of the photos, or `own`, if not given.
    generator
        The source of all random numbers.
    own
        The size of an initial image; 512x512 if not given.
    """
    if isinstance(image, str) and is_initial(image):
        full = Size.parse(size, own or Size(512, 512))
        if image in INITIAL_IMAGES:
            return INITIAL_IMAGES[image](full, generator)
        color = torch.tensor(color_of(image), dtype=torch.float32)
        return color.view(1, 3, 1, 1).repeat(1, 1, full.height, full.width)
    photo = images.read_all(image).cpu()
    if size is None:
        return photo
    return images.resize(photo, Size.parse(size, images.size_of(photo))).clamp(0, 1)


def referenced(inputs: Mapping[str, Any]) -> dict[str, Any]:
    """Return what a recipe keeps of pictures: names of initial images as they are, of others a reference."""
    return {role: given if given is None or is_initial(given) else reference(given) for role, given in inputs.items()}
