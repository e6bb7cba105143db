from __future__ import annotations

import io
import sys
import tarfile
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image

from dreamscope import images, photos
from dreamscope.dreaming.dream import dream
from dreamscope.errors import DreamscopeError
from dreamscope.images import dicom
from dreamscope.models.classifier import Classifier
from dreamscope.recipes import Recipe

pydicom = pytest.importorskip("pydicom", reason="pydicom is not installed: pip install 'dreamscope[medical]'")

NAME = "Mustermann^Erika"
NUMBERS = np.repeat(np.repeat(np.array([[0, 1000], [2000, 4095]], np.uint16), 4, 0), 4, 1)


def element(name: str, kind: str, value: Any) -> Any:
    return pydicom.DataElement(name, kind, value)


def lookup(entries: list[int], first: int, bits: int) -> Any:
    item = pydicom.Dataset()
    item.add(element("LUTDescriptor", "US", [len(entries), first, bits]))
    item.add(element("LUTData", "US", entries))
    return [item]


def saved(
    path: Path, numbers: np.ndarray[Any, Any] = NUMBERS, syntax: str = "1.2.840.10008.1.2.1", **given: Any
) -> Path:
    """Write a DICOM file of 12 bits, gray; what is given replaces or adds elements, ``None`` leaves one out."""
    scan = pydicom.Dataset()
    scan.file_meta = pydicom.dataset.FileMetaDataset()
    scan.file_meta.TransferSyntaxUID = syntax
    values: dict[str, Any] = {
        "SOPClassUID": "1.2.840.10008.5.1.4.1.1.7",
        "SOPInstanceUID": "1.2.3",
        "PatientName": NAME,
        "Rows": numbers.shape[0],
        "Columns": numbers.shape[1],
        "SamplesPerPixel": 1,
        "PhotometricInterpretation": "MONOCHROME2",
        "BitsAllocated": 8 * numbers.dtype.itemsize,
        "BitsStored": 12 if numbers.dtype.itemsize == 2 else 8,
        "PixelRepresentation": 0,
        "PixelData": numbers.tobytes(),
        **given,
    }
    values.setdefault("HighBit", values["BitsStored"] - 1)
    for name, value in values.items():
        if value is not None:
            setattr(scan, name, value)
    if "PixelData" in scan:
        scan["PixelData"].VR = "OW" if numbers.dtype.itemsize == 2 else "OB"
    scan.save_as(path, enforce_file_format=True)
    return path


def levels(path: Path) -> list[float]:
    """Return the levels of a gray picture's four quarters."""
    image = images.read(path)
    assert image.shape == (1, 3, 8, 8)
    assert image.dtype == torch.float32
    assert torch.equal(image[:, 0], image[:, 1])
    assert torch.equal(image[:, 0], image[:, 2])
    return [image[0, 0, row, column].item() for row in (0, 4) for column in (0, 4)]


