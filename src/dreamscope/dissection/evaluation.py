"""Before and after: what an edit took from a class, and what from everything else."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import torch

from dreamscope.dissection import intervals
from dreamscope.dissection.intervals import Estimate
from dreamscope.models.classifier import Classifier
from dreamscope.models.labels import truth_of
from dreamscope.photos import Photo, Stream

WORST = 10
"""How many of the classes that suffer most are told."""


@dataclass(frozen=True)
class Answer:
    """What a classifier said of one photo.

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
class Suffering:
    """One of the classes that lost most: photos right before and after (the mean of turns), and confidence lost."""

    label: str
    count: int
    right_before: int
    right_after: float
    confidence_lost: float


@dataclass(frozen=True)
class Row:
    """One photo of the class: its file name, label and confidence before and after."""

    path: Path
    before: str
    confidence_before: float
    after: str
    confidence_after: float
    still: bool


@dataclass(frozen=True)
class Evaluation:
    """What an edit took, with 95 % intervals.

    Attributes
    ----------
    recall_before, recall_after : Estimate
        The share of the class's photos taken for it.
    confidence_before, confidence_after : Estimate
        The mean probability of the class on them.
    top1_before, top1_after, top5_before, top5_after : Estimate
        On everything else. Photos without a label count as right while their answer stays what it was.
    loss : Estimate
        Top-1 accuracy lost on everything else, in points, photo by photo.
    changed : Estimate
        The share of everything else whose answer changed at all.
    worst : tuple of Suffering
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
    changed: Estimate
    worst: tuple[Suffering, ...]
    taken_for: tuple[tuple[str, int], ...]
    photos: tuple[Row, ...]


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
    of_targets = answers([before, after], targets, class_index, batch=batch)
    of_rest = answers([before, after], rest, class_index, batch=batch)
    return compare(of_targets.answers, of_rest.answers, of_targets.photos, class_index=class_index, model=before)


@dataclass(frozen=True)
class Answers:
    """The answers of several classifiers to the photos that could be read, and why the others could not."""

    photos: tuple[Photo, ...]
    answers: tuple[tuple[Answer, ...], ...]
    unreadable: dict[str, str]


def answers(
    models: Sequence[Classifier],
    photos: Sequence[Photo],
    class_index: int,
    *,
    batch: int = 32,
    report: Callable[[int], None] | None = None,
) -> Answers:
    """Ask several classifiers about the same photos; each photo is read once."""
    first = models[0]
    stream = Stream(photos, first.prepared, batch=batch, needs=min(1, len(photos)))
    told: list[list[Answer]] = [[] for _ in models]
    seen: list[Photo] = []
    with torch.no_grad():
        for named, pictures in stream:
            seen += named
            truths = [truth_of(photo, first.labels) for photo in named]
            for model, mine in zip(models, told, strict=True):
                probabilities = model.logits(pictures).softmax(1).cpu()
                values, indices = probabilities.topk(min(5, probabilities.shape[1]))
                mine += [
                    Answer(
                        tuple(indices[row].tolist()),
                        float(values[row, 0]),
                        float(probabilities[row, class_index]),
                        truth,
                        float(probabilities[row, truth]) if truth is not None else float("nan"),
                    )
                    for row, truth in enumerate(truths)
                ]
                if report is not None:
                    report(len(named))
    unreadable = {path.name: reason for path, reason in stream.unreadable.items()}
    return Answers(tuple(seen), tuple(map(tuple, told)), unreadable)


def recall(told: Sequence[Answer], class_index: int) -> Estimate:
    """Return the share of photos taken for the class."""
    return intervals.share([answer.top[0] == class_index for answer in told])


def lost(before: Sequence[Answer], after: Sequence[Answer], turns: int = 1) -> Estimate:
    """Return the top-1 accuracy lost, in points; `turns` times the same photos in a row count once."""
    pairs = zip(before, after, strict=True)
    return intervals.mean([100.0 * (_right(b, b) - _right(a, b)) for b, a in pairs], turns)


def compare(
    targets: Sequence[Sequence[Answer]],
    rest: Sequence[Sequence[Answer]],
    photos: Sequence[Photo],
    *,
    class_index: int,
    model: Classifier,
    turns: int = 1,
) -> Evaluation:
    """Put the answers, each before and after, to the class's photos and to everything else together.

    With `turns`, everything else was asked so often in a row, each time with other channels gone.
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
        confidence_before=intervals.mean([answer.of_class for answer in targets_before]),
        confidence_after=intervals.mean([answer.of_class for answer in targets_after]),
        top1_before=intervals.share([_right(b, b) for b, _ in pairs], turns),
        top1_after=intervals.share([_right(a, b) for b, a in pairs], turns),
        top5_before=intervals.share([_expected(b) in b.top for b, _ in pairs], turns),
        top5_after=intervals.share([_expected(b) in a.top for b, a in pairs], turns),
        loss=lost(rest_before, rest_after, turns),
        changed=intervals.share([a.top[0] != b.top[0] for b, a in pairs], turns),
        worst=_worst(pairs, model, turns),
        taken_for=tuple(others.most_common()),
        photos=rows,
    )


def _expected(before: Answer) -> int:
    return before.top[0] if before.truth is None else before.truth


def _right(answer: Answer, before: Answer) -> bool:
    return answer.top[0] == _expected(before)


def _worst(answered: Sequence[tuple[Answer, Answer]], model: Classifier, turns: int) -> tuple[Suffering, ...]:
    by_class: dict[int, list[tuple[Answer, Answer]]] = {}
    for b, a in answered:
        by_class.setdefault(_expected(b), []).append((b, a))
    found = []
    for index, pairs in by_class.items():
        # Of a photo without a label, only whether its answer stays is known.
        drops = [b.of_truth - a.of_truth if b.truth is not None else float(a.top[0] != b.top[0]) for b, a in pairs]
        found.append(
            Suffering(
                model.label(index),
                len(pairs) // turns,
                sum(_right(b, b) for b, _ in pairs) // turns,
                sum(_right(a, b) for b, a in pairs) / turns,
                sum(drops) / len(drops),
            )
        )
    found.sort(key=lambda each: (each.right_after - each.right_before, -each.confidence_lost))
    return tuple(found[:WORST])
