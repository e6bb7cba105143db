"""Unit layers: those whose channels are detectors of their own, to be ranked and ablated."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise

import torch
from torch import nn

from dreamscope.errors import DreamscopeError
from dreamscope.models.addresses import resolve
from dreamscope.models.blocks import is_activation
from dreamscope.models.classifier import Classifier
from dreamscope.probes import probe

EARLIEST = 1 / 3
"""The share of the first layers that is left alone by default: all classes use their edges and colours."""

_IDLE = (nn.Identity, nn.Dropout, nn.Dropout2d)
"""Modules that pass on what they get."""


def unit_layers(model: Classifier, from_layer: str | None = None) -> list[str]:
    """Return the layers whose channels `dissect` ranks by default.

    Those are the outputs of activation functions that run once in a pass: a channel there is a detector,
    and a zero means that it is silent. If activations are functions or shared, it is the batch norms;
    if there are none, the convolutions and linear layers. Of two layers around a depthwise convolution,
    which have the same channels, the later one counts. Behind the last weights there are only the class scores.

    Parameters
    ----------
    model
        The classifier.
    from_layer
        The layer to begin at; a third of the way in if not given.

    Raises
    ------
    DreamscopeError
        If nothing is left.
    """
    names = list(model.layers)
    parts = {name: model.module.get_submodule(name) for name in names}
    leaves = [name for name in names if next(parts[name].children(), None) is None]
    weighted = [name for name in leaves if isinstance(parts[name], nn.Conv2d | nn.Linear)]
    before = set(names[: names.index(weighted[-1])]) if weighted else set(names)
    once = [name for name in names if name in before and model.layers[name].calls == 1]
    shared = any(is_activation(parts[name]) and model.layers[name].calls > 1 for name in leaves)
    active = [] if shared else [name for name in once if is_activation(parts[name])]
    norms = [name for name in once if "BatchNorm" in type(parts[name]).__name__]
    # A stem and a head with activations of their own don't make up for functions in between.
    found = active if len(active) * 3 >= len(norms) and active else norms
    found = found or [name for name in once if name in weighted]
    found = [name for name in found if name not in _before_depthwise(found, model)]
    if not found:
        raise DreamscopeError(f"{model.name} has no layer whose channels could be cut")
    if from_layer is None:
        return found[int(len(found) * EARLIEST) :]
    from_layer = resolve([from_layer], model)[0].layer
    # A block's parts run before the block itself ends.
    first = next(place for place, name in enumerate(names) if name == from_layer or name.startswith(f"{from_layer}."))
    later = [name for name in found if names.index(name) >= first]
    if not later:
        raise DreamscopeError(
            f"no layer of {model.name} from '{from_layer}' on has channels to cut; the last is '{found[-1]}'"
        )
    return later


def distinct_layers(model: Classifier, names: Sequence[str]) -> list[str]:
    """Return layers without those that only pass on what another of them puts out.

    A block that ends with one of the others, an identity, a dropout: their channels are the same ones, and would count
    twice where channels are counted.
    """
    order = [name for name in model.layers if name in names]
    height, width = model.input_size
    noise = torch.rand((1, 3, height, width), generator=torch.Generator().manual_seed(0)).to(model.device)
    with torch.no_grad(), probe(model, order) as seen:
        found = dict(seen(noise))
    idle = {name for name in order if isinstance(model.module.get_submodule(name), _IDLE)}
    kept: list[str] = []
    for place, name in enumerate(order):
        # What is equal by chance, such as an activation that cuts nothing off here, stays.
        candidates = [other for other in order[:place] if name in idle or other.startswith(f"{name}.")]
        if not any(torch.equal(found[name], found[other]) for other in candidates):
            kept.append(name)
    return [name for name in dict.fromkeys(names) if name in kept]


def _before_depthwise(found: list[str], model: Classifier) -> set[str]:
    names = list(model.layers)
    dropped = set()
    for name, following in pairwise(found):
        channels = model.layers[name].channels
        for each in names[names.index(name) : names.index(following)]:
            part = model.module.get_submodule(each)
            if isinstance(part, nn.Conv2d) and 1 < channels == part.groups == part.in_channels == part.out_channels:
                dropped.add(name)
    return dropped
