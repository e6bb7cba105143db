from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor

import dreamscope as ds
from dreamscope import photos
from dreamscope.engines import photo_parts
from dreamscope.engines.base import Here, Work
from dreamscope.engines.local import Local
from dreamscope.engines.photo_parts import Streamed, in_parts, opened
from dreamscope.errors import DreamscopeError
from dreamscope.models.classifier import Classifier
from dreamscope.models.erase import Erase


@pytest.fixture(autouse=True)
def small_parts(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(photo_parts, "PART", 5)


class Backwards(Here):
    """Does what is there to be done, the last first."""

    def run(self, work: Work, items: Iterable[Any]) -> Iterator[tuple[Any, Any]]:
        return super().run(work, reversed(list(items)))


class Thumbnails:
    prepared_side = 0

    def prepared(self, image: Tensor) -> Tensor:
        return image[..., :1, :1]


def names() -> Callable[[Streamed], list[str]]:
    def go(streamed: Streamed) -> list[str]:
        return [photo.path.name for named, _ in streamed(Thumbnails()) for photo in named]

    return go


def refusing() -> Callable[[Streamed], list[str]]:
    def go(streamed: Streamed) -> list[str]:
        raise DreamscopeError("too dark")

    return go


def test_parts_come_in_the_order_of_their_photos_whatever_is_done_first(coloured: Path) -> None:
    given = photos.find(coloured / "red")
    expected = [photo.path.name for photo in given]
    assert list(in_parts(names, given)) == [expected]
    told: list[tuple[str, int, int]] = []
    parts = list(in_parts(names, given, Backwards(), what="reds", callback=lambda *each: told.append(each)))
    assert parts == [expected[start : start + 5] for start in range(0, 24, 5)]
    assert told == [("reds", count, 24) for count in (4, 9, 14, 19, 24)]


def test_few_photos_are_gone_through_here(coloured: Path) -> None:
    class Nobody(Here):
        def run(self, work: Work, items: Iterable[Any]) -> Iterator[tuple[Any, Any]]:
            raise AssertionError

    given = photos.find(coloured / "red")[:5]
    assert list(in_parts(names, given, Nobody())) == [[photo.path.name for photo in given]]


def test_a_part_that_cannot_be_worked_on_is_said_with_its_first_photo(coloured: Path) -> None:
    given = photos.find(coloured / "red")
    with pytest.raises(DreamscopeError, match=f"^photos from '{given[0].path.name}' on: too dark$"):
        list(in_parts(refusing, given, Here()))


def test_engines_by_name() -> None:
    for name, expected in (("local:3", 3), ("local:1", 1)):
        with opened(name) as engine:
            assert isinstance(engine, Local)
            assert engine.workers == expected
    with opened(None) as engine:
        assert engine is None
    for name in ("local:many", "here:2", "cloud"):
        with pytest.raises(DreamscopeError, match="local"):
            opened(name)


def test_exemplars_are_the_same_side_by_side(planted: Classifier, coloured: Path) -> None:
    (coloured / "red" / "broken.png").write_bytes(b"")
    for asked in ({"at": ["act"], "least": True}, {"directions": [Erase("conv:8", [1.0], [1.0])]}):
        alone = ds.exemplars(planted, coloured, top=7, **asked)
        for engine in (Backwards(), Local(2)):
            found = ds.exemplars(planted, coloured, top=7, engine=engine, **asked)
            assert found.count == alone.count == 72
            assert found.photos == alone.photos
            assert found.unreadable == alone.unreadable
            assert [*found.unreadable] == ["broken.png"]
            for name, ranked in (alone.most | alone.least).items():
                other = (found.most | found.least)[name]
                assert torch.equal(other.photos, ranked.photos)
                assert torch.equal(other.values, ranked.values)
            assert found.recipe == alone.recipe
    (coloured / "red" / "broken.png").unlink()


def test_a_map_is_the_same_side_by_side(planted: Classifier, coloured: Path) -> None:
    alone = ds.map(planted, coloured, "act", method="pca")
    found = ds.map(planted, coloured, "act", method="pca", engine="local:2")
    assert [(each.photo, each.label) for each in found.points] == [(each.photo, each.label) for each in alone.points]
    # Batches of other sizes round otherwise.
    for mine, other in zip(found.points, alone.points, strict=True):
        assert (mine.x, mine.y) == pytest.approx((other.x, other.y), abs=1e-5)
    assert torch.equal(found.thumbnails, alone.thumbnails)


def test_dissecting_side_by_side_scores_the_same(planted: Classifier, coloured: Path) -> None:
    given: dict[str, Any] = {"class_name": "red", "layers": ["act"], "method": ["joint", "contrast", "frequency"]}
    controls = [coloured / "green", coloured / "blue"]
    alone = ds.dissect(planted, coloured / "red", controls, **given)
    found = ds.dissect(planted, coloured / "red", controls, engine="local:2", **given)
    assert found.counts == alone.counts == {"targets": 24, "controls": 48}
    for method, scores in alone.scores.items():
        torch.testing.assert_close(found.scores[method], scores, rtol=1e-3, atol=1e-4)
    for name in ("auc", "times_loud"):
        assert torch.equal(found.numbers[name], alone.numbers[name])
    assert found.recipe == alone.recipe


@pytest.mark.parametrize("units", ["channels", "directions"])
def test_blinding_side_by_side_measures_the_same(planted: Classifier, coloured: Path, units: str) -> None:
    given: dict[str, Any] = {"class_name": "red", "layers": ["act"], "units": units, "draws": 1}
    controls = [coloured / "green", coloured / "blue"]
    alone = ds.blind(planted, coloured / "red", controls, **given)
    with Local(2) as engine:
        found = ds.blind(planted, coloured / "red", controls, engine=engine, **given)
    for mine, other in zip(found.trials, alone.trials, strict=True):
        assert (mine.name, mine.count) == (other.name, other.count)
        assert (mine.recall, mine.robust, mine.loss) == (other.recall, other.robust, other.loss)
        assert {name: each.auc for name, each in mine.readouts.items()} == pytest.approx(
            {name: each.auc for name, each in other.readouts.items()}
        )
    rows = [(row.path, row.before, row.after) for row in found.result.controls]
    assert rows == [(row.path, row.before, row.after) for row in alone.result.controls]
