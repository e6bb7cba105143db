from __future__ import annotations

import multiprocessing
import os
import signal
import sys
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from dreamscope import images, photos
from dreamscope.errors import DreamscopeError
from dreamscope.photos import Photo, Stream


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


def test_several_folders_as_labels(folder: Path) -> None:
    both = [folder / "a", folder / "b"]
    assert [photo.label for photo in photos.find(both)] == ["a", "a", "b"]
    # One folder tells nothing apart, nor does the same one twice; photos one by one have no folder.
    for alone in (
        [folder / "a"],
        [folder / "a", folder / "b" / ".." / "a"],
        [folder / "a", folder / "b" / "three.png"],
    ):
        assert {photo.label for photo in photos.find(alone)} == {None}
    # What is inside says more, and so does a labels file about the photos that it lists.
    assert [photo.label for photo in photos.find([folder, folder / "b"])] == ["a", "a", "b", folder.name]
    (folder / "labels.csv").write_text("file,label\na/two.jpg,ant\n")
    assert [photo.label for photo in photos.find(both)] == ["a", "ant", "b"]


def test_folders_of_one_name_are_told_apart(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("a", "b"):
        (folder / name / "val").mkdir()
        Image.new("RGB", (8, 8)).save(folder / name / "val" / "photo.png")
    found = photos.find([folder / "a" / "val", folder / "b" / "val"])
    assert [photo.label for photo in found] == ["a/val", "b/val"]
    monkeypatch.chdir(folder / "a" / "val")
    assert {photo.label for photo in photos.find([".", "../../b"])} == {"val", "b"}


def test_each_photo_once(folder: Path) -> None:
    assert names(photos.find([folder / "a", folder / "a" / "one.png", folder / "four.png"])) == [
        "one.png",
        "two.jpg",
        "four.png",
    ]
    round_about = folder / "b" / ".." / "a" / "one.png"
    assert photos.find([folder / "a" / "one.png", round_about]) == [Photo(folder / "a" / "one.png")]


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


@dataclass
class By:
    """Prepares by a function."""

    prepared: Callable[[torch.Tensor], torch.Tensor]
    prepared_side: int = 0


def test_large_jpegs_are_decoded_no_larger_than_needed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    large = images.resize(images.read("sample:china"), images.Size(2000, 1336)).clamp(0, 1)
    for suffix in ("jpg", "png"):
        images.write(large, tmp_path / f"large.{suffix}")
    sizes: list[str] = []

    def prepare(image: torch.Tensor) -> torch.Tensor:
        sizes.append(str(images.size_of(image)))
        return images.resize(image, images.Size(300, 200)).clamp(0, 1)

    # 1336 rows at a half are 668, enough for 200 twice over, but not for 400.
    (_, seen), (_, both) = (next(iter(Stream(photos.find(tmp_path), By(prepare, side)))) for side in (200, 400))
    assert sizes == ["1000x668", "2000x1336", "2000x1336", "2000x1336"]
    assert (seen[0] - both[0]).abs().mean() < 0.004
    assert torch.equal(seen[1], both[1])


def test_a_stream_goes_on_past_what_it_cannot_read(folder: Path) -> None:
    (folder / "a" / "broken.png").write_bytes(b"")
    stream = Stream(photos.find(folder), By(lambda image: image[..., :8, :8]), batch=2)
    shapes = [(len(named), tuple(pictures.shape)) for named, pictures in stream]
    assert shapes == [(2, (2, 3, 8, 8)), (2, (2, 3, 8, 8))]
    assert [path.name for path in stream.unreadable] == ["broken.png"]
    assert str(folder) not in "".join(stream.unreadable.values())


def test_a_stream_of_nothing_readable(folder: Path) -> None:
    with pytest.raises(DreamscopeError, match="0 of 1 photos can be read, 1 needed"):
        list(Stream([Photo(folder / "notes.txt")], By(lambda image: image)))


def test_a_stream_holds_one_batch(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    read: list[int] = []
    stream = Stream([Photo(folder / "four.png")] * 10, By(lambda image: read.append(1) or image), batch=3)
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
    alone, helped = (Stream(found, By(prepare), batch=4, workers=count) for count in (0, 2))
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
    batches = iter(Stream([Photo(folder / "four.png")] * 40, By(lambda image: image), batch=2, workers=2))
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


def test_a_reference_holds_no_folders(folder: Path) -> None:
    kept = photos.reference(photos.find(folder / "a"))
    assert {*kept} == {"count", "sha256"}
    (folder / "a").rename(folder / "elsewhere")
    assert photos.reference(photos.find(folder / "elsewhere")) == kept
    assert photos.reference(photos.find(folder / "b")) != kept
