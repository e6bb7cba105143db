"""Parts of a network that have weights: what edits become changes of."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from torch import Tensor, nn

from dreamscope.errors import DreamscopeError

CONVOLUTIONS = (nn.Conv1d, nn.Conv2d, nn.Conv3d)
_NORMS = (nn.BatchNorm1d, nn.BatchNorm2d)

Changes = dict[str, Tensor]
"""New values by their names in the state dict. A bias where a part has none is one that it would need."""


class UnbakeableError(DreamscopeError):
    """No weights do what an edit does; the message is the reason."""


@dataclass(frozen=True)
class Part:
    """A module with weights of its own.

    Attributes
    ----------
    name : str
        Its dotted name.
    module : Module
        Itself.
    weights : dict of str to Tensor
        Copies of what it has of ``weight`` and ``bias``.
    """

    name: str
    module: Any
    weights: dict[str, Tensor]

    def __str__(self) -> str:
        return f"'{self.name}' ({type(self.module).__name__})"

    def changed(self, **values: Tensor) -> Changes:
        """Return new values of weights, by their names in the state dict."""
        return {f"{self.name}.{key}": value for key, value in values.items()}


@dataclass(frozen=True)
class Inflow:
    """What goes into a part without an edit, and with it.

    Attributes
    ----------
    part : Part
        Which takes it in.
    plain, edited : Tensor
        (C, M), channels first.
    sources : Tensor or None
        (C,), the number of the edited layer's channel that each is, -1 for none; only of changes that mix channels.
    """

    part: Part
    plain: Tensor
    edited: Tensor
    sources: Tensor | None


def norm_shifted(norm: Part, shift: Tensor) -> Changes | None:
    """Return the weights with which a norm makes of its input what it made of the input plus `shift`, (C,).

    ``None`` if it is no norm with fixed statistics and a bias, or of other channels.
    """
    if not is_norm(norm.module) or "bias" not in norm.weights or norm.module.num_features != len(shift):
        return None
    return norm.changed(bias=norm.weights["bias"] + norm_factor(norm.module) * shift)


def is_norm(module: Any) -> bool:
    """Tell whether a module is a norm with fixed statistics: each channel times a number, plus a number."""
    return isinstance(module, _NORMS) and module.running_var is not None


def is_linear(module: Any) -> bool:
    """Tell whether what a module puts out is linear in what goes in, but for a constant."""
    return is_norm(module) or isinstance(module, (nn.Linear, *CONVOLUTIONS))


def bias_of(part: Part) -> Tensor:
    """Return a copy of a part's bias, or zeros in place of one."""
    weight = part.weights["weight"]
    return part.weights["bias"] if "bias" in part.weights else weight.new_zeros(len(weight))


def norm_factor(norm: Any) -> Tensor:
    """Return what a norm multiplies each channel by."""
    factor: Tensor = norm.weight / (norm.running_var + norm.eps).sqrt()
    return factor


def pads_with_zeros(convolution: Any) -> bool:
    """Tell whether a convolution sees zeros around the map."""
    padded = convolution.padding != "valid" and any(convolution._reversed_padding_repeated_twice)
    return padded and convolution.padding_mode == "zeros"


def mixed(name: str, what: str) -> str:
    """Return why a part can't take in what an edit does to `what`."""
    return (
        f"on the way to '{name}' they are summed with others (a skip connection), or changed in a way "
        f"that does not keep {what}"
    )
