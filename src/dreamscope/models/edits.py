"""The kinds of edits beside ablation and erasing: replacement, steering, patching, and one's own functions."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from torch import Tensor, nn

from dreamscope.errors import DreamscopeError
from dreamscope.models.ablation import Ablation
from dreamscope.models.addresses import Address
from dreamscope.models.edit_base import Edit, ensure_channels, own_tensor, place_of
from dreamscope.models.erase import Erase
from dreamscope.models.hooks import Hook
from dreamscope.models.layers import Layer, tensor_of, with_tensor


@dataclass(frozen=True, eq=False, repr=False, init=False)
class Replace(Edit):
    """Put given numbers in the place of activations, the same for every picture.

    Attributes
    ----------
    address : Address or str
        Where.
    tensor : Tensor
        One number; a number for each channel, (c,); or one for each channel and position, (c, H, W) of a map and
        (c, T) of tokens.

    Examples
    --------
    >>> Replace("features.28:3,4", [0.5, 2.0]).tensor
    tensor([0.5000, 2.0000])
    """

    tensor: Tensor
    kind = "replace"

    def __init__(self, address: Address | str, tensor: Tensor | Sequence[Any] | float) -> None:
        object.__setattr__(self, "address", Address.parse(address))
        object.__setattr__(self, "tensor", own_tensor(tensor, "what replaces activations"))

    def ensure_fits(self, layer: Layer) -> None:
        """Raise a `DreamscopeError` if the tensor has another number of channels than the address."""
        if self.tensor.dim():
            ensure_channels(len(self.tensor), self.address, layer, "what replaces activations")

    def change(self, part: Tensor) -> Tensor:
        """See `Edit.change`."""
        return _over(self.tensor.to(part), part, self.address)


@dataclass(frozen=True, eq=False, repr=False, init=False)
class Add(Edit):
    """Add a direction of channel space to activations: steering.

    Turner et al., "Activation Addition: Steering Language Models Without Optimization" (2023).

    Attributes
    ----------
    address : Address or str
        Where: at every position, or at the address's own.
    direction : Tensor
        A number for each channel that the address names, (c,).
    strength : float
        What the direction is multiplied by.

    Examples
    --------
    >>> Add("features.28:3,4", [0.5, 2.0], strength=3)(torch.zeros(1, 5, 1, 1)).flatten()
    tensor([0.0000, 0.0000, 0.0000, 1.5000, 6.0000])
    """

    direction: Tensor
    strength: float
    kind = "add"

    def __init__(self, address: Address | str, direction: Tensor | Sequence[float], strength: float = 1.0) -> None:
        object.__setattr__(self, "address", Address.parse(address))
        object.__setattr__(self, "direction", own_tensor(direction, "a direction"))
        object.__setattr__(self, "strength", float(strength))
        if self.direction.dim() != 1:
            raise DreamscopeError(
                f"a direction is one number for each channel, (C,), not {tuple(self.direction.shape)}; "
                "a difference of activations becomes one by its mean over photos and positions"
            )

    def ensure_fits(self, layer: Layer) -> None:
        """Raise a `DreamscopeError` if the direction has another number of channels than the address."""
        ensure_channels(len(self.direction), self.address, layer, "the direction")

    def change(self, part: Tensor) -> Tensor:
        """See `Edit.change`."""
        return part + _over(self.strength * self.direction.to(part), part, self.address)


@dataclass(frozen=True, eq=False, repr=False, init=False)
class Patch(Edit):
    """Put the activations of another photo in place: activation patching.

    Vig et al., "Investigating Gender Bias in Language Models Using Causal Mediation Analysis" (2020). The function
    ``patch`` makes one from a photo.

    Attributes
    ----------
    address : Address or str
        Where.
    activation : Tensor
        What the layer put out for one other photo, (1, C, ...), channels second, as a probe records it; or what the
        address names of it, (1, c, ...), which is what the edit holds.
    """

    activation: Tensor
    kind = "patch"

    def __init__(self, address: Address | str, activation: Tensor | Sequence[Any]) -> None:
        address = Address.parse(address)
        tensor = own_tensor(activation, "an activation")
        if tensor.dim() < 2 or len(tensor) != 1:
            raise DreamscopeError(
                f"the activation of one photo is (1, C, ...), channels second, not {tuple(tensor.shape)}"
            )
        channels = address.channels
        named = channels is None or tensor.shape[1] == len(channels)
        if channels is not None and not named and channels[-1] >= tensor.shape[1]:
            raise DreamscopeError(f"'{address}' names a channel that an activation of {tuple(tensor.shape)} lacks")
        if address.position is None and not named:
            tensor = tensor[:, list(channels or ())]
        elif address.position is not None and tensor.dim() > 2:
            tensor = tensor[place_of(tensor, address)]
        object.__setattr__(self, "address", address)
        object.__setattr__(self, "activation", tensor)

    def ensure_fits(self, layer: Layer) -> None:
        """Raise a `DreamscopeError` if the activation has another number of channels than the address."""
        ensure_channels(self.activation.shape[1], self.address, layer, "the activation")

    def change(self, part: Tensor) -> Tensor:
        """See `Edit.change`."""
        return _over(self.activation[0].to(part), part, self.address, exact=True)


@dataclass(frozen=True, eq=False, repr=False, init=False)
class Custom(Edit):
    """Change activations by a function of one's own; it can't be written in a recipe.

    Attributes
    ----------
    address : Address or str
        Where.
    function : callable
        What the address names, (N, c, ...) or (N, c) at one position -> what takes its place, of the same shape or
        one that broadcasts to it. If several threads use the classifier, they call it at the same time.
    """

    function: Callable[[Tensor], Tensor]
    kind = "custom"

    def __init__(self, address: Address | str, function: Callable[[Tensor], Tensor]) -> None:
        object.__setattr__(self, "address", Address.parse(address))
        object.__setattr__(self, "function", function)
        if not callable(function):
            raise DreamscopeError(f"a custom edit takes a function, not {type(function).__name__}")

    def change(self, part: Tensor) -> Tensor:
        """See `Edit.change`."""
        try:
            # A copy: what the function does in place must not reach what the layer itself put out.
            changed = self.function(part.clone())
        except DreamscopeError:
            raise
        except Exception as error:
            raise DreamscopeError(f"the edit at '{self.address}' failed: {type(error).__name__}: {error}") from error
        if not isinstance(changed, Tensor):
            raise DreamscopeError(f"the edit at '{self.address}' returned {type(changed).__name__}, not a tensor")
        return _expanded(changed.to(part), part, self.address)

    def to_dict(self) -> dict[str, Any]:
        """Raise a `DreamscopeError`: a function can't be written down."""
        raise DreamscopeError(
            f"the edit at '{self.address}' is a function, which can't be written in a recipe; "
            "give recipe=False to do without one"
        )


