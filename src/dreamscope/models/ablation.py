"""Ablation: channels whose content is taken away, by what is put in its place."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace

import torch
from torch import Tensor

from dreamscope.errors import DreamscopeError, did_you_mean
from dreamscope.models.addresses import Address
from dreamscope.models.edit_base import Edit, Network, place_of
from dreamscope.models.producers import has_rows
from dreamscope.models.randomize import Randomize

BAKED = ("zero", "scale", "randomize")
"""The ways to ablate that plain weights can do, whatever the picture."""


def _zero(part: Tensor, _whole: Tensor, _number: float) -> Tensor:
    return torch.zeros_like(part)


def _mean(part: Tensor, _whole: Tensor, _number: float) -> Tensor:
    """Replace each channel by its mean over the positions: how strong it is stays, where it is strong goes."""
    positions = tuple(range(2, part.dim()))
    return part.mean(positions, keepdim=True).expand_as(part) if positions else part


def _noise(part: Tensor, _whole: Tensor, _number: float) -> Tensor:
    """Replace each channel by noise of its own mean and spread: its statistics stay, its content goes."""
    positions = tuple(range(2, part.dim()))
    if not positions:
        return part
    # Without Bessel's correction, which would divide by zero on a map of one position.
    spread = part.std(positions, correction=0, keepdim=True)
    return part.mean(positions, keepdim=True) + spread * _drawn(part)


def _gaussian(part: Tensor, whole: Tensor, _number: float) -> Tensor:
    """Replace each channel by noise of mean 0 as strong as the layer's spread on the picture: nothing of it stays."""
    spread = whole.flatten(1).std(1, correction=0)
    return spread.view(-1, *[1] * (part.dim() - 1)) * _drawn(part)


def _drawn(part: Tensor) -> Tensor:
    """Return the same noise for every picture: what becomes of one must not depend on the batch it came in."""
    generator = torch.Generator().manual_seed(0)
    return torch.randn(part.shape[1:], generator=generator).to(part)


def _scale(part: Tensor, _whole: Tensor, number: float) -> Tensor:
    return part * number


_FUNCTIONS: Mapping[str, Callable[[Tensor, Tensor, float], Tensor]] = {
    "zero": _zero,
    "mean": _mean,
    "noise": _noise,
    "gaussian": _gaussian,
    "scale": _scale,
}


@dataclass(frozen=True, eq=False, repr=False, init=False)
class Ablation(Edit):
    """Remove what channels carry, or scale it.

    Attributes
    ----------
    address : Address or str
        Channels (all, some, or at one position) of a layer.
    how : str
        What takes their place:

        - ``zero``.
        - ``mean``: each channel's mean over the picture.
        - ``noise``: Gaussian noise with each channel's own mean and standard deviation over the picture, so that a
          network that averages over positions loses next to nothing.
        - ``gaussian``: Gaussian noise of mean 0; its standard deviation is that of all the layer's activations on the
          picture, over channels and positions. Nothing of the channel is left.
        - ``randomize`` or ``randomize:SEED``: what the channel would be with random weights and bias, normally
          distributed with the mean and standard deviation of the layer's own; see `Randomize`, which it becomes in
          `Classifier.edited`. At a layer without weights (an activation, a norm, a pooling) they are those of the
          convolution or linear layer that makes its channels.
        - ``scale:X``: X times themselves.

        Noise is the same each time, for any picture. Where there are no positions, in a vector or at one position, a
        channel is its own mean and has no spread: ``mean`` and ``noise`` leave it as it is.

    Examples
    --------
    >>> Ablation("features.28:40", how="zero") == Ablation("features.28:40")
    True
    """

    how: str
    kind = "ablation"

    def __init__(self, address: Address | str, how: str = "zero") -> None:
        object.__setattr__(self, "address", Address.parse(address))
        object.__setattr__(self, "how", how)
        self._name_and_number()

    def _name_and_number(self) -> tuple[str, float]:
        name, _, text = self.how.partition(":")
        try:
            number = float(text) if text else 0.0
        except ValueError:
            name, number = "", 0.0
        whole = number.is_integer() and number >= 0
        takes_number = name == "scale" or (name == "randomize" and whole)
        if name not in (*_FUNCTIONS, "randomize") or (text and not takes_number) or (name == "scale" and not text):
            raise DreamscopeError(
                f"'{self.how}' is no way to ablate; there are zero, mean, noise, gaussian, randomize and scale:X"
                + did_you_mean(self.how, (*_FUNCTIONS, "randomize"))
            )
        return name, number

    def settled(self, network: Network) -> Edit:
        """See `Edit.settled`: random weights need a layer that has weights."""
        name, seed = self._name_and_number()
        if name != "randomize":
            return super().settled(network)
        layer = self.address.layer
        maker = layer if has_rows(network.module.get_submodule(layer)) else network.producers.get(layer)
        if maker is None:
            order = list(network.layers)
            before = [each for each in network.producers.values() if order.index(each) < order.index(layer)]
            nearest = f", such as '{before[-1]}'" if before else ""
            raise DreamscopeError(
                f"'{layer}' is no convolution or linear layer, and no one of these makes its channels alone: randomize "
                f"one of them{nearest}"
            )
        return Randomize.of(network.module.get_submodule(maker), replace(self.address, layer=maker), int(seed))

    def __call__(self, activation: Tensor) -> Tensor:
        """See `Edit.__call__`."""
        place = place_of(activation, self.address)
        changed = activation.clone()
        changed[place] = self._changed(activation[place], activation)
        return changed

    def change(self, part: Tensor) -> Tensor:
        """See `Edit.change`; for ``gaussian``, of a layer that has no other channels."""
        return self._changed(part, part)

    def _changed(self, part: Tensor, whole: Tensor) -> Tensor:
        name, number = self._name_and_number()
        if name not in _FUNCTIONS:
            raise DreamscopeError(
                f"'{self.address}' ({self.how}) changes weights, not activations: edit a network, model.edited(...)"
            )
        return _FUNCTIONS[name](part, whole, number)
