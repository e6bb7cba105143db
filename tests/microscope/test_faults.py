"""Whatever goes wrong during a build, the finished store is the one of an undisturbed build."""

from __future__ import annotations

import random
import tempfile
import threading
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

import colours
import numpy as np
import pytest
from clusters import SETTINGS, Head
from faults import Deadly, FullDisk, killed_over_a_file
from nets import Planted
from stores import builder, content, short

from dreamscope.engines.base import Here, Work
from dreamscope.engines.local import Local
from dreamscope.errors import DreamscopeError
from dreamscope.microscope.build import DATA, build
from dreamscope.microscope.photo_pass import KEY as PHOTOS
from dreamscope.microscope.photo_statistics import PhotoStatistics
from dreamscope.microscope.settings import Atlas
from dreamscope.microscope.store import JOURNAL, Store
from dreamscope.models.classifier import Classifier
from dreamscope.models.wrapping import wrap

ITEMS = 30
"""Of a build, with photos in parts of eight: a few more than that."""


@pytest.fixture(scope="module", autouse=True)
def small() -> Iterator[None]:
    with pytest.MonkeyPatch.context() as patch:
        short(patch.setattr)
        yield


@pytest.fixture
def atlas(planted: Classifier) -> Atlas:
    return Atlas.of(planted, ["conv", "act"], side=32, top=4)


