"""Joint: channels chosen together - each for what its removal adds to that of those chosen before.

Round by round, one backward pass over the class's photos shows how much of what is aimed at each channel still
carries, and two over a part of the controls how far its removal would move their predictions; chosen is what carries
most for the least harm. A channel that only repeats what is removed already carries nothing any more and stays.
The greedy selection of structured pruning (Molchanov et al. 2017), with predictions to be kept in place of a loss.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace

import torch
from torch import Tensor

from dreamscope.dissection.aims import BATCH, Aim
from dreamscope.dissection.first_order import Channels, Score, effects, margin
from dreamscope.models.classifier import Classifier
from dreamscope.progress import Callback

MOST = 256
"""The number of channels that are chosen, one after the other."""

LEAST_HARM = 0.05
"""Logits: smaller harms count as equal, or channels that do nothing at all would win."""

TEMPERATURE = 3.0
"""At which classes are drawn in pairs: likely ones often, but not only the two likeliest."""

_FIRST = 4
"""Channels chosen in each of the first rounds; later a quarter of those chosen already."""

_PARTS = 3
"""Parts that the controls take turns in; as many rounds are put together, so that none is left out."""

_LEAST_IN_PART = 50

_LEAST_SHARE = 1e-30

_Asked = tuple[Callable[[Tensor, Tensor], Tensor], Tensor, Tensor]
"""A score of logits and classes, the classes that it is about, and how much each photo counts."""


@dataclass(frozen=True)
class Chosen:
    """Channels in the order in which they were chosen.

    Attributes
    ----------
    scores : Tensor
        (all channels,): falling from 1 in the order of choice, 0 for the others.
    enough : int or None
        The number of channels without which the aim was reached: the class was no longer recognised, or read.
        ``None`` if it never was.
    """

    scores: Tensor
    enough: int | None


class Harm:
    """How far removing channels would move the predictions of controls.

    The classes of the controls are of the intact network, and so is the harm in the first round: they are computed
    once, for any number of choices on the same controls. In later rounds parts of the controls take turns, and the
    harm is the mean of the last rounds: as good as all controls in each, in less than half the time.

    Parameters
    ----------
    model
        The classifier.
    controls
        (N, 3, H, W), prepared: photos of other things.
    logits
        (N, classes): those of the intact network.
    class_index
        The class to be removed.
    responses
        (all channels,): the root mean square of the channels' responses to controls.
    seed
        Of the pairs of classes.
    """

    def __init__(
        self,
        model: Classifier,
        controls: Tensor,
        logits: Tensor,
        class_index: int,
        *,
        responses: Tensor,
        seed: int = 0,
    ) -> None:
        self._model = model
        self._controls = controls
        self._responses = responses
        self._own = logits.argmax(1)
        self._shares = _shares(logits, class_index)
        # Predictions that are close to another class count most.
        weight = 1 / (1 + margin(logits, self._own) / 2)
        self._weight = (weight / weight.mean()).cpu()
        self._generator = torch.Generator().manual_seed(seed)
        self._pairs: list[Tensor] = []
        self._intact: Tensor | None = None
        parts = max(1, min(_PARTS, len(controls) // _LEAST_IN_PART))
        self._parts = torch.randperm(len(controls), generator=torch.Generator().manual_seed(seed)).chunk(parts)
        self._last: list[Tensor] = []

    def __call__(self, channels: Channels, number: int) -> Tensor:
        """Return the harm of removing each channel, (all channels,), in logits squared.

        Half of it is to the margins of the predictions themselves. The other half is to the order of any two likely
        classes, for which photos of further classes will ask; there is none where only one other class is left.

        Parameters
        ----------
        channels
            The channels, with those that are removed already.
        number
            The number of the round, from 0: each has its own pairs.
        """
        if not bool(channels.removed.any()):
            if self._intact is None:
                self._intact = self._of(channels, number, torch.cat(self._parts))
            self._last = [self._intact]
        else:
            part = self._parts[number % len(self._parts)]
            self._last = [*self._last, self._of(channels, number, part)][-len(self._parts) :]
        return torch.stack(self._last).mean(0)

    def _pair(self, number: int) -> Tensor:
        """Return two classes for each photo, (N, 2), drawn by their shares."""
        while len(self._pairs) <= number:
            drawn = torch.multinomial(self._shares, 2, generator=self._generator)
            self._pairs.append(drawn.to(self._own.device))
        return self._pairs[number]

    def _of(self, channels: Channels, number: int, rows: Tensor) -> Tensor:
        """Return by how much, squared, removing each channel would move scores of some controls, in the mean of scores.

        Half is the effect on the controls themselves. The other half is that on photos of classes that are not among
        them: the channel's usual response times the usual slope, wherever each was found. Squared, since a large change
        turns a prediction where many small ones don't.
        """
        asked: list[_Asked] = [(margin, self._own, self._weight)]
        if self._shares.shape[1] > 2:
            asked.append((_difference, self._pair(number), torch.ones_like(self._weight)))
        moved = [torch.zeros_like(self._responses) for _ in asked]
        slopes = [torch.zeros_like(self._responses) for _ in asked]
        for part in rows.split(BATCH):
            scores: list[Score] = [lambda logits, f=f, c=c[part]: f(logits, c) for f, c, _ in asked]  # type: ignore[misc]
            for place, found in enumerate(effects(self._model, channels, self._controls[part], *scores)):
                counts = asked[place][2][part, None]
                moved[place] += (counts * found.changes.cpu().square()).sum(0)
                slopes[place] += (counts * found.slopes.cpu().square()).sum(0)
        each = [m + s * self._responses.square() for m, s in zip(moved, slopes, strict=True)]
        return torch.stack([harm / len(rows) / 2 for harm in each]).mean(0)


def joint(
    channels: Channels,
    aim: Aim,
    harm: Harm,
    *,
    most: int = MOST,
    until_enough: bool = False,
    callback: Callback | None = None,
) -> Chosen:
    """Choose channels for the most of the class at the least harm.

    Parameters
    ----------
    channels
        Which channels to choose from.
    aim
        What of the class is to be taken away.
    harm
        What it costs the controls.
    most
        The number of channels to choose.
    until_enough
        Stop before that once the aim is reached, `with_spare`; else the ranking goes on.
    callback
        ``callback(stage, done, total)``, after each round.
    """
    chosen: list[int] = []
    enough: int | None = None
    wanted = most = min(most, len(channels.removed))
    number = 0
    while len(chosen) < wanted:
        carried, reached = aim.look(channels)
        if enough is None and chosen and reached:
            enough = len(chosen)
            if until_enough:
                wanted = min(with_spare(enough, aim.photos), most)
            if len(chosen) == wanted:
                break
        worth = carried / (harm(channels, number) + LEAST_HARM**2)
        worth[channels.removed] = -torch.inf
        count = min(max(_FIRST, len(chosen) // 4), wanted - len(chosen))
        best = worth.topk(count)
        new = best.indices[best.values > 0]
        if not len(new):
            break
        chosen += new.tolist()
        removed = channels.removed.clone()
        removed[new] = True
        channels = replace(channels, removed=removed)
        number += 1
        if callback is not None:
            callback("choosing channels together", len(chosen), most)
    scores = torch.zeros(len(channels.removed))
    scores[chosen] = torch.linspace(1, 1 / most, most)[: len(chosen)]
    return Chosen(scores, enough)


def with_spare(enough: int, photos: int) -> int:
    """Return how many channels to remove where `enough` were enough for so many photos.

    What was enough for few photos is not yet enough for others: with four, it is twice as many.
    """
    return round(enough * (1 + 4 / photos))


def _difference(logits: Tensor, pairs: Tensor) -> Tensor:
    first, second = logits.gather(1, pairs).unbind(1)
    return first - second


def _shares(logits: Tensor, class_index: int) -> Tensor:
    """Return how likely each class but one is to be drawn, (N, classes)."""
    others = logits.clone()
    others[:, class_index] = float("-inf")
    # However sure the network is, a second class is left to be drawn that is not the one removed.
    shares = (others / TEMPERATURE).softmax(1).cpu().clamp_min(_LEAST_SHARE)
    shares[:, class_index] = 0
    return shares
