from __future__ import annotations

import gc
import os
import shutil
import tracemalloc
from collections.abc import Iterable
from pathlib import Path

import pytest
from archived import imaged, parquet_of, picture, tar_of
from PIL import Image

from dreamscope import images, photos
from dreamscope.archives import tar
from dreamscope.errors import DreamscopeError
from dreamscope.photos import Photo


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


def test_nothing_there(folder: Path) -> None:
    with pytest.raises(DreamscopeError, match="no such folder, photo or labels file"):
        photos.find(folder / "nowhere")
    (folder / "empty").mkdir()
    with pytest.raises(DreamscopeError, match="holds no photos"):
        photos.find(folder / "empty")
    with pytest.raises(DreamscopeError, match="no photos given"):
        photos.find([])


@pytest.fixture
def mixed(folder: Path) -> Path:
    """Photos, a tar with labels and subfolders, and a table, nested."""
    tar_of(folder / "a" / "shard.tar", {"z.png": picture(1), "sub/y.png": picture(2), "sub/y.cls": b"7"})
    tar_of(folder / "top.tar", {"n01/x.png": picture(3), "w.png": picture(4), "notes.txt": b""})
    (folder / "b" / "deep" / "c.png").mkdir(parents=True)
    parquet_of(
        folder / "b" / "deep" / "some.PARQUET", {"image": imaged([picture(5), picture(6)]), "label": ["x", None]}
    )
    (folder / "b-b.png").write_bytes(picture(7))
    (folder / "b" / "deep" / "c.png" / "d.JPG").write_bytes(picture(8))
    return folder


def written(found: Iterable[Photo], folder: Path) -> list[tuple[str, str | None]]:
    return [(photo.path.relative_to(folder).as_posix(), photo.label) for photo in found]


def test_archives_count_as_folders_do(mixed: Path) -> None:
    found = photos.find(mixed)
    assert written(found, mixed) == [
        ("a/one.png", "a"),
        ("a/shard.tar/z.png", "a"),
        ("a/shard.tar/sub/y.png", "7"),
        ("a/two.jpg", "a"),
        ("b/deep/c.png/d.JPG", "b"),
        ("b/deep/some.PARQUET/0", "x"),
        ("b/deep/some.PARQUET/1", "b"),
        ("b/three.png", "b"),
        ("b-b.png", None),
        ("four.png", None),
        ("top.tar/n01/x.png", "n01"),
        ("top.tar/w.png", None),
    ]
    assert all(images.read(photo.path).shape[1] == 3 for photo in found)
    # Of files alone, the order of all their paths.
    files = [photo.path for photo in found if photo.path.is_file()]
    assert files == sorted(files)
    assert written(photos.find(mixed / "top.tar"), mixed) == [("top.tar/n01/x.png", "n01"), ("top.tar/w.png", None)]
    both = photos.find([mixed / "a", mixed / "b"])
    assert {photo.path.name: photo.label for photo in both} == {
        **{"one.png": "a", "z.png": "a", "y.png": "7", "two.jpg": "a"},
        **{"d.JPG": "deep", "0": "x", "1": "deep", "three.png": "b"},
    }


