"""What an atlas is of: the network, the layers and classes, and how large its pictures are."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

from dreamscope.errors import DreamscopeError
from dreamscope.exploration.blocks import layers as layers_of
from dreamscope.models.classifier import Classifier
from dreamscope.sheets.cell_cache import digest_of

SIDE = 160
"""Pixels of a channel's picture, unless told otherwise."""
TOP = 9
"""Photos shown for each channel."""


@dataclass(frozen=True, eq=False)
class Atlas:
    """What is to be in an atlas.

    Attributes
    ----------
    model : Classifier
        The network.
    layers : tuple of str
        The layers whose channels are shown, in the order of the forward pass.
    side : int
        Pixels of a channel's picture.
    top : int
        Photos for each channel.
    """

    model: Classifier
    layers: tuple[str, ...]
    side: int = SIDE
    top: int = TOP

    @classmethod
    def of(cls, model: Classifier, at: str | Sequence[str] | None = None, *, side: int = SIDE, top: int = TOP) -> Atlas:
        """Return an atlas of the layers that are named or, without names, of a network's blocks.

        Raises
        ------
        DreamscopeError
            If there is no such layer, one that is named has a channel, a position or a weight, or a number is invalid.
        """
        texts = [at] if isinstance(at, str) else at
        found = layers_of(model, texts)
        for address in found:
            if address.channels is not None or address.position is not None or address.weight != 1:
                raise DreamscopeError(f"an atlas shows all channels of a layer: '{address.layer}', not '{address}'")
        for value, name, least, most in ((side, "size", 32, 1024), (top, "top", 1, 100)):
            if not least <= value <= most:
                raise DreamscopeError(f"{name} lies between {least} and {most}, not at {value}")
        named = {address.layer for address in found}
        return cls(model, tuple(name for name in model.layers if name in named), side, top)

    @cached_property
    def network(self) -> str:
        """A digest of the network."""
        return digest_of(self.model)

    @property
    def classes(self) -> int:
        """The number of classes."""
        return len(self.model.labels)

    @cached_property
    def widths(self) -> dict[str, int]:
        """Layer -> its number of channels."""
        return {layer: self.model.layers[layer].channels for layer in self.layers}
