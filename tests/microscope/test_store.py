from __future__ import annotations

import threading
from contextlib import suppress
from pathlib import Path

import numpy as np
import pytest

from dreamscope.errors import DreamscopeError
from dreamscope.microscope.items.base import Item, Made
from dreamscope.microscope.store import JOURNAL, Store


def made(number: int, *pictures: str) -> Made:
    return Made({"values": np.arange(number)}, {name: f"{name} {number}".encode() for name in pictures}, {"is": number})


def files_in(folder: Path) -> set[str]:
    return {path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file()}


def test_what_is_added_is_there_for_others(tmp_path: Path) -> None:
    with Store(tmp_path / "new" / "data") as store:
        store.add("kind/a", "d1", made(3, "pictures/a/0"))
    found = Store(tmp_path / "new" / "data")
    assert list(found) == ["kind/a"]
    assert found.digest("kind/a") == "d1"
    assert found.digest("kind/b") is None
    assert found["kind/a"].facts == {"is": 3}
    assert found.numbers("kind/a")["values"].tolist() == [0, 1, 2]
    assert not found.damaged("kind/a")
    assert files_in(found.folder) == {JOURNAL, "pictures/a/0.webp", "numbers/kind/a.d1.npz"}


def test_what_is_made_anew_takes_the_place_of_the_old(tmp_path: Path) -> None:
    with Store(tmp_path) as store:
        store.add("kind/a", "d1", made(3, "old", "both"))
        store.add("kind/a", "d2", made(4, "both", "new"))
        store.add("kind/b", "d3", made(1, "other"))
        store.drop("kind/b")
    assert files_in(tmp_path) == {JOURNAL, "both.webp", "new.webp", "numbers/kind/a.d2.npz"}
    again = Store(tmp_path)
    assert [again.digest(key) for key in ("kind/a", "kind/b")] == ["d2", None]
    assert (tmp_path / "both.webp").read_bytes() == b"both 4"


def test_a_file_that_another_item_has_made_since_stays(tmp_path: Path) -> None:
    with Store(tmp_path) as store:
        store.add("photos/0-1", "d1", made(1, "photos/0", "photos/1"))
    with Store(tmp_path) as store:
        store.add("photos/0-2", "d2", made(1, "photos/0", "photos/1", "photos/2"))
        store.drop("photos/0-1")
        assert not store.damaged("photos/0-2")
        # Another photo by that number: what was made of the one before is not what it was.
        store.add("photos/0-0", "d3", made(3, "photos/0"))
        assert list(store) == ["photos/0-0"]
    assert files_in(tmp_path) == {JOURNAL, "photos/0.webp", "numbers/photos/0-0.d3.npz"}


def test_tidied_it_looks_the_same_whatever_came_before(tmp_path: Path) -> None:
    for name, order in (("one", "abc"), ("two", "cab")):
        with Store(tmp_path / name) as store:
            for key in order:
                store.add(f"kind/{key}", "old", made(9, f"{key}/{order}"))
            for key in reversed(order):
                store.add(f"kind/{key}", "new", made(2, f"{key}/0"))
            (tmp_path / name / "numbers" / "left over").mkdir()
            (tmp_path / name / "numbers" / "left over" / "half.webp").touch()
            store.tidy()
            store.add("kind/d", "new", made(1))
            store.tidy()
    one, two = (tmp_path / name for name in ("one", "two"))
    assert (
        files_in(one)
        == files_in(two)
        == {JOURNAL} | {f"{k}/0.webp" for k in "abc"} | {f"numbers/kind/{key}.new.npz" for key in "abcd"}
    )
    assert {name: (one / name).read_bytes() for name in files_in(one)} == {
        name: (two / name).read_bytes() for name in files_in(two)
    }
    assert not (one / "numbers" / "left over").exists()


def test_a_torn_last_line_is_not_believed(tmp_path: Path) -> None:
    with Store(tmp_path) as store:
        store.add("kind/a", "d1", made(1))
        store.add("kind/b", "d2", made(1))
    journal = tmp_path / JOURNAL
    whole = journal.read_bytes()
    for cut in range(whole.index(b"\n") + 1, len(whole)):
        journal.write_bytes(whole[:cut])
        assert list(Store(tmp_path)) == ["kind/a"]
        with Store(tmp_path) as store:
            store.add("kind/b", "d2", made(1))
        assert journal.read_bytes() == whole


def test_a_reader_sees_what_was_added_since(tmp_path: Path) -> None:
    reader = Store(tmp_path)
    assert not reader.locked
    with Store(tmp_path) as store:
        assert reader.locked
        store.add("kind/a", "d", made(1, "picture"))
        reader.refresh()
        assert list(reader) == ["kind/a"]
        store.add("kind/b", "d", made(1))
        store.drop("kind/a")
    assert not reader.locked
    assert list(reader) == ["kind/a"]
    reader.refresh()
    assert list(reader) == ["kind/b"]
    with Store(tmp_path) as store:
        # In another file of the same size.
        store.tidy()
    before = reader["kind/b"]
    reader.refresh()
    assert reader["kind/b"] is not before
    before = reader["kind/b"]
    reader.refresh()
    assert reader["kind/b"] is before


