"""Objectives: activations -> one number an image, to climb. Values that add, subtract and scale."""

from dreamscope.objectives.answers import Lead, Logit, LogProbability, Lost, Taken
from dreamscope.objectives.base import Each, Objective, Sum
from dreamscope.objectives.excite import LOSSES, Excite, Gathered, Loss, Parts, select
from dreamscope.objectives.likeness import Direction, Diversity, Follow, Match, Similar

__all__ = [
    "LOSSES",
    "Direction",
    "Diversity",
    "Each",
    "Excite",
    "Follow",
    "Gathered",
    "Lead",
    "LogProbability",
    "Logit",
    "Loss",
    "Lost",
    "Match",
    "Objective",
    "Parts",
    "Similar",
    "Sum",
    "Taken",
    "select",
]
