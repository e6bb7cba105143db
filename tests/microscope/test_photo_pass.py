from __future__ import annotations

import os
import signal
from collections.abc import Callable, Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any

import pytest
import torch

from dreamscope.engines.base import Engine, Here, Work
from dreamscope.engines.local import Local
from dreamscope.errors import DreamscopeError
from dreamscope.exploration.exemplars import exemplars
from dreamscope.microscope import photo_pass
from dreamscope.microscope.items.kinds import Maker
from dreamscope.microscope.photo_pass import KEY, LARGEST, PhotoPass, growing
from dreamscope.microscope.photo_statistics import Gatherer, PhotoStatistics
from dreamscope.microscope.store import Store
from dreamscope.models.classifier import Classifier
from dreamscope.photos import Photo, find

LAYERS = ["conv", "act"]


def parts_of(folder: Path, size: int = 7) -> list[list[Photo]]:
    found = find(folder)
    return [found[start : start + size] for start in range(0, len(found), size)]


def passing(model: Classifier, parts: Sequence[Sequence[Photo]]) -> PhotoPass:
    widths = {layer: model.layers[layer].channels for layer in LAYERS}
    return PhotoPass(Maker(model, tuple(LAYERS), 4), "network", widths, 4, lambda: parts, parts[0][0].path.parents[1])


class Backwards(Here):
    """An engine that is done with items in an order of its own, and stops after some."""

    def __init__(self, most: int = 10**6) -> None:
        self.most, self.made = most, 0

    def run(self, work: Work, items: Iterable[Any]) -> Iterator[tuple[Any, Any]]:
        make = work()
        for item in sorted(items, key=lambda part: (part.number + 4) % 11)[: self.most]:
            self.made += 1
            yield item, make(item)
        if self.most < 10**6:
            raise KeyboardInterrupt


def same(first: PhotoStatistics, second: PhotoStatistics) -> bool:
    one, two = (each.numbers(Path("/")) for each in (first, second))
    return one.keys() == two.keys() and all(one[name].tobytes() == two[name].tobytes() for name in one)


def test_what_is_gathered_is_what_there_is(planted: Classifier, coloured: Path, tmp_path: Path) -> None:
    (coloured / "green" / "broken.png").write_bytes(b"no picture")
    parts = parts_of(coloured)
    with Store(tmp_path / "store") as store:
        found = passing(planted, parts).run(store, Here())
    assert found.count == 72
    assert list(found.unreadable) == ["broken.png"]
    assert found.widths == {"conv": 9, "act": 9}
    known = exemplars(planted, coloured, LAYERS, top=4)
    every = find(coloured)
    for layer in LAYERS:
        best = found.best[layer]
        for channel in range(9):
            wanted = [each.value for each in known.of(f"{layer}:{channel}")]
            assert best.shown[channel].tolist()[: len(wanted)] == pytest.approx(wanted, abs=1e-5)
            assert best.shown[channel].tolist()[len(wanted) :] == pytest.approx([0] * (4 - len(wanted)))
    assert {every[number].label for number in found.best["act"].photos[8].tolist()} == {"red"}
    labels = [planted.labels.index(str(photo.label)) for photo in every]
    assert {index: count for index, (count, _) in found.classes.items()} == dict.fromkeys(range(3), 24)
    # What red photos do at the channel that carries red, and no others.
    red = planted.labels.index("red")
    mean = {index: float(total[9 + 8]) / count for index, (count, total) in found.classes.items()}
    assert mean[red] > 0.1 > max(value for index, value in mean.items() if index != red)
    assert {index for number, index in found.of_classes().items() if labels[number] != index} == set()
    assert len(found.of_classes()) == 3 * 16
    assert len(found.sample()) == 72


@pytest.mark.parametrize("engine", [Backwards(), Local(2)], ids=["backwards", "local"])
def test_the_numbers_are_the_same_whoever_gathers(
    planted: Classifier, coloured: Path, tmp_path: Path, engine: Engine
) -> None:
    parts = parts_of(coloured)
    with engine, Store(tmp_path / "a") as first, Store(tmp_path / "b") as second:
        one = passing(planted, parts).run(first, Here())
        two = passing(planted, parts).run(second, engine)
        assert same(one, two)
        first.tidy()
        second.tidy()
    assert {p.relative_to(tmp_path / "a") for p in (tmp_path / "a").rglob("*")} == {
        p.relative_to(tmp_path / "b") for p in (tmp_path / "b").rglob("*")
    }
    assert same(PhotoStatistics.of_numbers(Store(tmp_path / "a").numbers(KEY), coloured), one)


