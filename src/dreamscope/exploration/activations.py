"""Activations: what a network sees in one photo - the loudest channels of each layer, with their maps."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional as F

from dreamscope import files, images
from dreamscope.errors import DreamscopeError
from dreamscope.exploration.blocks import blocks_of, layers
from dreamscope.exploration.patches import channels_of
from dreamscope.images import Picture
from dreamscope.models.addresses import Address
from dreamscope.models.classifier import Classifier
from dreamscope.probes import probe
from dreamscope.recipes import Recipe, reference

TOP = 8
"""Channels of each layer."""

_SIDE = 96  # pixels of a map in a notebook


@dataclass(frozen=True)
class ChannelActivation:
    """What one channel puts out for a photo.

    Attributes
    ----------
    address : Address
        The channel.
    share : float
        Its part of the layer's energy, 0 to 1: its sum of squares over all positions, divided by that of all channels.
        0 in a layer that is silent.
    strength : float
        Its root mean square over all positions.
    peak : float
        Its value of the largest magnitude on its map; of a vector the value.
    position : (row, column) or None
        Where that is, as addresses name it; ``None`` for a vector.
    map : Tensor or None
        float32 (rows, columns), over the whole prepared photo; of tokens those of patches, without the class token.
        ``None`` for a vector.
    """

    address: Address
    share: float
    strength: float
    peak: float
    position: tuple[int, int] | None
    map: Tensor | None

    @property
    def strongest(self) -> Address:
        """The neuron where it is strongest, the channel itself if it has no positions."""
        return Address(self.address.layer, self.address.channels, self.position)


@dataclass(frozen=True)
class Activations:
    """What the channels of some layers put out for a photo.

    Attributes
    ----------
    image : Tensor
        float32 (1, 3, H, W) in [0, 1]: the photo as the network saw it, resized and cropped as it was tested.
    layers : Mapping of str to tuple of ChannelActivation
        Layer -> its loudest channels, the loudest first, none if it is silent; or the channels that were named. In the
        order of the forward pass.
    recipe : Recipe or None
        Enough to make it again; ``None`` if none was wanted.
    """

    image: Tensor
    layers: Mapping[str, tuple[ChannelActivation, ...]]
    recipe: Recipe | None

    def save(self, path: str | Path) -> Path:
        """Write the numbers as NumPy's ``.npz``, the recipe inside, whole or not at all.

        It holds ``image`` (H, W, 3); for each layer ``LAYER`` (channels, rows, columns), of a vector (channels,), and
        ``LAYER_channels``, ``LAYER_shares`` and ``LAYER_strengths`` (channels,); and ``recipe``, a text.

        Raises
        ------
        DreamscopeError
            If `path` does not end in ``.npz`` or can't be written.
        """
        arrays = {"image": self.image[0].permute(1, 2, 0).numpy()}
        for name, channels in self.layers.items():
            maps = [torch.tensor(each.peak) if each.map is None else each.map for each in channels]
            arrays[name] = torch.stack(maps).numpy() if maps else np.zeros(0, np.float32)
            arrays[f"{name}_channels"] = np.array([each.address.channels for each in channels], np.int64).reshape(-1)
            arrays[f"{name}_shares"] = np.array([each.share for each in channels], np.float32)
            arrays[f"{name}_strengths"] = np.array([each.strength for each in channels], np.float32)
        if self.recipe is not None:
            arrays["recipe"] = np.array(self.recipe.to_json())
        return files.write_arrays(path, arrays)

    def _repr_png_(self) -> bytes:
        """Return a row for each layer: the photo, then its loudest channels, light where they are strong."""
        size = (_SIDE, _SIDE)
        photo = images.resampled(self.image, size, mode="bilinear").clamp(0, 1)
        dark = 0.3 * images.gray(photo).expand_as(photo)
        across = max(map(len, self.layers.values()))
        rows = []
        for channels in self.layers.values():
            cells = [photo]
            for each in channels:
                grid = torch.full((1, 1), each.peak) if each.map is None else each.map
                light = F.interpolate(grid.abs()[None, None], size, mode="bilinear")
                cells.append(dark + 0.7 * light / light.max().clamp_min(1e-30))
            cells += [torch.ones_like(photo)] * (across - len(channels))
            rows.append(torch.cat(cells, 3))
        return images.png(torch.cat(rows, 2))


def activations(
    model: Classifier,
    photo: Picture,
    at: str | Address | Sequence[str | Address] | None = None,
    *,
    top: int = TOP,
    recipe: bool = True,
) -> Activations:
    """Return the loudest channels of some layers on one photo, with their maps.

    A loud channel is not always one that says much: some are loud on every photo. `exemplars` shows on which others.

    Parameters
    ----------
    model
        The classifier.
    photo
        A file, ``sample:NAME``, a PIL image, an array or an image (1, 3, H, W). It is resized and cropped to the middle
        as the network was tested.
    at
        Layers or globs, of which the loudest channels are returned, or channels (``blocks.4.2:3,17``); one or
        several. The network's blocks if not given. Of the layers that a glob names, only those with positions, and of
        those that put out the same, one. Of a layer that runs several times in a pass, the last time counts.
    top
        Number of channels of each layer of which none are named.
    recipe
        Keep a recipe.

    Returns
    -------
    Activations

    Raises
    ------
    DreamscopeError
        If the photo can't be read or is several; if there is no such layer or channel, an address has a position or a
        weight, or a layer works on windows of the photo one by one, so that it has no map.
    """
    arguments = locals()
    if top < 1:
        raise DreamscopeError(f"top is the number of channels of each layer, 1 or more, not {top}")
    picture = images.read(photo)
    if len(picture) != 1:
        raise DreamscopeError(f"one photo is looked through at a time, not {len(picture)}")
    # A network without any positions has no blocks.
    texts = (blocks_of(model) or list(model.layers)) if at is None else [at] if isinstance(at, str | Address) else at
    wanted: dict[str, set[int]] = {}
    for address in channels_of(model, layers(model, texts)):
        wanted.setdefault(address.layer, set()).update(address.channels or ())
    # From the first layer to the last, whatever order they were named in.
    addresses = [Address(name, tuple(sorted(wanted[name])) or None) for name in model.layers if name in wanted]
    made = None
    if recipe:
        resolved = {"at": [str(address) for address in addresses]}
        made = Recipe.of_call(activations, arguments, inputs={"photo": reference(photo)}, resolved=resolved)
    image = model.prepared(picture.to(model.device))
    with torch.no_grad(), probe(model, wanted) as seen:
        seen(image)
        found = {each.layer: _of_layer(seen[each.layer], each, top) for each in addresses}
    return Activations(image.cpu(), found, made)


def _of_layer(activation: Tensor, address: Address, top: int) -> tuple[ChannelActivation, ...]:
    """Return the channels that an address names in an activation (1, C, ...), or the loudest if it names none."""
    if len(activation) != 1:
        raise DreamscopeError(
            f"'{address.layer}' works on {len(activation)} windows of a photo one by one, so it has no map of the "
            "whole; name the block around it"
        )
    values = activation[0].float().cpu()
    maps = as_maps(values)
    flat = values.reshape(len(values), -1)
    energy = flat.double().square().sum(1)
    # Of a silent layer each channel's share is 0.
    shares = energy / energy.sum().clamp_min(1e-300)
    loudest = [each for each in energy.argsort(descending=True, stable=True)[:top].tolist() if energy[each] > 0]
    strengths = (energy / flat.shape[1]).sqrt()
    found = []
    for channel in loudest if address.channels is None else address.channels:
        grid = None if maps is None else maps[channel].clone()
        place = 0 if grid is None else int(grid.abs().argmax())
        found.append(
            ChannelActivation(
                address=Address(address.layer, (channel,)),
                share=float(shares[channel]),
                strength=float(strengths[channel]),
                peak=float(flat[channel, 0] if grid is None else grid.flatten()[place]),
                position=None if grid is None else divmod(place, grid.shape[1]),
                map=grid,
            )
        )
    return tuple(found)


def as_maps(values: Tensor) -> Tensor | None:
    """Return what a layer puts out for a photo, (channels, ...), as (channels, rows, columns); ``None`` for a vector.

    Of tokens, those that come before the patches (the class token) are left out.
    """
    if values.dim() == 2:
        side = math.isqrt(values.shape[1])
        return values[:, -side * side :].reshape(len(values), side, side)
    return None if values.dim() == 1 else values
