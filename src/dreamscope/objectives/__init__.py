"""Objectives: activations -> one number an image, to climb. Values that add, subtract and scale."""

from dreamscope.objectives.base import Custom, Each, Objective, Sum, ensure
from dreamscope.objectives.class_scores import ClassifiedAs, Logit, LogProbability, Margin, Misclassified
from dreamscope.objectives.excite import LOSSES, Excite, Gathered, Loss, Parts, select, select_map
from dreamscope.objectives.likeness import Direction, Diversity, Follow, Kept, Match, Similar

__all__ = [
    "LOSSES",
    "ClassifiedAs",
    "Custom",
    "Direction",
    "Diversity",
    "Each",
    "Excite",
    "Follow",
    "Gathered",
    "Kept",
    "LogProbability",
    "Logit",
    "Loss",
    "Margin",
    "Match",
    "Misclassified",
    "Objective",
    "Parts",
    "Similar",
    "Sum",
    "ensure",
    "select",
    "select_map",
]
