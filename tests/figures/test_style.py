from __future__ import annotations

import io
import os
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import matplotlib as mpl
import pytest
from PIL import Image

from dreamscope.errors import DreamscopeError
from dreamscope.figures import style


def drawn(number: int) -> bytes:
    with style.canvas(2, 1, **{"font.size": 6 + number % 3}) as figure:
        figure.subplots().plot([0, 1], [0, number])
        held = io.BytesIO()
        figure.savefig(held, format="png")
    return held.getvalue()


def test_matplotlib_is_left_as_it_was_also_by_threads(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(mpl.rcParams, "font.size", 31.0)
    before = dict(mpl.rcParams)
    alone = [drawn(number) for number in range(12)]
    with ThreadPoolExecutor(4) as pool:
        assert list(pool.map(drawn, range(12))) == alone
    assert dict(mpl.rcParams) == before


@pytest.mark.parametrize("suffix", style.FORMATS)
def test_every_format_is_what_its_name_says_and_the_same_twice(tmp_path: Path, suffix: str) -> None:
    for name in "ab":
        with style.canvas(2, 1) as figure:
            figure.subplots().plot([0, 1])
            style.save(figure, tmp_path / f"{name}{suffix}", dpi=50)
    first = tmp_path / f"a{suffix}"
    content = first.read_bytes()
    assert content == (tmp_path / f"b{suffix}").read_bytes()
    if suffix in (".svg", ".pdf"):
        assert (b"<svg" if suffix == ".svg" else b"%PDF") in content
    else:
        with Image.open(first) as picture:
            assert picture.size == (100, 50)
            assert picture.format == {".png": "PNG", ".webp": "WEBP"}.get(suffix, "JPEG")


def test_other_formats_are_refused(tmp_path: Path) -> None:
    with pytest.raises(DreamscopeError, match=r"a plot ends in \.png, \.svg, \.pdf"):
        style.ensure_format(tmp_path / "a.gif")
    assert os.listdir(tmp_path) == []
