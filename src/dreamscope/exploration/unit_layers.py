"""Unit layers: those whose channels are detectors of their own, to be ranked and ablated."""

from __future__ import annotations

from itertools import pairwise

from torch import nn

from dreamscope.errors import DreamscopeError
from dreamscope.models.addresses import resolve
from dreamscope.models.blocks import is_activation
from dreamscope.models.classifier import Classifier

EARLIEST = 1 / 3
"""The share of the first layers that is left alone by default: all classes use their edges and colours."""


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
