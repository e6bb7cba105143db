from __future__ import annotations

import io
import json
import os
import tarfile
import zlib
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from archived import picture, tar_of

from dreamscope import archives, images
from dreamscope.archives import tar
from dreamscope.errors import DreamscopeError

SUFFIXES = (".png", ".jpg")
LONG = "/".join(["folder" * 6] * 5) + "/photo.png"  # 190 characters: over what any plain header holds


def names(path: Path) -> list[str]:
    return [entry.name for entry in archives.entries(path, SUFFIXES)]


@pytest.mark.parametrize("form", [tarfile.USTAR_FORMAT, tarfile.GNU_FORMAT, tarfile.PAX_FORMAT])
def test_members_are_found_in_order_and_read(tmp_path: Path, form: int) -> None:
    members = {"b.png": picture(1), "n01/ä.PNG": picture(2), "notes.txt": b"no photo", "a.jpg": b"x" * 513}
    if form != tarfile.USTAR_FORMAT:
        members |= {LONG: picture(3), f"./{LONG[:-4]}-2.png": picture(4)}
    path = tar_of(tmp_path / "some.tar", members, form)
    photos = [name.removeprefix("./") for name in members if not name.endswith(".txt")]
    assert names(path) == photos
    assert [archives.read(path / name) for name in members] == list(members.values())
    assert archives.exists(path / "n01/ä.PNG")
    assert not archives.exists(path / "n01")


def test_names_that_are_no_text_can_be_printed_and_read(tmp_path: Path) -> None:
    path = tmp_path / "some.tar"
    path.write_bytes(block(size=b"00000000003\0", raw=b"\xff\xe4.png") + b"abc".ljust(512, b"\0") + END)
    assert names(path) == ["\\xff\\xe4.png"]
    assert archives.read(path / "\\xff\\xe4.png") == b"abc"


def test_names_between_100_and_255_characters_in_the_plain_form(tmp_path: Path) -> None:
    path = tar_of(tmp_path / "some.tar", {LONG: b"1"}, tarfile.USTAR_FORMAT)
    assert names(path) == [LONG]


def test_what_python_reads_is_read_alike(tmp_path: Path) -> None:
    """A tar with folders, links, and a name twice: as Python's own reader sees it."""
    path = tmp_path / "some.tar"
    with tarfile.open(path, "w") as file:
        for name, kind in (("sub", tarfile.DIRTYPE), ("soft.png", tarfile.SYMTYPE), ("hard.png", tarfile.LNKTYPE)):
            facts = tarfile.TarInfo(name)
            facts.type, facts.linkname = kind, "/etc/passwd"
            file.addfile(facts)
        for name, content in (("a.png", b"old"), ("sub/b.png", b"b"), ("a.png", b"newer")):
            facts = tarfile.TarInfo(name)
            facts.size = len(content)
            file.addfile(facts, io.BytesIO(content))
    assert names(path) == ["sub/b.png", "a.png"]
    with tarfile.open(path) as file:
        for name in names(path):
            assert archives.read(path / name) == file.extractfile(name).read()
    for link in ("soft.png", "hard.png"):
        with pytest.raises(DreamscopeError, match="no file"):
            archives.read(path / link)


def test_labels_by_the_convention_of_webdataset(tmp_path: Path) -> None:
    path = tar_of(
        tmp_path / "some.tar",
        {
            "n/1.png": b"",
            "n/1.cls": b"7\n",
            "2.json": json.dumps({"label": "bee"}).encode(),
            "2.left.png": b"",
            "2.right.png": b"",
            "3.png": b"",
            "3.json": json.dumps({"label": "bee", "class_index": 309}).encode(),
            "4.png": b"",
            "4.cls": b"",
            "4.json": b"[1",
            "5.png": b"",
            "5.json": b'["label"]',
            "6.png": b"",
            "6.json": b'{"label": true}',
            "7.png": b"",
            "7.cls": b"big " * 2**19,
        },
    )
    found = {entry.name: entry.label for entry in archives.entries(path, SUFFIXES)}
    assert found == {
        **{"n/1.png": "7", "2.left.png": "bee", "2.right.png": "bee", "3.png": "309"},
        **{"4.png": None, "5.png": None, "6.png": None, "7.png": None},
    }
    assert archives.label(path / "n/1.png") == "7"


