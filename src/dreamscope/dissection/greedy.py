"""Joint: channels chosen together - each for what it adds to those already taken away.

Round by round, one backward pass over the class's photos says how much of the class each channel still
carries, and two over the controls how far it would move their answers; taken is what carries most for the
least harm. A channel that only repeats what is gone already carries nothing any more and is left where it is.
The greedy selection of structured pruning (Molchanov et al. 2017), with answers to be kept in place of a loss.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace

import torch
from torch import Tensor
from torch.nn import functional as F

from dreamscope.dissection.first_order import Channels, Score, effects, margin
from dreamscope.models.classifier import Classifier

MOST = 256
"""How many channels are chosen, one after the other."""

SLACK = 0.5
"""Logits by which the class is to trail: a photo that is just not taken for it might be after the next crop."""

LEFT = 0.05
"""The share of the class's photos that may trail by less when no more channels are needed."""

LEAST_HARM = 0.05
"""Logits: what is smaller is not told apart, or channels that do nothing at all would win."""

TEMPERATURE = 3.0
"""At which classes are drawn in pairs: likely ones often, but not only the two likeliest."""

_BATCH = 32
_FIRST = 4
"""Channels taken in a round at first; later a quarter of what is taken already."""


@dataclass(frozen=True)
class Chosen:
    """Channels in the order in which they were chosen.

    Attributes
    ----------
    scores : Tensor
        (all channels,): falling from 1 in the order of choice, 0 for the others.
    enough : int or None
        After how many the class was gone; ``None`` if it never was.
    """

    scores: Tensor
    enough: int | None


def joint(
    model: Classifier,
    channels: Channels,
    targets: Tensor,
    controls: Tensor,
    class_index: int,
    *,
    responses: Tensor,
    seed: int = 0,
    most: int = MOST,
    report: Callable[[int, int], None] | None = None,
) -> Chosen:
    """Choose channels for the most of the class at the least harm.

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
    seed
        Of the pairs of classes.
    most
        How many to choose.
    report
        Called with how many are chosen, of how many.
    """
    generator = torch.Generator().manual_seed(seed)
    classes = torch.full((len(targets),), class_index, device=model.device)
    with torch.no_grad():
        found = torch.cat([model.logits(batch) for batch in controls.split(_BATCH)])
    own = found.argmax(1)
    likely = (_without(found, class_index) / TEMPERATURE).softmax(1).cpu()
    # Answers that are close to turning count most.
    weight = 1 / (1 + margin(found, own) / 2)
    weight = (weight / weight.mean()).cpu()
    chosen: list[int] = []
    enough: int | None = None
    most = min(most, len(channels.removed))
    while len(chosen) < most:
        carried, near = torch.zeros(len(channels.removed)), 0
        for batch, wanted in zip(targets.split(_BATCH), classes.split(_BATCH), strict=True):
            seen = effects(model, channels, batch, lambda answers, w=wanted: _hold(answers, w))  # type: ignore[misc]
            carried -= seen.changes.sum(0).cpu()
            near += int((margin(seen.answers, wanted) > -SLACK).sum())
        if enough is None and chosen and near <= LEFT * len(targets):
            enough = len(chosen)
        # Half of the harm is to the answers themselves. The other half is to the order of any two likely classes:
        # photos of other classes will come, for which it decides.
        pairs = _pairs(likely, generator).to(model.device)
        asked = [(margin, own, weight), (_difference, pairs, torch.ones_like(weight))]
        harm = torch.stack([_harm(model, channels, controls, each, responses) for each in asked]).mean(0)
        worth = carried / len(targets) / (harm + LEAST_HARM**2)
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
    return Chosen(scores, enough)


def _hold(answers: Tensor, classes: Tensor) -> Tensor:
    """Return how firmly each photo is still taken for the class: next to nothing once it trails by the slack."""
    return F.softplus((margin(answers, classes) + SLACK) * 2) / 2


def _difference(answers: Tensor, pairs: Tensor) -> Tensor:
    first, second = answers.gather(1, pairs).unbind(1)
    return first - second


def _pairs(shares: Tensor, generator: torch.Generator) -> Tensor:
    """Return two classes for each photo, drawn by their shares (N, classes)."""
    return torch.multinomial(shares, 2, generator=generator)


def _without(answers: Tensor, class_index: int) -> Tensor:
    others = answers.clone()
    others[:, class_index] = float("-inf")
    return others


def _harm(
    model: Classifier,
    channels: Channels,
    controls: Tensor,
    asked: tuple[Callable[[Tensor, Tensor], Tensor], Tensor, Tensor],
    responses: Tensor,
) -> Tensor:
    """Return by how much, squared, taking each channel away would move a score of the controls.

    `asked` is the score, the classes that it is about, and how much each photo counts. Half is what it does to the
    controls themselves. The other half is what it might do to photos of classes that are not among them: the
    channel's usual response times the usual slope, wherever each was found. Squared, since a large change turns an
    answer where many small ones don't.
    """
    score, classes, weight = asked
    moved, slopes = torch.zeros_like(responses), torch.zeros_like(responses)
    for batch, wanted, counts in zip(controls.split(_BATCH), classes.split(_BATCH), weight.split(_BATCH), strict=True):
        on_these: Score = lambda answers, w=wanted: score(answers, w)  # type: ignore[misc]  # noqa: E731
        seen = effects(model, channels, batch, on_these)
        moved += (counts[:, None] * seen.changes.cpu().square()).sum(0)
        slopes += (counts[:, None] * seen.slopes.cpu().square()).sum(0)
    return (moved + slopes * responses.square()) / len(controls) / 2