def test_a_file_is_given_as_it_was_written_or_not_at_all(tmp_path: Path) -> None:
    with Store(tmp_path) as store:
        store.add("kind/a", "d", made(1, "picture"))
    path = tmp_path / "picture.webp"
    assert store.file("kind/a", "picture.webp") == path.read_bytes()
    assert store.file("kind/a", JOURNAL) is None
    assert store.file("kind/b", "picture.webp") is None
    path.write_bytes(b"another")
    assert store.file("kind/a", "picture.webp") is None
    path.unlink()
    assert store.file("kind/a", "picture.webp") is None


def test_whoever_adds_one_item_is_waited_for(tmp_path: Path) -> None:
    first, second = Store(tmp_path), Store(tmp_path)
    with first:
        later = threading.Timer(0.2, first.__exit__, (None, None, None))
        later.start()
        with second:
            second.add("kind/a", "d", made(1))
        later.join()
    assert "kind/a" in Store(tmp_path)


def test_a_store_that_can_not_be_read_is_not_kept_locked(tmp_path: Path) -> None:
    store = Store(tmp_path)
    (tmp_path / JOURNAL).write_text("no journal\n")
    with pytest.raises(DreamscopeError, match="no journal"), store:
        pass
    assert list(tmp_path.iterdir()) == [tmp_path / JOURNAL]
    assert not store.locked


def test_one_writer_at_a_time(tmp_path: Path) -> None:
    with Store(tmp_path):
        with pytest.raises(DreamscopeError, match="being built by another"), Store(tmp_path):
            pass
        assert list(Store(tmp_path)) == []
    with Store(tmp_path) as store:
        store.add("kind/a", "d", made(1))
    with pytest.raises(RuntimeError, match="inside"):
        store.add("kind/b", "d", made(1))


@pytest.mark.parametrize("when", ["numbers", "pictures", "journal"])
def test_killed_over_a_new_form_it_holds_the_old_one_or_none(
    tmp_path: Path, when: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    with Store(tmp_path) as store:
        store.add("kind/numbers", "d1", made(3))
        store.add("kind/pictures", "d1", made(3, "picture"))
    replaced = Path.replace

    def killed(path: Path, target: Path) -> Path:
        done = replaced(path, target)
        if when == ("pictures" if target.suffix == ".webp" else "numbers"):
            raise KeyboardInterrupt
        return done

    monkeypatch.setattr(Path, "replace", killed)
    for key, pictures in (("kind/numbers", []), ("kind/pictures", ["picture"])):
        with suppress(KeyboardInterrupt), Store(tmp_path) as store:
            store.add(key, "d2", made(4, *pictures))
    found = Store(tmp_path)
    assert [found.digest(key) for key in ("kind/numbers", "kind/pictures")] == (
        ["d2", "d2"] if when == "journal" else ["d2", None] if when == "pictures" else ["d1", None]
    )
    assert not any(found.damaged(key) for key in found)


def test_refusals(tmp_path: Path) -> None:
    with Store(tmp_path) as store:
        store.add("kind/a", "d", made(1, "picture"))
    (tmp_path / "picture.webp").write_bytes(b"another")
    assert Store(tmp_path).damaged("kind/a")
    (tmp_path / "numbers" / "kind" / "a.d.npz").write_bytes(b"no archive")
    with pytest.raises(DreamscopeError, match="can't be read"):
        Store(tmp_path).numbers("kind/a")
    with pytest.raises(DreamscopeError, match="there is no 'kind/b'"):
        Store(tmp_path).numbers("kind/b")
    (tmp_path / JOURNAL).write_text("none\n")
    with pytest.raises(DreamscopeError, match="no journal of an atlas: line 1"):
        Store(tmp_path)
    (tmp_path / "file").touch()
    with pytest.raises(DreamscopeError, match="can't read"):
        Store(tmp_path / "file")


def test_a_digest_tells_all_that_decides() -> None:
    item = Item("kind", "a", {"steps": 3}, ("kind/b",))
    same = item.digest("network", {"kind/b": "d1"})
    assert same == Item("kind", "a", {"steps": 3}, ("kind/b",), {0: "/elsewhere"}).digest("network", {"kind/b": "d1"})
    others = [
        item.digest("another", {"kind/b": "d1"}),
        item.digest("network", {"kind/b": "d2"}),
        Item("kind", "a", {"steps": 4}, ("kind/b",)).digest("network", {"kind/b": "d1"}),
        Item("kind", "c", {"steps": 3}, ("kind/b",)).digest("network", {"kind/b": "d1"}),
    ]
    assert len({same, *others}) == 5
