from __future__ import annotations

from pathlib import Path

import pytest

from dreamscope.augmentation.plan import ensure_strength, plan
from dreamscope.errors import DreamscopeError
from dreamscope.photos import Photo

HEALTHY = [Photo(Path(f"{number}.png")) for number in range(5)]
POSITIVES = [Photo(Path(f"with-{number}.png")) for number in range(3)]


def test_photos_take_turns() -> None:
    planned = [*plan(HEALTHY, POSITIVES, 12, (0.5, 1.0), 0)]
    assert [each.number for each in planned] == [*range(12)]
    for turn in (planned[:5], planned[5:10]):
        assert {each.photo.path.name for each in turn} == {f"{number}.png" for number in range(5)}
    assert [each.photo for each in planned[:5]] != [each.photo for each in planned[5:10]]
    assert {each.guide for each in planned} == {*POSITIVES}
    assert all(0.5 <= each.strength <= 1 for each in planned)
    assert planned[0].stem == f"000000-{planned[0].photo.path.stem}"


def test_what_is_made_does_not_depend_on_how_much_is() -> None:
    assert [*plan(HEALTHY, POSITIVES, 4, (0, 1), 3)] == [*plan(HEALTHY, POSITIVES, 9, (0, 1), 3)][:4]
    assert [*plan(HEALTHY, POSITIVES, 4, (0, 1), 3)] != [*plan(HEALTHY, POSITIVES, 4, (0, 1), 4)]


def test_strengths() -> None:
    assert ensure_strength(0.5) == ensure_strength([0.5, 0.5]) == (0.5, 0.5)
    for bad in ((1, 0.5), -0.1, (0.5,), (0, 5), (0, 1, 2)):
        with pytest.raises(DreamscopeError, match="a strength is a number between 0 and 4"):
            ensure_strength(bad)
