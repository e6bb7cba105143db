"""Blocks: the layers of a network that a sheet shows: those that a person would look at first, or those named."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from dreamscope.models.addresses import Address, resolve

if TYPE_CHECKING:
    from torch import Tensor, nn

    from dreamscope.models.classifier import Classifier

FEWEST = 6
"""With fewer blocks than this, those inside them are shown, if there are any."""


def blocks_of(model: Classifier) -> list[str]:
    """Return the names of a network's blocks, in the order of the forward pass.

    A block is a module of the network's own kind (no plain ``Sequential``) with two weighted layers or more; of blocks
    inside one another, the outermost that are several. In a plain stack such as VGG's, which has none, it is the last
    layer before each next convolution or pooling. All of them have positions.
    """
    from torch import nn

    maps = [name for name, layer in model.layers.items() if layer.grid]
    modules = {name: model.module.get_submodule(name) for name in maps}
    plain = (nn.Sequential, nn.ModuleList, nn.ModuleDict)
    found = [name for name in maps if type(modules[name]) not in plain and _weighted(modules[name]) > 1]
    level = _outermost(found)
    while len(level) < FEWEST:
        deeper = _outermost([name for name in found if name not in level and _inside(name, level)])
        if not deeper:
            break
        kept = {*deeper, *(name for name in level if not any(_inside(each, [name]) for each in deeper))}
        level = [name for name in maps if name in kept]
    return level if len(level) > 1 else _before_weights(model, modules) or maps


def layers(model: Classifier, at: Sequence[str | Address] | None = None) -> list[Address]:
    """Return the addresses that are named; of those by a glob that put out the same, the one of the shortest name.

    Without `at`, the network's blocks. A glob names only layers that have positions.
    """
    if at is None:
        return resolve(blocks_of(model), model)
    named = {layer for text in at if (layer := Address.parse(text).layer) in model.layers}
    found = list(dict.fromkeys(address for text in at for address in _resolved(text, model)))
    shortest: dict[tuple[Any, ...], Address] = {}
    digests = _digests(model, {address.layer for address in found})
    for address in found:
        same: tuple[Any, ...] = (digests[address.layer], replace(address, layer=""))
        # What was named in full is there to be seen.
        key = (address,) if address.layer in named else same
        if key not in shortest or len(address.layer) < len(shortest[key].layer):
            shortest[key] = address
    return [address for address in found if address in shortest.values()]


def _resolved(text: str | Address, model: Classifier) -> list[Address]:
    pattern, found = Address.parse(text).layer, resolve([text], model)
    if pattern == "*":
        # All layers are shown as an image passes through them, so what holds others comes after them.
        order = {name: place for place, name in enumerate(model.layers)}
        found.sort(key=lambda each: order[each.layer])
    glob = any(sign in pattern for sign in "*?[")
    return [each for each in found if model.layers[each.layer].grid] or found if glob else found


def _outermost(names: Sequence[str]) -> list[str]:
    return [name for name in names if not _inside(name, names)]


def _inside(name: str, others: Sequence[str]) -> bool:
    return any(name.startswith(f"{other}.") for other in others)


def _weighted(module: nn.Module) -> int:
    return sum(weight.dim() > 1 for weight in module.parameters())


def _before_weights(model: Classifier, modules: dict[str, nn.Module]) -> list[str]:
    """Return the leaves with positions that the next one turns into something else: by weights, or by pooling."""
    leaves = [name for name, module in modules.items() if next(module.children(), None) is None]
    found = []
    for place, name in enumerate(leaves):
        after = leaves[place + 1] if place + 1 < len(leaves) else None
        pooled = (
            place > 0 and not _weighted(modules[name]) and model.layers[name].grid != _grid(model, leaves[place - 1])
        )
        if not pooled and (
            after is None or _weighted(modules[after]) or model.layers[name].grid != _grid(model, after)
        ):
            found.append(name)
    return found


def _grid(model: Classifier, name: str) -> tuple[int, ...]:
    return model.layers[name].grid


def _digests(model: Classifier, names: set[str]) -> dict[str, str]:
    """Return, for each layer, a digest of what it puts out for noise."""
    import torch

    from dreamscope.probes import probe

    def digest(activation: Tensor) -> Tensor:
        content = activation.float().cpu().contiguous().numpy()
        found = hashlib.sha256(f"{content.shape}".encode() + content.tobytes()).digest()
        return torch.frombuffer(bytearray(found), dtype=torch.uint8)

    noise = torch.rand((1, 3, *model.input_size), generator=torch.Generator().manual_seed(0))
    with torch.no_grad(), probe(model, names, keep=digest) as seen:
        seen(noise)
        return {name: bytes(seen[name].tolist()).hex() for name in names}
