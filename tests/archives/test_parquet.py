from __future__ import annotations

import os
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pyarrow as pa
import pytest
from archived import imaged, parquet_of, picture

from dreamscope import archives, images
from dreamscope.archives import parquet
from dreamscope.errors import DreamscopeError

PICTURES = [picture(shade) for shade in range(20)]


@pytest.fixture
def table(tmp_path: Path) -> Path:
    return parquet_of(tmp_path / "some.parquet", {"label": list(range(20)), "image": imaged(PICTURES)}, rows=7)


def labels(path: Path) -> list[str | None]:
    found = list(archives.entries(path, ()))
    assert [entry.name for entry in found] == [str(row) for row in range(len(found))]
    return [entry.label for entry in found]


def test_rows_are_photos(table: Path) -> None:
    assert labels(table) == [str(row) for row in range(20)]
    assert [archives.read(table / str(row)) for row in range(20)] == PICTURES
    assert archives.label(table / "13") == "13"
    assert images.read(table / "5").shape == (1, 3, 8, 8)
    for name in ("20", "-1", "05", "x", "1/2", "²", "9" * 30):
        assert not archives.exists(table / name)
        with pytest.raises(DreamscopeError, match="20 rows count from 0"):
            archives.read(table / name)


def test_rows_in_any_order(table: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(parquet, "_MOST_KEPT", 0)
    order = [3, 3, 19, 0, 6, 7, 8, 14, 13, 12, 1, 2, 18]
    assert [archives.read(table / str(row)) for row in order] == [PICTURES[row] for row in order]


def test_what_is_kept_is_bounded_and_used(table: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(parquet, "_open", type(parquet._open)())
    monkeypatch.setattr(parquet, "_MOST_KEPT", 5 * len(PICTURES[0]))
    for row in range(20):
        archives.read(table / str(row))
    kept = parquet._table(table)
    assert sum(map(len, kept._kept.values())) == kept.weight <= 5 * len(PICTURES[0]) + 10
    monkeypatch.setattr(parquet.Table, "_unpacked", None)
    assert archives.read(table / "19") == PICTURES[19]


def test_tables_keep_rows_together_no_more_than_one_may(table: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(parquet, "_open", type(parquet._open)())
    monkeypatch.setattr(parquet, "_MOST_KEPT", sum(map(len, PICTURES)) + 10)
    other = table.with_name("other.parquet")
    other.write_bytes(table.read_bytes())
    for row in range(20):
        assert archives.read(table / str(row)) == PICTURES[row]
    for row in range(20):
        assert archives.read(other / str(row)) == PICTURES[row]
    weights = [each.weight for _, each in parquet._open.tables.values()]
    assert weights == [0, sum(map(len, PICTURES))]
    # What was forgotten is read again.
    assert archives.read(table / "3") == PICTURES[3]


@pytest.mark.parametrize(
    ("columns", "found"),
    [
        ({"jpg": PICTURES[:3], "cls": ["a", None, " "]}, ["a", None, None]),
        ({"bytes": pa.array(PICTURES[:3], pa.large_binary()), "cls": [b"a", b"\xff", b"c"]}, ["a", "\ufffd", "c"]),
        ({"picture": imaged(PICTURES[:3]), "label": ["a", "b", "c"], "class_index": [1, 2, 3]}, ["1", "2", "3"]),
        ({"img": imaged(PICTURES[:3]), "label": pa.array(["a", "b", "a"]).dictionary_encode()}, ["a", "b", "a"]),
        ({"img": imaged(PICTURES[:3]), "label": [[1], [2], [3]]}, [None] * 3),
        ({"mask": imaged([b"mask"] * 3), "image": imaged(PICTURES[:3])}, [None] * 3),
    ],
    ids=["bytes", "large", "index first", "dictionary", "nested label", "two images"],
)
def test_columns(tmp_path: Path, columns: dict[str, object], found: list[str | None]) -> None:
    path = parquet_of(tmp_path / "some.parquet", columns)
    assert labels(path) == found == [archives.label(path / str(row)) for row in range(3)]
    assert [archives.read(path / str(row)) for row in range(3)] == PICTURES[:3]


def test_rows_without_a_picture(tmp_path: Path) -> None:
    path = parquet_of(tmp_path / "some.parquet", {"image": [*imaged([PICTURES[0], None]), None]})
    assert archives.read(path / "0") == PICTURES[0]
    for row in ("1", "2"):
        with pytest.raises(DreamscopeError, match="holds no picture"):
            images.read(path / row)


def test_a_path_beside_the_bytes_is_never_followed(tmp_path: Path) -> None:
    (tmp_path / "secret.png").write_bytes(PICTURES[0])
    rows = [{"bytes": None, "path": str(tmp_path / "secret.png")}]
    path = parquet_of(
        tmp_path / "some.parquet", {"image": pa.array(rows, pa.struct({"bytes": pa.binary(), "path": pa.string()}))}
    )
    with pytest.raises(DreamscopeError, match="holds no picture"):
        archives.read(path / "0")


def test_hostile_and_damaged_tables(tmp_path: Path, table: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    whole = table.read_bytes()
    damaged = {
        "empty": b"",
        "text": b"no table at all",
        "cut short": whole[: len(whole) // 2],
        "no end": whole[:-4] + b"XXXX",
        "long end": whole[:-8] + b"\xff\xff\xff\x7f" + b"PAR1",
        "holes": whole[:4] + b"\xff" * 400 + whole[404:],
    }
    for name, content in damaged.items():
        path = tmp_path / f"{name}.parquet"
        path.write_bytes(content)
        with pytest.raises(DreamscopeError) as caught:
            [archives.read(path / str(row)) for row in range(20)]
        assert "\n" not in str(caught.value)
        assert f"{name}.parquet" in str(caught.value)
    without = parquet_of(tmp_path / "without.parquet", {"text": ["a"], "data": [b"b"]})
    with pytest.raises(DreamscopeError, match=r"no column of images .* it has text, data"):
        labels(without)
    monkeypatch.setattr(parquet, "MOST_BYTES", 10)
    with pytest.raises(DreamscopeError, match="too large"):
        archives.read(table / "0")


def test_a_table_that_counts_more_rows_than_it_has_bytes(tmp_path: Path) -> None:
    path = parquet_of(tmp_path / "some.parquet", {"image": pa.nulls(10**6, pa.binary())}, rows=10**6)
    with pytest.raises(DreamscopeError, match="can't hold 1000000 rows"):
        labels(path)


def test_threads_and_forked_processes_read_one_table(table: Path) -> None:
    def read(row: int) -> bytes:
        return archives.read(table / str(row))

    order = [(7 * n) % 20 for n in range(100)]
    with ThreadPoolExecutor(4) as pool:
        assert list(pool.map(read, order)) == [PICTURES[row] for row in order]
    if sys.platform != "linux":
        return
    read(9)
    ends = [os.pipe() for _ in range(3)]
    for _, end in ends:
        if os.fork() == 0:
            same = all(read(row) == PICTURES[row] for row in range(20))
            os.write(end, b"y" if same else b"n")
            os._exit(0)
    assert [read(row) for row in range(10, 20)] == PICTURES[10:]
    assert [os.read(end, 1) for end, _ in ends] == [b"y"] * 3
    for each in ends:
        os.wait()
        for end in each:
            os.close(end)


def test_without_pyarrow_one_line_says_what_to_install(table: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(parquet, "_open", type(parquet._open)())
    monkeypatch.setitem(sys.modules, "pyarrow", None)
    with pytest.raises(DreamscopeError, match=r"pip install 'dreamscope\[photos\]'"):
        archives.read(table / "0")
