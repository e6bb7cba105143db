"""The index of exemplars: which photos excite each channel most, in memory and on disk as JSON."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from html import escape
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from dreamscope import archives, files
from dreamscope.errors import DreamscopeError, did_you_mean
from dreamscope.exploration.patches import Window
from dreamscope.images import SMALLEST_SIDE, read
from dreamscope.models.addresses import Address
from dreamscope.models.classifier import Classifier
from dreamscope.models.directions import layer_of
from dreamscope.photos import Photo
from dreamscope.recipes import Recipe

_FORM = 1
_ROWS_SHOWN = 8  # channels of each layer that a notebook shows


@dataclass(frozen=True)
class Ranked:
    """The photos of a layer's channels, the first the most (or least) exciting.

    All are (channels, top), or (channels, photos) where there were fewer photos.

    Attributes
    ----------
    values : Tensor
        float32: the activation at the most (least) excited position of the photo.
    photos : Tensor
        int64: indices into `Exemplars.photos`.
    places : Tensor
        int64: the position, counted row by row.
    """

    values: Tensor
    photos: Tensor
    places: Tensor


@dataclass(frozen=True)
class Exemplar:
    """One photo that excites a channel.

    Attributes
    ----------
    photo : Photo
        The file.
    value : float
        The activation at that position.
    position : tuple of int
        In the layer's grid: (row, column), (token,), or () if there are no positions.
    box : tuple of int
        (top, left, bottom, right): what that position can see, in pixels of the prepared image.
    place : int
        The position, counted row by row.
    """

    photo: Photo
    value: float
    position: tuple[int, ...]
    box: tuple[int, int, int, int]
    place: int


@dataclass(frozen=True)
class Exemplars:
    """The photos that excite the channels of some layers most, and perhaps least.

    Attributes
    ----------
    photos : tuple of Photo
        Those that are among any channel's first.
    most, least : Mapping of str to Ranked
        Layer -> its channels' photos; `least` is empty if it was not asked for. ``LAYER.direction`` stands for the
        directions that were given there, in place of channels.
    windows : Mapping of str to Window
        Layer -> what its positions can see.
    picture : (rows, columns)
        The size of a prepared image, in pixels.
    count : int
        Number of photos that were read.
    unreadable : Mapping of str to str
        Photos skipped because they can't be read, by file name, and why.
    recipe : Recipe or None
        Enough to make it again; ``None`` if none was wanted.
    digests : Mapping of Path to str
        Of an index from disk: the photos' SHA-256, which shows whether one was changed.
    """

    photos: tuple[Photo, ...]
    most: Mapping[str, Ranked]
    least: Mapping[str, Ranked]
    windows: Mapping[str, Window]
    picture: tuple[int, int]
    count: int
    unreadable: Mapping[str, str]
    recipe: Recipe | None
    digests: Mapping[Path, str]

    @property
    def top(self) -> int:
        """Number of photos kept for each channel."""
        return next(iter(self.most.values())).values.shape[1]

    def of(self, address: str | Address, *, least: bool = False) -> list[Exemplar]:
        """Return the photos of one channel, the most (least) exciting first.

        A photo in which the channel is 0 everywhere excites nothing, so it is never among the most exciting.

        Raises
        ------
        DreamscopeError
            If the address is not one channel, is not in the index, or `least` was not asked for.
        """
        address = Address.parse(address)
        layers = self.least if least else self.most
        if not layers:
            raise DreamscopeError("the least exciting photos were not kept; make the index with least")
        if address.layer not in layers:
            raise DreamscopeError(
                f"no layer '{address.layer}' in these exemplars; there are {', '.join(list(layers)[:8])}"
                f"{' ...' if len(layers) > 8 else ''}{did_you_mean(address.layer, layers)}"
            )
        ranked, window = layers[address.layer], self.windows[address.layer]
        if address.channels is None or len(address.channels) != 1 or address.channels[0] >= len(ranked.values):
            raise DreamscopeError(f"'{address}' is not one of the {len(ranked.values)} channels of '{address.layer}'")
        found = []
        (channel,) = address.channels
        rows = (ranked.values[channel], ranked.photos[channel], ranked.places[channel])
        for value, photo, place in zip(*(row.tolist() for row in rows), strict=True):
            if least or value != 0:
                position, box = window.position(place), window.box(place, self.picture)
                found.append(Exemplar(self.photos[photo], value, position, box, place))
        return found

    def closer(self) -> Exemplars:
        """Return the same with windows of the middle of what positions see, see `Window.closer`."""
        return replace(self, windows={name: each.closer(self.picture) for name, each in self.windows.items()})

    def patches(
        self,
        model: Classifier,
        addresses: Sequence[str | Address],
        *,
        least: bool = False,
        most: int | None = None,
        smallest: int = SMALLEST_SIDE,
    ) -> list[list[Tensor | None]]:
        """Cut the patches out of the photos; each photo is read once.

        Parameters
        ----------
        model
            The classifier, which prepares the images.
        addresses
            One channel each.
        least
            The least exciting ones.
        most
            Number of patches for each channel at most; all if not given.
        smallest
            The least side of a patch, in pixels.

        Returns
        -------
        list of list of Tensor or None
            For each address its patches (1, 3, h, w), in the order of `of`; ``None`` if the photo is missing,
            is another one by now, or is no regular file of at most 1 GiB.
        """
        found = [self.of(address, least=least)[:most] for address in addresses]
        cells: list[list[Tensor | None]] = [[None] * len(row) for row in found]
        due: dict[Path, list[tuple[int, int]]] = {}
        for row, each in enumerate(found):
            for column, exemplar in enumerate(each):
                due.setdefault(exemplar.photo.path, []).append((row, column))
        layers = [Address.parse(address).layer for address in addresses]
        for path, wanted in due.items():
            picture = self._picture(path, model)
            if picture is not None:
                for row, column in wanted:
                    window = self.windows[layers[row]]
                    cells[row][column] = window.cut(picture, found[row][column].place, smallest)
        return cells

    def _picture(self, path: Path, model: Classifier) -> Tensor | None:
        try:
            # Devices and pipes never end, and an index may name anything.
            if not archives.exists(path) or (
                archives.parts(path) is None and path.stat().st_size > archives.MOST_BYTES
            ):
                return None
            if path in self.digests and archives.digest(path) != self.digests[path]:
                return None
            return model.prepared(read(path))
        except (DreamscopeError, OSError):
            return None

    def save(self, path: str | Path) -> Path:
        """Write the index as JSON, whole or not at all.

        It names the photos by their paths relative to its own folder, so that both can be moved together, and by
        their SHA-256.
        """
        path = Path(path)
        content = {
            "dreamscope_exemplars": _FORM,
            "photos": [
                {"file": _relative(each.path, path), "label": each.label, "sha256": archives.digest(each.path)}
                for each in self.photos
            ],
            "most": {name: _plain(ranked) for name, ranked in self.most.items()},
            "least": {name: _plain(ranked) for name, ranked in self.least.items()},
            "windows": {name: asdict(window) for name, window in self.windows.items()},
            "picture": self.picture,
            "count": self.count,
            "unreadable": dict(self.unreadable),
            "recipe": None if self.recipe is None else json.loads(self.recipe.to_json()),
        }
        with files.written_whole(path) as temporary:
            temporary.write_text(json.dumps(content, separators=(",", ":")), "utf-8")
        return path

    @classmethod
    def load(cls, path: str | Path, model: Classifier | None = None) -> Exemplars:
        """Read what `save` wrote.

        Raises
        ------
        DreamscopeError
            If the file is missing, damaged, something else, or of a network other than `model`.
        """
        path = files.existing_file(path, "index")
        try:
            content: dict[str, Any] = json.loads(path.read_text("utf-8"))
            if content["dreamscope_exemplars"] != _FORM:
                raise DreamscopeError(f"index '{path}' was written by another version of dreamscope")
            photos = tuple(Photo(path.parent / each["file"], each["label"]) for each in content["photos"])
            found = cls(
                photos=photos,
                most={name: _ranked(rows, len(photos)) for name, rows in content["most"].items()},
                least={name: _ranked(rows, len(photos)) for name, rows in content["least"].items()},
                windows={name: _window(row) for name, row in content["windows"].items()},
                picture=_pair(content["picture"]),
                count=int(content["count"]),
                unreadable={str(name): str(reason) for name, reason in content["unreadable"].items()},
                recipe=None if content["recipe"] is None else Recipe.from_json(json.dumps(content["recipe"])),
                digests={p.path: str(each["sha256"]) for p, each in zip(photos, content["photos"], strict=True)},
            )
            if not found.most or {*found.windows} != {*found.most} or {*found.least} - {*found.most}:
                raise ValueError("layers differ")
        except (ValueError, KeyError, TypeError, AttributeError) as error:
            raise DreamscopeError(
                f"'{path}' is no index of exemplars; dreamscope exemplars --index writes one"
            ) from error
        if model is not None:
            found.check(model, str(path))
        return found

    def check(self, model: Classifier, source: str) -> None:
        """Raise if the index is of another network, or of another input size."""
        named = "another network" if self.recipe is None else self.recipe.model.get("name", "another network")
        for layer, ranked in self.most.items():
            count, base = len(ranked.values), layer_of(layer)
            # Directions are as many as were given; channels must be as many as there are.
            if base not in model.layers or (layer == base and model.layers[layer].channels != count):
                raise DreamscopeError(
                    f"'{source}' is of {named}, not of {model.name}: no '{layer}' of {count} channels here"
                    + did_you_mean(layer, model.layers)
                )
        if self.picture != tuple(model.input_size):
            sides = ["x".join(map(str, each)) for each in (self.picture, model.input_size)]
            raise DreamscopeError(f"'{source}' is of pictures of {sides[0]} pixels, not {sides[1]}; see --input-size")

    def _repr_html_(self) -> str:
        """Return the first photos of each layer's first channels, as a table."""
        rows = [
            f"<tr><td>{escape(layer)}:{channel}</td><td>{', '.join(names)}</td></tr>"
            for layer, ranked in self.most.items()
            for channel in range(min(len(ranked.values), _ROWS_SHOWN))
            for names in [
                [f"{escape(each.photo.path.name)} ({each.value:.3g})" for each in self.of(f"{layer}:{channel}")]
            ]
        ]
        return f"<p>{self.count} photos</p><table><tr><th>channel</th><th>photos</th></tr>{''.join(rows)}</table>"


