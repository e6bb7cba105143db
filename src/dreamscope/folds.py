"""Folds: photos split into those to find something on and those to measure on, taking turns."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

from dreamscope.errors import DreamscopeError
from dreamscope.photos import Photo, absolute, shuffled

FEW = 20
"""Fewer photos take turns one by one, or in small parts."""
MOST_FOLDS = 8


@dataclass(frozen=True)
class Fold:
    """One split of photos; none of them is in two parts.

    Attributes
    ----------
    find : sequence of Photo
        To find something on.
    probe : sequence of Photo
        To train a fresh probe on; if empty, those that are measured on take turns.
    measure : sequence of Photo
        To measure on.
    """

    find: Sequence[Photo]
    probe: Sequence[Photo]
    measure: Sequence[Photo]


def without(photos: Sequence[Photo], others: Sequence[Photo]) -> list[Photo]:
    """Return the photos whose files are not among those of `others`, however their paths are written."""
    same = {absolute(photo.path) for photo in others}
    return [photo for photo in photos if absolute(photo.path) not in same]


def halves(photos: Sequence[Photo], seed: int) -> tuple[list[Photo], list[Photo]]:
    """Split at random into two sets of the same size (the first may be one smaller)."""
    first, second = _parts(photos, 2, seed)
    return first, second


def folds(photos: Sequence[Photo], count: int, seed: int) -> list[Fold]:
    """Split photos of a class into those to find something on, to train a probe on, and to measure on.

    Parameters
    ----------
    photos
        `FEW` or more are split by `k_folds`. Of fewer, each is measured on once, in up to `MOST_FOLDS` folds whatever
        `count` is; half of the others are for the probe and half for finding.
    count
        The number of folds.
    seed
        Of the order in which they are cut.

    Raises
    ------
    DreamscopeError
        If there are fewer than three photos, or see `k_folds`.
    """
    if len(photos) < 3:
        raise DreamscopeError(
            f"{len(photos)} photos of the class: at least 3 are needed, to find on some and measure on others"
        )
    _ensure_folds(count)
    if len(photos) >= FEW:
        return k_folds(photos, count, seed)
    mixed = shuffled(photos, seed)
    many = min(MOST_FOLDS, len(mixed))
    # Not scikit-learn's KFold, whose parts are runs of neighbours: reports made so far hold these parts.
    parts = [mixed[first::many] for first in range(many)]
    found = []
    for place, part in enumerate(parts):
        others = [photo for each in (*parts[place + 1 :], *parts[:place]) for photo in each]
        middle = len(others) // 2
        found.append(Fold(find=others[middle:], probe=others[:middle], measure=part))
    return found


def k_folds(photos: Sequence[Photo], count: int, seed: int) -> list[Fold]:
    """Cut photos into parts that take turns: each is measured on once, and the others are for finding.

    A `count` of 1 is the first of two folds: half for finding, the other half to measure on, see `halves`. None of the
    photos are for a probe: it is trained and measured in turns within those that are measured on.

    Raises
    ------
    DreamscopeError
        If there are fewer photos than parts, or `count` is under 1.
    """
    _ensure_folds(count)
    if len(photos) < max(2, count):
        raise DreamscopeError(
            f"{len(photos)} photos can't be split into {max(2, count)} parts; give more photos or fewer folds"
        )
    parts = _parts(photos, max(2, count), seed)
    found = []
    # The last part is measured on first, so that the first fold of two is `halves`.
    for place in reversed(range(len(parts))):
        others = [photo for each in (*parts[:place], *parts[place + 1 :]) for photo in each]
        found.append(Fold(find=others, probe=[], measure=parts[place]))
    return found[:count]


def folds_apart(targets: Sequence[Photo], measured: Sequence[Photo], count: int, seed: int) -> list[Fold]:
    """Split photos of a class as `k_folds` does where others are given to measure on.

    What would be measured on is for the probe; each fold is measured on all of `measured` that are not among the
    targets.

    Raises
    ------
    DreamscopeError
        If all of `measured` are among the targets, or see `k_folds`.
    """
    apart = without(measured, targets)
    if not apart:
        raise DreamscopeError("the photos to measure on are the ones that channels are found on; give others")
    return [Fold(fold.find, fold.measure, apart) for fold in k_folds(targets, count, seed)]


def _parts(photos: Sequence[Photo], count: int, seed: int) -> list[list[Photo]]:
    """Cut at random into parts of the same size (the first ones may be one smaller)."""
    mixed = shuffled(photos, seed)
    ends = [len(mixed) * number // count for number in range(count + 1)]
    return [mixed[first:last] for first, last in pairwise(ends)]


def _ensure_folds(count: int) -> None:
    if count < 1:
        raise DreamscopeError(f"the number of folds is 1 or more, not {count}")
