"""Randomize: channels whose weights are random ones, as a network has them before it has learnt anything."""

from __future__ import annotations

import copy
import zlib
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn

from dreamscope.errors import DreamscopeError
from dreamscope.models.addresses import Address
from dreamscope.models.edit_base import Edit, Network, place_of
from dreamscope.models.producers import has_rows

Spread = tuple[float, float]
"""The mean and standard deviation of numbers."""


@dataclass(frozen=True, eq=False, repr=False, init=False)
class Randomize(Edit):
    """Make channels with random weights: what they told is lost, how strong they are stays about right.

    The layer's own weights, which other classifiers share, are left alone: these channels are computed anew, from what
    goes into the layer. ``Ablation(address, how="randomize")`` becomes one, with the spread of the layer's weights.

    Attributes
    ----------
    address : Address or str
        Channels of a convolution or linear layer, all or some, at every position.
    weight : (float, float)
        The mean and standard deviation of the weights, which are normally distributed.
    bias : (float, float) or None
        Of the bias; ``None`` where the layer has none.
    seed : int
        Of the numbers. Those of one channel are the same whichever others are randomized.
    """

    weight: Spread
    bias: Spread | None
    seed: int
    kind = "randomize"

    def __init__(self, address: Address | str, weight: Spread, bias: Spread | None = None, seed: int = 0) -> None:
        object.__setattr__(self, "address", Address.parse(address))
        object.__setattr__(self, "weight", _spread(weight))
        object.__setattr__(self, "bias", None if bias is None else _spread(bias))
        object.__setattr__(self, "seed", int(seed))
        if self.address.position is not None:
            raise DreamscopeError(f"weights are the same at every position; leave out @ROW,COL of '{self.address}'")

    @classmethod
    def of(cls, module: nn.Module, address: Address, seed: int) -> Randomize:
        """Return the edit with the spread of a module's own weights."""
        weight, bias = _weights(module, address)
        return cls(address, _spread_of(weight), None if bias is None else _spread_of(bias), seed)

    def settled(self, network: Network) -> Edit:
        """See `Edit.settled`."""
        _weights(network.module.get_submodule(self.address.layer), self.address)
        return self

    def change(self, _part: Tensor) -> Tensor:
        """Raise a `DreamscopeError`: random weights need what goes into the layer, and not what comes out."""
        raise DreamscopeError(
            f"the weights of '{self.address}' are randomized in a network: model.edited(...), not on activations"
        )

    def rows(self, module: nn.Module) -> tuple[Tensor, Tensor | None]:
        """Return the weights (c, ...) of the channels, and their biases (c,) or ``None``, in a module's precision."""
        weight, bias = _weights(module, self.address)
        channels = self.address.channels or range(len(weight))
        drawn = []
        for channel in channels:
            generator = torch.Generator().manual_seed(
                zlib.crc32(f"{self.seed} {self.address.layer} {channel}".encode())
            )
            drawn.append(torch.randn(1 + weight[0].numel(), generator=generator))
        numbers = torch.stack(drawn)
        made = (self.weight[0] + self.weight[1] * numbers[:, 1:]).view(len(numbers), *weight.shape[1:]).to(weight)
        if bias is None:
            return made, None
        mean, deviation = self.bias or (0.0, 0.0)
        return made, (mean + deviation * numbers[:, 0]).to(bias)

    def within(self, module: nn.Module, inputs: tuple[Any, ...], activation: Tensor, axis: int) -> Tensor:
        """See `Edit.within`."""
        if not inputs or not isinstance(inputs[0], Tensor):
            raise DreamscopeError(f"'{self.address}' can't be randomized: the layer gets its input by name")
        made = self._made(module, inputs[0]).movedim(axis, 1)
        changed = activation.clone()
        changed[place_of(activation, self.address)] = made.to(activation)
        return changed

    def _made(self, module: Any, given: Tensor) -> Tensor:
        """Return what the module would put out for these channels alone."""
        weight, bias = self.rows(module)
        alone = copy.copy(module)
        # A table of its own, or the weights that others share would change.
        vars(alone).update(_parameters={}, weight=weight, bias=bias)
        if not isinstance(module, nn.Linear):
            if module.groups > 1:
                # Each channel gets its own group's inputs.
                channels = torch.tensor(self.address.channels or range(module.out_channels), device=given.device)
                wide = weight.shape[1]
                group = channels // (module.out_channels // module.groups)
                taken = group[:, None] * wide + torch.arange(wide, device=given.device)
                given = given[:, taken.flatten()]
                alone.groups, alone.in_channels = len(channels), given.shape[1]
            alone.out_channels = len(weight)
        made: Tensor = type(module).forward(alone, given)
        return made


def _weights(module: nn.Module, address: Address) -> tuple[Tensor, Tensor | None]:
    weight = module._parameters.get("weight")
    if not has_rows(module) or weight is None:
        raise DreamscopeError(
            f"'{address}' ({type(module).__name__}) can't be randomized: only a convolution or linear layer has plain "
            "weights for each channel"
        )
    return weight, module._parameters.get("bias")


def _spread_of(values: Tensor) -> Spread:
    exact = values.detach().double()
    return float(exact.mean()), float(exact.std(correction=0))


def _spread(given: Any) -> Spread:
    mean, deviation = (float(number) for number in given)
    return (mean, deviation)
