from __future__ import annotations

import multiprocessing
import os
import signal
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from dreamscope import images, photos
from dreamscope.errors import DreamscopeError
from dreamscope.photos import Fold, Photo, Stream


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    for name in ("a/one.png", "a/two.jpg", "b/three.png", "four.png"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        Image.new("RGB", (16, 12), "red").save(tmp_path / name)
    (tmp_path / "notes.txt").write_text("no photo")
    return tmp_path


def names(found: list[Photo]) -> list[str]:
    return [photo.path.name for photo in found]


def test_a_folder_with_subfolders_as_labels(folder: Path) -> None:
    found = photos.find(folder)
    assert {(photo.path.name, photo.label) for photo in found} == {
        ("one.png", "a"),
        ("two.jpg", "a"),
        ("three.png", "b"),
        ("four.png", None),
    }


def test_each_photo_once(folder: Path) -> None:
    assert names(photos.find([folder / "a", folder / "a" / "one.png", folder / "four.png"])) == [
        "one.png",
        "two.jpg",
        "four.png",
    ]
    round_about = folder / "b" / ".." / "a" / "one.png"
    assert photos.find([folder / "a" / "one.png", round_about]) == [Photo(folder / "a" / "one.png")]
    assert names(photos.without(photos.find(folder / "a"), [Photo(round_about)])) == ["two.jpg"]


def test_labels_file(folder: Path) -> None:
    (folder / "labels.csv").write_text("file,class_index,label\na/one.png,7,ant\nfour.png,3,bee\n")
    assert [(p.path.name, p.label) for p in photos.find(folder / "labels.csv")] == [("one.png", "7"), ("four.png", "3")]
    # Beside or above a folder of photos it is found by itself.
    assert [p.label for p in photos.find(folder / "a")] == ["7", None]


def test_photos_one_by_one_find_their_labels_as_a_folder_does(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    one_by_one = [folder / name for name in ("a/one.png", "a/two.jpg", "b/three.png", "four.png")]
    # Unlike a folder's subfolders, the folder that a photo happens to lie in says nothing.
    assert [photo.label for photo in photos.find(one_by_one)] == [None] * 4
    (folder / "labels.csv").write_text("file,class_index\na/one.png,7\nb/three.png,3\nb/not-there.png,4\n")
    read: list[Path] = []
    from_labels = photos._from_labels
    monkeypatch.setattr(photos, "_from_labels", lambda path, **how: read.append(path) or from_labels(path, **how))
    assert photos.find(one_by_one) == [
        Photo(path, label) for path, label in zip(one_by_one, ("7", None, "3", None), strict=True)
    ]
    assert read == [folder / "labels.csv"]
    # From two folders below, as what a shell writes; the nearest file counts, and none from farther above.
    deep = folder / "a" / "deep" / "deeper"
    deep.mkdir(parents=True)
    monkeypatch.chdir(deep)
    assert photos.find("../../one.png") == [Photo(Path("../../one.png"), "7")]
    (folder / "a" / "labels.csv").write_text("file,label\ntwo.jpg,ant\ndeep/deeper/five.png,bee\n")
    Image.new("RGB", (16, 12)).save("five.png")
    found = photos.find(["../../one.png", "../../two.jpg", "five.png"])
    assert [photo.label for photo in found] == [None, "ant", "bee"]
    (folder / "a" / "labels.csv").unlink()
    (folder / "labels.csv").write_text("file,label\na/deep/deeper/five.png,bee\n")
    assert photos.find("five.png") == [Photo(Path("five.png"))]


def test_names_instead_of_indices(folder: Path) -> None:
    (folder / "mine.csv").write_text("label,file\nant,a/one.png\n")
    assert photos.find(folder / "mine.csv") == [Photo(folder / "a" / "one.png", "ant")]


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("", "needs a header"),
        ("path,class\nx,1\n", "needs a header"),
        ("file,label\nmissing.png,ant\n", "names 1 files that are not there"),
        (b"\xff\xfe\x00", "no CSV text"),
    ],
)
def test_bad_labels_files(folder: Path, content: str | bytes, message: str) -> None:
    (folder / "bad.csv").write_bytes(content.encode() if isinstance(content, str) else content)
    with pytest.raises(DreamscopeError, match=message):
        photos.find(folder / "bad.csv")


