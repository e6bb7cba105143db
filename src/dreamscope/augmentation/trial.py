"""Trial: one draw of few positives, and what each arm makes of it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from dreamscope.augmentation.arms import ARMS, LEVELS, Arm, Known, Material, plain
from dreamscope.augmentation.heads import scores

Array = np.ndarray[Any, Any]

FOLDS = 3
SPECIFICITY = 0.95


@dataclass(frozen=True)
class Score:
    """What an arm reached in one draw.

    Attributes
    ----------
    auc : float
        The chance that a positive that is measured on scores higher than a negative.
    recall : float
        The share of positives found where 5 % of the negatives are taken for one.
    level : int
        Which of the arm's settings was chosen.
    strength : float
        Of the head's penalty.
    """

    auc: float
    recall: float
    level: int
    strength: float


@dataclass(frozen=True)
class Measured:
    """The photos that are measured on, by their numbers; nothing is learnt from them."""

    positives: tuple[int, ...]
    negatives: tuple[int, ...]


def trial(material: Material, known: Known, measured: Measured) -> dict[str, Score]:
    """Return what each arm reaches, its settings chosen by cross-validation inside what is known.

    Raises
    ------
    ValueError
        If a photo that is measured on is known.
    """
    ensure_apart(known, measured)
    return {name: _reached(arm, material, known, measured) for name, arm in ARMS.items()}


def ensure_apart(known: Known, measured: Measured) -> None:
    """Raise if a photo that is measured on is among those that are learnt from: the leak check of every fit."""
    shared = {*known.positives, *known.negatives} & {*measured.positives, *measured.negatives}
    if shared:
        raise ValueError(f"{len(shared)} photos are measured on and learnt from")


def _reached(arm: Arm, material: Material, known: Known, measured: Measured) -> Score:
    level, strength = _chosen(arm, material, known)
    mine, others = _scored(arm, material, known, measured, level)[strength]
    limit = np.quantile(others, SPECIFICITY, method="higher")
    return Score(_auc(mine, others), float((mine > limit).mean()), level, strength)


def _chosen(arm: Arm, material: Material, known: Known) -> tuple[int, float]:
    """Return the level and the strength of the head with the highest mean AUC; of equal ones the most cautious."""
    totals: dict[tuple[int, float], float] = {}
    for part, held in _folds(known):
        # The photos as they are have no setting.
        for level in range(1 if arm is plain else LEVELS):
            for strength, (mine, others) in _scored(arm, material, part, held, level).items():
                totals[level, strength] = totals.get((level, strength), 0.0) + _auc(mine, others)
    best = max(totals.values())
    return min(key for key, value in totals.items() if value >= best - 1e-9)


def _folds(known: Known) -> list[tuple[Known, Measured]]:
    """Cut what is known into parts that take turns to be measured on; negatives always the same way."""
    folds = []
    count = min(FOLDS, len(known.positives))
    for fold in range(count):
        held = Measured(known.positives[fold::count], known.negatives[fold::count])
        part = replace(
            known,
            positives=tuple(each for each in known.positives if each not in held.positives),
            negatives=tuple(each for each in known.negatives if each not in held.negatives),
        )
        folds.append((part, held))
    return folds


def _scored(
    arm: Arm, material: Material, known: Known, measured: Measured, level: int
) -> Mapping[float, tuple[Array, Array]]:
    """Return what heads of every strength give the positives and the negatives that are measured on."""
    ensure_apart(known, measured)
    training = arm(material, known, level)
    values = material.photos([*measured.positives, *measured.negatives])
    count = len(measured.positives)
    return {strength: (each[:count], each[count:]) for strength, each in scores(training, values).items()}


def _auc(positives: Array, negatives: Array) -> float:
    # As scikit-learn's roc_auc_score, which takes longer than the fit where photos are few.
    over = positives[:, None] - negatives
    return float(((over > 0) + 0.5 * (over == 0)).mean())
