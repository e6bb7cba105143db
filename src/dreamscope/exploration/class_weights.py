"""Class weights: which classes a channel speaks for, where the class scores are a weighted sum of channels."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from dreamscope.errors import DreamscopeError
from dreamscope.models.addresses import Address
from dreamscope.models.classifier import Classifier
from dreamscope.probes import tapped

_TRIALS = 2
_ROUNDING = 1e-3


def class_weights(model: Classifier, layer: str) -> Tensor | None:
    """Return how much each channel's mean over positions counts for each class score.

    That is so for the last features of most networks: a pooling and one linear layer follow. It is tried, not
    believed: the gradient of a random sum of scores has to be the same at all positions and for different pictures,
    and what the linear layer's weights say.

    Parameters
    ----------
    model
        The classifier.
    layer
        The name of a layer.

    Returns
    -------
    Tensor or None
        (classes, channels); ``None`` where something else lies between this layer and the scores.
    """
    weight = _last_weight(model)
    if weight is None or model.layers[layer].channels != weight.shape[1]:
        return None
    generator = torch.Generator().manual_seed(0)
    mix = torch.randn(weight.shape[0], generator=generator)
    wanted = mix @ weight
    axis = model.layers[layer].channel_axis
    for _ in range(_TRIALS):
        picture = torch.rand((1, 3, *model.input_size), generator=generator).to(model.device).requires_grad_()
        with torch.enable_grad(), tapped(model, [layer]) as caught:
            try:
                score = (model.logits(picture)[0].cpu() * mix).sum()
            except DreamscopeError:
                return None
        if layer not in caught or not (score.requires_grad and caught[layer].requires_grad):
            return None
        rows = _gradient(score, caught[layer], axis)
        if rows is None:
            return None
        total, far = rows.sum(1), _ROUNDING * float(wanted.abs().max())
        even = (rows - rows.mean(1, keepdim=True)).abs().max() * rows.shape[1] <= far
        if not even or (total - wanted).abs().max() > far:
            return None
    return weight


def of_channel(model: Classifier, address: str | Address) -> Tensor | None:
    """Return the weights of one channel, (classes,), or ``None``, see `class_weights`."""
    given = Address.parse(address)
    if given.channels is None or len(given.channels) != 1:
        raise DreamscopeError(f"'{given}' is not one channel")
    weights = class_weights(model, given.layer)
    return None if weights is None else weights[:, given.channels[0]]


def _gradient(score: Tensor, activation: Tensor, axis: int) -> Tensor | None:
    """Return the gradient of a score at an activation, (channels, positions); ``None`` if it does not depend on it."""
    (gradient,) = torch.autograd.grad(score, activation, allow_unused=True)
    return None if gradient is None else gradient.float().cpu().movedim(axis, 1).flatten(2)[0]


def _last_weight(model: Classifier) -> Tensor | None:
    """Return the weights (classes, features) of the last layer that has such, as the network has them now."""
    for name in reversed(model.layers):
        part = model.module.get_submodule(name)
        if isinstance(part, nn.Linear):
            return part.weight.detach().float().cpu()
        if isinstance(part, nn.Conv2d) and part.kernel_size == (1, 1) and part.groups == 1:
            return part.weight.detach().float().cpu().flatten(1)
        if isinstance(part, nn.Conv2d):
            return None
    return None
