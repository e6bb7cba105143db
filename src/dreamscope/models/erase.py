"""Erase: take directions of channel space away, so that nothing linear can read them any more."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from torch import Tensor

from dreamscope.errors import DreamscopeError
from dreamscope.models.addresses import Address
from dreamscope.models.edit_base import Edit, ensure_channels, own_tensor
from dreamscope.models.layers import Layer


@dataclass(frozen=True, eq=False, repr=False, init=False)
class Erase(Edit):
    """Erase directions of channel space: at each position ``x`` becomes ``x - remove @ read @ (x - center)``.

    Where ``read @ remove`` is the identity, this is a projection: nothing is left along `read`, and doing it twice is
    doing it once. Elsewhere part of it stays. Belrose et al., "LEACE: Perfect linear concept erasure in closed form"
    (2023), give the directions that a class is read from, and those whose removal changes activations least.

    Attributes
    ----------
    address : Address or str
        Where: at every position, or at the address's own.
    remove : Tensor
        (c, k), a column for each direction: what is taken away, a number for each channel that the address names.
        (c,) is read as one direction.
    read : Tensor
        (k, c), a row for each direction: how much of it is taken away is the product with the activation. (c,) is
        read as one direction.
    center : Tensor or None
        (c,), the activation that stays as it is, such as the mean; zeros if ``None``.

    Examples
    --------
    >>> import torch
    >>> Erase("features.28:3,4", [1.0, 0.0], [1.0, 1.0])(torch.ones(1, 5, 1, 1)).flatten()
    tensor([ 1.,  1.,  1., -1.,  1.])
    """

    remove: Tensor
    read: Tensor
    center: Tensor | None
    kind = "erase"

    def __init__(
        self,
        address: Address | str,
        remove: Tensor | Sequence[Any],
        read: Tensor | Sequence[Any],
        center: Tensor | Sequence[float] | None = None,
    ) -> None:
        removed, reading = own_tensor(remove, "what is removed"), own_tensor(read, "what is read")
        if removed.dim() == 1:
            removed = removed[:, None]
        if reading.dim() == 1:
            reading = reading[None]
        if removed.dim() != 2 or not removed.numel() or reading.shape != removed.T.shape:
            raise DreamscopeError(
                f"for k directions of c channels, remove is (c, k) and read (k, c), not {tuple(removed.shape)} and "
                f"{tuple(reading.shape)}"
            )
        middle = None if center is None else own_tensor(center, "the center")
        if middle is not None and middle.shape != removed.shape[:1]:
            raise DreamscopeError(f"the center is ({len(removed)},) as the channels, not {tuple(middle.shape)}")
        object.__setattr__(self, "address", Address.parse(address))
        object.__setattr__(self, "remove", removed)
        object.__setattr__(self, "read", reading)
        object.__setattr__(self, "center", middle)

    @property
    def count(self) -> int:
        """The number of directions."""
        return len(self.read)

    def along(self, index: int) -> Erase:
        """Return the edit that erases one of the directions alone, counted from 0.

        Raises
        ------
        DreamscopeError
            If there are not so many.
        """
        if not 0 <= index < self.count:
            raise DreamscopeError(f"there is no direction {index}: this edit has {self.count}, counted from 0")
        return Erase(self.address, self.remove[:, index], self.read[index], self.center)

    def ensure_fits(self, layer: Layer) -> None:
        """Raise a `DreamscopeError` if the directions have another number of channels than the address."""
        ensure_channels(len(self.remove), self.address, layer, "each direction")

    def change(self, part: Tensor) -> Tensor:
        """See `Edit.change`."""
        if part.shape[1] != len(self.remove):
            raise DreamscopeError(f"'{self.address}' is {part.shape[1]} channels here, not {len(self.remove)}")
        columns = part.reshape(*part.shape[:2], -1)
        read = self.read.to(part)
        amounts = read @ columns
        if self.center is not None:
            amounts = amounts - (read @ self.center.to(part))[:, None]
        return part - (self.remove.to(part) @ amounts).reshape(part.shape)
