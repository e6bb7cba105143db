"""Axes: what differs from cell to cell of a sheet, one way or two. Imports no torch, so that ``--help`` can read it."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from dreamscope.dreaming import presets
from dreamscope.dreaming.presets import CLASS_PRESET, DEFAULT_PRESET, PRESETS, Settings
from dreamscope.errors import DreamscopeError, ensure_one_of
from dreamscope.exploration.blocks import layers
from dreamscope.models.addresses import Address, resolve
from dreamscope.sheets.weight_sets import Weights, weighted

if TYPE_CHECKING:
    from dreamscope.images import Picture
    from dreamscope.models.classifier import Classifier

OVER = ("layers", "channels", "weights", "losses", "steps", "octaves", "models", "presets", "photos")
"""What may differ from cell to cell."""

STEPS = (0, 5, 10, 20, 40, 80)
"""Numbers of steps over ``steps``, if none are given."""

LISTED = ("steps", "octaves", "presets", "losses")
"""What values may be chosen of; of ``channels`` too, together with ``layers``."""


@dataclass(frozen=True)
class Place:
    """One place along an axis: a row or a column, or a cell where there is one axis.

    Attributes
    ----------
    label, note : str
        What it is called, and a second, fainter line.
    changed : Mapping
        What is different there: ``model``, ``image``, ``at`` (addresses), ``channel``, or a setting.
    """

    label: str
    note: str
    changed: Mapping[str, Any]


@dataclass(frozen=True)
class Axis:
    """What differs along one way of a sheet, one of `OVER`, and its places in order."""

    over: str
    places: tuple[Place, ...]


@dataclass(frozen=True)
class Asked:
    """What a sheet is asked to be of; see `dreamscope.sheets.plan.plan`.

    Attributes
    ----------
    kinds : sequence of str
        One or two of `OVER`.
    values : Mapping
        The values that are given, by kind.
    own : object or None
        An objective of one's own, in the place of addresses.
    """

    kinds: Sequence[str]
    models: Sequence[Classifier]
    pictures: Sequence[Picture]
    at: Sequence[str | Address] | None
    sets: Weights
    values: Mapping[str, Sequence[str | int]]
    settings: Mapping[str, Any]
    own: Any = None


def axis(over: str, asked: Asked) -> Axis:
    """Return what a sheet shows along one way.

    Raises
    ------
    DreamscopeError
        If what is asked for is not there.
    """
    return Axis(over, tuple(_numbered(_PLACES[over](asked))))


def _layers(asked: Asked) -> list[Place]:
    model = asked.models[0]
    return [_place(each, model.layers[each.layer].type, at=[each]) for each in layers(model, asked.at)]


def _channels(asked: Asked) -> list[Place]:
    numbers = asked.values.get("channels")
    if "layers" in asked.kinds:
        if not numbers:
            raise DreamscopeError(
                "a sheet over layers and channels needs to know which: --values channels=0-7, the same of every layer"
            )
        if any(Address.parse(each).channels for each in asked.at or ()):
            raise DreamscopeError("a sheet over layers and channels takes these from --values; leave them out of --at")
        chosen = Address.parse(f"layer:{','.join(map(str, numbers))}").channels or ()
        return [_place(f"channel {number}", channel=number) for number in chosen]
    if not asked.at:
        raise DreamscopeError("a sheet over channels needs their layer: --at LAYER:CHANNELS, such as blocks.4.2:0-15")
    model, found = asked.models[0], []
    for address in resolve(asked.at, model):
        every = address.channels or tuple(range(model.layers[address.layer].channels))
        found += [replace(address, channels=(channel,)) for channel in every]
    return [_place(each, at=[each]) for each in dict.fromkeys(found)]


def _weights(asked: Asked) -> list[Place]:
    addresses = resolve(asked.at, asked.models[0])
    return [
        _place(name, ", ".join(f"{number:g}" for number in each), at=weighted(addresses, name, each))
        for name, each in asked.sets.items()
    ]


def _losses(asked: Asked) -> list[Place]:
    from dreamscope.objectives import LOSSES

    names = [str(name) for name in asked.values.get("losses") or LOSSES]
    for name in names:
        ensure_one_of(name, LOSSES, "loss")
    return [_place(name, loss=name) for name in dict.fromkeys(names)]


def _steps(asked: Asked) -> list[Place]:
    counts = sorted({_whole(value, "steps") for value in asked.values.get("steps") or STEPS})
    return [_place(f"{n} step{'s' * (n != 1)}", steps=n) for n in counts]


def _octaves(asked: Asked) -> list[Place]:
    usual = range(1, numbers_of(asked.settings).octaves + 1)
    counts = sorted({_whole(value, "octaves") for value in asked.values.get("octaves") or usual})
    return [_place(f"{n} octave{'s' * (n != 1)}", octaves=n) for n in counts]


def _models(asked: Asked) -> list[Place]:
    # What is dreamt of may be another layer in each, unless the other way says it.
    own = asked.own is not None or {"layers", "channels", "weights"} & set(asked.kinds)
    notes = ["" if own else ", ".join(map(str, resolve(asked.at, each))) for each in asked.models]
    return [_place(each.name, note, model=each) for each, note in zip(asked.models, notes, strict=True)]


def _presets(asked: Asked) -> list[Place]:
    return [
        _place(name, preset=str(name))
        for name in dict.fromkeys(asked.values.get("presets") or [each for each in PRESETS if each != CLASS_PRESET])
    ]


def _photos(asked: Asked) -> list[Place]:
    given = zip(names_of(asked.pictures), _folders(asked.pictures), asked.pictures, strict=True)
    # A name that tells two photos apart by their folder says it already.
    return [_place(name, "" if "/" in name else folder, image=each) for name, folder, each in given]


def _folders(pictures: Sequence[Picture]) -> list[str]:
    """Return the name of the folder that each picture is in, as it was given; nothing where all are in one."""
    from dreamscope.photos import absolute, folder_names

    files = [Path(each) if isinstance(each, str | Path) else Path() for each in pictures]
    folders = [file.parent if file.parent.name and file.is_file() else None for file in files]
    names = folder_names(each for each in folders if each is not None)
    return [names.get(absolute(each), "") if each is not None else "" for each in folders]


_PLACES = {
    "layers": _layers,
    "channels": _channels,
    "weights": _weights,
    "losses": _losses,
    "steps": _steps,
    "octaves": _octaves,
    "models": _models,
    "presets": _presets,
    "photos": _photos,
}


def names_of(pictures: Sequence[Picture]) -> list[str]:
    """Return what pictures are called: files without their folders, but for as many as it takes to tell them apart.

    Examples
    --------
    >>> names_of(["a/x.jpg", "b/x.jpg", "b/y.jpg", "gray"])
    ['a/x.jpg', 'b/x.jpg', 'y.jpg', 'gray']
    """
    parts = [Path(each).parts if isinstance(each, str | Path) else ("a picture in memory",) for each in pictures]
    lengths = [1] * len(parts)
    while True:
        names = ["/".join(each[-length:]) for each, length in zip(parts, lengths, strict=True)]
        seen: dict[str, set[tuple[str, ...]]] = {}
        for name, each in zip(names, parts, strict=True):
            seen.setdefault(name, set()).add(each)
        # One file that is named twice stays what it is.
        longer = [
            length + 1 if len(seen[name]) > 1 and length < len(each) else length
            for name, each, length in zip(names, parts, lengths, strict=True)
        ]
        if longer == lengths:
            return [name.replace("//", "/") for name in names]
        lengths = longer


def setting_of(over: str) -> str:
    """Return what a kind of sheet takes the place of: an argument of `dream`, or the kind itself where it is none."""
    return {"presets": "preset", "losses": "loss", "models": "model", "photos": "image"}.get(over, over)


def numbers_of(settings: Mapping[str, Any]) -> Settings:
    """Return the settings of a dream that are meant by arguments of `dream`: a preset's, and those in their place."""
    own = {name: value for name, value in settings.items() if name in Settings.__dataclass_fields__}
    return presets.settings(settings.get("preset", DEFAULT_PRESET), **own)


def _place(label: object, note: str = "", **changed: Any) -> Place:
    # The name of a file may hold line breaks, and bytes that are no text: neither can be drawn.
    label, note = (" ".join(str(text).encode("utf-8", "replace").decode().split()) for text in (label, note))
    return Place(label, note, changed)


def _numbered(places: Sequence[Place]) -> list[Place]:
    """Number the places that would be called the same: one photo twice, say."""
    seen: Counter[str] = Counter()
    found = []
    for each in places:
        seen[each.label] += 1
        number = seen[each.label]
        found.append(each if number == 1 else replace(each, label=f"{each.label} ({number})"))
    return found


def _whole(value: str | int, what: str) -> int:
    try:
        return int(value)
    except ValueError as error:
        raise DreamscopeError(f"{what} are whole numbers such as 0,5,10, not '{value}'") from error
