"""What each page of the atlas shows: a catalog's facts, put into the words and the order of a page."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Sequence
from dataclasses import replace
from functools import cache
from itertools import pairwise
from typing import Any

from dreamscope.exploration.responses import Responses
from dreamscope.microscope.catalog import Catalog
from dreamscope.microscope.records import Exemplar, Layer, Map, Photo, Shown, Spread, Thumb, Tile
from dreamscope.microscope.wording import blind_command, commands, short, verdict
from dreamscope.models.addresses import Address
from dreamscope.pages import histogram

STRIP = 8
"""Channels of each layer that the first page shows."""
CLASSES = 12
"""Classes that it shows."""


class Views:
    """The contexts of all pages.

    Parameters
    ----------
    catalog
        What there is.
    """

    def __init__(self, catalog: Catalog) -> None:
        self._catalog = catalog
        self._known_classes = set(catalog.classes)

    def index(self) -> dict[str, Any]:
        """Return what the first page shows."""
        catalog, about = self._catalog, self._catalog.about
        made = [index for index in catalog.classes if catalog.picture(f"classes/{index}")]
        # From all over the list, whose neighbours are alike.
        some = [made[len(made) * place // CLASSES] for place in range(CLASSES)] if len(made) > CLASSES else made
        photos = catalog.photos
        return {
            "model": about["model"],
            "channels": catalog.channels,
            "photos": None if photos is None else photos.count,
            "parameters": short(about["parameters"]),
            "input": about["input"],
            "side": about["side"],
            "top": about["top"],
            "sets": about["sets"],
            "unreadable": 0 if photos is None else len(photos.unreadable),
            "pictures": sum(name.startswith("pictures/") for name in catalog.files),
            "patched": sum(name.startswith("exemplars/") for name in catalog.files),
            "maps": sum(name.startswith("atlases/") for name in catalog.files),
            "layers": [
                {**self._layer(layer), "strip": self._strip(layer)} for layer in reversed(catalog.layers.values())
            ],
            "classes": [self.class_thumb(index) for index in some],
            "class_count": len(catalog.classes),
            "tries": self._tries(),
        }

    def layer(self, name: str) -> dict[str, Any]:
        """Return what the page of a layer shows."""
        catalog, layer = self._catalog, self._catalog.layers[name]
        names = list(catalog.layers)
        at = names.index(name)
        found = catalog.map(layer)
        cells = [
            {
                "row": cell.row + 1,
                "column": cell.column + 1,
                "count": cell.count,
                "label": None if cell.index is None else catalog.label(cell.index),
                "href": None if cell.index is None else self._class_href(cell.index),
            }
            for cell in (found.cells if found else ())
        ]
        argued = Counter(cell.index for cell in (found.cells if found else ()) if cell.index is not None)
        return {
            "model": catalog.about["model"],
            "layer": self._layer(layer),
            "before": self._layer(catalog.layers[names[at - 1]]) if at else None,
            "after": self._layer(catalog.layers[names[at + 1]]) if at + 1 < len(names) else None,
            "photo": catalog.picture("layers/photo"),
            "dream": catalog.picture(f"layers/{layer.place}-dream"),
            "caricature": catalog.picture(f"layers/{layer.place}-caricature"),
            "map": found,
            "cells": cells,
            "empty": _empty(found),
            "argued": [
                self.class_thumb(index, note=f"{count} cells") for index, count in argued.most_common(8) if count > 1
            ],
            "tiles": [self._tile(layer, channel) for channel in range(layer.channels)],
            "photos": catalog.photos is not None,
            "trusted": any(catalog.trust(layer, channel) is not None for channel in range(layer.channels)),
        }

    def channel(self, name: str, channel: int) -> dict[str, Any]:
        """Return what the page of a channel shows."""
        catalog, layer = self._catalog, self._catalog.layers[name]
        exemplars = catalog.exemplars(layer, channel)
        spread, trust = catalog.spread(layer, channel), catalog.trust(layer, channel)
        serves, feeds = catalog.serves(layer, channel), catalog.feeds(layer, channel)
        most = max((abs(weight) for _, weight in serves), default=1.0)
        most_fed = max((abs(weight) for *_, weight in feeds), default=1.0)
        reached = catalog.reached(layer, channel)
        address = str(Address(name, (channel,)))
        return {
            "model": catalog.about["model"],
            "layer": self._layer(layer),
            "number": channel,
            "address": address,
            "lead": self._lead(catalog.best(layer, channel)),
            "shown": [self._exemplar(each) for each in exemplars],
            "most": catalog.most(layer, channel),
            "least": catalog.least(layer, channel),
            "reached": reached,
            "first": exemplars[0].value if exemplars else None,
            "spread": spread,
            "photos": 0 if catalog.photos is None else catalog.photos.count,
            "serves": [
                replace(self.class_thumb(index), weight=weight, bar=abs(weight) / most)
                # Those that it speaks for come first.
                for index, weight in sorted(serves, key=lambda each: each[1] < 0)
            ],
            "feeds": [
                replace(self.thumb(source, number), weight=weight, bar=abs(weight) / most_fed)
                for source, number, weight in feeds
            ],
            "trust": trust,
            "verdict": None if trust is None else verdict(trust),
            "previous": self.thumb(layer, channel - 1) if channel else None,
            "next": self.thumb(layer, channel + 1) if channel + 1 < layer.channels else None,
            "commands": commands(self._catalog.about["model"], address),
        }

    def classes(self) -> dict[str, Any]:
        """Return what the page of all classes shows."""
        found = [self.class_thumb(index) for index in self._catalog.classes]
        return {"model": self._catalog.about["model"], "classes": sorted(found, key=lambda each: each.name.lower())}

    def class_(self, index: int) -> dict[str, Any]:
        """Return what the page of a class shows."""
        catalog = self._catalog
        channels = catalog.class_channels(index)
        most = max((abs(effect) for *_, effect in channels), default=1.0)
        blinding = catalog.blinding(index)
        off = [] if blinding is None else [Address.parse(text) for text in blinding.off]
        near = catalog.classes.index(index)
        patches = catalog.class_patches(index)
        return {
            "model": catalog.about["model"],
            "index": index,
            "label": catalog.label(index),
            "picture": catalog.picture(f"classes/{index}"),
            "channels": [
                replace(self.thumb(layer, number), weight=effect, bar=abs(effect) / most)
                for layer, number, effect in channels
            ],
            "shown": [self._shown(photo) for photo in catalog.class_photos(index) if photo.picture],
            "patches": [
                replace(self.thumb(layer, number), picture=None, patch=each.patch, title=each.photo.name)
                for layer, number, each in patches
                if each.patch is not None
            ],
            "blinding": blinding,
            "off": [
                self.thumb(catalog.layers[each.layer], each.channels[0])
                for each in off
                if each.layer in catalog.layers and each.channels
            ],
            "command": blind_command(catalog.about["model"], catalog.label(index)),
            "previous": self.class_thumb(catalog.classes[near - 1]) if near else None,
            "next": self.class_thumb(catalog.classes[near + 1]) if near + 1 < len(catalog.classes) else None,
        }

    def thumb(self, layer: Layer, channel: int) -> Thumb:
        """Return the link to a channel."""
        return Thumb(
            str(Address(layer.name, (channel,))),
            f"layers/{layer.place}/{channel}.html",
            self._catalog.most(layer, channel),
            self._catalog.patch(layer, channel),
        )

    def class_thumb(self, index: int, note: str = "") -> Thumb:
        """Return the link to a class; without an address if there is no page of it."""
        catalog = self._catalog
        picture = catalog.picture(f"classes/{index}")
        if picture is None and index in self._known_classes:
            picture = next((each.picture for each in catalog.class_photos(index) if each.picture), None)
        return Thumb(catalog.label(index), self._class_href(index) or "", picture, note=note)

    def _tries(self) -> list[str]:
        """Return searches that find something."""
        catalog = self._catalog
        last = list(catalog.layers.values())[-1]
        found = [str(Address(last.name, (last.channels // 2,)))]
        if catalog.photos is not None:
            seen: Counter[int] = Counter()
            for channel in range(last.channels):
                seen += catalog.seen(catalog.best(last, channel))
            common = [catalog.label(index) for index, _ in seen.most_common()]
            found += sorted(common[:40], key=len)[:1]
            found += ["mean>0.5", f"{last.name} mean<0"]
        return found

    def _layer(self, layer: Layer) -> dict[str, Any]:
        positions = " × ".join(map(str, layer.grid)) if layer.grid else ""
        seen = "the whole photo"
        if layer.field is not None and any(
            size < side for size, side in zip(layer.field, self._catalog.about["input"], strict=True)
        ):
            seen = " × ".join(map(str, layer.field)) + " pixels"
        return {
            "name": layer.name,
            "place": layer.place,
            "type": layer.type,
            "channels": layer.channels,
            "positions": positions,
            "seen": seen,
        }

    def _strip(self, layer: Layer) -> list[Thumb]:
        """Return channels from all over a layer: of each part of it the one whose picture can be trusted most."""
        count = min(STRIP, layer.channels)
        bounds = [layer.channels * place // count for place in range(count + 1)]
        chosen = [
            max(range(start, stop), key=lambda channel: self._worth(layer, channel)) for start, stop in pairwise(bounds)
        ]
        found = [self.thumb(layer, channel) for channel in chosen]
        return [each for each in found if each.picture or each.patch]

    def _worth(self, layer: Layer, channel: int) -> tuple[bool, float]:
        trust = self._catalog.trust(layer, channel)
        drawn = self._catalog.most(layer, channel) is not None
        return drawn, -math.inf if trust is None or trust.other_path else trust.picture

    def _tile(self, layer: Layer, channel: int) -> Tile:
        spread, trust = self._catalog.spread(layer, channel), self._catalog.trust(layer, channel)
        return Tile(
            channel,
            self.thumb(layer, channel),
            spread.mean if spread else 0.0,
            1 - spread.positive if spread else 0.0,
            trust.picture if trust else -9.0,
            trust is not None and trust.other_path,
        )

    def _exemplar(self, each: Exemplar) -> Shown:
        return replace(self._shown(each.photo), patch=each.patch, box=each.box, value=each.value)

    def _shown(self, photo: Photo) -> Shown:
        catalog = self._catalog
        answers = tuple((catalog.label(index), self._class_href(index), share) for index, share in photo.answers)
        if photo.index is None:
            return Shown(photo, None, None, answers)
        return Shown(photo, catalog.label(photo.index), self._class_href(photo.index), answers)

    def _lead(self, best: Sequence[tuple[int, int, float]]) -> str:
        """Return what most of the best photos show, if that is the same."""
        common = [
            (self._catalog.label(index), count) for index, count in self._catalog.seen(best).most_common(2) if count > 1
        ]
        if not common:
            return ""
        said = " and ".join(f"{count} show {label}" for label, count in common)
        return f"Of the {len(best)} photos that excite it most, {said}."

    def _class_href(self, index: int) -> str | None:
        return f"classes/{index}.html" if index in self._known_classes else None


def _empty(found: Map | None) -> list[tuple[int, int]]:
    """Return the cells of an activation atlas that show nothing, from (1, 1) on."""
    if found is None:
        return []
    full = {(cell.row, cell.column) for cell in found.cells}
    places = [(row, column) for row in range(found.rows) for column in range(found.columns)]
    return [(row + 1, column + 1) for row, column in places if (row, column) not in full]


def drawn(spread: Spread) -> str | None:
    """Return a channel's responses as a drawing inside its page."""
    return histogram.drawn(_edges(), spread.counts, "mean response to a photo", mean=spread.mean)


@cache
def _edges() -> list[float]:
    found: list[float] = Responses.edges().tolist()
    return found