@pytest.fixture(scope="module")
def photos(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Some that no test changes."""
    folder = tmp_path_factory.mktemp("photos")
    colours.draw(folder, 24)
    return folder


@pytest.fixture(scope="module")
def undisturbed(photos: Path, tmp_path_factory: pytest.TempPathFactory) -> dict[str, bytes]:
    """The files of a build of them."""
    site = tmp_path_factory.mktemp("undisturbed")
    planted = wrap(Planted(), input_size=16, labels=list(colours.COLOURS))
    build(Atlas.of(planted, ["conv", "act"], side=32, top=4), site, photos, engine=Here())
    found = content(site)
    assert f"{DATA}/{JOURNAL}" in found
    assert not [name for name in found if "/." in name]
    return found


def test_workers_killed_ten_times(atlas: Atlas, photos: Path, tmp_path: Path, undisturbed: dict[str, bytes]) -> None:
    engine = Deadly(Local(2), tmp_path / "marks", times=10, among=ITEMS)
    built = build(atlas, tmp_path / "site", photos, engine=engine)
    assert built.failed == {}
    assert engine.count >= ITEMS
    assert len(list(engine.marks.iterdir())) == 10
    assert content(tmp_path / "site") == undisturbed


def test_the_builder_killed_over_any_file(
    atlas: Atlas, photos: Path, tmp_path: Path, undisturbed: dict[str, bytes]
) -> None:
    site = tmp_path / "site"
    drawn = random.Random(1)
    kills = 0
    while killed_over_a_file(site, builder(atlas, site, photos), drawn.randrange(1, 500)):
        kills += 1
        # Whatever the journal names is there.
        store = Store(site / DATA)
        assert not [key for key in store if store.damaged(key)]
    assert kills >= 4
    assert content(site) == undisturbed


def test_killed_over_other_settings_and_back(
    atlas: Atlas, photos: Path, tmp_path: Path, undisturbed: dict[str, bytes], monkeypatch: pytest.MonkeyPatch
) -> None:
    site = tmp_path / "site"
    build(atlas, site, photos, engine=Here())
    larger = Atlas.of(atlas.model, ["conv", "act"], side=48, top=5)
    for at in (3, 47, 101, 160):
        assert killed_over_a_file(site, builder(larger, site, photos), at)
        store = Store(site / DATA)
        assert not [key for key in store if store.damaged(key)]
        build(atlas, site, photos, engine=Here())
        assert content(site) == undisturbed


@pytest.mark.parametrize("at", [1, 2, 40])
def test_the_disk_is_full(atlas: Atlas, photos: Path, tmp_path: Path, undisturbed: dict[str, bytes], at: int) -> None:
    site = tmp_path / "site"
    with pytest.MonkeyPatch.context() as patch:
        FullDisk(site, at).set_up(patch)
        with pytest.raises(DreamscopeError, match=r"can't write '.*No space left on device"):
            build(atlas, site, photos, engine=Here())
    assert not [name for name in content(site) if "/." in name]
    build(atlas, site, photos, engine=Here())
    assert content(site) == undisturbed


def test_a_photo_that_cannot_be_decoded(atlas: Atlas, coloured: Path, tmp_path: Path) -> None:
    # The last one, so that the others keep their numbers.
    broken = coloured / "zebra" / "broken.png"
    broken.parent.mkdir()
    whole = (coloured / "red" / "0.png").read_bytes()
    broken.write_bytes(whole[: len(whole) // 2])
    engine = Deadly(Local(2), tmp_path / "marks", times=3, among=ITEMS)
    built = build(atlas, tmp_path / "site", coloured, engine=engine)
    assert built.failed == {}
    store = Store(tmp_path / "site" / DATA)
    found = PhotoStatistics.of_numbers(store.numbers(PHOTOS))
    assert found.count == 72
    assert list(found.unreadable) == ["broken.png"]
    # Nothing but the photos' own account tells of it.
    broken.unlink()
    build(atlas, tmp_path / "without", coloured, engine=Here())
    without = Store(tmp_path / "without" / DATA)
    assert list(store) == list(without)
    for key in store:
        one, two = store.numbers(key), without.numbers(key)
        assert key == PHOTOS or [each.tobytes() for each in one.values()] == [each.tobytes() for each in two.values()]
        pictures = [
            {name: of for name, of in each[key].files.items() if ".npz" not in name} for each in (store, without)
        ]
        assert pictures[0] == pictures[1]


@pytest.mark.parametrize("lost", ["0.png", "*.png"])
def test_photos_that_are_gone_when_they_are_to_be_shown(
    atlas: Atlas, coloured: Path, tmp_path: Path, lost: str
) -> None:
    class Losing(Here):
        def run(self, work: Work, items: Iterable[Any]) -> Iterator[tuple[Any, Any]]:
            yield from super().run(work, items)
            for path in coloured.rglob(lost):
                path.write_bytes(b"no picture")

    built = build(atlas, tmp_path / "site", coloured, engine=Losing())
    assert set(built.failed.values()) <= {"none of its photos can be read any more"}
    assert bool(built.failed) == (lost == "*.png")
    store = Store(tmp_path / "site" / DATA)
    trust = store.numbers("trust/act")["photos"]
    # Of red, something is left to be compared with; of all, nothing.
    assert bool(np.isnan(trust[8])) == (lost == "*.png")


@pytest.fixture
def mortal(monkeypatch: pytest.MonkeyPatch) -> Iterator[Head]:
    pytest.importorskip("ray", reason="Ray is not installed: pip install 'dreamscope[cluster]'")
    for name, value in SETTINGS.items():
        monkeypatch.setenv(name, value)
    with tempfile.TemporaryDirectory(prefix="ray-", dir="/tmp", ignore_cleanup_errors=True) as folder:
        head = Head(Path(folder), 2)
        yield head
        head.kill()


def test_a_cluster_restarted_in_the_middle(
    atlas: Atlas, photos: Path, tmp_path: Path, undisturbed: dict[str, bytes], mortal: Head
) -> None:
    from dreamscope.engines.ray import Ray

    again = threading.Timer(1, mortal.start)

    def restart(stage: str, done: int, total: int) -> None:
        if stage == "pictures of channels" and not again.is_alive() and not again.finished.is_set():
            mortal.kill()
            again.start()

    engine = Deadly(Ray(mortal.address, 2), tmp_path / "marks", times=2, among=ITEMS)
    built = build(atlas, tmp_path / "site", photos, engine=engine, callback=restart)
    assert again.finished.is_set()
    assert built.failed == {}
    assert content(tmp_path / "site") == undisturbed
