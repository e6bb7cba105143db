"""Cells: which dreams a sheet shows side by side. Imports no torch, so that ``--help`` can read it."""

from __future__ import annotations

import hashlib
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
from dreamscope.files import existing_file
from dreamscope.models.addresses import Address, resolve
from dreamscope.optimize.ingredients import values_of

if TYPE_CHECKING:
    from torch import Tensor

    from dreamscope.models.classifier import Classifier

OVER = ("layers", "channels", "weights", "steps", "octaves", "models", "presets", "photos")
"""What may differ from cell to cell."""

STEPS = (0, 5, 10, 20, 40, 80)
"""Of a strip that dreams deeper and deeper, if none are given."""

MOST = 400
"""Cells of one sheet: more would be looked at by nobody."""

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
        Whose dream it is.
    image : str, Path or Tensor
        What is dreamt on.
    settings : Mapping
        All that `dreamscope.dreaming.dream.dream` is called with besides, every number spelt out.
    """

    label: str
    note: str
    model: Classifier
    image: str | Path | Tensor
    settings: Mapping[str, Any]


@dataclass(frozen=True)
class Plan:
    """What a sheet shows: what differs, one of `OVER`, and the cells in reading order."""

    over: str
    cells: tuple[Cell, ...]


def plan(
    over: str,
    models: Sequence[Classifier],
    pictures: Sequence[str | Path | Tensor],
    *,
    at: Sequence[str | Address] | None = None,
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
        Addresses. Over ``layers`` each is one cell (all layers if none are given; of those that a glob names and
        that put out the same, one); over ``channels`` each of their channels is.
    sets
        Over ``weights``: what the addresses are weighted with, see `weights`.
    values
        Over ``steps`` and ``octaves``: which numbers; over ``presets``: which names.
    settings
        All other arguments of `dreamscope.dreaming.dream.dream`, the same for all cells.

    Raises
    ------
    DreamscopeError
        Anything that can't be meant.
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
    model, picture = models[0], pictures[0]

    def cell(label: object, note: str, addresses: Iterable[Address], **changed: Any) -> Cell:
        found = {"model": model, "image": picture, **changed}
        own = {key: value for key, value in found.items() if key not in ("model", "image")}
        return Cell(_line(str(label)), note, found["model"], found["image"], _spelt_out(addresses, {**settings, **own}))

    if over == "layers":
        made = [cell(address, model.layers[address.layer].type, [address]) for address in layers(model, at)]
    elif over == "channels":
        made = [cell(address, "", [address]) for address in _channels(model, at)]
    elif over == "models":
        made = []
        for each in models:
            found = resolve(at, each)
            made.append(cell(each.name, ", ".join(map(str, found)), found, model=each))
    else:
        addresses = resolve(at, model)
        if over == "weights":
            made = [cell(name, _told(each), _weighted(addresses, name, each)) for name, each in (sets or {}).items()]
        elif over == "photos":
            made = [cell(_name(each), "", addresses, image=each) for each in pictures]
        elif over == "presets":
            made = [cell(name, "", addresses, preset=name) for name in dict.fromkeys(values or PRESETS)]
        else:
            usual = STEPS if over == "steps" else range(1, _numbers(settings).octaves + 1)
            counts = sorted({_whole(value, over) for value in values or usual})
            made = [cell(f"{n} {over if n != 1 else over[:-1]}", "", addresses, **{over: n}) for n in counts]
    if len(made) > MOST:
        raise DreamscopeError(f"that would be {len(made)} cells; a sheet has at most {MOST}: narrow it down with --at")
    return Plan(over, tuple(_told_apart(made)))


def layers(model: Classifier, at: Sequence[str | Address] | None = None) -> list[Address]:
    """Return the addresses that are named; of those by a glob that put out the same, the one of the shortest name.

    Without `at`, all layers that have positions.
    """
    texts = [name for name, layer in model.layers.items() if layer.grid] if at is None else at
    named = {layer for text in at or [] if (layer := Address.parse(text).layer) in model.layers}
    found = list(dict.fromkeys(resolve(texts, model)))
    kept: dict[tuple[Any, ...], Address] = {}
    prints = _prints(model, {address.layer for address in found})
    for address in found:
        same: tuple[Any, ...] = (prints[address.layer], replace(address, layer=""))
        # What was named in full is there to be seen.
        key = (address,) if address.layer in named else same
        if key not in kept or len(address.layer) < len(kept[key].layer):
            kept[key] = address
    return [address for address in found if address in kept.values()]


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


def _told_apart(made: Sequence[Cell]) -> list[Cell]:
    """Number the cells that would be called the same: photos from two folders, say."""
    seen: Counter[str] = Counter()
    found = []
    for cell in made:
        seen[cell.label] += 1
        number = seen[cell.label]
        found.append(cell if number == 1 else replace(cell, label=f"{cell.label} ({number})"))
    return found


def _spelt_out(addresses: Iterable[Address], settings: Mapping[str, Any]) -> dict[str, Any]:
    return {
        "preset": DEFAULT_PRESET,
        "seed": 0,
        "keep_color": False,
        **settings,
        **values_of(_numbers(settings)),
        "at": [str(address) for address in addresses],
    }


def _whole(value: str | int, what: str) -> int:
    try:
        return int(value)
    except ValueError as error:
        raise DreamscopeError(f"{what} are whole numbers such as 0,5,10, not '{value}'") from error


def _told(numbers: Sequence[float]) -> str:
    return ", ".join(f"{number:g}" for number in numbers)


def _line(text: str) -> str:
    # The name of a file may hold line breaks, and bytes that are no text: neither can be drawn.
    return " ".join(text.encode("utf-8", "replace").decode().split())


def _name(picture: str | Path | Tensor) -> str:
    return Path(picture).name if isinstance(picture, str | Path) else "a picture in memory"


def _prints(model: Classifier, names: set[str]) -> dict[str, str]:
    """Return, for each layer, a digest of what it puts out for noise."""
    import torch

    from dreamscope.probes import probe

    def digest(activation: Tensor) -> Tensor:
        content = activation.float().cpu().contiguous().numpy()
        told = hashlib.sha256(f"{content.shape}".encode() + content.tobytes()).digest()
        return torch.frombuffer(bytearray(told), dtype=torch.uint8)

    noise = torch.rand((1, 3, *model.input_size), generator=torch.Generator().manual_seed(0))
    with torch.no_grad(), probe(model, names, keep=digest) as seen:
        seen(noise)
        return {name: bytes(seen[name].tolist()).hex() for name in names}