def test_pictures_are_read_with_the_limits_of_files(tmp_path: Path) -> None:
    small, huge = io.BytesIO(), picture(1)
    images.to_pil(images.read("sample:china")[..., :4, :4]).save(small, "PNG")
    # 65535 x 65535 pixels, by the header.
    head = b"IHDR" + b"\0\0\xff\xff" * 2 + huge[24:29]
    huge = huge[:12] + head + zlib.crc32(head).to_bytes(4, "big") + huge[33:]
    path = tar_of(
        tmp_path / "some.tar",
        {
            "good.png": picture(3),
            "empty.png": b"",
            "small.png": small.getvalue(),
            "huge.png": huge,
            "cut.png": picture()[:40],
        },
    )
    assert images.read(path / "good.png").shape == (1, 3, 8, 8)
    for name, reason in {
        "empty.png": "is empty",
        "small.png": "at least 8x8",
        "huge.png": "too large: over 100 megapixels",
        "cut.png": "damaged|can't be read|not a picture",
        "none.png": "no file 'none.png'",
    }.items():
        with pytest.raises(DreamscopeError, match=reason):
            images.read(path / name)


def test_a_file_over_the_limit_is_not_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tar_of(tmp_path / "some.tar", {"a.png": picture()})
    monkeypatch.setattr(tar, "MOST_BYTES", 10)
    with pytest.raises(DreamscopeError, match="too large"):
        archives.read(path / "a.png")


def test_a_folder_may_be_called_like_an_archive(tmp_path: Path) -> None:
    (tmp_path / "some.tar").mkdir()
    (tmp_path / "some.tar" / "a.png").write_bytes(picture())
    assert archives.parts(tmp_path / "some.tar" / "a.png") is None
    assert archives.holder(tmp_path / "some.tar" / "a.png") == tmp_path / "some.tar" / "a.png"
    assert images.read(tmp_path / "some.tar" / "a.png").shape == (1, 3, 8, 8)


def test_another_archive_of_the_same_name_is_read_anew(tmp_path: Path) -> None:
    path = tar_of(tmp_path / "some.tar", {"a.png": b"first"})
    assert archives.read(path / "a.png") == b"first"
    other = tar_of(tmp_path / "other.tar", {"b.png": b"...", "a.png": b"second"})
    other.replace(path)
    assert archives.read(path / "a.png") == b"second"


def test_few_indices_are_kept(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tar, "_kept", {})
    monkeypatch.setattr(tar, "_MOST_KEPT", 5)
    paths = [
        tar_of(tmp_path / f"{n}.tar", {f"{name}.png": b"" for name in range(count)})
        for n, count in enumerate((2, 2, 1, 9))
    ]
    for path in paths[:3]:
        names(path)
    assert list(tar._kept) == paths[:3]
    assert names(paths[3]) == [f"{name}.png" for name in range(9)]
    assert list(tar._kept) == paths[3:]
    names(paths[0])
    assert list(tar._kept) == paths[:1]


def test_threads_read_one_archive_at_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tar, "_kept", {})
    contents = {f"{n}.png": bytes([n]) * (600 + n) for n in range(100)}
    path = tar_of(tmp_path / "some.tar", contents)

    def read(name: str) -> bytes:
        return archives.read(path / name)

    with ThreadPoolExecutor(8) as pool:
        assert list(pool.map(read, [*contents] * 5)) == [*contents.values()] * 5
    assert len(os.listdir(tmp_path)) == 1


def block(
    name: str = "a.png", *, size: bytes = b"00000000000\0", kind: bytes = b"0", raw: bytes | None = None
) -> bytes:
    """Return a header with a right sum."""
    header = bytearray(512)
    header[: len(raw or name)] = raw or name.encode()
    header[124:136], header[156:157], header[257:265] = size, kind, b"ustar\x0000"
    header[148:156] = b" " * 8
    header[148:156] = b"%06o\0 " % sum(header)
    return bytes(header)


