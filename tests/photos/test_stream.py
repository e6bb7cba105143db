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
from archived import imaged, parquet_of, picture, tar_of
from PIL import Image

from dreamscope import images, photos
from dreamscope.errors import DreamscopeError
from dreamscope.photos import Photo, Stream, stream


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


def test_of_archives_too_what_cannot_be_read_is_skipped_and_said_without_folders(tmp_path: Path) -> None:
    tar = tar_of(tmp_path / "some.tar", {"a.png": picture(1), "b.png": b"broken", "c.png": picture(2)})
    table = parquet_of(tmp_path / "some.parquet", {"image": imaged([picture(3), None, picture(4)])})
    found = photos.find([tar, table])
    tar_of(tar, {"a.png": picture(1), "b.png": b"broken"})  # meanwhile another
    stream = Stream(found, By(lambda image: image), batch=4)
    ((named, pictures),) = stream
    assert [photo.path for photo in named] == [tar / "a.png", table / "0", table / "2"]
    assert (pictures[:, 0, 0, 0] * 255).round().tolist() == [1, 3, 4]
    assert stream.skipped == {
        "b.png": "'b.png' is not a picture that can be read (PNG, JPEG, WebP, TIFF, BMP, GIF, DICOM ...)",
        "c.png": "no file 'c.png' in archive 'some.tar'",
        "1": "row 1 of 'some.parquet' holds no picture",
    }
    assert sorted(each.name for each in tmp_path.iterdir()) == ["some.parquet", "some.tar"]


@pytest.mark.skipif(sys.platform != "linux", reason="only there processes are forked")
@pytest.mark.parametrize("kind", ["tar", "parquet"])
def test_workers_read_the_same_archive_at_once(tmp_path: Path, kind: str) -> None:
    contents = [picture(shade) for shade in range(40)]
    archive = tmp_path / f"some.{kind}"
    if kind == "tar":
        tar_of(archive, {f"{number}.png": content for number, content in enumerate(contents)})
    else:
        parquet_of(archive, {"image": imaged(contents)}, rows=7)
    found = photos.find(archive)
    images.read(found[11].path)  # so that workers inherit what is open
    passes = [iter(Stream(found, By(lambda image: image), batch=8, workers=count)) for count in (2, 0)]
    for batches in zip(*passes, strict=True):
        for named, pictures in batches:
            assert named == batches[0][0]
            assert torch.equal(pictures, batches[0][1])
        shades = (batches[0][1][:, 0, 0, 0] * 255).round().int().tolist()
        assert shades == [int(photo.path.name.removesuffix(".png")) for photo in batches[0][0]]
    assert not multiprocessing.active_children()


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
    assert [stream._workers(count) for count in (1, 255, 256)] == [0, 0, photos.MOST_WORKERS]
    with ThreadPoolExecutor(1) as other:
        assert other.submit(stream._workers, 1000).result() == 0
    monkeypatch.setattr("sys.platform", "darwin")
    assert stream._workers(1000) == 0
