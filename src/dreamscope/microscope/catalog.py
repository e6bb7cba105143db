"""What a store holds, as a reader of the atlas asks for it: its layers, channels, classes and photos.

A store that is half full, or of an atlas without photos, gives what is there; the rest is ``None`` or empty.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from functools import cached_property
from typing import Any

from dreamscope.exploration.patches import Window
from dreamscope.microscope.about import KEY as ABOUT
from dreamscope.microscope.columns import Array, Columns, known, row, spreads
from dreamscope.microscope.items.base import Numbers, place_of
from dreamscope.microscope.photo_pass import KEY as PHOTOS
from dreamscope.microscope.photo_statistics import PhotoStatistics
from dreamscope.microscope.records import Blinding, Cell, Exemplar, Layer, Map, Patch, Photo, Spread, Trust
from dreamscope.microscope.store import Store
from dreamscope.models.addresses import Address

_SMALLEST = 48
"""As exemplars are cut."""
_AMONG = 24
"""Patches of a class's photos that are among some channel's best, shown at most."""


class Catalog:
    """What is in a store.

    Parameters
    ----------
    store
        The store; it may be added to meanwhile, and what is added is not seen.

    Attributes
    ----------
    layers : dict of str to Layer
        In the order of the forward pass.
    labels : list of str
        The network's classes.
    """

    def __init__(self, store: Store) -> None:
        self._store = store
        self.about: Mapping[str, Any] = store[ABOUT].facts
        self.labels: list[str] = self.about["labels"]
        self.layers: dict[str, Layer] = {}
        first = 0
        for each in self.about["layers"]:
            at, size = each["window"], each["window"]["size"]
            window = Window(tuple(at["grid"]), size and (size[0], size[1]), tuple(at["start"]), tuple(at["stride"]))
            seen = each["field"] and (each["field"][0], each["field"][1])
            layer = Layer(
                each["name"],
                place_of(each["name"]),
                each["type"],
                each["channels"],
                first,
                window.grid,
                seen,
                window,
            )
            self.layers[layer.name] = layer
            first += layer.channels
        self._entries = {key: store[key] for key in store}
        self.files = {name for entry in self._entries.values() for name in entry.files}

    @property
    def channels(self) -> int:
        """How many channels there are."""
        return sum(layer.channels for layer in self.layers.values())

    @cached_property
    def photos(self) -> PhotoStatistics | None:
        """What photos say, if any were gone through."""
        numbers = self._numbers(PHOTOS)
        found = None if numbers is None else PhotoStatistics.of_numbers(numbers)
        # Halfway through a build with other layers, it is still of those before.
        return found if found and found.widths == {each.name: each.channels for each in self.layers.values()} else None

    def label(self, index: int) -> str:
        """Return the name of a class."""
        return self.labels[index] if index < len(self.labels) else f"class {index}"

    def picture(self, path: str) -> str | None:
        """Return a picture's path in the site, if it was made."""
        return f"data/{path}.webp" if f"{path}.webp" in self.files else None

    def most(self, layer: Layer, channel: int) -> str | None:
        """Return the path of the picture of what excites a channel most."""
        return self.picture(f"pictures/{layer.place}/{channel}-most")

    def least(self, layer: Layer, channel: int) -> str | None:
        """Return that of what excites it least."""
        return self.picture(f"pictures/{layer.place}/{channel}-least")

    def patch(self, layer: Layer, channel: int, at: int = 0) -> Patch | None:
        """Return one of a channel's patches, the best one first."""
        strip = self.picture(f"exemplars/{layer.place}/{channel}")
        of = int(self._shown[layer.name][channel]) if layer.name in self._shown else 0
        return Patch(strip, at, of) if strip is not None and at < of else None

    def exemplars(self, layer: Layer, channel: int) -> list[Exemplar]:
        """Return the parts of photos that excite a channel most, the best one first."""
        return [self._exemplar(layer, channel, at) for at in range(len(self.best(layer, channel)))]

    def best(self, layer: Layer, channel: int) -> list[tuple[int, int, float]]:
        """Return the same as numbers: the photo's, the place's, and the value; none that excite nothing."""
        if self.photos is None:
            return []
        rows = (each[channel].tolist() for each in self._best[layer.name])
        return [each for each in zip(*rows, strict=True) if each[2] != 0]

    def _exemplar(self, layer: Layer, channel: int, at: int) -> Exemplar:
        number, place, value = self.best(layer, channel)[at]
        return Exemplar(self.photo(number), self.patch(layer, channel, at), value, self._box(layer, place))

    def photo(self, number: int) -> Photo:
        """Return a photo that is kept."""
        view = self._views.get(str(number))
        if view is not None:
            said = tuple((index, share) for index, share in view["answers"])
            return Photo(number, view["name"], view["class"], self.picture(f"photos/{number}"), said)
        kept = self.photos.kept.get(number) if self.photos is not None else None
        return Photo(number, "", None) if kept is None else Photo(number, kept[0].path.name, kept[1])

    def spread(self, layer: Layer, channel: int) -> Spread | None:
        """Return how a channel responds to photos."""
        if self.photos is None:
            return None
        place, said = layer.first + channel, self._spreads
        mean, deviation, positive, loud = (
            round(float(said[name][place]), 6) for name in ("mean", "deviation", "positive", "loud")
        )
        return Spread(mean, deviation, positive, loud, tuple(said["histogram"][place].astype(int).tolist()))

    def reached(self, layer: Layer, channel: int) -> float | None:
        """Return how far a channel was driven by its picture from noise."""
        return known(self._columns.reached[layer.first + channel])

    def trust(self, layer: Layer, channel: int) -> Trust | None:
        """Return whether a channel's picture from noise can be trusted."""
        found = self._columns.trust.get(layer.name)
        if found is None or any(known(each) is None for each in found[:3, channel]):
            return None
        picture, photos, random = (round(float(each), 4) for each in found[:3, channel])
        return Trust(picture, photos, random, bool(found[3, channel]))

    def serves(self, layer: Layer, channel: int) -> list[tuple[int, float]]:
        """Return the classes that a channel speaks for or against, and how much, the strongest first."""
        return row(self._columns.serves.get(layer.name), channel)

    def feeds(self, layer: Layer, channel: int) -> list[tuple[Layer, int, float]]:
        """Return the channels of the layer before that feed a channel, and how much, the strongest first."""
        names = list(self.layers)
        before = names.index(layer.name) - 1
        if before < 0:
            return []
        source = self.layers[names[before]]
        found = row(self._columns.feeds.get(layer.name), channel)
        return [(source, number, weight) for number, weight in found if number < source.channels]

    def map(self, layer: Layer) -> Map | None:
        """Return the activation atlas of a layer."""
        entry = self._entries.get(f"activation-atlas/{layer.place}")
        picture = self.picture(f"atlases/{layer.place}")
        if entry is None or picture is None:
            return None
        cells = tuple(Cell(each["row"], each["column"], each["count"], each["class"]) for each in entry.facts["cells"])
        return Map(picture, entry.facts["rows"], entry.facts["columns"], cells)

    @cached_property
    def classes(self) -> list[int]:
        """The classes that something is known of."""
        made = {int(key.partition("/")[2]) for key in self._entries if key.startswith(("class/", "class-pictures/"))}
        return sorted(made | set(self._of_classes))

    def class_channels(self, index: int) -> list[tuple[Layer, int, float]]:
        """Return the channels that speak for a class, and by how much."""
        found = []
        for text, effect in self._class(index).get("channels", ()):
            address = Address.parse(text)
            layer = self.layers.get(address.layer)
            if layer is not None and address.channels and address.channels[0] < layer.channels:
                found.append((layer, address.channels[0], float(effect)))
        return found

    def class_photos(self, index: int) -> list[Photo]:
        """Return the photos of a class that are kept."""
        numbers = self._class(index).get("photos") or self._of_classes.get(index, [])
        return [self.photo(number) for number in numbers]

    def class_patches(self, index: int) -> list[tuple[Layer, int, Exemplar]]:
        """Return patches of the class's photos that are among a channel's best, those that lead first."""
        return [
            (layer, channel, self._exemplar(layer, channel, at)) for layer, channel, at in self._by_class.get(index, [])
        ]

    def blinding(self, index: int) -> Blinding | None:
        """Return what taking a class away would cost."""
        found = self._class(index).get("blind")
        if not found or not found["off"]:
            return None
        return Blinding(tuple(found["off"]), tuple(found["recognised"]), tuple(found["others"]))

    def _class(self, index: int) -> Mapping[str, Any]:
        entry = self._entries.get(f"class/{index}")
        return {} if entry is None else entry.facts

    def _numbers(self, key: str, *names: str) -> Numbers | None:
        entry = self._entries.get(key)
        if entry is None or not any(name.endswith(".npz") for name in entry.files):
            return None
        return self._store.numbers(key, *names)

    @cached_property
    def _columns(self) -> Columns:
        return Columns.read(self._numbers, list(self._entries), list(self.layers.values()))

    @cached_property
    def _shown(self) -> dict[str, Array]:
        """How many patches there are of each channel of each layer."""
        if self.photos is None:
            return {}
        return {name: (best.shown != 0).sum(1).numpy() for name, best in self.photos.best.items()}

    @cached_property
    def _best(self) -> dict[str, tuple[Array, Array, Array]]:
        assert self.photos is not None
        return {
            name: (best.photos.numpy(), best.places.numpy(), best.shown.numpy())
            for name, best in self.photos.best.items()
        }

    @cached_property
    def _spreads(self) -> dict[str, Array]:
        assert self.photos is not None
        return spreads(self.photos)

    @cached_property
    def _views(self) -> dict[str, Any]:
        found: dict[str, Any] = {}
        for key, entry in self._entries.items():
            if key.startswith("photo-views/"):
                found |= entry.facts["photos"]
        return found

    @cached_property
    def _of_classes(self) -> dict[int, list[int]]:
        found: dict[int, list[int]] = {}
        for number, index in self.photos.of_classes().items() if self.photos is not None else ():
            found.setdefault(index, []).append(number)
        return found

    @cached_property
    def class_of(self) -> dict[int, int | None]:
        """The class of each photo that is kept, by its number."""
        return {} if self.photos is None else {number: index for number, (_, index) in self.photos.kept.items()}

    @cached_property
    def _by_class(self) -> dict[int, list[tuple[Layer, int, int]]]:
        """Class -> (layer, channel, which of its best), those that are best first, late layers first."""
        found: dict[int, list[tuple[Layer, int, int]]] = {}
        photos = self.photos
        if photos is None:
            return found
        for at in range(photos.top):
            for layer in reversed(self.layers.values()):
                best = photos.best[layer.name]
                if at >= best.photos.shape[1]:
                    continue
                pairs = zip(best.photos[:, at].tolist(), best.shown[:, at].tolist(), strict=True)
                for channel, (number, value) in enumerate(pairs):
                    index = self.class_of.get(number)
                    if index is not None and value != 0 and len(each := found.setdefault(index, [])) < _AMONG:
                        each.append((layer, channel, at))
        return found

    def _box(self, layer: Layer, place: int) -> tuple[float, float, float, float] | None:
        rows, columns = self.about["input"]
        top, left, bottom, right = layer.window.box(place, (rows, columns), _SMALLEST)
        if (top, left, bottom, right) == (0, 0, rows, columns):
            return None
        return (top / rows, left / columns, bottom / rows, right / columns)

    def seen(self, best: Sequence[tuple[int, int, float]]) -> Counter[int]:
        """Return the classes of a channel's best photos, and how often each is there."""
        return Counter(index for number, *_ in best if (index := self.class_of.get(number)) is not None)

    def every(self) -> Iterator[tuple[Layer, int]]:
        """Yield all channels of all layers."""
        for layer in self.layers.values():
            for channel in range(layer.channels):
                yield layer, channel
