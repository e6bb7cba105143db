"""Predictions: what photos are taken for, one by one, before an edit and after."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from torch import Tensor

from dreamscope.models.labels import truth_of
from dreamscope.photos import Photo


@dataclass(frozen=True)
class PhotoPrediction:
    """What a classifier takes one photo for.

    Attributes
    ----------
    top : tuple of int
        The five most probable classes.
    confidence : float
        The probability of the first.
    of_class : float
        The probability of the class that is being removed.
    truth : int or None
        The photo's own class, if it is known.
    of_truth : float
        The probability of that class.
    """

    top: tuple[int, ...]
    confidence: float
    of_class: float
    truth: int | None
    of_truth: float


Measured = tuple[Photo, PhotoPrediction]
"""A photo, and what it was taken for."""


@dataclass(frozen=True)
class Row:
    """What one photo was taken for before and after.

    Attributes
    ----------
    path : Path
        Its file.
    before, after : str
        The label; after several edits the most frequent one, and of equals one that is new.
    confidence_before, confidence_after : float
        Its probability; after several edits the mean of those that gave this label.
    still : bool
        Whether it is taken for the class that is being removed.
    changed, edits : int
        The number of edits (one in each fold) after which the answer was another than before, and of all that it was
        measured after.
    """

    path: Path
    before: str
    confidence_before: float
    after: str
    confidence_after: float
    still: bool
    changed: int
    edits: int


def predictions(
    logits: Tensor, named: Sequence[Photo], class_index: int, labels: Sequence[str]
) -> list[PhotoPrediction]:
    """Return what photos are taken for, from their class scores (N, classes)."""
    probabilities = logits.softmax(1).cpu()
    values, indices = probabilities.topk(min(5, probabilities.shape[1]))
    found = []
    for row, photo in enumerate(named):
        truth = truth_of(photo, labels)
        found.append(
            PhotoPrediction(
                tuple(indices[row].tolist()),
                float(values[row, 0]),
                float(probabilities[row, class_index]),
                truth,
                float(probabilities[row, truth]) if truth is not None else float("nan"),
            )
        )
    return found


def by_photo(values: Sequence[tuple[Photo, float]]) -> list[float]:
    """Return the mean value of each photo: measuring it again says nothing new about other photos."""
    found: dict[Photo, list[float]] = {}
    for photo, value in values:
        found.setdefault(photo, []).append(value)
    return [sum(each) / len(each) for each in found.values()]


def paired(
    before: Sequence[Measured], after: Sequence[Measured]
) -> list[tuple[Photo, PhotoPrediction, PhotoPrediction]]:
    """Return each photo after an edit with what it was before, where it was measured."""
    was = dict(before)
    return [(photo, was[photo], found) for photo, found in after]


def rows_of(
    predicted: Sequence[tuple[Photo, PhotoPrediction, PhotoPrediction]], class_index: int, label: Callable[[int], str]
) -> tuple[Row, ...]:
    """Return one row for each photo, from its predictions before and after, as `paired` has them."""
    by: dict[Photo, list[PhotoPrediction]] = {}
    for photo, _, a in predicted:
        by.setdefault(photo, []).append(a)
    found = []
    for photo, b in {photo: b for photo, b, _ in predicted}.items():
        times = Counter(a.top[0] for a in by[photo])
        # Where folds disagree as often as not, nothing is to look better than it is.
        index = max(times, key=lambda each: (times[each], each != b.top[0]))
        confidences = [a.confidence for a in by[photo] if a.top[0] == index]
        found.append(
            Row(
                photo.path,
                label(b.top[0]),
                b.confidence,
                label(index),
                sum(confidences) / len(confidences),
                index == class_index,
                sum(a.top[0] != b.top[0] for a in by[photo]),
                len(by[photo]),
            )
        )
    return tuple(found)
