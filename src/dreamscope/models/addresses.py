"""Addresses: ``[WEIGHT*]LAYER[:CHANNELS][@ROW,COL]`` - the one parser for CLI, Python and recipes."""

from __future__ import annotations

import logging
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from fnmatch import fnmatchcase
from typing import TYPE_CHECKING, Protocol

from dreamscope.errors import DreamscopeError, did_you_mean
from dreamscope.models import known_names

if TYPE_CHECKING:
    from dreamscope.models.layers import Layer

_ADDRESS = re.compile(
    r"\s*(?:(?P<weight>[-+]?(?:\d+\.?\d*|\.\d+)(?:[eE][-+]?\d+)?)\s*\*\s*)?"
    r"(?P<layer>[\w./\-*?\[\]]+)"
    r"(?:\s*:\s*(?P<channels>[\d\s,\-]+?))?"
    r"(?:\s*@\s*(?P<row>\d+)\s*,\s*(?P<column>\d+))?\s*"
)
_RANGE = re.compile(r"\s*(\d+)\s*(?:-\s*(\d+)\s*)?")
_GRAMMAR = "[WEIGHT*]LAYER[:CHANNELS][@ROW,COL], for example features.28, 0.5*features.28:3,7-9 or mixed4a:476@7,7"

_log = logging.getLogger(__name__)


class Addressable(Protocol):
    """What addresses are resolved in; a `Classifier` is one."""

    @property
    def name(self) -> str:
        """For messages."""

    @property
    def layers(self) -> Mapping[str, Layer]:
        """The layers that run in a forward pass."""

    @property
    def layer_names(self) -> Sequence[str]:
        """The names of all modules, whether they run or not."""

    @property
    def main_stack(self) -> str | None:
        """The name of the stack in which bare indices count, if there is one."""

    @property
    def default_address(self) -> str:
        """The address that ``None`` stands for."""


@dataclass(frozen=True)
class Address:
    """A place in a network: a layer, perhaps some of its channels, perhaps one position, with a weight.

    Attributes
    ----------
    layer : str
        Dotted module name; before `resolve` it may be a glob (``features.*``) or a bare index.
    channels : tuple of int or None
        Sorted, without repeats; ``None`` is all channels.
    position : (row, column) or None
        In the layer's own grid, from 0.
    weight : float
        How much the address counts in an objective; may be negative.

    Examples
    --------
    >>> Address.parse("0.5*features.28:3,7-9")
    Address(layer='features.28', channels=(3, 7, 8, 9), position=None, weight=0.5)
    >>> str(Address.parse("mixed4a : 476 @ 7,7"))
    'mixed4a:476@7,7'
    """

    layer: str
    channels: tuple[int, ...] | None = None
    position: tuple[int, int] | None = None
    weight: float = 1.0

    @classmethod
    def parse(cls, text: str | Address) -> Address:
        """Read an address; an `Address` is returned as it is.

        Raises
        ------
        DreamscopeError
            If the text does not have the form, with the form and examples.
        """
        if isinstance(text, Address):
            return text
        match = _ADDRESS.fullmatch(text)
        if match is None:
            raise DreamscopeError(f"'{text}' is not an address; expected {_GRAMMAR}")
        channels = match["channels"]
        return cls(
            layer=match["layer"],
            channels=None if channels is None else _parse_channels(channels, text),
            position=None if match["row"] is None else (int(match["row"]), int(match["column"])),
            weight=1.0 if match["weight"] is None else float(match["weight"]),
        )

    def __str__(self) -> str:
        channels = "" if self.channels is None else ":" + _join_channels(self.channels)
        position = "" if self.position is None else "@{},{}".format(*self.position)
        return f"{weight_of(self.weight)}{self.layer}{channels}{position}"


def weight_of(number: float) -> str:
    """Return a weight as it stands in front of an address, every digit of it: nothing for 1."""
    return "" if number == 1 else f"{number!r}*".replace(".0*", "*")


