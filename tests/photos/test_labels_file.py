from __future__ import annotations

from pathlib import Path

import pytest
from PIL import Image

from dreamscope import photos
from dreamscope.errors import DreamscopeError
from dreamscope.photos import Photo, labels_file


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
    from_labels = labels_file.read
    monkeypatch.setattr(labels_file, "read", lambda path, **how: read.append(path) or from_labels(path, **how))
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
