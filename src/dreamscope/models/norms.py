"""Norms: what a network's batch norms tell about the photos that it learnt from."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn

from dreamscope.models.classifier import Classifier


def is_batch_norm(part: nn.Module) -> bool:
    """Tell whether a module is a batch norm for pictures that has seen some."""
    # By name, so that neither timm nor torchvision need be imported; subclasses may do anything.
    named = type(part).__name__ in ("BatchNorm2d", "BatchNormAct2d", "FrozenBatchNorm2d")
    return named and getattr(part, "running_mean", None) is not None


def usual(model: Classifier) -> dict[str, tuple[Tensor, Tensor]]:
    """Return what the channels of batch norms put out for the photos that the network learnt from.

    A batch norm is made so that its output has its bias for a mean and its weight for a standard deviation. Those with
    an activation inside, as timm's may have, are left out; so are those that run several times in a pass.

    Returns
    -------
    dict
        Name of a layer -> means and standard deviations, (C,) each; empty for networks without batch norms.
    """
    found = {}
    for name, part in model.module.named_modules():
        layer = model.layers.get(name)
        if layer is None or layer.calls > 1 or not is_batch_norm(part):
            continue
        if isinstance(getattr(part, "act", None), nn.Identity | None):
            norm: Any = part
            weight = torch.ones_like(norm.running_var) if norm.weight is None else norm.weight
            bias = torch.zeros_like(norm.running_var) if norm.bias is None else norm.bias
            found[name] = (bias.detach().float(), weight.detach().float().abs())
    return found