def _relative(photo: Path, index: Path) -> str:
    try:
        return Path(os.path.relpath(photo.absolute(), index.absolute().parent)).as_posix()
    except ValueError:
        # Another drive: no relative path leads there.
        return str(photo.absolute())


def _plain(ranked: Ranked) -> dict[str, Any]:
    values = [[float(f"{value:.6g}") for value in row] for row in ranked.values.tolist()]
    return {"values": values, "photos": ranked.photos.tolist(), "places": ranked.places.tolist()}


def _ranked(rows: dict[str, Any], count: int) -> Ranked:
    ranked = Ranked(
        torch.tensor(rows["values"], dtype=torch.float32), torch.tensor(rows["photos"]), torch.tensor(rows["places"])
    )
    shapes = {tuple(each.shape) for each in (ranked.values, ranked.photos, ranked.places)}
    if len(shapes) != 1 or ranked.values.dim() != 2:
        raise ValueError("shapes differ")
    if any(each.is_floating_point() or (each < 0).any() for each in (ranked.photos, ranked.places)):
        raise ValueError("photos and places are counted from 0")
    if (ranked.photos >= count).any():
        raise ValueError("a photo that is not there")
    return ranked


def _window(row: dict[str, Any]) -> Window:
    size = None if row["size"] is None else _pair(row["size"])
    return Window(tuple(int(side) for side in row["grid"]), size, _pair(row["start"]), _pair(row["stride"]))


def _pair(values: Sequence[Any]) -> tuple[int, int]:
    rows, columns = (int(value) for value in values)
    return (rows, columns)
