"""Sites: where in a network a class is erased, and where it is not to be readable any more."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn

from dreamscope.errors import DreamscopeError
from dreamscope.models.addresses import resolve
from dreamscope.models.blocks import blocks, features
from dreamscope.models.classifier import Classifier
from dreamscope.models.erase import Erase
from dreamscope.models.layers import tensor_of, with_tensor
from dreamscope.models.weight_export import bake
from dreamscope.probes import means, probe

REACH = 2
"""Blocks before the features at which a class is erased too, unless a depth is given."""


@dataclass(frozen=True)
class Site:
    """One place of an erasure.

    Attributes
    ----------
    layer : str
        Whose output is edited.
    block : str
        Whose mean over positions is not to tell the class any more. Where a block adds something to what it gets, and
        does nothing after that, `layer` is what it adds: only there can weights hold the edit.
    """

    layer: str
    block: str


def readable_layers(model: Classifier) -> list[str]:
    """Return the layers that a class may be read from: the blocks, and the features that the last weights read."""
    last = features(model)
    read = _means(model, [*blocks(model), last])
    # A pooling layer reads the last block's means: there is nothing to tell them apart.
    return [name for name in read if name == last or not _alike(read[name], read[last])]


def sites(model: Classifier, depth: str | None = None, readable: Sequence[str] | None = None) -> list[Site]:
    """Return where to erase a class, in the order of the forward pass, the features last.

    Parameters
    ----------
    model
        The classifier.
    depth
        The layer from which on the class is not to be readable; the last `REACH` blocks and the features if not given.
    readable
        The `readable_layers`, where they are known.

    Raises
    ------
    DreamscopeError
        If there is no such layer, or nothing to read after it.
    """
    *before, last = readable = readable or readable_layers(model)
    chosen = before[-REACH:] if depth is None else [n for n in from_depth(model, depth, readable) if n != last]
    return [*(Site(_added_by(model, name), name) for name in chosen), Site(last, last)]


def from_depth(model: Classifier, depth: str, readable: Sequence[str]) -> list[str]:
    """Return which of the `readable_layers` come from a layer on; raise a `DreamscopeError` if there are none."""
    found = resolve([depth], model)
    start = found[0].layer
    order = list(model.layers)
    first = next(place for place, name in enumerate(order) if name == start or name.startswith(f"{start}."))
    later = [name for name in readable if order.index(name) >= first]
    if not later:
        raise DreamscopeError(f"nothing of {model.name} can be read from '{depth}' on; the last is '{readable[-1]}'")
    return later


def ensure_exportable(model: Classifier, depth: str | None = None) -> None:
    """Raise a `DreamscopeError` if weights could not hold what would be erased at `sites`, before it is looked for."""
    generator = torch.Generator().manual_seed(0)
    edits = []
    planned = sites(model, depth)
    for site in planned:
        count = model.layers[site.layer].channels
        drawn = torch.randn((2, count), generator=generator)
        # As in an erasure: at a whole block there is no center.
        center = None if site.layer == site.block and site != planned[-1] else torch.rand(count)
        edits.append(Erase(site.layer, drawn[0] / count, drawn[1], center))
    try:
        bake(model.edited(edits))
    except DreamscopeError as error:
        raise DreamscopeError(f"{error}; --depth {planned[-1].layer} erases it there only") from error


def _added_by(model: Classifier, block: str) -> str:
    """Return the part of a block whose output reaches the block's own unchanged, plus something; else the block."""
    inside = [name for name in model.layers if name.startswith(f"{block}.")]
    weighted = [name for name in inside if _has_weights(model.module.get_submodule(name))]
    if not weighted:
        return block
    layer = weighted[-1]
    same = (model.layers[layer].channels, model.layers[layer].grid) == (
        model.layers[block].channels,
        model.layers[block].grid,
    )
    if not same or model.layers[layer].calls != 1:
        return block
    generator = torch.Generator().manual_seed(0)
    added: list[Tensor] = []

    def add(tensor: Tensor) -> Tensor:
        added.append(torch.randn(tensor.shape, generator=generator).to(tensor) * tensor.std())
        return tensor + added[-1]

    plain, changed = (_output(model, block, layer, change) for change in (lambda tensor: tensor, add))
    return layer if _alike(changed - plain, added[0], 1e-3) else block


def _output(model: Classifier, block: str, layer: str, change: Callable[[Tensor], Tensor]) -> Tensor:
    found: list[Tensor] = []

    def edit(_module: nn.Module, _inputs: tuple[Any, ...], output: Any) -> Any:
        tensor = tensor_of(output)
        return None if tensor is None else with_tensor(output, change(tensor))

    def record(_module: nn.Module, _inputs: tuple[Any, ...], output: Any) -> None:
        tensor = tensor_of(output)
        if tensor is not None:
            found.append(tensor.clone())

    with torch.no_grad(), model.hooked({layer: edit, block: record}):
        model(_noise(model))
    return found[0]


def _means(model: Classifier, names: list[str]) -> dict[str, Tensor]:
    with torch.no_grad(), probe(model, list(dict.fromkeys(names)), keep=means) as seen:
        return dict(seen(_noise(model)))


def _noise(model: Classifier) -> Tensor:
    return torch.rand((1, 3, *model.input_size), generator=torch.Generator().manual_seed(0))


def _alike(one: Tensor, other: Tensor, tolerance: float = 1e-4) -> bool:
    return one.shape == other.shape and bool((one - other).abs().max() <= tolerance * other.abs().max())


def _has_weights(part: nn.Module) -> bool:
    # A norm may hold the activation that follows it.
    return next(part.parameters(recurse=False), None) is not None