@pytest.mark.parametrize("name", ["scan.dcm", "IM0001", "1.2.840.113619"])
def test_without_a_window_the_whole_range(tmp_path: Path, name: str) -> None:
    assert levels(saved(tmp_path / name)) == pytest.approx([0, 1000 / 4095, 2000 / 4095, 1], abs=1e-6)
    assert levels(saved(tmp_path / name, NUMBERS // 8 + 500)) == pytest.approx([0, 125 / 511, 250 / 511, 1], abs=1e-6)


def test_slope_intercept_and_the_first_window(tmp_path: Path) -> None:
    """Stored 0, 1000, 2000, 4095 are -1000, 1000, 3000, 7190; black up to -2000, white above 4000, linear between."""
    given = {"RescaleSlope": 2, "RescaleIntercept": -1000, "VOILUTFunction": "LINEAR_EXACT"}
    path = saved(tmp_path / "scan.dcm", WindowCenter=[1000, 40], WindowWidth=[6000, 400], **given)
    assert levels(path) == pytest.approx([1 / 6, 0.5, 5 / 6, 1], abs=1e-6)


def test_a_linear_window_ends_half_a_number_early(tmp_path: Path) -> None:
    """By the standard (PS3.3 C.11.2.1.2): from 1500.5 to 2499.5 with a centre of 2000.5 and a width of 1000."""
    numbers = np.repeat(np.repeat(np.array([[1500, 1501], [2000, 2500]], np.uint16), 4, 0), 4, 1)
    path = saved(tmp_path / "scan.dcm", numbers, WindowCenter=2000.5, WindowWidth=1000)
    assert levels(path) == pytest.approx([0, 0.5 / 999 + 0.5 / 999, 0.5, 1], abs=1e-3)
    assert levels(path)[0] == 0
    assert levels(path)[3] == 1


def test_a_sigmoid_window(tmp_path: Path) -> None:
    path = saved(tmp_path / "scan.dcm", WindowCenter=1000, WindowWidth=1000, VOILUTFunction="SIGMOID")
    expected = [1 / (1 + np.exp(-4 * (number - 1000) / 1000)) for number in (0, 1000, 2000, 4095)]
    assert levels(path) == pytest.approx(expected, abs=1e-6)


def test_the_window_of_signed_numbers(tmp_path: Path) -> None:
    numbers = (NUMBERS.astype(np.int16) - 1000).astype(np.int16)
    given = {"PixelRepresentation": 1, "BitsStored": 16, "VOILUTFunction": "LINEAR_EXACT"}
    path = saved(tmp_path / "scan.dcm", numbers, WindowCenter=500, WindowWidth=1000, **given)
    assert levels(path) == pytest.approx([0, 0, 1, 1], abs=1e-6)
    path = saved(tmp_path / "scan.dcm", numbers, WindowCenter=0, WindowWidth=4000, **given)
    assert levels(path) == pytest.approx([0.25, 0.5, 0.75, 1], abs=1e-6)


@pytest.mark.parametrize("window", [{}, {"WindowCenter": 2000, "WindowWidth": 4000, "VOILUTFunction": "LINEAR_EXACT"}])
def test_monochrome1_is_turned_over(tmp_path: Path, window: dict[str, Any]) -> None:
    plain = levels(saved(tmp_path / "a.dcm", **window))
    turned = levels(saved(tmp_path / "b.dcm", PhotometricInterpretation="MONOCHROME1", **window))
    assert turned == pytest.approx([1 - level for level in plain], abs=1e-6)
    assert turned[0] == 1


def test_a_falling_slope_turns_the_whole_range_over(tmp_path: Path) -> None:
    path = saved(tmp_path / "scan.dcm", RescaleSlope=-1, RescaleIntercept=0)
    assert levels(path) == pytest.approx([1, 3095 / 4095, 2095 / 4095, 0], abs=1e-6)
    path = saved(
        tmp_path / "b.dcm",
        RescaleSlope=-1,
        RescaleIntercept=0,
        WindowCenter=-2000,
        WindowWidth=4000,
        VOILUTFunction="LINEAR_EXACT",
    )
    assert levels(path) == pytest.approx([1, 0.75, 0.5, 0], abs=1e-6)


def test_modality_and_voi_tables(tmp_path: Path) -> None:
    numbers = np.repeat(np.repeat(np.array([[0, 1], [2, 3]], np.uint16), 4, 0), 4, 1)
    modality = lookup([10, 11, 12, 14], 0, 16)
    path = saved(tmp_path / "a.dcm", numbers, ModalityLUTSequence=modality)
    assert levels(path) == pytest.approx([0, 0.25, 0.5, 1])
    # Numbers beyond the table get its last entry; white is 255 though none reaches it.
    path = saved(tmp_path / "b.dcm", numbers, ModalityLUTSequence=modality, VOILUTSequence=lookup([0, 51, 204], 10, 8))
    assert levels(path) == pytest.approx([0, 0.2, 0.8, 0.8])
    # The table comes before a window.
    path = saved(
        tmp_path / "c.dcm",
        numbers,
        RescaleSlope=1,
        RescaleIntercept=10,
        VOILUTSequence=lookup([0, 1023, 1023, 0], 10, 10),
        WindowCenter=1,
        WindowWidth=1,
    )
    assert levels(path) == [0, 1, 1, 0]


def test_padding_is_no_darkest_pixel(tmp_path: Path) -> None:
    path = saved(tmp_path / "scan.dcm", PixelPaddingValue=0)
    assert levels(path) == pytest.approx([0, 0, 1000 / 3095, 1], abs=1e-6)


def test_one_gray_all_over(tmp_path: Path) -> None:
    assert levels(saved(tmp_path / "scan.dcm", np.full((8, 8), 7, np.uint16))) == [0, 0, 0, 0]
    assert levels(saved(tmp_path / "b.dcm", PixelPaddingValue=7, numbers=np.full((8, 8), 7, np.uint16))) == [0] * 4


def test_an_empty_window_is_none(tmp_path: Path) -> None:
    path = saved(tmp_path / "scan.dcm", WindowCenter="", WindowWidth="")
    assert levels(path) == pytest.approx([0, 1000 / 4095, 2000 / 4095, 1], abs=1e-6)
    path = saved(tmp_path / "scan.dcm", WindowCenter=0, WindowWidth=0)
    assert levels(path) == pytest.approx([0, 1000 / 4095, 2000 / 4095, 1], abs=1e-6)


def colors(path: Path) -> list[float]:
    image = images.read(path)
    assert image.shape == (1, 3, 8, 8)
    return image[0, :, 4, 4].tolist()


def test_colours(tmp_path: Path) -> None:
    path = saved(
        tmp_path / "a.dcm",
        np.full((8, 8, 3), [255, 51, 0], np.uint8),
        SamplesPerPixel=3,
        PlanarConfiguration=0,
        PhotometricInterpretation="RGB",
    )
    assert colors(path) == pytest.approx([1, 0.2, 0])
    red = np.asarray(Image.new("RGB", (8, 8), "red").convert("YCbCr"))
    path = saved(
        tmp_path / "b.dcm", red.copy(), SamplesPerPixel=3, PlanarConfiguration=0, PhotometricInterpretation="YBR_FULL"
    )
    assert colors(path) == pytest.approx([1, 0, 0], abs=0.01)


def test_a_palette(tmp_path: Path) -> None:
    tables: dict[str, Any] = {"PhotometricInterpretation": "PALETTE COLOR"}
    for name, table in {"Red": [0, 65535], "Green": [0, 13107], "Blue": [0, 0]}.items():
        tables[f"{name}PaletteColorLookupTableDescriptor"] = [2, 0, 16]
        tables[f"{name}PaletteColorLookupTableData"] = np.array(table, "<u2").tobytes()
    path = saved(tmp_path / "scan.dcm", np.ones((8, 8), np.uint8), **tables)
    assert colors(path) == pytest.approx([1, 0.2, 0])


def test_compression_that_pydicom_knows(tmp_path: Path) -> None:
    scan = pydicom.dcmread(saved(tmp_path / "scan.dcm"))
    before = levels(tmp_path / "scan.dcm")
    scan.compress(pydicom.uid.RLELossless)
    scan.save_as(tmp_path / "packed.dcm")
    assert levels(tmp_path / "packed.dcm") == before


def test_compression_that_needs_a_plugin(tmp_path: Path) -> None:
    lossless = "1.2.840.10008.1.2.4.70"
    if pydicom.pixels.get_decoder(pydicom.uid.UID(lossless)).is_available:
        pytest.skip("a plugin for lossless JPEG is installed")
    data = pydicom.encaps.encapsulate([b"nothing that anybody decodes"])
    path = saved(tmp_path / "scan.dcm", syntax=lossless, PixelData=data)
    with pytest.raises(DreamscopeError, match=r"compressed \(JPEG Lossless.*needs a plugin.*pylibjpeg") as caught:
        images.read(path)
    assert "\n" not in str(caught.value)


def test_compression_that_the_plugins_there_fail_at(tmp_path: Path) -> None:
    """Pillow decodes JPEG, but not of 12 bits."""
    path = saved(
        tmp_path / "scan.dcm", syntax="1.2.840.10008.1.2.4.51", PixelData=pydicom.encaps.encapsulate([b"JPEG"])
    )
    with pytest.raises(DreamscopeError, match=r"is compressed \(JPEG Extended") as caught:
        images.read(path)
    assert "\n" not in str(caught.value)


BAD: dict[str, tuple[dict[str, Any], str]] = {
    "several frames": ({"NumberOfFrames": 3}, r"holds 3 frames; save the one you mean"),
    "no picture": ({"Rows": None, "Columns": None, "PixelData": None}, "DICOM without a picture"),
    "no pixels": ({"PixelData": None}, "damaged or can't be read"),
    "cut short": ({"PixelData": bytes(50)}, "damaged or can't be read"),
    "too small": ({"Rows": 7}, "8x7 pixels; at least 8x8"),
    # Known before anything is decoded: there are no such pixels.
    "too large": ({"Rows": 20000, "Columns": 20000}, "20000x20000 pixels, too large"),
    "foreign colours": ({"PhotometricInterpretation": "HSV", "BitsStored": 16}, "its colours are HSV"),
    "a film": (
        {"syntax": "1.2.840.10008.1.2.4.100", "PixelData": pydicom.encaps.encapsulate([b"a film"])},
        "damaged or can't be read: No pixel data decoders",
    ),
}


@pytest.mark.parametrize("name", BAD)
def test_bad_files_are_refused_in_one_line(tmp_path: Path, name: str) -> None:
    given, message = BAD[name]
    path = saved(tmp_path / "scan.dcm", **given)
    with pytest.raises(DreamscopeError, match=message) as caught:
        images.read(path)
    assert "scan.dcm" in str(caught.value)
    assert "\n" not in str(caught.value)


def test_what_only_begins_like_one(tmp_path: Path) -> None:
    (tmp_path / "scan.dcm").write_bytes(bytes(128) + b"DICM" + b"\xff" * 100)
    with pytest.raises(DreamscopeError, match=r"scan\.dcm' is DICOM"):
        images.read(tmp_path / "scan.dcm")
    (tmp_path / "other.dcm").write_bytes(b"no picture at all" * 20)
    with pytest.raises(DreamscopeError, match="is not a picture that can be read"):
        images.read(tmp_path / "other.dcm")


def test_nothing_is_inflated(tmp_path: Path) -> None:
    """A file that is deflated as a whole may be a thousand times as large as it looks."""
    path = saved(tmp_path / "scan.dcm", syntax="1.2.840.10008.1.2.1.99")
    with pytest.raises(DreamscopeError, match="deflated as a whole; save it with another transfer syntax"):
        images.read(path)


def test_without_pydicom(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = saved(tmp_path / "scan.dcm")
    monkeypatch.setitem(sys.modules, "pydicom", None)
    with pytest.raises(DreamscopeError, match=r"needs pydicom: pip install 'dreamscope\[medical\]'"):
        images.read(path)


def test_only_numbers_about_the_picture_are_parsed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = saved(tmp_path / "scan.dcm")
    seen: set[int] = set()
    levels_of = dicom._levels

    def watched(stored: Any, header: Any) -> Any:
        seen.update(each.tag.group for each in header)
        return levels_of(stored, header)

    monkeypatch.setattr(dicom, "_levels", watched)
    images.read(path)
    assert seen == {0x0028}


@pytest.mark.parametrize("suffix", [".png", ".jpg", ".webp"])
def test_no_patient_in_what_is_made_of_it(tmp_path: Path, vgg: Classifier, suffix: str) -> None:
    path = saved(tmp_path / "scan.dcm", np.tile(NUMBERS, (5, 5)))
    assert NAME.encode() in path.read_bytes()
    made = dream(vgg, path, "features.3", preset="plain", steps=1).save(tmp_path / f"out{suffix}")
    kept = Recipe.read(made)
    assert set(kept.inputs["image"]) == {"name", "sha256"}
    assert b"Mustermann" not in made.read_bytes()
    assert "Mustermann" not in kept.to_json()


def test_in_folders_and_archives(tmp_path: Path) -> None:
    inside = tmp_path / "scans" / "tumor"
    inside.mkdir(parents=True)
    saved(inside / "a.dcm")
    Image.fromarray(NUMBERS).save(inside / "b.tif")
    assert [(each.path.name, each.label) for each in photos.find(tmp_path / "scans")] == [
        ("a.dcm", "tumor"),
        ("b.tif", "tumor"),
    ]
    archive = tmp_path / "scans.tar"
    with tarfile.open(archive, "w") as tar:
        tar.add(inside / "a.dcm", "a.dcm")
    (found,) = photos.find(archive)
    assert torch.equal(images.read(found.path), images.read(inside / "a.dcm"))


def test_size_by_the_header(tmp_path: Path) -> None:
    body = io.BytesIO(saved(tmp_path / "scan.dcm", Rows=9000, Columns=7000).read_bytes())
    assert dicom.is_dicom(body)
    assert dicom.size(body, "the scan") == (7000, 9000)
    assert not dicom.is_dicom(io.BytesIO(b"DICM"))