def test_nothing_there(folder: Path) -> None:
    with pytest.raises(DreamscopeError, match="no such folder, photo or labels file"):
        photos.find(folder / "nowhere")
    (folder / "empty").mkdir()
    with pytest.raises(DreamscopeError, match="holds no photos"):
        photos.find(folder / "empty")
    with pytest.raises(DreamscopeError, match="no photos given"):
        photos.find([])


def test_a_stream_goes_on_past_what_it_cannot_read(folder: Path) -> None:
    (folder / "a" / "broken.png").write_bytes(b"")
    stream = Stream(photos.find(folder), lambda image: image[..., :8, :8], batch=2)
    shapes = [(len(named), tuple(pictures.shape)) for named, pictures in stream]
    assert shapes == [(2, (2, 3, 8, 8)), (2, (2, 3, 8, 8))]
    assert [path.name for path in stream.unreadable] == ["broken.png"]
    assert str(folder) not in "".join(stream.unreadable.values())


def test_a_stream_of_nothing_readable(folder: Path) -> None:
    with pytest.raises(DreamscopeError, match="0 of 1 photos can be read, 1 needed"):
        list(Stream([Photo(folder / "notes.txt")], lambda image: image))


def test_a_stream_holds_one_batch(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    read: list[int] = []
    stream = Stream([Photo(folder / "four.png")] * 10, lambda image: read.append(1) or image, batch=3)
    for number, _ in enumerate(stream, 1):
        assert len(read) == min(3 * number, 10)


@pytest.mark.skipif(sys.platform != "linux", reason="only there processes are forked")
def test_workers_change_nothing_but_who_reads(folder: Path) -> None:
    (folder / "a" / "broken.png").write_bytes(b"")
    for number in range(5):
        noise = np.random.default_rng(number).integers(0, 256, (40 + number, 33, 3), dtype=np.uint8)
        Image.fromarray(noise).save(folder / "b" / f"noise{number}.png")
    found, readers = photos.find(folder), [os.getpid()]

    def prepare(image: torch.Tensor) -> torch.Tensor:
        readers.append(os.getpid())
        return images.resize(image, images.Size(9, 8))

    state, handler, threads = torch.get_rng_state(), signal.getsignal(signal.SIGCHLD), torch.get_num_threads()
    alone, helped = (Stream(found, prepare, batch=4, workers=count) for count in (0, 2))
    for (names_alone, alone_images), (names_helped, helped_images) in zip(alone, helped, strict=True):
        assert names_alone == names_helped
        assert torch.equal(alone_images, helped_images)
    assert len(readers) == 1 + 9  # those of the workers are lists of their own
    assert list(alone.unreadable.items()) == list(helped.unreadable.items()) != []
    assert torch.equal(torch.get_rng_state(), state)
    assert (signal.getsignal(signal.SIGCHLD), torch.get_num_threads()) == (handler, threads)
    assert not multiprocessing.active_children()


@pytest.mark.skipif(sys.platform != "linux", reason="only there processes are forked")
def test_workers_end_when_a_pass_is_left_early(folder: Path) -> None:
    batches = iter(Stream([Photo(folder / "four.png")] * 40, lambda image: image, batch=2, workers=2))
    next(batches)
    assert len(multiprocessing.active_children()) == 2
    del batches
    assert not multiprocessing.active_children()


def test_processes_only_for_many_photos(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sys.platform", "linux")
    monkeypatch.setattr("os.sched_getaffinity", lambda _: range(16), raising=False)
    assert [photos._workers(count) for count in (1, 255, 256)] == [0, 0, photos.MOST_WORKERS]
    with ThreadPoolExecutor(1) as other:
        assert other.submit(photos._workers, 1000).result() == 0
    monkeypatch.setattr("sys.platform", "darwin")
    assert photos._workers(1000) == 0


def test_halves_are_apart_and_the_same_again(folder: Path) -> None:
    found = photos.find(folder)
    first, second = photos.halves(found, 3)
    assert {*names(first)} | {*names(second)} == {*names(found)}
    assert len(first) == len(second) == 2
    assert photos.halves(found, 3) == (first, second)


def test_a_reference_holds_no_folders(folder: Path) -> None:
    kept = photos.reference(photos.find(folder / "a"))
    assert {*kept} == {"count", "sha256"}
    (folder / "a").rename(folder / "elsewhere")
    assert photos.reference(photos.find(folder / "elsewhere")) == kept
    assert photos.reference(photos.find(folder / "b")) != kept


def numbered(count: int, first: int = 0) -> list[Photo]:
    return [Photo(Path(f"{number}.png")) for number in range(first, first + count)]


def apart(fold: Fold) -> set[Photo]:
    """Return all photos of a fold, of which none is in two parts."""
    together = [*fold.find, *fold.probe, *fold.measure]
    assert len({*together}) == len(together)
    return {*together}


@pytest.mark.parametrize("many", [20, 21, 61])
@pytest.mark.parametrize("count", [1, 2, 3, 7])
def test_parts_of_many_photos_take_turns(many: int, count: int) -> None:
    given = numbered(many)
    found = photos.folds(given, count, 5)
    assert found == photos.folds(given, count, 5) == photos.k_folds(given, count, 5) != photos.folds(given, count, 6)
    assert len(found) == count
    assert all(apart(fold) == {*given} and not fold.probe for fold in found)
    sizes = [len(fold.measure) for fold in found]
    assert max(sizes) - min(sizes) <= 1
    measured = [photo for fold in found for photo in fold.measure]
    assert len({*measured}) == len(measured) == (many if count > 1 else -(-many // 2))
    if count <= 2:
        assert (found[0].find, found[0].measure) == photos.halves(given, 5)
        assert [(fold.measure, fold.find) for fold in found[1:]] == [photos.halves(given, 5)] * (count - 1)


@pytest.mark.parametrize(("many", "parts"), [(3, 3), (4, 4), (8, 8), (9, 8), (19, 8)])
def test_few_photos_are_measured_one_by_one(many: int, parts: int) -> None:
    given = numbered(many)
    found = photos.folds(given, 2, 5)
    assert found == photos.folds(given, 1, 5)
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
    first, second = photos.halves(targets, 5)
    both = photos.folds_apart(targets, measured, 2, 5)
    assert [(fold.find, fold.probe) for fold in both] == [(first, second), (second, first)]
    assert [names(fold.measure) for fold in both] == [["5.png", "6.png", "7.png", "8.png"]] * 2
    assert photos.folds_apart(targets, measured, 1, 5) == both[:1]
    for fold in photos.folds_apart(targets, measured, 3, 5):
        assert len(apart(fold)) == 9
    with pytest.raises(DreamscopeError, match="to measure on are the ones that channels are found on"):
        photos.folds_apart(targets, targets[1:3], 2, 5)


def test_folds_that_cannot_be() -> None:
    with pytest.raises(DreamscopeError, match="at least 3 are needed"):
        photos.folds(numbered(2), 2, 0)
    with pytest.raises(DreamscopeError, match="1 photos can't be split into 2 parts"):
        photos.folds_apart(numbered(1), numbered(3, first=1), 1, 0)
    with pytest.raises(DreamscopeError, match="4 photos can't be split into 5 parts"):
        photos.k_folds(numbered(4), 5, 0)
    for many in (5, 30):
        with pytest.raises(DreamscopeError, match="folds is 1 or more, not 0"):
            photos.folds(numbered(many), 0, 0)
