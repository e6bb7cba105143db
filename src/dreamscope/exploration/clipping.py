"""Clipping: which layer puts out what an activation with a ceiling (ReLU6, Hardtanh) cuts off."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn

from dreamscope.models.classifier import Classifier
from dreamscope.models.layers import Layer
from dreamscope.probes import probe

_CLIPPING = (nn.Hardtanh, nn.Hardsigmoid)  # ReLU6 is a Hardtanh


def unclipped(model: Classifier, layers: Sequence[str]) -> dict[str, str]:
    """Return, for the layers that put out what an activation function has clipped, the layer before the function.

    They are found by a pass of noise: what the one puts out, clipped, is what the other puts out, digit for digit. A
    layer is left out if nothing does that: its activation is computed by no module, or edits change it.

    Parameters
    ----------
    model
        The classifier.
    layers
        Names of layers.

    Returns
    -------
    dict
        Layer -> the last one before it of the same channels and positions that is not clipped yet.
    """
    functions = {name: function for name in layers if (function := _function_in(model, name)) is not None}
    shapes = {_shape(model.layers[name]) for name in functions}
    if not functions:
        return {}
    once = [name for name, layer in model.layers.items() if layer.calls == 1 and _shape(layer) in shapes]
    noise = torch.rand((1, 3, *model.input_size), generator=torch.Generator().manual_seed(0)).to(model.device)
    found: dict[str, str] = {}
    with torch.no_grad(), probe(model, once) as seen:
        seen(noise)
        for name, function in functions.items():
            earlier = once[: once.index(name)] if name in once else []
            clipping = (each for each in reversed(earlier) if _clips(seen[each], function, seen[name]))
            before = next(clipping, None)
            if before is not None:
                found[name] = before
    return found


def _shape(layer: Layer) -> tuple[int, tuple[int, ...]]:
    return layer.channels, layer.grid


def _function_in(model: Classifier, name: str) -> nn.Module | None:
    """Return the last clipping function in a layer, or the layer itself if it is one."""
    parts = [part for part in model.module.get_submodule(name).modules() if isinstance(part, _CLIPPING)]
    return parts[-1] if parts else None


def _clips(before: Tensor, function: nn.Module, after: Tensor) -> bool:
    # A copy, since the function may work in place. What it leaves as it is was clipped before.
    clipped = function(before.clone())
    return before.shape == after.shape and torch.equal(clipped, after) and not torch.equal(before, after)
