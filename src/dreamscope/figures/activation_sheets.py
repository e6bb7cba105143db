"""Activation sheets: the loudest channels of layers over a photo, a row for each layer."""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional as F

from dreamscope import images
from dreamscope.errors import DreamscopeError
from dreamscope.exploration.activations import Activations, ChannelActivation
from dreamscope.figures.attribution_plots import SCALE, SIGNED
from dreamscope.figures.contact_sheets import Cell, sheet
from dreamscope.figures.lettering import width_of
from dreamscope.models.classifier import Classifier
from dreamscope.models.layers import Layer

MOST_ROWS = 64
"""Layers on one sheet."""

_CLIP = 0.99
"""Of a map lies within the scale of its colours."""
_SIDES = (160, 208, 256, 320)
"""Pixels of a cell's longer side: the first in which every address can be read whole."""


def ensure_few(layers: int) -> None:
    """Raise if so many layers don't fit on a sheet."""
    if layers > MOST_ROWS:
        raise DreamscopeError(f"{layers} layers are too many for a sheet, {MOST_ROWS} at most: narrow them down")


def drawn(found: Activations, model: Classifier) -> Tensor:
    """Draw the channels over the photo, each on a scale of its own.

    Parameters
    ----------
    found
        What is shown: a row for each layer, of which the photo is the first cell. A layer all of whose values are 0 or
        more goes from dark to light; one with signs is red above 0 and blue below.
    model
        The classifier.

    Returns
    -------
    Tensor
        (1, 3, H, W) in [0, 1].

    Raises
    ------
    DreamscopeError
        If there are too many layers for a sheet.
    """
    ensure_few(len(found.layers))
    side = _side(found)
    photo = images.resize(found.image, images.fit_to(found.image, side)).clamp(0, 1)
    across = max(1, *map(len, found.layers.values()))
    cells = []
    for name, channels in found.layers.items():
        cells.append(Cell(photo, name, _size(model.layers[name])))
        signed = any(each.map is not None and bool((each.map < 0).any()) for each in channels)
        cells += [Cell(_over(photo, each, signed=signed), str(each.address), _note(each)) for each in channels]
        if not channels:
            cells.append(Cell(None, "silent"))
        cells += [Cell(torch.ones_like(photo), "")] * (across - max(1, len(channels)))
    title = f"{model.name}: channels over the photo, share of their layer, peak"
    return sheet(cells, columns=1 + across, title=title, most=side)


def number(value: float) -> str:
    """Return a number in three digits, or all of those before the point."""
    return f"{value:.0f}" if 1000 <= abs(value) < 1e6 else f"{value:.3g}"


def _side(found: Activations) -> int:
    shown = [each for channels in found.layers.values() for each in channels]
    labels = [*found.layers, *(text for each in shown for text in (str(each.address), _note(each)))]
    return next((side for side in _SIDES if all(width_of(each) <= side for each in labels)), _SIDES[-1])


def _size(layer: Layer) -> str:
    positions = ", " + "x".join(map(str, layer.grid)) if layer.grid else ""
    return f"{layer.channels} channels{positions}"


def _note(channel: ChannelActivation) -> str:
    if channel.peak == 0:
        return "silent"
    where = "" if channel.position is None else " @{},{}".format(*channel.position)
    if channel.map is not None and channel.map.numel() > 1 and bool((channel.map == channel.peak).all()):
        where = " everywhere"
    return f"{100 * channel.share:.3g}%, {number(channel.peak)}{where}"


def _over(photo: Tensor, channel: ChannelActivation, *, signed: bool) -> Tensor | None:
    """Return the photo in gray under a map; nothing for a vector, which has none."""
    from matplotlib import colormaps

    if channel.map is None:
        return None
    heat = F.interpolate(channel.map[None, None], photo.shape[-2:], mode="bilinear")[0, 0].numpy()
    # A single position may be so strong that nothing else would be seen; a silent channel leaves the photo as it is.
    largest = float(np.quantile(np.abs(heat), _CLIP)) or abs(channel.peak) or 1.0
    relative = (heat / largest).clip(-1, 1)
    strength = np.abs(relative)[..., None]
    gray = images.gray(photo)[0, 0].numpy()[..., None]
    if signed:
        colours, cover, gray = colormaps[SIGNED](0.5 + relative / 2), 0.9 * strength**0.7, 0.55 + 0.4 * gray
    else:
        colours, cover = colormaps[SCALE](relative), 0.25 + 0.65 * strength
    mixed = gray * (1 - cover) + colours[..., :3] * cover
    return torch.from_numpy(mixed.clip(0, 1)).permute(2, 0, 1)[None].float()
