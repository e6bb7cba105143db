"""The patches of real photos that excite channels most."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from dreamscope.images import read
from dreamscope.models.addresses import Address
from dreamscope.models.classifier import Classifier
from dreamscope.models.layers import Layer
from dreamscope.photos import Photo, Stream
from dreamscope.probes import probe

SMALLEST = 48
"""Pixels: a smaller patch shows nothing."""


def best_patches(model: Classifier, addresses: Sequence[Address], photos: Sequence[Photo]) -> list[Tensor | None]:
    """Return, for each channel, the patch (1, 3, h, w) of the photos that excites it most.

    The patch is as much of the prepared picture as the channel can see from where it was most excited, or
    ``None`` where it was excited by nothing.

    Parameters
    ----------
    model
        The classifier.
    addresses
        One channel each.
    photos
        Looked through in one pass.
    """
    names = list(dict.fromkeys(address.layer for address in addresses))
    best = {name: torch.full((model.layers[name].channels, 3), -torch.inf) for name in names}
    stream = Stream(photos, model.prepared)
    seen: list[Photo] = []
    with torch.no_grad(), probe(model, names, keep=_loudest) as recorded:
        for named, pictures in stream:
            kept = recorded(pictures)
            for name in names:
                values, places = kept[name][..., 0].cpu(), kept[name][..., 1].cpu()
                top, rows = values.max(0)
                new = top > best[name][:, 0]
                found = torch.stack([top, rows + len(seen), places.gather(0, rows[None])[0]], 1)
                best[name][new] = found[new]
            seen += named
    patches: list[Tensor | None] = []
    for address in addresses:
        value, photo, place = best[address.layer][(address.channels or (0,))[0]].tolist()
        picture = model.prepared(read(seen[int(photo)].path)) if value > 0 else None
        patches.append(None if picture is None else _crop(picture, model.layers[address.layer], int(place)))
    return patches


def _loudest(activation: Tensor) -> Tensor:
    flat = activation.reshape(*activation.shape[:2], -1)
    values, places = flat.float().max(2)
    return torch.stack([values, places.float()], 2)


def _crop(picture: Tensor, layer: Layer, place: int) -> Tensor:
    """Cut out what position number `place` of a map can see; all of it where there is no map."""
    if len(layer.grid) != 2 or layer.receptive_field is None:
        return picture
    rows, columns = layer.grid
    middle = ((place // columns + 0.5) / rows, (place % columns + 0.5) / columns)
    spans = []
    for share, side, field in zip(middle, picture.shape[-2:], layer.receptive_field, strict=True):
        size = min(side, max(SMALLEST, field))
        start = min(max(0, round(share * side - size / 2)), side - size)
        spans.append(slice(start, start + size))
    return picture[..., spans[0], spans[1]].clone()
