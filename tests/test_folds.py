from __future__ import annotations

from pathlib import Path

import pytest

from dreamscope import folds, photos
from dreamscope.errors import DreamscopeError
from dreamscope.folds import Fold
from dreamscope.photos import Photo


def names(found: list[Photo]) -> list[str]:
    return [photo.path.name for photo in found]


def numbered(count: int, first: int = 0) -> list[Photo]:
    return [Photo(Path(f"{number}.png")) for number in range(first, first + count)]


def test_halves_are_apart_and_the_same_again() -> None:
    found = numbered(4)
    first, second = folds.halves(found, 3)
    assert {*first} | {*second} == {*found}
    assert len(first) == len(second) == 2
    assert folds.halves(found, 3) == (first, second)


def test_photos_are_without_others_however_their_paths_are_written() -> None:
    given = [Photo(Path("a/one.png")), Photo(Path("a/two.png"))]
    assert folds.without(given, [Photo(Path("b/../a/one.png"))]) == given[1:]


def apart(fold: Fold) -> set[Photo]:
    """Return all photos of a fold, of which none is in two parts."""
    together = [*fold.find, *fold.probe, *fold.measure]
    assert len({*together}) == len(together)
    return {*together}


@pytest.mark.parametrize("many", [20, 21, 61])
@pytest.mark.parametrize("count", [1, 2, 3, 7])
def test_parts_of_many_photos_take_turns(many: int, count: int) -> None:
    given = numbered(many)
    found = folds.folds(given, count, 5)
    assert found == folds.folds(given, count, 5) == folds.k_folds(given, count, 5) != folds.folds(given, count, 6)
    assert len(found) == count
    assert all(apart(fold) == {*given} and not fold.probe for fold in found)
    sizes = [len(fold.measure) for fold in found]
    assert max(sizes) - min(sizes) <= 1
    measured = [photo for fold in found for photo in fold.measure]
    assert len({*measured}) == len(measured) == (many if count > 1 else -(-many // 2))
    if count <= 2:
        assert (found[0].find, found[0].measure) == folds.halves(given, 5)
        assert [(fold.measure, fold.find) for fold in found[1:]] == [folds.halves(given, 5)] * (count - 1)


@pytest.mark.parametrize(("many", "parts"), [(3, 3), (4, 4), (8, 8), (9, 8), (19, 8)])
def test_few_photos_are_measured_one_by_one(many: int, parts: int) -> None:
    given = numbered(many)
    found = folds.folds(given, 2, 5)
    assert found == folds.folds(given, 1, 5)
    assert len(found) == parts
    assert sorted(names([photo for fold in found for photo in fold.measure])) == sorted(names(given))
    mixed = photos.shuffled(given, 5)
    for number, fold in enumerate(found):
        assert apart(fold) == {*given}
        assert fold.measure == mixed[number::parts]
        assert len(fold.find) - len(fold.probe) in (0, 1)
        assert len(fold.probe) >= 1
    # Those that come after the measured ones, and begin again behind the last, train the probe.
    assert found[-1].probe[0] == mixed[0]


def test_photos_to_measure_on_are_given() -> None:
    targets, measured = numbered(5), numbered(6, first=3)
    first, second = folds.halves(targets, 5)
    both = folds.folds_apart(targets, measured, 2, 5)
    assert [(fold.find, fold.probe) for fold in both] == [(first, second), (second, first)]
    assert [names(fold.measure) for fold in both] == [["5.png", "6.png", "7.png", "8.png"]] * 2
    assert folds.folds_apart(targets, measured, 1, 5) == both[:1]
    for fold in folds.folds_apart(targets, measured, 3, 5):
        assert len(apart(fold)) == 9
    with pytest.raises(DreamscopeError, match="to measure on are the ones that channels are found on"):
        folds.folds_apart(targets, targets[1:3], 2, 5)


def test_folds_that_cannot_be() -> None:
    with pytest.raises(DreamscopeError, match="at least 3 are needed"):
        folds.folds(numbered(2), 2, 0)
    with pytest.raises(DreamscopeError, match="1 photos can't be split into 2 parts"):
        folds.folds_apart(numbered(1), numbered(3, first=1), 1, 0)
    with pytest.raises(DreamscopeError, match="4 photos can't be split into 5 parts"):
        folds.k_folds(numbered(4), 5, 0)
    for many in (5, 30):
        with pytest.raises(DreamscopeError, match="folds is 1 or more, not 0"):
            folds.folds(numbered(many), 0, 0)