def test_single_photos_of_archives(mixed: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(mixed / "b")
    asked = ["../a/shard.tar/sub/y.png", "deep/some.PARQUET/0", "../top.tar/w.png"]
    assert photos.find(asked) == [Photo(Path(path), label) for path, label in zip(asked, ("7", "x", None), strict=True)]
    for path in ("../top.tar/none.png", "deep/some.PARQUET/2", "../four.png/x.png", "../top.tar/n01"):
        with pytest.raises(DreamscopeError, match="no such folder, photo or labels file"):
            photos.find(path)


def test_labels_files_name_photos_in_archives(mixed: Path) -> None:
    (mixed / "labels.csv").write_text("file,label\ntop.tar/w.png,wasp\na/shard.tar/sub/y.png,yak\n")
    assert written(photos.find(mixed / "labels.csv"), mixed) == [
        ("top.tar/w.png", "wasp"),
        ("a/shard.tar/sub/y.png", "yak"),
    ]
    for source in (mixed, mixed / "top.tar", mixed / "top.tar" / "w.png"):
        assert ("top.tar/w.png", "wasp") in written(photos.find(source), mixed)
    (mixed / "labels.csv").write_text("file,label\ntop.tar/none.png,wasp\n")
    with pytest.raises(DreamscopeError, match="names 1 files that are not there"):
        photos.find(mixed / "labels.csv")


@pytest.mark.parametrize("size", [1, 5, 12, 100])
def test_shards_are_what_find_finds(mixed: Path, size: int) -> None:
    found = list(photos.shards(mixed, size))
    assert [photo for shard in found for photo in shard] == photos.find(mixed)
    assert [len(shard) for shard in found] == [size] * (12 // size) + [12 % size] * (12 % size > 0)
    assert photos.reference(photo for shard in found for photo in shard) == photos.reference(photos.find(mixed))
    with pytest.raises(DreamscopeError, match="1 photo or more"):
        photos.shards(mixed, 0)
    # Before the first is asked for.
    with pytest.raises(DreamscopeError, match="no such folder"):
        photos.shards([mixed, mixed / "nowhere"])


@pytest.mark.parametrize(
    "sources",
    [
        ("", ""),
        ("", "a", "four.png", "top.tar"),
        ("a", "", "a/shard.tar"),
        ("a/shard.tar", "a/shard.tar/sub/y.png", "a"),
        ("top.tar/w.png", "a/shard.tar/z.png", "b/deep/some.PARQUET/1", ""),
        ("b/deep/some.PARQUET", "b/deep/some.PARQUET/1", "b/deep/../deep/some.PARQUET/0", "b"),
        ("labels.csv", "four.png", "labels.csv", ""),
        ("four.png", "four.png", "notes.txt", "", "notes.txt"),
    ],
)
def test_each_photo_once_whatever_the_sources_have_in_common(mixed: Path, sources: tuple[str, ...]) -> None:
    (mixed / "labels.csv").write_text("file,label\ntop.tar/w.png,wasp\na/two.jpg,yak\n")
    alone = [photo for source in sources for photo in photos.find(mixed / source)]
    expected = list(dict.fromkeys(photos.absolute(photo.path) for photo in alone))
    found = photos.find([mixed / source for source in sources])
    assert [photos.absolute(photo.path) for photo in found] == expected


def test_links_to_folders_are_followed_only_as_sources(mixed: Path) -> None:
    (mixed / "link").symlink_to(mixed / "a")
    (mixed / "linked.png").symlink_to(mixed / "four.png")
    link = mixed / "link"
    alone = names(photos.find(mixed))
    assert alone.count("one.png") == 1
    assert "linked.png" in alone
    assert names(photos.find([mixed, link, link / "one.png"])) == [*alone, "one.png", "z.png", "y.png", "two.jpg"]
    assert names(photos.find([mixed, link / "one.png", link])) == [*alone, "one.png", "z.png", "y.png", "two.jpg"]


def test_archives_without_photos_or_damaged(tmp_path: Path) -> None:
    tar_of(tmp_path / "none.tar", {"notes.txt": b""})
    (tmp_path / "bad.tar").write_bytes(b"no tar")
    with pytest.raises(DreamscopeError, match=r"archive '.*none.tar' holds no photos"):
        photos.find(tmp_path / "none.tar")
    with pytest.raises(DreamscopeError, match=r"bad.tar' is no tar archive"):
        photos.find(tmp_path)


def walked(source: Path) -> tuple[int, int]:
    """Return the number of photos, and the most bytes that walking over them took."""
    gc.collect()
    tracemalloc.start()
    count = sum(len(shard) for shard in photos.shards(source))
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    return count, peak


@pytest.mark.parametrize("kind", ["folders", "tars", "one tar", "table"])
def test_memory_does_not_grow_with_the_photos(tmp_path: Path, kind: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tar, "_kept", {})
    monkeypatch.setattr(tar, "_MOST_KEPT", 500)
    # Parts of paths are interned by Python, whose table of them grows at some moment by megabytes.
    monkeypatch.setattr("sys.intern", str)
    few = tar_of(tmp_path / "few.tar", {f"{name}.png": b"" for name in range(250)})
    most = []
    for count in (500, 5000):
        source = tmp_path / f"{kind} {count}"
        source.mkdir()
        if kind == "folders":
            for number in range(count // 250):
                (source / f"{number}").mkdir()
                for name in range(250):
                    os.close(os.open(source / f"{number}" / f"{name}.png", os.O_CREAT))
        elif kind == "tars":
            for number in range(count // 250):
                shutil.copy(few, source / f"{number}.tar")
        elif kind == "one tar":
            tar_of(source / "all.tar", {f"{name}.png": b"" for name in range(count)})
        else:
            numbers = [b"picture %07d ........................" % number for number in range(count)]
            parquet_of(source / "some.parquet", {"jpg": numbers, "label": list(range(count))}, rows=250)
        if not most:
            walked(source)  # what is imported and compiled once
        tar._kept.clear()
        found, peak = walked(source)
        assert found == count
        most.append(peak)
    if kind == "one tar":
        # What grows are the places of an archive's members; listing photos takes some 900 bytes each.
        assert most[1] - most[0] < 4500 * 80
    else:
        assert most[1] < 1.3 * most[0] + 20_000
