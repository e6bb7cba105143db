"""Work: how much computing a cell of a sheet takes, beside others."""

from __future__ import annotations

import math
from collections.abc import Sequence

from dreamscope.models.addresses import Address
from dreamscope.models.classifier import Classifier
from dreamscope.sheets.plan import Cell

ELEMENT = 32
"""Multiply-adds that take about as long as reading and writing one number does."""
PIXEL = 10000
"""Multiply-adds that take about as long as evening out the gradient of one pixel does."""


def work_of(cell: Cell) -> float:
    """Return how much a cell's dream takes: multiply-adds for a pixel of its picture, all steps and octaves together.

    An estimate from the shapes of the layers: good for shares of the time, not for the time itself.
    """
    settings = cell.settings
    at = settings["at"]
    layers = [Address.parse(text).layer for text in at] if isinstance(at, list) else None
    areas = sum(settings["octave_scale"] ** (-2 * power) for power in range(settings["octaves"]))
    return float(settings["steps"] * areas * _step(cell.model, layers))


def _step(model: Classifier, layers: Sequence[str] | None) -> float:
    """Return the multiply-adds of one step, for a pixel; through the whole network where `layers` is ``None``."""
    order = list(model.layers)
    if layers is not None:
        order = order[: max(order.index(layer) for layer in layers) + 1]
    total = 0.0
    for name in order:
        module, layer = model.module.get_submodule(name), model.layers[name]
        if next(module.children(), None) is None:
            positions = math.prod(layer.grid)
            weights = sum(weight.numel() for weight in module.parameters() if weight.dim() > 1)
            total += layer.calls * positions * (weights + ELEMENT * layer.channels)
    return PIXEL + total / math.prod(model.input_size)
