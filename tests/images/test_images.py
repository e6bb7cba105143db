from __future__ import annotations

import io
import struct
import zlib
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image, ImageCms

from dreamscope import images
from dreamscope.errors import DreamscopeError
from dreamscope.images import Size


def saved(tmp_path: Path, picture: Image.Image, suffix: str = ".png", **options: object) -> Path:
    path = tmp_path / f"picture{suffix}"
    picture.save(path, **options)  # type: ignore[arg-type]
    return path


def one_color(path: Path) -> list[float]:
    image = images.read(path)
    assert image.shape[:2] == (1, 3)
    assert image.dtype == torch.float32
    return image[0, :, 4, 4].tolist()


def test_samples_are_images() -> None:
    assert images.read("sample:china").shape == (1, 3, 427, 640)
    assert images.read("sample:flower").shape == (1, 3, 427, 640)
    with pytest.raises(DreamscopeError, match="sample:china and sample:flower"):
        images.read("sample:cat")


def test_orientation_is_honoured(tmp_path: Path) -> None:
    picture = Image.new("RGB", (20, 10), "red")
    picture.putpixel((0, 0), (0, 0, 255))
    exif = Image.Exif()
    exif[0x0112] = 6  # turn clockwise to see it upright
    image = images.read(saved(tmp_path, picture, exif=exif))
    assert image.shape == (1, 3, 20, 10)
    assert image[0, 2, 0, 9] == 1


@pytest.mark.parametrize(
    ("picture", "expected"),
    [
        (Image.new("RGBA", (9, 9), (255, 0, 0, 0)), [1, 1, 1]),
        (Image.new("RGBA", (9, 9), (255, 0, 0, 255)), [1, 0, 0]),
        (Image.new("LA", (9, 9), (0, 51)), [0.8, 0.8, 0.8]),
        (Image.new("L", (9, 9), 51), [0.2, 0.2, 0.2]),
        (Image.new("1", (9, 9), 1), [1, 1, 1]),
        (Image.new("RGB", (9, 9), (0, 255, 0)).convert("P"), [0, 1, 0]),
        (Image.fromarray(np.full((9, 9), 13107, np.uint16)), [0.2, 0.2, 0.2]),
    ],
    ids=["transparent", "opaque", "gray+alpha", "gray", "1 bit", "palette", "16 bit"],
)
def test_modes(tmp_path: Path, picture: Image.Image, expected: list[float]) -> None:
    assert one_color(saved(tmp_path, picture)) == pytest.approx(expected, abs=0.003)


def test_palette_with_a_transparent_colour(tmp_path: Path) -> None:
    picture = Image.new("RGB", (9, 9), (0, 255, 0)).quantize(4)
    path = saved(tmp_path, picture, transparency=picture.getpixel((0, 0)))
    assert one_color(path) == [1, 1, 1]


def test_cmyk(tmp_path: Path) -> None:
    red = Image.new("CMYK", (16, 16), (0, 255, 255, 0))
    assert one_color(saved(tmp_path, red, ".jpg")) == pytest.approx([1, 0, 0], abs=0.02)
    assert one_color(saved(tmp_path, red, ".tif")) == pytest.approx([1, 0, 0], abs=0.02)


def test_colour_profiles_are_converted(tmp_path: Path) -> None:
    lab = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
    assert one_color(saved(tmp_path, Image.new("RGB", (9, 9), (200, 100, 50)), icc_profile=lab)) == pytest.approx(
        [200 / 255, 100 / 255, 50 / 255], abs=0.01
    )
    assert one_color(saved(tmp_path, Image.new("RGB", (9, 9), "red"), icc_profile=b"nonsense")) == [1, 0, 0]


def test_a_wide_gamut_profile_changes_the_numbers(tmp_path: Path) -> None:
    # sRGB's own bytes with the red and green primaries exchanged: pure red in it is green.
    profile = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
    swapped = profile.replace(b"rXYZ", b"tmp0", 1).replace(b"gXYZ", b"rXYZ", 1).replace(b"tmp0", b"gXYZ", 1)
    color = one_color(saved(tmp_path, Image.new("RGB", (9, 9), "red"), icc_profile=swapped))
    assert color == pytest.approx([0, 1, 0], abs=0.05)


@pytest.mark.parametrize("suffix", [".png", ".jpg", ".webp"])
def test_write_and_read_back(tmp_path: Path, suffix: str) -> None:
    image = images.resize(images.read("sample:flower"), Size(64, 48)).clamp(0, 1)
    path = images.write(image, tmp_path / f"out{suffix}", note='{"a": 1}')
    tolerance = {".png": 0.5 / 255 + 1e-6}.get(suffix, 0.2)
    assert (images.read(path) - image).abs().max() <= tolerance
    assert images.read_note(path) == '{"a": 1}'


def test_picture_without_note(tmp_path: Path) -> None:
    assert images.read_note(saved(tmp_path, Image.new("RGB", (9, 9)))) is None


