"""Pictures that visitors bring: limited in bytes and pixels, decoded as any other, never given back as they came."""

from __future__ import annotations

import io
import re
from base64 import b64encode
from collections.abc import AsyncIterator
from pathlib import Path, PurePosixPath

from PIL import Image
from torch import Tensor

from dreamscope import images
from dreamscope.errors import DreamscopeError
from dreamscope.images import dicom
from dreamscope.recipes import Recipe
from dreamscope.studio.visits import Kept, Visit

MOST_BYTES = 32 * 2**20
"""Of one file that is brought."""

MOST_PIXELS = 24_000_000
"""Of one picture that is brought."""

LONGEST_FRAME = 1024
"""Pixels of a side of one picture of a stream."""

_LARGEST_VIEW = 2048
_NO_NAME = "picture"


class TooLargeError(DreamscopeError):
    """More bytes than the studio takes."""


async def received(parts: AsyncIterator[bytes], announced: int | None) -> bytes:
    """Return the body of an upload; raise a `TooLargeError` as soon as it is known to be too long."""
    too_large = TooLargeError(f"the file is over {MOST_BYTES // 2**20} MB, which is the most that the studio takes")
    if announced is not None and announced > MOST_BYTES:
        raise too_large
    body = bytearray()
    async for part in parts:
        body += part
        if len(body) > MOST_BYTES:
            raise too_large
    return bytes(body)


def brought(visit: Visit, body: bytes, name: str) -> Kept:
    """Take a picture into a visit.

    Parameters
    ----------
    visit
        Whose it is.
    body
        The file.
    name
        What the visitor calls it; only letters, digits, dots and dashes of it are kept.

    Returns
    -------
    Kept
        With its ``width`` and ``height``, and ``settings``, the parameters of the recipe in it, if it was made by
        dreamscope.

    Raises
    ------
    DreamscopeError
        If it is no picture, or has more than `MOST_PIXELS`.
    """
    _ensure_few_pixels(body)
    title = safe_title(name)
    kept = visit.keep(title, lambda path: path.write_bytes(body), kind="brought")
    try:
        size = images.size_of(images.read(kept.path))
    except DreamscopeError as error:
        visit.drop(kept)
        # Its path on the server is nobody's business.
        raise DreamscopeError(str(error).replace(str(kept.path), title)) from None
    kept.facts.update(width=size.width, height=size.height, settings=_settings(kept.path))
    return kept


def frame(body: bytes) -> Tensor:
    """Return one picture of a stream, a JPEG, as an image (1, 3, H, W).

    Raises
    ------
    DreamscopeError
        If it is none, or a side of it is over `LONGEST_FRAME`.
    """
    try:
        with Image.open(io.BytesIO(body), formats=("JPEG",)) as picture:
            # Known before anything is decoded.
            if max(picture.size) > LONGEST_FRAME:
                raise DreamscopeError(f"a frame has at most {LONGEST_FRAME} pixels a side, not {max(picture.size)}")
            return images.read(picture)
    except (OSError, ValueError, SyntaxError, Image.DecompressionBombError) as error:
        raise DreamscopeError("that frame is no JPEG that can be read") from error


def view(path: str | Path, side: int | None) -> bytes:
    """Return a picture as the browser is to see it: a JPEG, its longer side at most `side` pixels."""
    picture = images.to_pil(images.read(path, side=side or 0))
    longest = min(side or _LARGEST_VIEW, _LARGEST_VIEW)
    picture.thumbnail((longest, longest))
    return images.jpeg(picture, quality=88)


def uri(image: Tensor, cover: Tensor | None = None, *, side: int | None = None, quality: int = 88) -> str:
    """Return an image as text that a page can show.

    Parameters
    ----------
    image
        (1, 3, H, W) in [0, 1].
    cover
        How opaque it is, (1, 1, H, W) in [0, 1]; everywhere if not given.
    side
        Its longer side in pixels at most.
    quality
        Of 100; what is smaller takes fewer bytes.
    """
    picture = images.to_pil(image if side is None else images.at_most(image, side))
    if cover is not None:
        picture.putalpha(images.to_pil(cover.expand(1, 3, -1, -1)).convert("L"))
    memory = io.BytesIO()
    picture.save(memory, "WEBP", quality=quality, method=2)
    return f"data:image/webp;base64,{b64encode(memory.getvalue()).decode()}"


def safe_title(name: str) -> str:
    """Return a file name that is one on any system.

    >>> safe_title("../../My photo (1).jpeg"), safe_title("...")
    ('My-photo-1.jpeg', 'picture')
    """
    last = PurePosixPath(name.replace("\\", "/")).name
    stem, dot, suffix = last.rpartition(".")
    ending = _clean(suffix)[:8] if dot else ""
    return safe_stem(stem if dot else suffix) + (f".{ending}" if ending else "")


def safe_stem(text: str) -> str:
    """Return a file name without a suffix that is one on any system, of any text: a class, an address, a title.

    >>> safe_stem("features.28:3"), safe_stem("St. Bernard")
    ('features-28-3', 'St-Bernard')
    """
    return _clean(text)[:60] or _NO_NAME


def _clean(text: str) -> str:
    return re.sub(r"[^\w-]+", "-", text).strip("-")


def _ensure_few_pixels(body: bytes) -> None:
    try:
        # Reads no more than the head of the file.
        with Image.open(io.BytesIO(body)) as picture:
            width, height = picture.size
    except Image.DecompressionBombError:
        width, height = MOST_PIXELS, 2
    except Exception:
        file = io.BytesIO(body)
        if not dicom.is_dicom(file):
            # What is wrong with it, its reader says.
            return
        width, height = dicom.size(file, "the picture")
    if width * height > MOST_PIXELS:
        raise DreamscopeError(f"the picture has over {MOST_PIXELS // 10**6} megapixels; make it smaller first")


def _settings(path: Path) -> dict[str, object] | None:
    try:
        recipe = Recipe.read(path)
    except DreamscopeError:
        return None
    return {"technique": recipe.command, "model": recipe.model.get("name"), **recipe.as_given().parameters}
