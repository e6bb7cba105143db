"""Plan: which dreams a sheet shows side by side. Imports no torch, so that ``--help`` can read it."""

from __future__ import annotations

import math
import tomllib
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from dreamscope.dreaming import presets
from dreamscope.dreaming.presets import DEFAULT_PRESET, PRESETS, Settings
from dreamscope.errors import DreamscopeError, ensure_one_of
from dreamscope.exploration.blocks import layers
from dreamscope.files import existing_file
from dreamscope.models.addresses import Address, resolve
from dreamscope.optimize.ingredients import values_of

if TYPE_CHECKING:
    from dreamscope.images import Picture
    from dreamscope.models.classifier import Classifier
    from dreamscope.objectives.targets import Given

OVER = ("layers", "channels", "weights", "steps", "octaves", "models", "presets", "photos")
"""What may differ from cell to cell."""

STEPS = (0, 5, 10, 20, 40, 80)
"""Numbers of steps over ``steps``, if none are given."""

MOST = 400
"""Cells of one sheet at most: nobody would look at more."""

Weights = Mapping[str, Sequence[float]]
"""Sets of layer weights by name, a number for each address."""


@dataclass(frozen=True)
class Cell:
    """One dream of a sheet.

    Attributes
    ----------
    label, note : str
        What it is called, and a second, fainter line.
    model : Classifier
        The network that dreams.
    image : Picture
        What is dreamt on, as `dreamscope.images.read` takes it, or the name of an initial image.
    settings : Mapping
        All other arguments of `dreamscope.dreaming.dream.dream`, every number spelt out.
    """

    label: str
    note: str
    model: Classifier
    image: Picture
    settings: Mapping[str, Any]


@dataclass(frozen=True)
class Plan:
    """What a sheet shows: what differs, one of `OVER`, and the cells in reading order."""

    over: str
    cells: tuple[Cell, ...]


def plan(
    over: str,
    models: Sequence[Classifier],
    pictures: Sequence[Picture],
    *,
    at: Given | Sequence[str | Address] | None = None,
    sets: Weights | None = None,
    values: Sequence[str | int] | None = None,
    **settings: Any,
) -> Plan:
    """Say what the cells of a sheet are.

    Parameters
    ----------
    over
        One of `OVER`.
    models
        One; several over ``models``.
    pictures
        One; several over ``photos``.
    at
        Addresses. Over ``layers`` each is one cell (the network's blocks if none are given, see
        `dreamscope.exploration.blocks`; of layers that a glob names and that put out the same, one); over ``channels``
        each of their channels is. Over ``steps``, ``octaves``, ``models``, ``presets`` and ``photos`` also an objective
        of your own, as in `dream`.
    sets
        Over ``weights``: what the addresses are weighted with, see `weights`.
    values
        Over ``steps`` and ``octaves``: which numbers; over ``presets``: which names.
    settings
        All other arguments of `dreamscope.dreaming.dream.dream`, the same for all cells.

    Raises
    ------
    DreamscopeError
        If an argument is invalid.
    """
    ensure_one_of(over, OVER, "kind of sheet")
    for count, kind, what in ((len(models), "models", "model"), (len(pictures), "photos", "picture")):
        if count != 1 and (count == 0 or over != kind):
            raise DreamscopeError(f"a sheet over {over} is of one {what}, not {count}; see --over {kind}")
    if over == "weights" and not (at and sets):
        raise DreamscopeError("a sheet over weights needs layers (--at) and sets of weights for them (--weights-set)")
    if sets and over != "weights":
        raise DreamscopeError(f"a sheet over {over} takes no sets of weights; see --over weights")
    if values and over not in (listed := ("steps", "octaves", "presets")):
        raise DreamscopeError(f"a sheet over {over} takes no values; those over {', '.join(listed)} do")
    varied = "preset" if over == "presets" else over
    if varied in settings:
        raise DreamscopeError(f"a sheet over {over} takes them from --values; leave --{varied} out")
    at = [at] if isinstance(at, str | Address) else at
    texts, own = (at, None) if at is None or isinstance(at, Sequence) else (None, at)
    if own is not None and over in ("layers", "channels", "weights"):
        raise DreamscopeError(f"a sheet over {over} needs addresses, not an objective of your own")
    model, picture = models[0], pictures[0]

    def cell(label: object, note: str, addresses: Iterable[Address], **changed: Any) -> Cell:
        found = {"model": model, "image": picture, **changed}
        given = {key: value for key, value in found.items() if key not in ("model", "image")}
        where = [str(address) for address in addresses] if own is None else own
        return Cell(_line(str(label)), note, found["model"], found["image"], _spelt_out(where, {**settings, **given}))

    if over == "layers":
        made = [cell(address, model.layers[address.layer].type, [address]) for address in layers(model, texts)]
    elif over == "channels":
        made = [cell(address, "", [address]) for address in _channels(model, texts)]
    elif over == "models":
        made = []
        for each in models:
            found = [] if own is not None else resolve(texts, each)
            made.append(cell(each.name, ", ".join(map(str, found)), found, model=each))
    else:
        addresses = [] if own is not None else resolve(texts, model)
        if over == "weights":
            made = [cell(name, _text(each), _weighted(addresses, name, each)) for name, each in (sets or {}).items()]
        elif over == "photos":
            folders = _folders(pictures)
            made = [
                cell(_name(each), note, addresses, image=each) for each, note in zip(pictures, folders, strict=True)
            ]
        elif over == "presets":
            made = [cell(name, "", addresses, preset=name) for name in dict.fromkeys(values or PRESETS)]
        else:
            usual = STEPS if over == "steps" else range(1, _numbers(settings).octaves + 1)
            counts = sorted({_whole(value, over) for value in values or usual})
            made = [cell(f"{n} {over if n != 1 else over[:-1]}", "", addresses, **{over: n}) for n in counts]
    if len(made) > MOST:
        raise DreamscopeError(f"that would be {len(made)} cells; a sheet has at most {MOST}: narrow it down with --at")
    return Plan(over, tuple(_numbered(made)))


