"""An item of an atlas: the smallest thing that is made at once, what decides how it comes out, and what came out."""

from __future__ import annotations

import hashlib
import io
import json
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
from PIL import Image
from torch import Tensor

from dreamscope import __version__, images

Numbers = Mapping[str, np.ndarray[Any, Any]]

QUALITY = 86
"""Of WebP pictures, 0 to 100."""
SUFFIX = ".webp"


@dataclass(frozen=True)
class Item:
    """Something to be made, in any order with others and any number of times, with the same result.

    Attributes
    ----------
    kind : str
        The module that makes it.
    name : str
        Which one of its kind: ``blocks.4.2/0-15``.
    settings : Mapping
        All that decides how it comes out, besides the network and what it needs; as JSON can hold it.
    needs : tuple of str
        The keys of items whose numbers it is made from.
    sees : bool
        Whether it is made from the pictures of what it needs, too.
    photos : Mapping of int to str
        Where the photos lie that the settings name by their numbers. That decides nothing: what they are stands in the
        settings.
    """

    kind: str
    name: str
    settings: Mapping[str, Any] = field(default_factory=dict)
    needs: tuple[str, ...] = ()
    sees: bool = False
    photos: Mapping[int, str] = field(default_factory=dict)

    @property
    def key(self) -> str:
        """What it is found by."""
        return f"{self.kind}/{self.name}"

    def needing(self, *keys: str) -> Item:
        """Return the item made from the numbers of others, too."""
        return replace(self, needs=(*self.needs, *keys))

    def seeing(self, *keys: str) -> Item:
        """Return the item made from the numbers and the pictures of others, too."""
        return replace(self.needing(*keys), sees=True)

    def digest(self, network: str, needed: Mapping[str, str]) -> str:
        """Return what is another if it would come out otherwise: by the network, the settings, or what it needs.

        Parameters
        ----------
        network
            A digest of the network.
        needed
            Those of the items that it needs, by key.
        """
        content = [__version__, network, self.key, dict(self.settings), [needed[key] for key in self.needs]]
        return hashlib.sha256(json.dumps(content, sort_keys=True).encode()).hexdigest()[:32]


@dataclass(frozen=True)
class Made:
    """What came out.

    Attributes
    ----------
    numbers : dict of str to array
        For other items and for the site.
    pictures : dict of str to bytes
        WebP files by their paths in the site, without the suffix.
    facts : dict
        Whatever else, as JSON can hold it.
    """

    numbers: dict[str, np.ndarray[Any, Any]] = field(default_factory=dict)
    pictures: dict[str, bytes] = field(default_factory=dict)
    facts: dict[str, Any] = field(default_factory=dict)


def webp(image: Tensor) -> bytes:
    """Return an image (1, 3, H, W) as the bytes of a WebP file, the same ones each time."""
    memory = io.BytesIO()
    images.to_pil(image).save(memory, "WEBP", quality=QUALITY, method=4)
    return memory.getvalue()


def from_webp(body: np.ndarray[Any, Any]) -> Tensor:
    """Return the image (1, 3, H, W) that the bytes of a file hold, uint8."""
    with Image.open(io.BytesIO(body.tobytes())) as opened:
        return images.read(opened)


def place_of(address: str) -> str:
    """Return the part of a path that stands for an address or a layer: ``blocks.4.2:7`` becomes ``blocks.4.2/7``.

    >>> place_of("blocks.4.2:7"), place_of("odd/layer name")
    ('blocks.4.2/7', 'odd-layer-name')
    """
    layer, _, channel = address.partition(":")
    safe = "".join(sign if sign.isalnum() or sign in "._-" else "-" for sign in layer).lstrip(".") or "-"
    return f"{safe}/{channel}" if channel else safe
