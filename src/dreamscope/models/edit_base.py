"""What all edits are: values that say what to change where inside a network."""

from __future__ import annotations

import hashlib
from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass, fields
from typing import Any, ClassVar, Protocol

import torch
from torch import Tensor, nn

from dreamscope.errors import DreamscopeError, ensure_one_of
from dreamscope.models.addresses import Address
from dreamscope.models.layers import Layer

MOST_NUMBERS = 100_000
"""The largest tensor that is written down in a recipe."""

_KINDS: dict[str, type[Edit]] = {}


class Network(Protocol):
    """What edits are made for; a `Classifier` is one."""

    module: nn.Module

    @property
    def layers(self) -> Mapping[str, Layer]:
        """The layers that run in a forward pass, in order."""

    @property
    def producers(self) -> Mapping[str, str]:
        """Layer -> the convolution or linear layer that makes its channels, see `producers`."""


@dataclass(frozen=True, eq=False, repr=False)
class Edit(ABC):
    """A change of what a layer puts out, at an address.

    Edits are values: they compare equal where they hold the same numbers, and `Edit.from_dict` reads what `to_dict`
    writes. A subclass is a frozen dataclass (``eq=False, repr=False``) whose ``__init__`` takes its fields by name.

    Attributes
    ----------
    address : Address
        All channels of a layer, some, or these at one position; its weight is not used.
    kind : str
        What `to_dict` calls the subclass.
    """

    address: Address
    kind: ClassVar[str]

    def __init_subclass__(cls) -> None:
        super().__init_subclass__()
        _KINDS[cls.kind] = cls

    @abstractmethod
    def change(self, part: Tensor) -> Tensor:
        """Return what takes the place of the activations that the address names.

        Parameters
        ----------
        part
            (N, c, ...), its positions last, or (N, c) at one position; not to be changed in place.

        Returns
        -------
        Tensor
            Of the same shape, or one that broadcasts to it.
        """

    def __call__(self, activation: Tensor) -> Tensor:
        """Return a changed copy of an activation (N, C, ...), channels second."""
        place = place_of(activation, self.address)
        changed = activation.clone()
        changed[place] = self.change(activation[place])
        return changed

    def within(self, _module: nn.Module, _inputs: tuple[Any, ...], activation: Tensor, _axis: int) -> Tensor:
        """Return a changed copy of an activation in a pass through the network.

        Parameters
        ----------
        _module, _inputs
            The layer, and what went into it.
        activation
            What it put out, after the edits before this one, (N, C, ...), channels second.
        _axis
            Where the layer itself has the channels.
        """
        return self(activation)

    def settled(self, network: Network) -> Edit:
        """Return the edit as it is in a network: this one, or what it comes to there.

        Raises
        ------
        DreamscopeError
            If it can't be applied at its layer.
        """
        self.ensure_fits(network.layers[self.address.layer])
        return self

    def ensure_fits(self, layer: Layer) -> None:  # noqa: B027 - some fit everywhere
        """Raise a `DreamscopeError` if the edit can't be applied at a layer, whatever the picture."""

    def to_dict(self) -> dict[str, Any]:
        """Return the edit as JSON can hold it, for a recipe.

        Raises
        ------
        DreamscopeError
            If it holds code, or a tensor of more than `MOST_NUMBERS` numbers.
        """
        values = {name: self._plain(name, value) for name, value in self._values.items()}
        return {"kind": self.kind, "address": str(self.address), **values}

    @staticmethod
    def from_dict(kept: Mapping[str, Any]) -> Edit:
        """Read what `to_dict` wrote; raise a `DreamscopeError` if it is of no kind known here, or damaged."""
        values = dict(kept)
        kind = str(values.pop("kind", ""))
        ensure_one_of(kind, _KINDS, "kind of edit")
        try:
            return _KINDS[kind](**values)
        except (TypeError, ValueError, AttributeError) as error:
            raise DreamscopeError(f"an edit of kind '{kind}' is damaged: {error}") from error

    @property
    def _values(self) -> dict[str, Any]:
        return {field.name: getattr(self, field.name) for field in fields(self) if field.name != "address"}

    def _plain(self, name: str, value: Any) -> Any:
        if not isinstance(value, Tensor):
            return value
        if value.numel() > MOST_NUMBERS:
            raise DreamscopeError(
                f"the {name} of the edit at '{self.address}' can't be written down: {value.numel()} numbers, more than "
                f"{MOST_NUMBERS}; edit fewer channels or one position, or give recipe=False to do without a recipe"
            )
        return value.tolist()

    def __eq__(self, other: object) -> bool:
        if type(other) is not type(self) or other.address != self.address:
            return NotImplemented if not isinstance(other, Edit) else False
        return all(map(_equal, self._values.values(), other._values.values()))

    def __hash__(self) -> int:
        return hash((self.kind, self.address, *(_identity(value) for value in self._values.values())))

    def __repr__(self) -> str:
        values = ", ".join(f"{name}={_identity(value)}" for name, value in self._values.items())
        return f"{type(self).__name__}('{self.address}', {values})"


