from __future__ import annotations

import os
from pathlib import Path

import pytest

from dreamscope import files
from dreamscope.errors import DreamscopeError


def test_written_whole_replaces_and_leaves_no_temporary(tmp_path: Path) -> None:
    target = tmp_path / "a.txt"
    target.write_text("old")
    with files.written_whole(target) as temporary:
        assert temporary.suffix == ".txt"
        temporary.write_text("new")
        assert target.read_text() == "old"
    assert target.read_text() == "new"
    assert os.listdir(tmp_path) == ["a.txt"]


@pytest.mark.parametrize("fault", [RuntimeError, KeyboardInterrupt])
def test_nothing_is_left_when_writing_fails(tmp_path: Path, fault: type[BaseException]) -> None:
    def write_half() -> None:
        with files.written_whole(tmp_path / "a.txt") as temporary:
            temporary.write_text("half")
            raise fault

    with pytest.raises(fault):
        write_half()
    assert os.listdir(tmp_path) == []


def test_permissions_are_those_of_any_new_file(tmp_path: Path) -> None:
    (tmp_path / "plain").write_text("")
    with files.written_whole(tmp_path / "whole") as temporary:
        temporary.write_text("")
    assert (tmp_path / "whole").stat().st_mode == (tmp_path / "plain").stat().st_mode


def test_the_umask_of_the_process_is_never_touched(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "umask", lambda _: pytest.fail("other threads' files would get other permissions"))
    with files.written_whole(tmp_path / "whole.txt") as temporary:
        assert temporary.suffix == ".txt"
    assert (tmp_path / "whole.txt").exists()


@pytest.mark.parametrize(("name", "message"), [("no/such/a.png", "no folder"), ("", "it is a folder")])
def test_ensure_writable_refuses(tmp_path: Path, name: str, message: str) -> None:
    with pytest.raises(DreamscopeError, match=message):
        files.ensure_writable(tmp_path / name)


def test_ensure_writable_asks_by_doing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object) -> None:
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(files.os, "open", refuse)
    with pytest.raises(DreamscopeError, match="Permission denied"):
        files.ensure_writable(tmp_path / "a.png")


def test_existing_file_refuses_what_is_none(tmp_path: Path) -> None:
    with pytest.raises(DreamscopeError, match="no such picture"):
        files.existing_file(tmp_path / "a", "picture")
    with pytest.raises(DreamscopeError, match="is a folder"):
        files.existing_file(tmp_path, "picture")


def test_cache_folder_can_be_named(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("DREAMSCOPE_CACHE", str(tmp_path))
    assert files.cache_folder() == tmp_path
    monkeypatch.delenv("DREAMSCOPE_CACHE")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    assert files.cache_folder() == tmp_path / "dreamscope"


def test_digest_is_sha256(tmp_path: Path) -> None:
    (tmp_path / "abc").write_bytes(b"abc")
    assert files.digest(tmp_path / "abc").startswith("ba7816bf8f01cfea")


def test_the_cache_remembers_and_forgives(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DREAMSCOPE_CACHE", str(tmp_path / "cache"))
    assert files.recall("a/b.json") is None
    files.remember("a/b.json", [1, 2])
    assert files.recall("a/b.json") == [1, 2]
    (tmp_path / "cache" / "a" / "b.json").write_text("{")
    assert files.recall("a/b.json") is None
    files.forget("a/b.json")
    files.forget("a/b.json")
    (tmp_path / "file").write_text("")
    monkeypatch.setenv("DREAMSCOPE_CACHE", str(tmp_path / "file" / "no folder"))
    files.remember("a.json", 1)
    assert files.recall("a.json") is None


def test_what_goes_in_is_not_written_over(tmp_path: Path) -> None:
    (tmp_path / "in.png").write_bytes(b"")
    (tmp_path / "link.png").symlink_to(tmp_path / "in.png")
    with pytest.raises(DreamscopeError, match=r"in\.png' is an input; write the film somewhere else"):
        files.ensure_no_input(tmp_path / "in.png", ["sample:china", tmp_path / "link.png"], what="film")
    # A sample is no file, and nothing is there yet at the other.
    files.ensure_no_input(tmp_path / "in.png", ["sample:china"])
    files.ensure_no_input(tmp_path / "out.png", [tmp_path / "in.png"])


def test_a_package_file_is_found_without_importing_the_package() -> None:
    assert files.package_file("PIL", "Image.py", distribution="pillow").is_file()
    for package, inside in (("PIL", "no.txt"), ("no_such_package", "x")):
        with pytest.raises(DreamscopeError, match=r"install it: pip install that$"):
            files.package_file(package, inside, distribution="that")


def test_what_a_killed_writer_left_is_swept_up(tmp_path: Path) -> None:
    kept = tmp_path / "inside" / "kept.txt"
    kept.parent.mkdir()
    with files.written_whole(kept) as temporary:
        temporary.write_text("whole")
        left = temporary.with_name(f"{temporary.name[:-5]}0.txt")
        left.touch()
    files.sweep(tmp_path)
    assert list(kept.parent.iterdir()) == [kept]