def resolve(texts: str | Address | Iterable[str | Address] | None, model: Addressable) -> list[Address]:
    """Turn addresses into ones that exist in `model`: globs spread out, bare indices named, ranges checked.

    Parameters
    ----------
    texts
        Addresses or their texts, or one; the model's default if ``None``. A layer may have the name that people know
        from lucid, Keras, Caffe or another torchvision (``mixed4a``, ``block5_conv1``, see `known_names.find`); which
        one it is, is logged.
    model
        The classifier whose layers they name.

    Returns
    -------
    list of Address
        Each layer a module that runs in a forward pass, each channel within its range.

    Raises
    ------
    DreamscopeError
        No such layer (with the nearest names), a layer that does not run, a channel out of range
        (with the range), or a glob that matches nothing.
    """
    if texts is None:
        texts = model.default_address
    found: list[Address] = []
    for text in [texts] if isinstance(texts, str | Address) else texts:
        address = Address.parse(text)
        for name in _matching_layers(address, model):
            _check_channels(address, name, model)
            found.append(replace(address, layer=name))
    if not found:
        raise DreamscopeError(f"no address given; expected {_GRAMMAR}")
    return found


def _parse_channels(text: str, whole: str) -> tuple[int, ...]:
    channels: set[int] = set()
    for part in text.split(","):
        match = _RANGE.fullmatch(part)
        if match is None:
            raise DreamscopeError(f"'{part.strip()}' in '{whole}' is not a channel or a range such as 7-9")
        first, last = int(match[1]), int(match[2] or match[1])
        if last < first:
            raise DreamscopeError(f"the range {first}-{last} in '{whole}' runs backwards; did you mean {last}-{first}?")
        if last - first > 10**6:
            raise DreamscopeError(f"the range {first}-{last} in '{whole}' is longer than any layer")
        channels.update(range(first, last + 1))
    return tuple(sorted(channels))


def _join_channels(channels: Sequence[int]) -> str:
    """Write runs of three or more as ranges: (3, 7, 8, 9) -> ``3,7-9``."""
    runs: list[list[int]] = []
    for channel in channels:
        if runs and channel == runs[-1][-1] + 1:
            runs[-1].append(channel)
        else:
            runs.append([channel])
    return ",".join(f"{run[0]}-{run[-1]}" if len(run) > 2 else ",".join(map(str, run)) for run in runs)


def _matching_layers(address: Address, model: Addressable) -> list[str]:
    pattern, names = address.layer, model.layer_names
    if pattern in names:
        return _that_run([pattern], model)
    if pattern.isdecimal():
        # The write-ups of VGG count within the stack of convolutions: 33 is features.33.
        stack = model.main_stack
        if stack is not None and f"{stack}.{pattern}" in names:
            return _that_run([f"{stack}.{pattern}"], model)
    elif any(sign in pattern for sign in "*?["):
        matched = [name for name in names if fnmatchcase(name, pattern)]
        running = [name for name in matched if name in model.layers]
        if running:
            return running
        raise DreamscopeError(
            f"no layer of {model.name} matches '{pattern}'. List them: dreamscope layers {model.name}"
        )
    return _that_run([_known(address, model)], model)


def _known(address: Address, model: Addressable) -> str:
    """Return the layer that people know by a name; raise if `model` has none, saying where the name is from."""
    name = address.layer
    found = None if name.isdecimal() else known_names.find(name, model.layers)
    if found is not None:
        remarks = [found.remark] if found.remark else []
        if address.channels:
            remarks.append("a channel's number means the same only with the same weights")
        _log.info("%s is %s here%s", name, found.layer, f" ({'; '.join(remarks)})" if remarks else "")
        return found.layer
    choices, origin = list(model.layer_names), known_names.origin_of(name)
    also = ""
    if origin is not None:
        alike = [other for other in known_names.names_of(model.layers) if known_names.origin_of(other) == origin]
        choices += alike
        also = "" if alike else f"The name is known from {origin[0]}: --model {origin[1]}. "
    raise DreamscopeError(
        f"no layer '{name}' in {model.name}{did_you_mean(name, choices) or '.'} {also}"
        f"List them: dreamscope layers {model.name}"
    )


def _that_run(names: list[str], model: Addressable) -> list[str]:
    for name in names:
        if name not in model.layers:
            raise DreamscopeError(
                f"layer '{name}' of {model.name} does not run in a forward pass, or puts out no tensor; "
                f"those that do: dreamscope layers {model.name}"
            )
    return names


def _check_channels(address: Address, name: str, model: Addressable) -> None:
    count = model.layers[name].channels
    if address.channels and address.channels[-1] >= count:
        raise DreamscopeError(
            f"channel {address.channels[-1]} is out of range: '{name}' of {model.name} has {count} channels, "
            f"0-{count - 1}"
        )