def place_of(activation: Tensor, address: Address) -> tuple[Any, ...]:
    """Return the index of what an address names in an activation (N, C, ...)."""
    where = at_position(activation, address)
    return (slice(None), slice(None) if address.channels is None else list(address.channels), *(where or ()))


def at_position(activation: Tensor, address: Address) -> tuple[int, ...] | None:
    """Return the index of an address's position behind the channel axis, or ``None`` without one.

    For tokens (N, C, T) the position is counted in the square grid at the end of the sequence; class and
    register tokens stand before it.

    Raises
    ------
    DreamscopeError
        If the position is outside the map.
    """
    if address.position is None:
        return None
    row, column = address.position
    grid = tuple(activation.shape[2:])
    if not grid:
        raise DreamscopeError(f"'{address}' names a position, but '{address.layer}' puts out a vector without any")
    side = int(grid[0] ** 0.5)
    rows, columns = grid if len(grid) == 2 else (side, side)
    if row >= rows or column >= columns:
        raise DreamscopeError(
            f"position @{row},{column} is outside '{address.layer}': its map here has {rows} rows and {columns} columns"
        )
    return (row, column) if len(grid) == 2 else (grid[0] - side * side + row * side + column,)


def own_tensor(values: Any, what: str) -> Tensor:
    """Return numbers as a tensor that nobody else holds: float32, on the CPU, without a graph.

    Raises
    ------
    DreamscopeError
        If they are no numbers, or not all of them finite; `what` is what the message calls them.
    """
    try:
        tensor = torch.as_tensor(values, dtype=torch.float32).detach().cpu().clone()
    except (TypeError, ValueError, RuntimeError) as error:
        raise DreamscopeError(f"{what} is a tensor or numbers, not {type(values).__name__}") from error
    if not tensor.isfinite().all():
        raise DreamscopeError(f"{what} holds numbers that are not finite")
    return tensor


def ensure_channels(count: int, address: Address, layer: Layer, what: str) -> None:
    """Raise unless `what`, of `count` channels, has as many as the address names in its layer."""
    expected = layer.channels if address.channels is None else len(address.channels)
    if count != expected:
        raise DreamscopeError(f"{what} has {count} channels, but '{address}' names {expected}")


def _equal(one: Any, other: Any) -> bool:
    if isinstance(one, Tensor) and isinstance(other, Tensor):
        return torch.equal(one, other)
    return bool(one == other)


def _identity(value: Any) -> str:
    """Return a text that tells values apart."""
    if not isinstance(value, Tensor):
        return repr(value)
    digest = hashlib.sha256(value.contiguous().numpy().tobytes()).hexdigest()[:12]
    return f"<{'x'.join(map(str, value.shape)) or 'one number'}, {digest}>"