def weights(texts: Sequence[str], file: str | Path | None = None) -> dict[str, tuple[float, ...]]:
    """Read sets of layer weights: ``NAME=W,W,...``, and a TOML file of lines such as ``deep = [0.2, 0.5, 1, 2]``.

    Raises
    ------
    DreamscopeError
        If one is not of that form, or two have the same name.

    Examples
    --------
    >>> weights(["balanced=1,1", "deep=0.2,2"])
    {'balanced': (1.0, 1.0), 'deep': (0.2, 2.0)}
    """
    pairs: list[tuple[str, Any]] = []
    if file is not None:
        try:
            pairs += tomllib.loads(existing_file(file, "weights file").read_text("utf-8")).items()
        except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
            raise DreamscopeError(
                f"weights file '{file}' is no TOML such as deep = [0.2, 0.5, 1, 2]: {error}"
            ) from error
        if not pairs:
            raise DreamscopeError(f"weights file '{file}' holds no sets such as deep = [0.2, 1, 2]")
    for text in texts:
        name, _, listed = text.partition("=")
        pairs.append((name.strip(), listed.split(",")))
    found: dict[str, tuple[float, ...]] = {}
    for name, given in pairs:
        if name in found:
            raise DreamscopeError(f"two sets of weights are called '{name}'")
        try:
            numbers = tuple(float(each) for each in given)
        except (TypeError, ValueError):
            numbers = ()
        # What TOML knows besides: a bool would pass for a number, a text for a list of digits.
        other = isinstance(given, str) or any(isinstance(each, bool) for each in given) if numbers else True
        if not name or other or not all(map(math.isfinite, numbers)):
            raise DreamscopeError(f"'{name}' is no set of weights such as deep=0.2,0.5,1,2")
        found[name] = numbers
    return found


def _channels(model: Classifier, at: Sequence[str | Address] | None) -> list[Address]:
    if not at:
        raise DreamscopeError("a sheet over channels needs their layer: --at LAYER:CHANNELS, such as blocks.4.2:0-15")
    found = []
    for address in resolve(at, model):
        every = address.channels or tuple(range(model.layers[address.layer].channels))
        found += [replace(address, channels=(channel,)) for channel in every]
    return list(dict.fromkeys(found))


def _weighted(addresses: Sequence[Address], name: str, numbers: Sequence[float]) -> list[Address]:
    if len(numbers) != len(addresses):
        names = ", ".join(str(address) for address in addresses)
        raise DreamscopeError(f"weights '{name}' are {len(numbers)} for {len(addresses)} layers: {names}")
    if any(address.weight != 1 for address in addresses):
        raise DreamscopeError("a sheet over weights takes them from its sets; leave those before the layers out")
    return [replace(address, weight=number) for address, number in zip(addresses, numbers, strict=True)]


def _numbers(settings: Mapping[str, Any]) -> Settings:
    own = {name: value for name, value in settings.items() if name in Settings.__dataclass_fields__}
    return presets.settings(settings.get("preset", DEFAULT_PRESET), **own)


def _numbered(made: Sequence[Cell]) -> list[Cell]:
    """Number the cells that would be called the same: photos from two folders, say."""
    seen: Counter[str] = Counter()
    found = []
    for cell in made:
        seen[cell.label] += 1
        number = seen[cell.label]
        found.append(cell if number == 1 else replace(cell, label=f"{cell.label} ({number})"))
    return found


def _spelt_out(at: Any, settings: Mapping[str, Any]) -> dict[str, Any]:
    chosen = _numbers(settings)
    preset = settings.get("preset", DEFAULT_PRESET)
    if not isinstance(preset, str):
        # Settings of one's own have no name; all their values are spelt out, and only `plain` takes no rate.
        preset = "plain" if chosen.rate is None else DEFAULT_PRESET
    return {
        "seed": 0,
        "keep_color": False,
        **settings,
        **values_of(chosen),
        "preset": preset,
        "at": at,
    }


def _whole(value: str | int, what: str) -> int:
    try:
        return int(value)
    except ValueError as error:
        raise DreamscopeError(f"{what} are whole numbers such as 0,5,10, not '{value}'") from error


def _text(numbers: Sequence[float]) -> str:
    return ", ".join(f"{number:g}" for number in numbers)


def _line(text: str) -> str:
    # The name of a file may hold line breaks, and bytes that are no text: neither can be drawn.
    return " ".join(text.encode("utf-8", "replace").decode().split())


def _folders(pictures: Sequence[Picture]) -> list[str]:
    """Return the name of the folder that each picture is in, as it was given; nothing where all are in one."""
    from dreamscope.photos import absolute, folder_names

    files = [Path(each) if isinstance(each, str | Path) else Path() for each in pictures]
    folders = [file.parent if file.parent.name and file.is_file() else None for file in files]
    names = folder_names(each for each in folders if each is not None)
    return [_line(names.get(absolute(each), "")) if each is not None else "" for each in folders]


def _name(picture: Picture) -> str:
    return Path(picture).name if isinstance(picture, str | Path) else "a picture in memory"
