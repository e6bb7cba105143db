"""What a worker has at hand while it makes items: the network, and photos as they were read last."""

from __future__ import annotations

from collections.abc import Callable, Hashable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property, lru_cache
from typing import Any, TypeVar

import torch
from torch import Tensor

from dreamscope import images
from dreamscope.errors import DreamscopeError
from dreamscope.exploration.blocks import blocks_of
from dreamscope.exploration.patches import Window, windows
from dreamscope.microscope.items.base import Item
from dreamscope.models.classifier import Classifier
from dreamscope.optimize.precision import prepared

_PHOTOS = 256
"""Photos that are remembered as they were read last; of 224 pixels they take 150 MB."""
T = TypeVar("T")


@dataclass(frozen=True)
class Bench:
    """A worker's network.

    Attributes
    ----------
    model : Classifier
        The network.
    layers : tuple of str
        Those of the atlas, in the order of the forward pass.
    """

    model: Classifier
    layers: tuple[str, ...]

    @cached_property
    def windows(self) -> Mapping[str, Window]:
        """What each position of the layers can see."""
        return windows(self.model, self.layers)

    def start(self, layer: str) -> int:
        """Return the place of a layer's first channel among those of all layers in a row."""
        before = self.layers[: self.layers.index(layer)]
        return sum(self.model.layers[name].channels for name in before)

    def address(self, place: int) -> str:
        """Return the address of the channel at a place among those of all layers in a row."""
        for layer in self.layers:
            if place < self.model.layers[layer].channels:
                break
            place -= self.model.layers[layer].channels
        return f"{layer}:{place}"

    def remembered(self, key: Hashable, make: Callable[[], T]) -> T:
        """Return what was made under a key before, or what is made now; only the last one is remembered."""
        if key not in self._memory:
            self._memory.clear()
            self._memory[key] = make()
        found: T = self._memory[key]
        return found

    @cached_property
    def _memory(self) -> dict[Hashable, Any]:
        return {}

    def pictures(self, item: Item) -> Tensor:
        """Return the photos of an item that can be read, (N, 3, H, W).

        Raises
        ------
        DreamscopeError
            If there is none.
        """
        found = [
            picture
            for number, *_ in item.settings["photos"]
            if (picture := self.photo(item.photos[number])) is not None
        ]
        if not found:
            raise DreamscopeError("none of its photos can be read any more")
        return torch.cat(found)

    def photo(self, path: str) -> Tensor | None:
        """Return a photo as the network sees it, (1, 3, H, W); ``None`` if it can no longer be read."""
        return self._photo(path)

    @cached_property
    def _photo(self) -> Callable[[str], Tensor | None]:
        def read(path: str) -> Tensor | None:
            try:
                return self.model.prepared(images.read(path, side=self.model.prepared_side))
            except DreamscopeError:
                return None

        # Many items name the same photos.
        return lru_cache(_PHOTOS)(read)

    @cached_property
    def fast(self) -> Classifier:
        """The network as it looks at pictures fastest."""
        return prepared(self.model, known_layers(self.model, self.layers), max(self.model.input_size), "float32")[0]


def known_layers(model: Classifier, layers: Sequence[str]) -> list[str]:
    """Return the layers of an atlas and the network's blocks, in the order of the forward pass."""
    wanted = {*layers, *blocks_of(model)}
    return [name for name in model.layers if name in wanted]
