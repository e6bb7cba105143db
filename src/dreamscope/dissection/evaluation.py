"""Before and after: what an edit did to a class, and what to everything else."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import torch

from dreamscope.dissection import intervals
from dreamscope.dissection.intervals import Estimate
from dreamscope.dissection.tables import html_table
from dreamscope.models.classifier import Classifier
from dreamscope.models.labels import truth_of
from dreamscope.photos import Photo, Stream

WORST = 10
"""The number of classes that are listed as losing most."""


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


@dataclass(frozen=True)
class ClassLoss:
    """What one class lost: photos right before and after (the mean of folds), and confidence lost."""

    label: str
    count: int
    right_before: int
    right_after: float
    confidence_lost: float


@dataclass(frozen=True)
class Row:
    """One photo of the class: its file, its predicted label and confidence before and after, and if it still is it."""

    path: Path
    before: str
    confidence_before: float
    after: str
    confidence_after: float
    still: bool


@dataclass(frozen=True)
class Evaluation:
    """What an edit did, with 95 % intervals.

    Attributes
    ----------
    recall_before, recall_after : Estimate
        The share of the class's photos taken for it.
    confidence_before, confidence_after : Estimate
        The mean probability of the class on them.
    top1_before, top1_after, top5_before, top5_after : Estimate
        On everything else. Photos without a label count as right while their prediction stays what it was.
    loss : Estimate
        Top-1 accuracy lost on everything else, in points, photo by photo. A photo without a label counts as lost if
        its prediction changed; `loss_name` says what is counted.
    labelled : int
        The number of photos of everything else whose class is known.
    changed : Estimate
        The share of everything else whose prediction changed at all.
    worst : tuple of ClassLoss
        The classes that lost most.
    taken_for : tuple of (str, int)
        What the class's photos are taken for now, the most frequent first.
    photos : tuple of Row
        The class's photos one by one.
    """

    recall_before: Estimate
    recall_after: Estimate
    confidence_before: Estimate
    confidence_after: Estimate
    top1_before: Estimate
    top1_after: Estimate
    top5_before: Estimate
    top5_after: Estimate
    loss: Estimate
    labelled: int
    changed: Estimate
    worst: tuple[ClassLoss, ...]
    taken_for: tuple[tuple[str, int], ...]
    photos: tuple[Row, ...]

    def loss_name(self, where: str = "") -> str:
        """Return what `loss` counts, with its unit.

        Whether an answer was right is known of photos with labels only; of others, whether it changed.

        Parameters
        ----------
        where
            Which photos, such as ``" on the rest"``: "top-1 lost on the rest (points)".
        """
        if self.labelled == self.loss.count:
            return f"top-1 lost{where} (points)"
        if not self.labelled:
            return f"answers changed{where} (%)"
        return f"top-1 lost or answers changed{where} (points; {self.labelled} of {self.loss.count} photos labelled)"

    def _repr_html_(self) -> str:
        rows = [
            ["recall", self.recall_before, self.recall_after],
            ["confidence", self.confidence_before, self.confidence_after],
            ["top-1 of the rest", self.top1_before, self.top1_after],
            ["top-5 of the rest", self.top5_before, self.top5_after],
            [self.loss_name(" on the rest"), "", self.loss],
            ["predictions of the rest that changed", "", self.changed],
        ]
        title = f"{self.recall_after.count} photos of the class, {self.loss.count} of the rest"
        return html_table(title, ["", "before", "after"], rows)


def evaluate(
    before: Classifier,
    after: Classifier,
    targets: Sequence[Photo],
    rest: Sequence[Photo],
    *,
    class_index: int,
    batch: int = 32,
) -> Evaluation:
    """Measure what `after` lost against `before`.

    Parameters
    ----------
    before, after
        The classifier and its edited twin.
    targets, rest
        Photos of the class, and of everything else, labelled or not; one of the two may be none.
    class_index
        The class.
    batch
        Photos in one pass.

    Raises
    ------
    DreamscopeError
        If no photo of a set can be read.
    """
    of_targets = predict([before, after], targets, class_index, batch=batch)
    of_rest = predict([before, after], rest, class_index, batch=batch)
    return compare(of_targets.by_model, of_rest.by_model, of_targets.photos, class_index=class_index, model=before)


@dataclass(frozen=True)
class Predictions:
    """What several classifiers take photos for, of those that could be read, and why the others could not.

    Attributes
    ----------
    photos : tuple of Photo
        Those that could be read.
    by_model : tuple of tuple of PhotoPrediction
        For each classifier, one for each of the photos.
    unreadable : dict
        File name -> the reason.
    """

    photos: tuple[Photo, ...]
    by_model: tuple[tuple[PhotoPrediction, ...], ...]
    unreadable: dict[str, str]


def predict(
    models: Sequence[Classifier],
    photos: Sequence[Photo],
    class_index: int,
    *,
    batch: int = 32,
    needs: int = 1,
    callback: Callable[[int], None] | None = None,
) -> Predictions:
    """Run several classifiers on the same photos, each of which is read once; `needs` of them must be readable.

    `callback` is called with a number of photos whenever one of the classifiers is done with as many.
    """
    first = models[0]
    stream = Stream(photos, first.prepared, batch=batch, needs=min(needs, len(photos)))
    by_model: list[list[PhotoPrediction]] = [[] for _ in models]
    seen: list[Photo] = []
    with torch.no_grad():
        for named, images in stream:
            seen += named
            truths = [truth_of(photo, first.labels) for photo in named]
            for model, mine in zip(models, by_model, strict=True):
                probabilities = model.logits(images).softmax(1).cpu()
                values, indices = probabilities.topk(min(5, probabilities.shape[1]))
                mine += [
                    PhotoPrediction(
                        tuple(indices[row].tolist()),
                        float(values[row, 0]),
                        float(probabilities[row, class_index]),
                        truth,
                        float(probabilities[row, truth]) if truth is not None else float("nan"),
                    )
                    for row, truth in enumerate(truths)
                ]
                if callback is not None:
                    callback(len(named))
    unreadable = {path.name: reason for path, reason in stream.unreadable.items()}
    return Predictions(tuple(seen), tuple(map(tuple, by_model)), unreadable)


def recall(predictions: Sequence[PhotoPrediction], class_index: int) -> Estimate:
    """Return the share of photos taken for the class."""
    return intervals.share([each.top[0] == class_index for each in predictions])


def lost(before: Sequence[PhotoPrediction], after: Sequence[PhotoPrediction], folds: int = 1) -> Estimate:
    """Return the top-1 accuracy lost, in points, or of photos without labels the answers changed.

    Photos that occur once in each of `folds` count once.
    """
    pairs = zip(before, after, strict=True)
    return intervals.mean([100.0 * (_right(b, b) - _right(a, b)) for b, a in pairs], folds)


def compare(
    targets: Sequence[Sequence[PhotoPrediction]],
    rest: Sequence[Sequence[PhotoPrediction]],
    photos: Sequence[Photo],
    *,
    class_index: int,
    model: Classifier,
    folds: int = 1,
) -> Evaluation:
    """Put together what was predicted, each before and after, of the class's photos and of everything else.

    With `folds`, all photos of everything else occur so often in a row, each time after another edit.
    """
    targets_before, targets_after = targets
    rest_before, rest_after = rest
    pairs = list(zip(rest_before, rest_after, strict=True))
    rows = tuple(
        Row(
            photo.path,
            model.label(b.top[0]),
            b.confidence,
            model.label(a.top[0]),
            a.confidence,
            a.top[0] == class_index,
        )
        for photo, b, a in zip(photos, targets_before, targets_after, strict=True)
    )
    others = Counter(row.after for row in rows if not row.still)
    return Evaluation(
        recall_before=recall(targets_before, class_index),
        recall_after=recall(targets_after, class_index),
        confidence_before=intervals.mean([each.of_class for each in targets_before]),
        confidence_after=intervals.mean([each.of_class for each in targets_after]),
        top1_before=intervals.share([_right(b, b) for b, _ in pairs], folds),
        top1_after=intervals.share([_right(a, b) for b, a in pairs], folds),
        top5_before=intervals.share([_expected(b) in b.top for b, _ in pairs], folds),
        top5_after=intervals.share([_expected(b) in a.top for b, a in pairs], folds),
        loss=lost(rest_before, rest_after, folds),
        labelled=sum(b.truth is not None for b in rest_before) // folds,
        changed=intervals.share([a.top[0] != b.top[0] for b, a in pairs], folds),
        worst=_worst(pairs, model, folds),
        taken_for=tuple(others.most_common()),
        photos=rows,
    )


def _expected(before: PhotoPrediction) -> int:
    return before.top[0] if before.truth is None else before.truth


def _right(prediction: PhotoPrediction, before: PhotoPrediction) -> bool:
    return prediction.top[0] == _expected(before)


def _worst(
    predicted: Sequence[tuple[PhotoPrediction, PhotoPrediction]], model: Classifier, folds: int
) -> tuple[ClassLoss, ...]:
    by_class: dict[int, list[tuple[PhotoPrediction, PhotoPrediction]]] = {}
    for b, a in predicted:
        by_class.setdefault(_expected(b), []).append((b, a))
    found = []
    for index, pairs in by_class.items():
        # Of a photo without a label, only whether its prediction stays is known.
        drops = [b.of_truth - a.of_truth if b.truth is not None else float(a.top[0] != b.top[0]) for b, a in pairs]
        found.append(
            ClassLoss(
                model.label(index),
                len(pairs) // folds,
                sum(_right(b, b) for b, _ in pairs) // folds,
                sum(_right(a, b) for b, a in pairs) / folds,
                sum(drops) / len(drops),
            )
        )
    found.sort(key=lambda each: (each.right_after - each.right_before, -each.confidence_lost))
    return tuple(found[:WORST])
