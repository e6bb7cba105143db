"""Gray levels: what is black and what is white in a gray picture of more than 8 bits."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from PIL import Image

from dreamscope.errors import DreamscopeError

# Tags of TIFF 6.0.
_BITS = 258
_PHOTOMETRIC = 262
_LARGEST = 281
_SAMPLE_FORMAT = 339
_BLACK, _WHITE = 340, 341


def ends(picture: Image.Image, what: str) -> tuple[float, float]:
    """Return the numbers that are black and white in a gray picture of whole numbers, such as a 16-bit PNG or TIFF.

    The file decides, never the pixels: two scans of one device stay comparable. White is 65535, unless a TIFF says
    otherwise: by the range that its numbers lie in (SMinSampleValue, SMaxSampleValue), by fewer bits a number, or by a
    largest value (MaxSampleValue) of 1023, 4095 and so on, which only tells how many bits are used; any other one is a
    statistic of the pixels, as the standard has it, and tells nothing. A scan of 12 bits in a file that claims 16 and
    says none of this is as dark as it is in other programs. Where a TIFF's 0 is white, the two change places.

    Parameters
    ----------
    picture
        As Pillow opened it: what is copied or turned no longer has a TIFF's tags.
    what
        The picture's name in an error.

    Raises
    ------
    DreamscopeError
        If a TIFF holds signed or 32-bit numbers and does not say in which range.
    """
    tags: Mapping[int, Any] = getattr(picture, "tag_v2", {})
    bits, is_signed = int(_first(tags, _BITS) or 16), _first(tags, _SAMPLE_FORMAT) == 2
    black, white = _first(tags, _BLACK), _first(tags, _WHITE)
    if white is None or float(white) <= float(black or 0):
        if bits > 16 or is_signed:
            kind = f"{'signed ' if is_signed else ''}{bits}-bit numbers"
            raise DreamscopeError(f"{what} holds {kind} of unknown range; convert it to unsigned 16 bits first")
        black, white = 0, _whole(int(_first(tags, _LARGEST) or 0)) or 2**bits - 1
    found = float(black or 0), float(white)
    # Pillow turns pictures of 8 bits over by itself, but none of more.
    return found[::-1] if tags.get(_PHOTOMETRIC) == 0 else found


def _whole(largest: int) -> int:
    """Return a largest value if it is that of 8 to 16 bits, else 0."""
    return largest if largest in [2**bits - 1 for bits in range(8, 17)] else 0


def _first(tags: Mapping[int, Any], tag: int) -> Any:
    value = tags.get(tag)
    return value[0] if isinstance(value, tuple) and value else value
