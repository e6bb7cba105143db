"""Before and after: what an edit did to a class, and what to everything else."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import torch

from dreamscope.dissection import intervals, shares
from dreamscope.dissection.intervals import Estimate
from dreamscope.dissection.predictions import Measured, PhotoPrediction, Row, by_photo, paired, predictions, rows_of
from dreamscope.dissection.shares import are_few, averaged, shared
from dreamscope.dissection.tables import html_table
from dreamscope.models.classifier import Classifier
from dreamscope.photos import Photo, Stream

WORST = 10
"""The number of classes that are listed as losing most."""


@dataclass(frozen=True)
class ClassLoss:
    """What one class lost: photos right before and after (the mean of folds), and confidence lost."""

    label: str
    count: int
    right_before: int
    right_after: float
    confidence_lost: float


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
    photos, controls : tuple of Row
        The class's photos one by one, and those of everything else.
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
    controls: tuple[Row, ...]

    def loss_name(self, where: str = "", *, counted: bool = True) -> str:
        """Return what `loss` counts, with its unit.

        Whether an answer was right is known of photos with labels only; of others, whether it changed. Of fewer than
        `FEW_PHOTOS` photos it is a count, see `dreamscope.dissection.shares`.

        Parameters
        ----------
        where
            Which photos, such as ``" on the rest"``: "top-1 lost on the rest (points)".
        counted
            Whether it stands beside a count where photos are few; beside an axis in points it does not.
        """
        count = self.loss.count
        few = counted and are_few(count)
        points = "photos" if few else "points"
        if self.labelled == count:
            return f"top-1 lost{where} ({points})"
        if not self.labelled:
            return f"answers changed{where} ({'photos' if few else '%'})"
        return f"top-1 lost or answers changed{where} ({points}; {self.labelled} of {count} photos labelled)"

    def _repr_html_(self) -> str:
        rows = [
            ["recall", shared(self.recall_before), shared(self.recall_after)],
            ["confidence", averaged(self.confidence_before), averaged(self.confidence_after)],
            ["top-1 of the rest", shared(self.top1_before), shared(self.top1_after)],
            ["top-5 of the rest", shared(self.top5_before), shared(self.top5_after)],
            [self.loss_name(" on the rest"), "", shares.lost(self.loss)],
            ["predictions of the rest that changed", "", shared(self.changed)],
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
    found: list[tuple[list[Measured], list[Measured]]] = []
    with torch.no_grad():
        for given in (targets, rest):
            both: tuple[list[Measured], list[Measured]] = ([], [])
            for named, images in Stream(given, before, batch=batch, needs=min(1, len(given))):
                for model, mine in zip((before, after), both, strict=True):
                    seen = predictions(model.logits(images), named, class_index, before.labels)
                    mine.extend(zip(named, seen, strict=True))
            found.append(both)
    return compare(found[0], found[1], class_index=class_index, model=before)


def recall(measured: Sequence[Measured], class_index: int) -> Estimate:
    """Return the share of photos taken for the class."""
    return intervals.share(by_photo([(photo, found.top[0] == class_index) for photo, found in measured]))


def lost(before: Sequence[Measured], after: Sequence[Measured]) -> Estimate:
    """Return the top-1 accuracy lost, in points, or of photos without labels the answers changed."""
    pairs = paired(before, after)
    if not any(b.truth is not None for _, b, _ in pairs):
        # Answers can't become right again: a share of photos, never below 0.
        share = intervals.share(by_photo([(photo, not _right(a, b)) for photo, b, a in pairs]))
        return Estimate(100 * share.value, 100 * share.low, 100 * share.high, share.count)
    was = by_photo([(photo, _right(b, b)) for photo, b, _ in pairs])
    now = by_photo([(photo, _right(a, b)) for photo, b, a in pairs])
    return intervals.paired_difference(was, now)


def compare(
    targets: tuple[Sequence[Measured], Sequence[Measured]],
    rest: tuple[Sequence[Measured], Sequence[Measured]],
    *,
    class_index: int,
    model: Classifier,
) -> Evaluation:
    """Put together what was predicted, each before and after, of the class's photos and of everything else.

    A photo that was measured after several edits counts once, with its mean.
    """
    of_class, pairs = paired(*targets), paired(*rest)
    rows = rows_of(of_class, class_index, model.label)
    others = Counter(row.after for row in rows if not row.still)

    def of_rest(values: Iterable[float]) -> Estimate:
        return intervals.share(by_photo(list(zip((photo for photo, _, _ in pairs), values, strict=True))))

    return Evaluation(
        recall_before=recall(targets[0], class_index),
        recall_after=recall(targets[1], class_index),
        confidence_before=intervals.mean(by_photo([(photo, b.of_class) for photo, b, _ in of_class])),
        confidence_after=intervals.mean(by_photo([(photo, a.of_class) for photo, _, a in of_class])),
        top1_before=of_rest(_right(b, b) for _, b, _ in pairs),
        top1_after=of_rest(_right(a, b) for _, b, a in pairs),
        top5_before=of_rest(_expected(b) in b.top for _, b, _ in pairs),
        top5_after=of_rest(_expected(b) in a.top for _, b, a in pairs),
        loss=lost(*rest),
        labelled=len({photo for photo, b, _ in pairs if b.truth is not None}),
        changed=of_rest(a.top[0] != b.top[0] for _, b, a in pairs),
        worst=_worst(pairs, model),
        taken_for=tuple(others.most_common()),
        photos=rows,
        controls=rows_of(pairs, class_index, model.label),
    )


def _expected(before: PhotoPrediction) -> int:
    return before.top[0] if before.truth is None else before.truth


def _right(prediction: PhotoPrediction, before: PhotoPrediction) -> bool:
    return prediction.top[0] == _expected(before)


def _worst(
    predicted: Sequence[tuple[Photo, PhotoPrediction, PhotoPrediction]], model: Classifier
) -> tuple[ClassLoss, ...]:
    by_class: dict[int, list[tuple[Photo, PhotoPrediction, PhotoPrediction]]] = {}
    for photo, b, a in predicted:
        by_class.setdefault(_expected(b), []).append((photo, b, a))
    found = []
    for index, triples in by_class.items():
        # Of a photo without a label, only whether its prediction stays is known.
        drops = [b.of_truth - a.of_truth if b.truth is not None else float(a.top[0] != b.top[0]) for _, b, a in triples]
        was = by_photo([(photo, _right(b, b)) for photo, b, _ in triples])
        now = by_photo([(photo, _right(a, b)) for photo, b, a in triples])
        found.append(ClassLoss(model.label(index), len(was), round(sum(was)), sum(now), sum(drops) / len(drops)))
    found.sort(key=lambda each: (each.right_after - each.right_before, -each.confidence_lost))
    return tuple(found[:WORST])
