"""Dose and response: what removing fewer channels and more of them does, or erasing directions in part."""

from __future__ import annotations

from dataclasses import dataclass

from dreamscope.dissection.arms import CHOSEN, INTACT, Name
from dreamscope.dissection.evaluation import lost, recall
from dreamscope.dissection.intervals import Estimate
from dreamscope.dissection.predictions import PhotoPrediction
from dreamscope.dissection.trials import Trials
from dreamscope.models.erase import Erase

DOSES = (1, 2, 4, 8, 16, 32, 64, 128, 256)
"""Numbers of channels."""
PORTIONS = (20, 40, 60, 80)
"""Percent of the directions."""


@dataclass(frozen=True)
class Dose:
    """What one dose does: the class's recall, and what is lost on everything else, see `Evaluation.loss`.

    `amount` is a number of channels, or how far directions are erased, in percent.
    """

    amount: int
    recall: Estimate
    loss: Estimate


@dataclass(frozen=True)
class Stage:
    """What the class's photos are taken for at a dose.

    Attributes
    ----------
    amount : int
        See `Dose`; 0 before.
    predictions : tuple of PhotoPrediction
        Of the photos that were measured on, in the order of `Evaluation.photos`.
    chosen : bool
        Whether this is the choice that was measured.
    """

    amount: int
    predictions: tuple[PhotoPrediction, ...]
    chosen: bool = False


@dataclass(frozen=True)
class Course:
    """How a class is lost, dose after dose.

    Attributes
    ----------
    unit : str
        What doses count: ``channels removed`` or ``% of the directions erased``.
    doses, frequency : tuple of Dose
        Of what was found, and of the ``frequency`` rule, from small to large.
    stages : tuple of Stage
        Photo by photo: before, and at each dose of what was found.
    """

    unit: str
    doses: tuple[Dose, ...]
    frequency: tuple[Dose, ...]
    stages: tuple[Stage, ...]


def portion(edit: Erase, percent: int) -> Erase:
    """Return an edit that erases directions in part."""
    return Erase(edit.address, edit.remove * (percent / 100), edit.read, edit.center)


def course(trials: Trials, class_index: int, *, directions: bool) -> Course:
    """Return the course along the doses that were measured."""

    def dose(amount: int, name: Name) -> Dose:
        targets, rest = trials.measured(name)
        return Dose(amount, recall(targets, class_index), lost(trials.measured(INTACT)[1], rest))

    def along(kind: str) -> dict[int, Name]:
        # A fold that found few channels has no large doses: those say nothing of its photos.
        every = {photo for photo, _ in trials.measured(INTACT)[0]}
        return {name[1]: name for name in trials.names(kind) if {p for p, _ in trials.measured(name)[0]} == every}

    mine = along("dose")
    # Folds that chose different numbers have no one dose in common.
    if (size := 100 if directions else trials.size(CHOSEN)) is not None:
        mine[size] = CHOSEN
    mine = dict(sorted(mine.items()))
    stages = [
        Stage(amount, tuple(dict(trials.measured(name)[0]).values()), name == CHOSEN)
        for amount, name in {0: INTACT, **mine}.items()
    ]
    return Course(
        "% of the directions erased" if directions else "channels removed",
        tuple(dose(amount, name) for amount, name in mine.items()),
        tuple(dose(amount, name) for amount, name in along("frequency dose").items()),
        tuple(stages),
    )
