"""DICOM: one frame of a medical picture, as a viewer shows it at first."""

from __future__ import annotations

import importlib
import io
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, BinaryIO

import numpy as np

from dreamscope.errors import DreamscopeError
from dreamscope.images.size import ensure_size

if TYPE_CHECKING:
    from pydicom import Dataset

Array = np.ndarray[Any, Any]

_PREAMBLE, _MAGIC = 128, b"DICM"
_COLORS = ("RGB", "YBR_FULL", "YBR_FULL_422", "YBR_ICT", "YBR_RCT")


def is_dicom(file: Path | io.BytesIO) -> bool:
    """Return whether a file that exists is DICOM: by what is in it, since many have no suffix."""
    if isinstance(file, io.BytesIO):
        return file.getbuffer()[_PREAMBLE : _PREAMBLE + len(_MAGIC)] == _MAGIC
    with file.open("rb") as opened:
        return opened.read(_PREAMBLE + len(_MAGIC))[_PREAMBLE:] == _MAGIC


def size(file: Path | io.BytesIO, what: str) -> tuple[int, int]:
    """Return width and height of the picture in a DICOM file, by its header alone; raise as `read` does."""
    with _reading(file, what) as opened:
        header = _header(opened, what)
        return header.Columns, header.Rows


def read(file: Path | io.BytesIO, what: str) -> Array:
    """Read the picture in a DICOM file.

    Of the file only the elements that describe the picture are read (group 0028), none about the patient. Stored
    numbers go through the modality LUT or rescale slope and intercept, then through the first VOI LUT or else the first
    window; without either the darkest pixel is black and the brightest white, as in viewers, padding left out.
    ``MONOCHROME1`` is turned over. Windows of functional groups, overlays, colour profiles and the shape of pixels have
    no say.

    Parameters
    ----------
    file
        Where it is, or its bytes.
    what
        Its name in an error.

    Returns
    -------
    ndarray
        float32 (H, W), or (H, W, 3) of a picture in colours, in [0, 1].

    Raises
    ------
    DreamscopeError
        If pydicom is missing, or a plugin that it needs for this compression; if there is no picture in the file,
        several frames, or one too small or too large; if it is damaged.
    """
    with _reading(file, what) as opened:
        header = _header(opened, what)
        ensure_size(header.Columns, header.Rows, what)
        from pydicom.pixels import pixel_array

        try:
            stored = pixel_array(opened, ds_out=header)
        except RuntimeError as error:
            # What the plugins that are there can't decode, such as JPEG of 12 bits, another may.
            raise _undecoded(header.file_meta.TransferSyntaxUID, what) from error
        return _levels(stored, header).astype(np.float32).clip(0, 1)


class _Portions:
    """A file that is read in portions of known size.

    Only what is deflated as a whole is read to its end at once, and inflated to any size before a pixel is counted.
    """

    def __init__(self, file: BinaryIO) -> None:
        self._file = file
        self.seek, self.tell = file.seek, file.tell

    def read(self, size: int = -1) -> bytes:
        if size < 0:
            raise NotImplementedError("it is deflated as a whole; save it with another transfer syntax")
        return self._file.read(size)


@contextmanager
def _reading(file: Path | io.BytesIO, what: str) -> Iterator[Any]:
    """Open a file for pydicom; what goes wrong in the block becomes one line."""
    try:
        importlib.import_module("pydicom")
    except ImportError as error:
        raise DreamscopeError(f"{what} is DICOM, which needs pydicom: pip install 'dreamscope[medical]'") from error
    with (
        file.open("rb") if isinstance(file, Path) else io.BytesIO(file.getbuffer()) as opened,
        warnings.catch_warnings(),
    ):
        # They may quote what is in the file, and are not for the person who looks at the picture.
        warnings.simplefilter("ignore")
        try:
            yield _Portions(opened)
        except DreamscopeError:
            raise
        # Nobody could list all that a damaged file makes a parser raise.
        except Exception as error:
            # Some of its messages go on with a traceback.
            reason = next(iter(str(error).splitlines()), type(error).__name__)
            raise DreamscopeError(f"{what} is DICOM that is damaged or can't be read: {reason}") from error


def _header(opened: Any, what: str) -> Dataset:
    """Return the size and the transfer syntax; raise if what a file says of itself shows that it can't be read."""
    import pydicom
    from pydicom.pixels import get_decoder

    header = pydicom.dcmread(opened, stop_before_pixels=True, specific_tags=["Rows", "Columns", "NumberOfFrames"])
    if not (header.get("Rows") and header.get("Columns")):
        raise DreamscopeError(f"{what} is DICOM without a picture in it")
    frames = int(header.get("NumberOfFrames") or 1)
    if frames > 1:
        raise DreamscopeError(
            f"{what} holds {frames} frames; save the one you mean as a file of its own, such as a 16-bit PNG"
        )
    if not get_decoder(header.file_meta.TransferSyntaxUID).is_available:
        raise _undecoded(header.file_meta.TransferSyntaxUID, what)
    return header


def _undecoded(syntax: Any, what: str) -> DreamscopeError:
    from pydicom.pixels import get_decoder

    plugins = "; ".join(get_decoder(syntax).missing_dependencies)
    if not plugins:
        return DreamscopeError(f"{what} is compressed ({syntax.name}) and can't be decoded; it may be damaged")
    return DreamscopeError(f"{what} is compressed ({syntax.name}), for which pydicom needs a plugin: {plugins}")


def _levels(stored: Array, header: Dataset) -> Array:
    from pydicom.pixels import apply_color_lut

    kind = header.PhotometricInterpretation
    if kind in ("MONOCHROME1", "MONOCHROME2"):
        levels = _gray(stored, header)
        return 1 - levels if kind == "MONOCHROME1" else levels
    if kind == "PALETTE COLOR":
        colors: Array = apply_color_lut(stored, header)[..., :3]
        return colors / np.iinfo(colors.dtype).max
    if kind in _COLORS:
        return stored / float(2**header.BitsStored - 1)
    raise NotImplementedError(f"its colours are {kind}")


def _gray(stored: Array, header: Dataset) -> Array:
    """Return gray numbers as a viewer shows them, black 0 and white 1, perhaps beyond."""
    from pydicom.pixels import apply_modality_lut, apply_voi, apply_windowing

    values: Array = apply_modality_lut(stored, header)
    if header.get("VOILUTSequence"):
        values = apply_voi(np.rint(values).astype(np.int64), header)
        black, white = 0, 2 ** header.VOILUTSequence[0].LUTDescriptor[2] - 1
    elif header.get("WindowCenter") not in (None, "") and np.atleast_1d(header.get("WindowWidth") or 0)[0]:
        # In which numbers pydicom answers depends on bits and slope: those of the ends are asked for.
        black, white = apply_windowing(np.array([-np.inf, np.inf]), header)
        values = apply_windowing(values, header)
    else:
        seen = values[stored != header.PixelPaddingValue] if "PixelPaddingValue" in header else values
        black, white = (seen.min(), seen.max()) if seen.size else (0, 0)
    return np.zeros(values.shape) if black == white else (values - float(black)) / (float(white) - float(black))