def header_bomb(width: int, height: int) -> bytes:
    def chunk(kind: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    header = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", zlib.compress(b"")) + chunk(b"IEND", b"")


def jpeg() -> bytes:
    stream = io.BytesIO()
    images.to_pil(images.read("sample:china")).save(stream, "JPEG")
    return stream.getvalue()


BAD_FILES = {
    "empty": (b"", "empty"),
    "text": (b"not a picture at all", "not a picture"),
    "truncated": (jpeg()[:20000], "damaged or cut short"),
    "1x1": (b"P6 1 1 255 \x00\x00\x00", "1x1 pixels; at least 8x8"),
    "bomb": (header_bomb(20000, 20000), "too large"),
    "bomb that only warns": (header_bomb(11000, 11000), "too large"),
}


@pytest.mark.parametrize("name", BAD_FILES)
def test_bad_files_are_refused(tmp_path: Path, name: str) -> None:
    content, message = BAD_FILES[name]
    (tmp_path / "bad.png").write_bytes(content)
    with pytest.raises(DreamscopeError, match=message):
        images.read(tmp_path / "bad.png")


def test_missing_file_and_folder(tmp_path: Path) -> None:
    with pytest.raises(DreamscopeError, match="no such picture"):
        images.read(tmp_path / "none.png")
    with pytest.raises(DreamscopeError, match="is a folder"):
        images.read(tmp_path)


def test_arrays_and_tensors() -> None:
    assert images.read(np.full((9, 9, 3), 255, np.uint8)).max() == 1
    assert images.read(np.full((9, 9), 65535, np.uint16)).shape == (1, 3, 9, 9)
    assert images.read(np.full((9, 9, 3), 0.5)).mean() == 0.5
    tensor = torch.rand(2, 3, 9, 9)
    assert torch.equal(images.read(tensor), tensor)
    for bad in (torch.rand(3, 9, 9), torch.rand(1, 1, 9, 9), torch.zeros(1, 3, 9, 9, dtype=torch.uint8)):
        with pytest.raises(DreamscopeError, match="float tensor"):
            images.read(bad)
    for bad in (torch.full((1, 3, 9, 9), 2.0), torch.full((1, 3, 9, 9), float("nan"))):
        with pytest.raises(DreamscopeError, match=r"lies in \[0, 1\]"):
            images.read(bad)


@pytest.mark.parametrize("shape", [(9, 12, 1), (9, 12), (9, 12, 3)])
@pytest.mark.parametrize("kind", [np.uint8, np.uint16, np.float32])
def test_gray_arrays_with_and_without_a_third_axis(shape: tuple[int, ...], kind: type) -> None:
    top = 1 if kind is np.float32 else np.iinfo(kind).max
    image = images.read(np.full(shape, top, kind))
    assert image.shape == (1, 3, 9, 12)
    assert image.min() == 1


@pytest.mark.parametrize("shape", [(9,), (9, 9, 2), (9, 9, 7), (1, 9, 9, 3), (0, 9, 3)])
@pytest.mark.parametrize("kind", [np.uint8, np.float32])
def test_arrays_that_are_no_picture(shape: tuple[int, ...], kind: type) -> None:
    with pytest.raises(DreamscopeError, match=r"a picture's array is \(H, W, 3\), \(H, W, 1\) or \(H, W\), not"):
        images.read(np.zeros(shape, kind))


def test_several_of_one_size() -> None:
    gray, noise = np.full((9, 12), 0.5), torch.rand(1, 3, 9, 12)
    both = images.read_all([gray, noise])
    assert both.shape == (2, 3, 9, 12)
    assert torch.equal(both[1:], noise)
    assert images.read_all("sample:china").shape == (1, 3, 427, 640)
    for bad, message in (([], "no pictures"), ([gray, "sample:china"], "one size, not 12x9 and 640x427")):
        with pytest.raises(DreamscopeError, match=message):
            images.read_all(bad)


def test_png_of_one_and_of_several() -> None:
    picture = Image.open(io.BytesIO(images.png(torch.rand(3, 3, 9, 12))))
    assert (picture.format, picture.size) == ("PNG", (36, 9))


def test_a_file_holds_one_picture(tmp_path: Path) -> None:
    with pytest.raises(DreamscopeError, match="one file holds one picture, not 2"):
        images.write(torch.rand(2, 3, 9, 9), tmp_path / "a.png")
    assert not list(tmp_path.iterdir())


def test_fit_keeps_proportions() -> None:
    assert images.fit_to(torch.zeros(1, 3, 427, 640), 320) == Size(320, 214)


def test_format_must_be_known() -> None:
    with pytest.raises(DreamscopeError, match=r"did you mean '\.jpg'|ends in"):
        images.ensure_format("a.jpgg")
    with pytest.raises(DreamscopeError, match="ends in"):
        images.ensure_format("picture")


def test_blur_keeps_a_constant_and_the_mean() -> None:
    assert torch.allclose(images.blur(torch.ones(1, 2, 9, 30), 3.0), torch.ones(1, 2, 9, 30), atol=1e-6)