def extended(record: bytes, kind: bytes = b"x") -> bytes:
    return block("pax", size=b"%011o\0" % len(record), kind=kind) + record.ljust(-(-len(record) // 512) * 512, b"\0")


END = bytes(1024)


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (block("../../secret.png") + END, "leads out of it: '../../secret.png'"),
        (block("/etc/secret.png") + END, "leads out of it"),
        (block("a/../../b.png") + END, "leads out of it"),
        (extended(b"20 path=../../c.png\n") + block() + END, "leads out of it"),
        (extended(b"16 path=a\0b.png\n") + block() + END, "leads out of it"),
        (extended(b"../../d.png\0", b"L") + block() + END, "leads out of it"),
        (block(size=b"77777777777\0") + END, "cut short or damaged"),
        (block(size=b"\x80" + b"\0" * 3 + b"\xff" * 8) + END, "cut short or damaged"),
        (block(size=b"\xff" * 12) + END, "less than no bytes"),
        (block(size=b"-0000000512\0") + END, "less than no bytes"),
        (block(size=b"00000009999\0") + END, "less than no bytes"),
        (extended(b"11 size=-5\n") + block() + END, "a file of -1 bytes"),
        (extended(b"29 size=99999999999999999999\n") + block() + END, "cut short or damaged"),
        (extended(b"0 path=x\n") + block() + END, "extended header"),
        (extended(b"-9 path=x\n") + block() + END, "extended header"),
        (extended(b"999 \n") + block() + END, "extended header"),
        (block("pax", size=b"77777777777\0", kind=b"x") + END, "a header of 8589934591 bytes"),
        (extended(b"x" * 2000 + b"\0", b"L") + block() + END, "a name of 2000 characters"),
        (block()[:300], "no tar archive"),
        (block() + b"\x01" * 512 + END, "cut short or damaged"),
        (block() + block("b.png")[:100], "cut short or damaged"),
        (b"\x1f\x8b" + b"z" * 1000, "a compressed one"),
        (b"not a tar at all", "no tar archive"),
    ],
)
def test_hostile_and_damaged_archives(tmp_path: Path, content: bytes, reason: str) -> None:
    (tmp_path / "secret.png").write_bytes(picture())
    (tmp_path / "in").mkdir()
    path = tmp_path / "in" / "bad.tar"
    path.write_bytes(content)
    for ask in (names, lambda path: archives.read(path / "a.png"), lambda path: images.read(path / "a.png")):
        with pytest.raises(DreamscopeError, match=reason) as caught:
            ask(path)
        assert "\n" not in str(caught.value)
    assert sorted(each.name for each in tmp_path.rglob("*")) == ["bad.tar", "in", "secret.png"]


@pytest.mark.parametrize("kind", [b"1", b"2", b"3", b"4", b"5", b"6"])
def test_links_and_devices_are_no_photos(tmp_path: Path, kind: bytes) -> None:
    path = tmp_path / "some.tar"
    path.write_bytes(block("link.png", kind=kind) + block("a.png") + END)
    assert names(path) == ["a.png"]


def test_no_path_leads_out_of_an_archive(tmp_path: Path) -> None:
    (tmp_path / "secret.png").write_bytes(picture())
    path = tar_of(tmp_path / "some.tar", {"a.png": picture()})
    for name in ("../secret.png", "x/../../secret.png"):
        with pytest.raises(DreamscopeError, match="no file"):
            archives.read(path / name)


@pytest.mark.parametrize("ask", [archives.read, archives.exists, archives.label])
def test_an_archive_that_may_not_be_read(
    tmp_path: Path, ask: Callable[[Path], object], monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tar_of(tmp_path / "some.tar", {"a.png": picture()})

    def refuse(*_: object) -> None:
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(Path, "open", refuse)
    with pytest.raises(DreamscopeError, match=r"archive '.*some.tar' can't be read: Permission denied"):
        ask(path / "a.png")
