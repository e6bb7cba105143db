"""All kinds of items, and the worker that makes any of them."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

from dreamscope.engines.photo_parts import placed
from dreamscope.microscope.items import (
    activation_atlas,
    channel_pictures,
    class_channels,
    class_effects,
    class_pictures,
    classes,
    exemplars,
    layer_pictures,
    photo_views,
    trust,
    wiring,
)
from dreamscope.microscope.items.base import Item, Made, Numbers
from dreamscope.microscope.items.bench import Bench
from dreamscope.microscope.photo_pass import Part
from dreamscope.microscope.photo_statistics import Gatherer, PhotoStatistics
from dreamscope.models.classifier import Classifier

Make = Callable[[Bench, Item, Mapping[str, Numbers]], Made]

KINDS: dict[str, Make] = {
    activation_atlas.KIND: activation_atlas.make,
    channel_pictures.KIND: channel_pictures.make,
    class_channels.KIND: class_channels.make,
    class_effects.KIND: class_effects.make,
    class_pictures.KIND: class_pictures.make,
    classes.KIND: classes.make,
    exemplars.KIND: exemplars.make,
    layer_pictures.KIND: layer_pictures.make,
    layer_pictures.PHOTO: layer_pictures.make_photo,
    photo_views.KIND: photo_views.make,
    trust.KIND: trust.make,
    wiring.KIND: wiring.make,
}
"""Kind -> what makes an item of it, given the numbers of the items that it needs, by their keys."""


@dataclass(frozen=True)
class Order:
    """An item, and the numbers that it is made from."""

    item: Item
    needed: Mapping[str, Numbers]


@dataclass(frozen=True)
class Maker:
    """The work of an engine: loads nothing but what comes with it, and makes items of all kinds."""

    model: Classifier
    layers: tuple[str, ...]
    top: int

    def __call__(self) -> Callable[[Order | Part], Made | PhotoStatistics]:
        """Return what makes an item, or goes through a part of the photos."""
        model = placed(self.model)
        bench = Bench(model, self.layers)
        gatherer: list[Gatherer] = []

        def make(given: Order | Part) -> Made | PhotoStatistics:
            if isinstance(given, Order):
                return KINDS[given.item.kind](bench, given.item, given.needed)
            gatherer[:] = gatherer or [Gatherer(model, self.layers, top=self.top)]
            return gatherer[0].part(given.photos, given.first)

        return make
