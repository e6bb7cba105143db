"""Edits: values that say what to change inside a network; applied by the classifier, through the hooks."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn

from dreamscope.errors import DreamscopeError, did_you_mean
from dreamscope.models.addresses import Address
from dreamscope.models.hooks import Hook
from dreamscope.models.layers import Layer, tensor_of, with_tensor


def _zero(part: Tensor, _factor: float) -> Tensor:
    return torch.zeros_like(part)


def _mean(part: Tensor, _factor: float) -> Tensor:
    """Replace each channel by its mean over the positions: what it says stays, where it says it goes."""
    positions = tuple(range(2, part.dim()))
    return part.mean(positions, keepdim=True).expand_as(part) if positions else part


def _noise(part: Tensor, _factor: float) -> Tensor:
    """Replace each channel by noise of its own mean and spread: how much it says stays, what it says goes."""
    positions = tuple(range(2, part.dim()))
    if not positions:
        return part
    # The same noise for every picture: what becomes of one must not depend on the batch it came in.
    generator = torch.Generator().manual_seed(0)
    noise = torch.randn(part.shape[1:], generator=generator).to(part)
    # Without Bessel's correction, which would divide by zero on a map of one position.
    return part.mean(positions, keepdim=True) + part.std(positions, correction=0, keepdim=True) * noise


def _scale(part: Tensor, factor: float) -> Tensor:
    return part * factor


_WAYS: Mapping[str, Callable[[Tensor, float], Tensor]] = {
    "zero": _zero,
    "mean": _mean,
    "noise": _noise,
    "scale": _scale,
}


@dataclass(frozen=True)
class Ablation:
    """Channels (all, some, or at one position) of a layer, replaced.

    Attributes
    ----------
    address : Address or str
        Which; its weight is not used.
    how : str
        ``zero``, ``mean`` (each channel by its mean over the picture), ``noise`` (each channel by Gaussian
        noise with its own mean and standard deviation over the picture, the same noise each time) or
        ``scale:X``. Where there are no positions, in a vector or at one position, a channel is its own mean
        and has no spread: ``mean`` and ``noise`` leave it as it is.

    Examples
    --------
    >>> Ablation("features.28:40", how="zero") == Ablation("features.28:40")
    True
    """

    address: Address
    how: str

    def __init__(self, address: Address | str, how: str = "zero") -> None:
        object.__setattr__(self, "address", Address.parse(address))
        object.__setattr__(self, "how", how)
        self._way()

    def _way(self) -> tuple[Callable[[Tensor, float], Tensor], float]:
        name, _, number = self.how.partition(":")
        try:
            factor = float(number) if number else 1.0
        except ValueError:
            name = ""
            factor = 0.0
        if name not in _WAYS or (name == "scale") != bool(number):
            raise DreamscopeError(
                f"'{self.how}' is no way to ablate; there are zero, mean, noise and scale:X"
                + did_you_mean(self.how, _WAYS)
            )
        return _WAYS[name], factor

    def to_dict(self) -> dict[str, str]:
        """Return the edit as plain texts, for a recipe."""
        return {"address": str(self.address), "how": self.how}

    @classmethod
    def from_dict(cls, kept: Mapping[str, str]) -> Ablation:
        """Read what `to_dict` wrote."""
        return cls(kept["address"], kept["how"])

    def __call__(self, activation: Tensor) -> Tensor:
        """Return a changed copy of an activation (N, C, ...), channels second."""
        way, factor = self._way()
        index: list[Any] = [
            slice(None),
            slice(None) if self.address.channels is None else list(self.address.channels),
        ]
        where = at_position(activation, self.address)
        changed = activation.clone()
        if where is None:
            changed[tuple(index)] = way(activation[tuple(index)], factor)
        else:
            picked = (slice(None), index[1], *where)
            changed[picked] = way(activation[picked], factor)
        return changed


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


def edit_hooks(edits: Sequence[Ablation], layers: Mapping[str, Layer]) -> dict[str, Hook]:
    """Return one hook for each edited layer, its edits applied in the order given."""
    by_layer: dict[str, list[Ablation]] = {}
    for edit in edits:
        by_layer.setdefault(edit.address.layer, []).append(edit)

    def hook_for(name: str, mine: list[Ablation]) -> Hook:
        axis = layers[name].channel_axis

        def hook(_module: nn.Module, _inputs: tuple[Any, ...], output: Any) -> Any:
            tensor = tensor_of(output)
            if tensor is None:
                return None
            changed = tensor.movedim(axis, 1)
            for edit in mine:
                changed = edit(changed)
            return with_tensor(output, changed.movedim(1, axis))

        return hook

    return {name: hook_for(name, mine) for name, mine in by_layer.items()}
