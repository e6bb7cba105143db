from __future__ import annotations

from pathlib import Path

import pytest

from dreamscope.errors import DreamscopeError
from dreamscope.sheets.weight_sets import proportional, weights


def test_sets_from_text_and_toml(tmp_path: Path) -> None:
    file = tmp_path / "sets.toml"
    file.write_text('deep = [0.2, 0.5, 1, 2]\n"only first" = [1, 0, 0, 0]\n')
    assert weights(["balanced=1, 1,1,1"], file) == {
        "deep": (0.2, 0.5, 1, 2),
        "only first": (1, 0, 0, 0),
        "balanced": (1, 1, 1, 1),
    }


@pytest.mark.parametrize("text", ["deep", "deep=", "=1,2", "deep=1,,2", "deep=1,x", "deep=1,nan", "deep=inf"])
def test_what_is_no_set(text: str) -> None:
    with pytest.raises(DreamscopeError, match="is no set of weights such as deep="):
        weights([text])


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"deep: 1, 2", "is no TOML"),
        (b"\xff\xfe", "is no TOML"),
        (b"", "holds no sets"),
        (b"deep = 3", "'deep' is no set"),
        (b"deep = [true, 1]", "'deep' is no set"),
        (b"deep = [[1], 2]", "'deep' is no set"),
        (b"[deep]\na = 1", "'deep' is no set"),
        (b"deep = '12'", "'deep' is no set"),
    ],
)
def test_files_that_hold_no_sets(tmp_path: Path, content: bytes, message: str) -> None:
    (tmp_path / "sets.toml").write_bytes(content)
    with pytest.raises(DreamscopeError, match=message):
        weights([], tmp_path / "sets.toml")


def test_two_sets_of_one_name(tmp_path: Path) -> None:
    with pytest.raises(DreamscopeError, match="two sets of weights are called 'a'"):
        weights(["a=1", "a=2"])
    with pytest.raises(DreamscopeError, match="no such weights file"):
        weights([], tmp_path / "nowhere.toml")


def test_sets_that_are_multiples_of_one_another() -> None:
    sets = {"even": (1, 1, 0), "deep": (0.2, 2, 0), "high": (4, 4, 0), "turned": (-1, -1, 0), "again": (0.2, 2, 0)}
    assert proportional(sets) == {"high": (4, "even"), "again": (1, "deep")}
    # 0.1 + 0.2 is not quite 0.3.
    assert proportional({"a": (0.1, 1), "b": (0.1 + 0.2, 3)}) == {"b": (pytest.approx(3), "a")}
    assert proportional({"a": (0, 1), "b": (1, 0), "c": (1e-6, 1)}) == {}
    assert proportional({"none": (0, 0), "some": (1, 0), "nothing": (0, 0)}) == {"nothing": (1, "none")}
    assert proportional({"one": (1,), "two": (1, 1)}) == {}