@pytest.mark.parametrize("stopped", [1, 3, 6, 9])
def test_stopped_it_goes_on(
    planted: Classifier, coloured: Path, tmp_path: Path, stopped: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(photo_pass, "CHECKPOINT", 2)
    parts = parts_of(coloured)
    with Store(tmp_path / "whole") as store:
        whole = passing(planted, parts).run(store, Here())
    with pytest.raises(KeyboardInterrupt), Store(tmp_path / "part") as store:
        passing(planted, parts).run(store, Backwards(stopped))
    with Store(tmp_path / "part") as store:
        rest = Backwards()
        assert same(passing(planted, parts).run(store, rest), whole)
        assert rest.made == len(parts) - stopped
        assert list(store) == [KEY]
    # A third time there is nothing to do.
    with Store(tmp_path / "part") as store:
        nothing = Backwards()
        assert same(passing(planted, parts).run(store, nothing), whole)
        assert nothing.made == 0


def test_other_photos_are_gone_through_anew_and_more_of_them_behind(
    planted: Classifier, coloured: Path, tmp_path: Path
) -> None:
    parts = parts_of(coloured)
    with Store(tmp_path / "store") as store:
        passing(planted, parts[:4]).run(store, Here())
        more = Backwards()
        found = passing(planted, parts).run(store, more)
        assert more.made == len(parts) - 4
        assert found.count == 72
        parts[0][0].path.write_bytes(parts[1][0].path.read_bytes())
        anew = Backwards()
        passing(planted, parts).run(store, anew)
        assert anew.made == len(parts)


def test_killed_processes_change_nothing(planted: Classifier, coloured: Path, tmp_path: Path) -> None:
    parts = parts_of(coloured)
    marks = tmp_path / "marks"
    marks.mkdir()

    class Killing(Local):
        def run(self, work: Work, items: Iterable[Any]) -> Iterator[tuple[Any, Any]]:
            def dangerous() -> Callable[[Any], Any]:
                make = work()

                def once(part: Any) -> Any:
                    mark = marks / str(part.number)
                    if part.number % 3 == 1 and not mark.exists():
                        mark.touch()
                        os.kill(os.getpid(), signal.SIGKILL)
                    return make(part)

                return once

            return super().run(dangerous, items)

    with Killing(2) as engine, Store(tmp_path / "a") as first, Store(tmp_path / "b") as second:
        assert same(passing(planted, parts).run(first, Here()), passing(planted, parts).run(second, engine))
    assert len(list(marks.iterdir())) == 4


def test_refusals(planted: Classifier, tmp_path: Path) -> None:
    (tmp_path / "broken.png").write_bytes(b"no picture")
    with Store(tmp_path / "store") as store, pytest.raises(DreamscopeError, match="no photo can be read"):
        passing(planted, [[Photo(tmp_path / "broken.png")]]).run(store, Here())


def test_memory_is_for_the_channels_only(planted: Classifier, coloured: Path) -> None:
    photos = find(coloured)
    gatherer = Gatherer(planted, LAYERS, top=4)
    merged = gatherer.part(photos, 0)
    kept = len(merged.kept)
    for again in range(1, 9):
        merged.merge(gatherer.part(photos, again * len(photos)))
    assert merged.count == 9 * 72
    # 4 photos of each channel, 16 of each class, 256 of all.
    assert kept <= len(merged.kept) <= 2 * 9 * 4 + 3 * 16 + 256
    assert torch.isfinite(merged.responses.deviation).all()


def test_parts_grow_with_what_lies_before_them() -> None:
    photos = [Photo(Path(f"{number}.png")) for number in range(100_000)]
    parts = list(growing(photos[start : start + 256] for start in range(0, len(photos), 256)))
    assert [photo for part in parts for photo in part] == photos
    sizes = [len(part) for part in parts]
    assert set(sizes[:16]) == {256}
    assert sorted(sizes[:-1]) == sizes[:-1]
    assert max(sizes) == LARGEST
    # A part is never much more than a sixteenth of those before it: each of some workers has one to do.
    assert all(size <= max(256, sum(sizes[:place]) / 16 + 256) for place, size in enumerate(sizes))
    assert list(growing([])) == []
