"""Class scores: objectives at the end of the network, where classes are."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from dreamscope.objectives.base import Objective
from dreamscope.probes import LOGITS


@dataclass(frozen=True)
class _OfClass(Objective):
    """Something about one class.

    Attributes
    ----------
    index : int
        The class.
    """

    index: int

    @property
    def layers(self) -> Sequence[str]:
        """The class scores alone."""
        return [LOGITS]


class Logit(_OfClass):
    """The class's score before softmax: whatever the other classes do."""

    def __call__(self, activations: Mapping[str, Tensor]) -> Tensor:
        """Return one number for each image, (N,)."""
        return activations[LOGITS][:, self.index]


class LogProbability(_OfClass):
    """The logarithm of the class's probability: rises too when other classes fall."""

    def __call__(self, activations: Mapping[str, Tensor]) -> Tensor:
        """Return one number for each image, (N,)."""
        return activations[LOGITS].log_softmax(1)[:, self.index]


class Margin(_OfClass):
    """How far the class's score is above the best other one; above 0 it is predicted."""

    def __call__(self, activations: Mapping[str, Tensor]) -> Tensor:
        """Return one number for each image, (N,)."""
        logits = activations[LOGITS]
        return logits[:, self.index] - _without(logits, self.index).amax(1)


@dataclass(frozen=True)
class ClassifiedAs(_OfClass):
    """0 or more where the picture is classified as the class, with so much confidence at least.

    Its slope is that of the class's log-odds, in which all rivals count: the best one alone changes from step to step.

    Attributes
    ----------
    confidence : float
        A probability; 0 for any.
    """

    confidence: float = 0.0

    def __call__(self, activations: Mapping[str, Tensor]) -> Tensor:
        """Return one number for each image, (N,)."""
        logits = activations[LOGITS]
        odds = logits[:, self.index] - _without(logits, self.index).logsumexp(1)
        reached = _confident(Margin(self.index)(activations), odds, self.confidence)
        return reached.detach() + odds - odds.detach()


@dataclass(frozen=True)
class Misclassified(_OfClass):
    """0 or more where the picture is classified as any other class, with so much confidence at least.

    Attributes
    ----------
    confidence : float
        A probability; 0 for any.
    """

    confidence: float = 0.0

    def __call__(self, activations: Mapping[str, Tensor]) -> Tensor:
        """Return one number for each image, (N,)."""
        logits = activations[LOGITS]
        best = _without(logits, self.index).argmax(1, keepdim=True)
        odds = logits.gather(1, best)[:, 0] - logits.scatter(1, best, float("-inf")).logsumexp(1)
        return _confident(-Margin(self.index)(activations), odds, self.confidence)


def _without(scores: Tensor, index: int) -> Tensor:
    others = scores.clone()
    others[:, index] = float("-inf")
    return others


def _confident(margin: Tensor, odds: Tensor, confidence: float) -> Tensor:
    # In log-odds, which have no upper end: of log-probabilities little is left above 99 %.
    return torch.minimum(margin, odds - math.log(confidence / (1 - confidence))) if confidence else margin
