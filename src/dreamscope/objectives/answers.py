"""Answers: objectives at the end of the network, where classes are."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from torch import Tensor

from dreamscope.objectives.base import Objective
from dreamscope.probes import LOGITS


@dataclass(frozen=True)
class _Answer(Objective):
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


class Logit(_Answer):
    """The class's score before softmax: what it has of its own, whatever the other classes do."""

    def __call__(self, activations: Mapping[str, Tensor]) -> Tensor:
        """Return one number for each image, (N,)."""
        return activations[LOGITS][:, self.index]


class LogProbability(_Answer):
    """The logarithm of the class's probability: rises too when other classes fall."""

    def __call__(self, activations: Mapping[str, Tensor]) -> Tensor:
        """Return one number for each image, (N,)."""
        return activations[LOGITS].log_softmax(1)[:, self.index]


class Lead(_Answer):
    """By how much the class's score leads over the best other one; above 0 it is the answer."""

    def __call__(self, activations: Mapping[str, Tensor]) -> Tensor:
        """Return one number for each image, (N,)."""
        logits = activations[LOGITS]
        others = logits.clone()
        others[:, self.index] = float("-inf")
        return logits[:, self.index] - others.amax(1)
