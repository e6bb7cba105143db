"""What taking channels away would do, to first order: one backward pass for all channels of all layers."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from dreamscope.dissection.channel_masks import gated
from dreamscope.models.classifier import Classifier

Score = Callable[[Tensor], Tensor]
"""Logits (N, classes) -> one number for each photo (N,)."""


@dataclass(frozen=True)
class Channels:
    """All channels of some layers in a row, and which of them are taken away.

    Attributes
    ----------
    layers : tuple of str
        The layers, in a row.
    widths : tuple of int
        Their channels.
    removed : Tensor
        (all channels,), bool.
    """

    layers: tuple[str, ...]
    widths: tuple[int, ...]
    removed: Tensor

    @classmethod
    def of(cls, model: Classifier, layers: Sequence[str]) -> Channels:
        """Return all channels of `layers`, none of them taken away."""
        widths = tuple(model.layers[name].channels for name in layers)
        return cls(tuple(layers), widths, torch.zeros(sum(widths), dtype=torch.bool))

    def split(self, values: Tensor) -> dict[str, Tensor]:
        """Return (..., all channels) layer by layer."""
        return dict(zip(self.layers, values.split(list(self.widths), dim=-1), strict=True))


@dataclass(frozen=True)
class Effects:
    """What one backward pass says of some photos.

    Attributes
    ----------
    changes : Tensor
        (N, all channels): how each photo's score would change if each channel were taken away, to first order.
        For a channel that is taken away already it is what taking it away did, seen from here.
    slopes : Tensor
        (N, all channels): how the score changes with the channel's activation, raised by 1 everywhere.
    answers : Tensor
        The logits (N, classes) as they are.
    """

    changes: Tensor
    slopes: Tensor
    answers: Tensor


def effects(model: Classifier, channels: Channels, pictures: Tensor, score: Score) -> Effects:
    """Return the first-order effect of taking each channel away, on each photo's score."""
    count = len(pictures)
    keep = (~channels.removed).float().expand(count, -1).clone().requires_grad_()
    shift = torch.zeros(keep.shape, requires_grad=True)
    with gated(model, channels.split(keep), channels.split(shift)):
        answers = model.logits(pictures)
    on_gates, slopes = torch.autograd.grad(score(answers).sum(), [keep, shift])
    return Effects(-on_gates, slopes, answers.detach())


def margin(answers: Tensor, classes: Tensor) -> Tensor:
    """Return by how much each photo's class (N,) leads over the best other class; below 0 it is not the answer."""
    own = answers.gather(1, classes[:, None])[:, 0]
    others = answers.scatter(1, classes[:, None], float("-inf"))
    return own - others.max(1).values
