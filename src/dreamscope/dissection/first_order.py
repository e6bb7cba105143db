"""What removing channels would do, to first order: one backward pass for all channels of all layers."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from dreamscope.dissection.channel_masks import masked
from dreamscope.models.classifier import Classifier

Score = Callable[[Tensor], Tensor]
"""Logits (N, classes), or what else is looked at, (N, ...) -> one number for each photo (N,)."""


@dataclass(frozen=True)
class Channels:
    """All channels of some layers in a row, and which of them are removed.

    Attributes
    ----------
    layers : tuple of str
        The layers, in a row.
    widths : tuple of int
        Their numbers of channels.
    removed : Tensor
        (all channels,), bool.
    """

    layers: tuple[str, ...]
    widths: tuple[int, ...]
    removed: Tensor

    @classmethod
    def of(cls, model: Classifier, layers: Sequence[str]) -> Channels:
        """Return all channels of `layers`, none of them removed."""
        widths = tuple(model.layers[name].channels for name in layers)
        return cls(tuple(layers), widths, torch.zeros(sum(widths), dtype=torch.bool))

    def split(self, values: Tensor) -> dict[str, Tensor]:
        """Return (..., all channels) layer by layer."""
        return dict(zip(self.layers, values.split(list(self.widths), dim=-1), strict=True))


@dataclass(frozen=True)
class Effects:
    """The first-order effects of channels on a score of some photos.

    Attributes
    ----------
    changes : Tensor
        (N, all channels): how each photo's score would change if each channel were removed, to first order.
        For a channel that is removed already it is what removing it did, seen from here.
    slopes : Tensor
        (N, all channels): how the score changes with the channel's activation, raised by 1 everywhere.
    output : Tensor
        (N, ...), what was scored, as it is: the logits.
    """

    changes: Tensor
    slopes: Tensor
    output: Tensor


def effects(
    model: Classifier,
    channels: Channels,
    images: Tensor,
    *scores: Score,
    of: Callable[[Tensor], Tensor] | None = None,
) -> tuple[Effects, ...]:
    """Return the first-order effects of removing each channel, on each photo's scores: one forward pass for them all.

    Parameters
    ----------
    model
        The classifier.
    channels
        The channels; those that are removed are masked.
    images
        (N, 3, H, W), prepared.
    scores
        What is asked of the logits; one `Effects` each.
    of
        What to score in place of the logits: a function that runs `model` on the images and returns (N, ...).
    """
    count = len(images)
    keep = (~channels.removed).float().expand(count, -1).clone().requires_grad_()
    shift = torch.zeros(keep.shape, requires_grad=True)
    with masked(model, channels.split(keep), channels.split(shift)):
        output = (of or model.logits)(images)
    found = []
    for number, score in enumerate(scores, 1):
        on_masks, slopes = torch.autograd.grad(score(output).sum(), [keep, shift], retain_graph=number < len(scores))
        found.append(Effects(-on_masks, slopes, output.detach()))
    return tuple(found)


def margin(logits: Tensor, classes: Tensor) -> Tensor:
    """Return by how much each photo's class (N,) leads over the best other class; below 0 it is not predicted."""
    own = logits.gather(1, classes[:, None])[:, 0]
    others = logits.scatter(1, classes[:, None], float("-inf"))
    return own - others.max(1).values
