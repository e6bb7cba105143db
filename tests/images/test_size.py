from __future__ import annotations

import pytest

from dreamscope.errors import DreamscopeError
from dreamscope.images.size import Size, ensure_size


@pytest.mark.parametrize(
    ("wanted", "expected"),
    [
        ("640x480", Size(640, 480)),
        ("320", Size(320, 160)),
        (320, Size(320, 160)),
        (None, Size(80, 40)),
        (Size(9, 9), Size(9, 9)),
    ],
)
def test_sizes(wanted: str | int | Size | None, expected: Size) -> None:
    assert Size.parse(wanted, Size(80, 40)) == expected


@pytest.mark.parametrize("text", ["", "0", "640x", "axb", "1x2x3", "-5", "3", "20000x20000"])
def test_bad_sizes(text: str) -> None:
    with pytest.raises(DreamscopeError, match="size"):
        Size.parse(text, Size(80, 40))


@pytest.mark.parametrize(
    ("width", "height", "message"), [(7, 9, "7x9 pixels; at least 8x8"), (10001, 10000, "too large")]
)
def test_pictures_too_small_and_too_large(width: int, height: int, message: str) -> None:
    with pytest.raises(DreamscopeError, match=f"^the scan is .*{message}"):
        ensure_size(width, height, "the scan")
    ensure_size(8, 8, "the scan")
    ensure_size(10000, 10000, "the scan")
