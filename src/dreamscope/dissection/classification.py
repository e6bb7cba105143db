"""What photos were taken for, and where that was wrong: what `dreamscope.classify` returns."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

from torch import Tensor

from dreamscope.dissection import intervals
from dreamscope.dissection.intervals import Estimate
from dreamscope.dissection.shares import are_few
from dreamscope.dissection.tables import html_table, write_table
from dreamscope.models.classifier import Classifier, Prediction
from dreamscope.models.labels import truth_of
from dreamscope.photos import LABELS_FILE, Photo
from dreamscope.recipes import Recipe

_SHOWN = 10


@dataclass(frozen=True)
class Answer:
    """What a network takes one photo for, and what it is.

    Attributes
    ----------
    photo : Photo
        The file.
    predictions : tuple of Prediction
        The most probable classes, the first of them first.
    truth : Prediction or None
        The photo's own class with its probability; ``None`` if that is unknown.
    rank : int or None
        The place of that class among all, from 1.
    """

    photo: Photo
    predictions: tuple[Prediction, ...]
    truth: Prediction | None
    rank: int | None

    @property
    def predicted(self) -> Prediction:
        """The most probable class."""
        return self.predictions[0]

    @property
    def is_mistake(self) -> bool:
        """Whether the photo is known to be something else."""
        return self.rank is not None and self.rank > 1

    def row(self) -> dict[str, Any]:
        """Return a row of a table: the file as it was given, truth, prediction, and the truth's place."""
        return {
            "file": str(self.photo.path),
            "truth": self.truth and self.truth.label,
            "predicted": self.predicted.label,
            "confidence": round(self.predicted.probability, 6),
            "truth_rank": self.rank,
            "truth_confidence": self.truth and round(self.truth.probability, 6),
        }


@dataclass(frozen=True)
class Confusion:
    """So many photos of one class that were taken for another."""

    truth: str
    predicted: str
    count: int


@dataclass(frozen=True)
class Classification:
    """What photos were taken for.

    Attributes
    ----------
    answers : tuple of Answer
        Of each photo, in the order in which they were given.
    classes : int
        The number of the network's classes.
    unreadable : Mapping of str to str
        Photos skipped because they can't be read, by file name, and why.
    recipe : Recipe or None
        Enough to make it again; ``None`` if none was wanted.
    """

    answers: tuple[Answer, ...]
    classes: int
    unreadable: Mapping[str, str]
    recipe: Recipe | None

    @property
    def labelled(self) -> list[Answer]:
        """Those whose truth is known."""
        return [each for each in self.answers if each.rank is not None]

    @cached_property
    def top1(self) -> Estimate:
        """Accuracy: the share of photos with a truth whose most probable class it is, with Wilson's 95 % interval."""
        return self._within(1)

    @cached_property
    def top5(self) -> Estimate:
        """The share of photos with a truth that is among the five most probable classes, with Wilson's interval."""
        return self._within(5)

    @property
    def mistakes(self) -> list[Answer]:
        """Answers that are wrong, the most confident first."""
        return sorted((each for each in self.answers if each.is_mistake), key=lambda each: -each.predicted.probability)

    @property
    def confusions(self) -> list[Confusion]:
        """Pairs of truth and prediction that differ, the most frequent first; of equal ones the most confident."""
        pairs = Counter((each.truth.label, each.predicted.label) for each in self.mistakes if each.truth is not None)
        return [Confusion(*pair, count) for pair, count in pairs.most_common()]

    @property
    def frequent(self) -> list[tuple[str, int]]:
        """Predicted classes and the number of photos taken for each, the most frequent first."""
        return Counter(each.predicted.label for each in self.answers).most_common()

    def to_dict(self) -> dict[str, Any]:
        """Return everything as plain values for JSON; accuracies are ``None`` where no truth is known."""
        known = bool(self.labelled)
        return {
            "photos": len(self.answers),
            "labelled": len(self.labelled),
            "top1": asdict(self.top1) if known else None,
            "top5": asdict(self.top5) if known else None,
            "confusions": [asdict(each) for each in self.confusions],
            "frequent": [{"label": label, "count": count} for label, count in self.frequent],
            "answers": [
                each.row() | {"predictions": [asdict(other) for other in each.predictions]} for each in self.answers
            ],
            "unreadable": dict(self.unreadable),
            "recipe": None if self.recipe is None else self.recipe.to_dict(),
        }

    def save(self, path: str | Path) -> Path:
        """Write a row for each photo as ``.csv``, or everything with the recipe as ``.json``.

        Raises
        ------
        DreamscopeError
            If `path` has another suffix or can't be written.
        """
        return write_table(path, [each.row() for each in self.answers], self.to_dict)

    def _repr_html_(self) -> str:
        title = f"{len(self.answers)} photos"
        if self.labelled:
            title += f", {len(self.labelled)} with a truth: top-1 {said(self.top1)}, top-5 {said(self.top5)}"
        rows = [list(each.row().values()) for each in (self.mistakes or self.answers)[:_SHOWN]]
        return html_table(title, ["file", "truth", "taken for", "confidence", "truth's place", "its confidence"], rows)

    def _within(self, rank: int) -> Estimate:
        return intervals.share([each.rank is not None and each.rank <= rank for each in self.labelled])


def answers(logits: Tensor, named: Sequence[Photo], model: Classifier, *, top: int) -> list[Answer]:
    """Return what photos are taken for, with the `top` most probable classes, from class scores (N, classes)."""
    probabilities = logits.softmax(1).cpu()
    # Stable, so that a truth as probable as another class has one place, and it is that of the prediction.
    order = probabilities.argsort(dim=1, descending=True, stable=True)
    found = []
    for photo, row, places in zip(named, probabilities, order.tolist(), strict=True):
        truth = truth_of(photo, model.labels)
        truth = truth if truth is not None and truth < len(places) else None
        predictions = tuple(_prediction(model, index, row) for index in places[:top])
        if truth is None:
            found.append(Answer(photo, predictions, None, None))
        else:
            found.append(Answer(photo, predictions, _prediction(model, truth, row), places.index(truth) + 1))
    return found


def _prediction(model: Classifier, index: int, probabilities: Tensor) -> Prediction:
    return Prediction(index, model.label(index), float(probabilities[index]))


def without_truth(photos: Iterable[Photo], model: Classifier) -> str:
    """Return why nothing can be said about right and wrong, or nothing if the class of some photo is known."""
    given = list(photos)
    if any(truth_of(photo, model.labels) is not None for photo in given):
        return ""
    named = next((photo.label for photo in given if photo.label is not None), None)
    if named is None:
        return (
            f"no truths are known, so no accuracy: put a {LABELS_FILE} (file, class_index or label) beside the photos, "
            "or the photos into subfolders named as their classes"
        )
    return f"no accuracy: the photos' labels, such as '{named}', name no class of {model.name}; give names or indices"


def said(share: Estimate) -> str:
    """Return a share with its interval in words: of fewer than 10 photos the count, since percentages would pretend."""
    hits = round(share.value * share.count)
    between = f"{100 * share.low:.0f} to {100 * share.high:.0f} %"
    if are_few(share.count):
        return f"{hits} of {share.count} (95 % interval {between})"
    return f"{100 * share.value:.1f} % ({hits} of {share.count}; 95 % interval {between})"
