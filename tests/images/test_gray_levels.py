from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image
from PIL.TiffImagePlugin import ImageFileDirectory_v2
from PIL.TiffTags import SHORT, SIGNED_SHORT

from dreamscope import images
from dreamscope.errors import DreamscopeError

NUMBERS = np.repeat(np.repeat(np.array([[0, 65535], [32768, 4095]], np.uint16), 4, 0), 4, 1)
LEVELS = [0, 1, 32768 / 65535, 4095 / 65535]


def tags(**given: tuple[int, int]) -> ImageFileDirectory_v2:
    """Return TIFF tags, ``t341=(SHORT, 4095)``."""
    found = ImageFileDirectory_v2()
    for name, (kind, value) in given.items():
        found.tagtype[int(name[1:])] = kind
        found[int(name[1:])] = value
    return found


def levels(path: Path) -> list[float]:
    """Return the levels of a picture's four quarters."""
    image = images.read(path)
    assert image.shape == (1, 3, 8, 8)
    assert torch.equal(image[:, 0], image[:, 1])
    assert torch.equal(image[:, 0], image[:, 2])
    return [image[0, 0, row, column].item() for row in (0, 4) for column in (0, 4)]


@pytest.mark.parametrize("suffix", [".png", ".tif"])
def test_16_bits(tmp_path: Path, suffix: str) -> None:
    path = tmp_path / f"scan{suffix}"
    Image.fromarray(NUMBERS).save(path)
    assert levels(path) == pytest.approx(LEVELS, abs=1e-6)


def test_the_other_order_of_bytes(tmp_path: Path) -> None:
    path = tmp_path / "scan.tif"
    Image.frombytes("I;16B", (8, 8), NUMBERS.astype(">u2").tobytes()).save(path)
    with Image.open(path) as picture:
        assert picture.mode == "I;16B"
    assert levels(path) == pytest.approx(LEVELS, abs=1e-6)


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        ({"t341": (SHORT, 4095)}, [0, 1, 1, 1]),
        ({"t340": (SHORT, 4095), "t341": (SHORT, 32768)}, [0, 1, 1, 0]),
        # No range: what follows from the bits alone.
        ({"t341": (SHORT, 0)}, LEVELS),
        ({"t281": (SHORT, 4095)}, [0, 1, 1, 1]),
        # The largest number that was seen in the picture is no matter of the scale.
        ({"t281": (SHORT, 40000)}, LEVELS),
        ({"t262": (SHORT, 0)}, [1 - level for level in LEVELS]),
    ],
    ids=["range", "range from above 0", "no range", "12 bits", "statistic", "0 is white"],
)
def test_a_tiff_says_what_is_white(tmp_path: Path, given: dict[str, Any], expected: list[float]) -> None:
    path = tmp_path / "scan.tif"
    Image.fromarray(NUMBERS).save(path, tiffinfo=tags(**given))
    assert levels(path) == pytest.approx(expected, abs=1e-6)


def test_12_bits_a_number(tmp_path: Path) -> None:
    """Two numbers in three bytes: 0 and 4095."""
    entries = [(256, 8), (257, 8), (258, 12), (259, 1), (262, 1), (273, 122), (277, 1), (278, 8), (279, 96)]
    head = b"II*\0" + (8).to_bytes(4, "little") + len(entries).to_bytes(2, "little")
    for tag, value in entries:
        head += tag.to_bytes(2, "little") + b"\x03\0\x01\0\0\0" + value.to_bytes(4, "little")
    path = tmp_path / "scan.tif"
    path.write_bytes(head + bytes(4) + b"\x00\x0f\xff" * 32)
    assert images.read(path)[0, 0, 0].tolist() == [0, 1] * 4


def test_turned(tmp_path: Path) -> None:
    """The tags are read before the picture is turned, which loses them."""
    path = tmp_path / "scan.tif"
    Image.fromarray(NUMBERS).save(path, tiffinfo=tags(t274=(SHORT, 3), t341=(SHORT, 4095)))
    assert levels(path) == [1, 1, 1, 0]


@pytest.mark.parametrize(
    ("kind", "message"), [(np.int16, "signed 16-bit"), (np.uint32, "32-bit"), (np.int32, "signed")]
)
def test_numbers_of_unknown_range(tmp_path: Path, kind: type, message: str) -> None:
    path = tmp_path / "scan.tif"
    bits, sign = np.dtype(kind).itemsize * 8, 2 if np.dtype(kind).kind == "i" else 1
    head = b"II*\0" + (8).to_bytes(4, "little") + (10).to_bytes(2, "little")
    entries = [(256, 8), (257, 8), (258, bits), (259, 1), (262, 1), (273, 134), (277, 1), (278, 8)]
    for tag, value in [*entries, (279, 8 * bits), (339, sign)]:
        head += tag.to_bytes(2, "little") + b"\x03\0\x01\0\0\0" + value.to_bytes(4, "little")
    path.write_bytes(head + bytes(4) + np.full((8, 8), 100, kind).tobytes())
    with Image.open(path) as picture:
        assert np.array(picture).max() == 100
    with pytest.raises(DreamscopeError, match=f"{message}.* of unknown range; convert it"):
        images.read(path)


def test_signed_numbers_in_a_range(tmp_path: Path) -> None:
    path = tmp_path / "scan.tif"
    given = tags(t339=(SHORT, 2), t340=(SIGNED_SHORT, -1000), t341=(SIGNED_SHORT, 3000))
    numbers = np.full((8, 8), 1000, np.int16)
    Image.frombytes("I;16", (8, 8), numbers.tobytes()).save(path, tiffinfo=given)
    assert images.read(path).unique().tolist() == [0.5]


def test_a_picture_in_memory() -> None:
    assert images.read(Image.fromarray(NUMBERS.astype(np.int32)))[0, 0, 0, 4] == 1