EditLike = Edit | tuple[str | Address, Callable[[Tensor], Tensor]]
"""An edit, or the address and function of a `Custom` one."""


def ensure_edits(given: EditLike | Iterable[EditLike]) -> list[Edit]:
    """Return one edit or several as a list, pairs of an address and a function as `Custom`.

    Raises
    ------
    DreamscopeError
        If something is neither an edit nor such a pair.
    """
    several: Iterable[Any] = [given] if isinstance(given, Edit) or _is_pair(given) else given
    if isinstance(several, str) or not isinstance(several, Iterable):
        several = [several]
    return [_ensure_edit(each) for each in several]


def _ensure_edit(given: Any) -> Edit:
    if isinstance(given, Edit):
        return given
    if _is_pair(given):
        return Custom(*given)
    kinds = ", ".join(kind.__name__ for kind in (Ablation, Replace, Add, Patch, Erase))
    raise DreamscopeError(f"{given!r} is no edit; there are {kinds}, and pairs of an address and a function")


def _is_pair(given: Any) -> bool:
    return isinstance(given, tuple) and len(given) == 2 and isinstance(given[0], str | Address) and callable(given[1])


def edit_hooks(edits: Sequence[Edit], layers: Mapping[str, Layer]) -> dict[str, Hook]:
    """Return one hook for each edited layer, its edits applied in the order given."""
    by_layer: dict[str, list[Edit]] = {}
    for edit in edits:
        by_layer.setdefault(edit.address.layer, []).append(edit)

    def hook_for(name: str, mine: list[Edit]) -> Hook:
        axis = layers[name].channel_axis

        def hook(module: nn.Module, inputs: tuple[Any, ...], output: Any) -> Any:
            tensor = tensor_of(output)
            if tensor is None:
                return None
            changed = tensor.movedim(axis, 1)
            for edit in mine:
                changed = edit.within(module, inputs, changed, axis)
            return with_tensor(output, changed.movedim(1, axis))

        return hook

    return {name: hook_for(name, mine) for name, mine in by_layer.items()}


def _over(values: Tensor, part: Tensor, address: Address, *, exact: bool = False) -> Tensor:
    """Return values (), (c,) or (c, ...) spread over a part (N, c, ...); `exact`: not over positions."""
    if values.dim() == 1 and not exact:
        values = values.view(-1, *[1] * (part.dim() - 2))
    if exact and values.shape != part.shape[1:]:
        raise _misfit(values, part, address)
    return _expanded(values, part, address)


def _expanded(values: Tensor, part: Tensor, address: Address) -> Tensor:
    try:
        return values.expand_as(part)
    except RuntimeError as error:
        raise _misfit(values, part, address) from error


def _misfit(values: Tensor, part: Tensor, address: Address) -> DreamscopeError:
    return DreamscopeError(
        f"'{address}' is {tuple(part.shape[1:])} for this picture, channels first, but what is put there is "
        f"{tuple(values.shape)}; positions differ with the size of the picture"
    )
