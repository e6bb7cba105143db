"""Joint: channels chosen together - each for what it adds to those already taken away.

Round by round, one backward pass over the class's photos says how much of the class each channel still
carries, and one over the controls how far it would move the margins of their answers; taken is what carries
most for the least harm. A channel that only repeats what is gone already carries nothing any more and is
left where it is. The greedy selection of structured pruning (Molchanov et al. 2017), with answers to be kept
in place of a loss.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import torch
from torch import Tensor
from torch.nn import functional as F

from dreamscope.models.classifier import Classifier
from dreamscope.techniques.effects import Channels, effects, margin

MOST = 256
"""How many channels are chosen, one after the other."""

SLACK = 0.5
"""Logits by which the class is to trail: a photo that is just not taken for it might be after the next crop."""

LEAST_HARM = 0.005
"""Logits: what is smaller is not told apart, or channels that do nothing at all would win."""

_BATCH = 32
_FIRST = 4
"""Channels taken in a round at first; later a quarter of what is taken already."""


def joint(
    model: Classifier,
    channels: Channels,
    targets: Tensor,
    controls: Tensor,
    class_index: int,
    *,
    responses: Tensor,
    most: int = MOST,
    report: Callable[[int, int], None] | None = None,
) -> Tensor:
    """Return scores that fall from 1 in the order in which channels were chosen, and are 0 for the others.

    Parameters
    ----------
    model
        The classifier.
    channels
        Which channels to choose from.
    targets, controls
        (N, 3, H, W), prepared: photos of the class, and of other things.
    class_index
        The class.
    responses
        (all channels,): the root mean square of the channels' responses to controls.
    most
        How many to choose.
    report
        Called with how many are chosen, of how many.
    """
    classes = torch.full((len(targets),), class_index, device=model.device)
    with torch.no_grad():
        found = torch.cat([model.logits(batch) for batch in controls.split(_BATCH)])
    own = found.argmax(1)
    lead = margin(found, own)
    # Answers that are close to turning count most.
    weight = (1 / (1 + lead / 2)).cpu()
    weight = (weight / weight.mean())[:, None]
    chosen: list[int] = []
    most = min(most, len(channels.removed))
    while len(chosen) < most:
        carried = torch.zeros(len(channels.removed))
        for batch, wanted in zip(targets.split(_BATCH), classes.split(_BATCH), strict=True):
            seen = effects(model, channels, batch, lambda answers, w=wanted: _hold(answers, w))  # type: ignore[misc]
            carried -= seen.changes.sum(0).cpu()
        moved, slopes = [], []
        for batch, wanted in zip(controls.split(_BATCH), own.split(_BATCH), strict=True):
            seen = effects(model, channels, batch, lambda answers, w=wanted: margin(answers, w))  # type: ignore[misc]
            moved.append(seen.changes.cpu())
            slopes.append(seen.slopes.cpu())
        harm = _harm(torch.cat(moved), torch.cat(slopes), responses, weight)
        worth = carried / len(targets) / (harm + LEAST_HARM)
        worth[channels.removed] = -torch.inf
        count = min(max(_FIRST, len(chosen) // 4), most - len(chosen))
        best = worth.topk(count)
        new = best.indices[best.values > 0]
        if not len(new):
            break
        chosen += new.tolist()
        removed = channels.removed.clone()
        removed[new] = True
        channels = replace(channels, removed=removed)
        if report is not None:
            report(len(chosen), most)
    scores = torch.zeros(len(channels.removed))
    scores[chosen] = torch.linspace(1, 1 / most, most)[: len(chosen)]
    return scores


def _hold(answers: Tensor, classes: Tensor) -> Tensor:
    """Return how firmly each photo is still taken for the class: next to nothing once it trails by the slack."""
    return F.softplus((margin(answers, classes) + SLACK) * 2) / 2


def _harm(moved: Tensor, slopes: Tensor, responses: Tensor, weight: Tensor) -> Tensor:
    """Return how far taking each channel away would move the margins of answers that are to stay, in logits.

    Half is what it does to the controls themselves. The other half is what it might do to photos of classes
    that are not among them: the channel's usual response times the usual slope, wherever each was found.
    """
    seen = (weight * moved.square()).mean(0).sqrt()
    expected = (weight * slopes.square()).mean(0).sqrt() * responses
    return (seen + expected) / 2
