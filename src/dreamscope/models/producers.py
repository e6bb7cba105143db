"""Producers: which convolution or linear layer makes the channels that a layer without weights puts out."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from typing import Any

import torch
from torch import Tensor, nn

from dreamscope.models.hooks import Hook, attached
from dreamscope.models.layers import Layer, tensor_of
from dreamscope.models.weight_parts import CONVOLUTIONS

_TRIALS = 6
"""Sets of channels that are changed; that two layers are mistaken for each other then takes 2^-6 for each channel."""


def has_rows(module: nn.Module) -> bool:
    """Tell whether a module is a convolution or linear layer: a row of weights makes each of its channels."""
    return isinstance(module, (nn.Linear, *CONVOLUTIONS))


@torch.no_grad()
def producers(module: nn.Module, layers: Mapping[str, Layer], images: Tensor) -> dict[str, str]:
    """Return for each layer the convolution or linear layer whose channels are its own, one by one.

    Found by trying: all of these layers put out noise in place of what they make, and half of their channels other
    noise in each of several trials. A layer that then changes in these channels and in no others, a norm, an
    activation or a pooling, is a function of each of them alone.

    Parameters
    ----------
    module
        The network, in eval mode, that no other thread runs; afterwards as it was.
    layers
        Its layer table.
    images
        (1, 3, H, W), as the module takes it.

    Returns
    -------
    dict
        Layer -> its producer, itself if it has such weights. Layers that have none, since they are sums, mixtures or
        concatenations, are left out.
    """
    makers = [name for name, layer in layers.items() if layer.calls == 1 and has_rows(module.get_submodule(name))]
    held = {name: _Noise(name, layers[name].channel_axis) for name in makers}
    changed: dict[str, Tensor] = {}

    def watch(name: str) -> Hook:
        def hook(_module: nn.Module, _inputs: tuple[Any, ...], output: Any) -> None:
            tensor = tensor_of(output)
            if tensor is not None and len(tensor) == _TRIALS + 1:
                found = tensor.movedim(layers[name].channel_axis, 1)
                found = found.reshape(*found.shape[:2], -1)
                # Rounding differs between rows of a batch.
                changed[name] = ((found[1:] - found[:1]).abs() > 1e-5 * found.abs().max()).any(2).cpu()

        return hook

    with attached(module, {name: noise.like for name, noise in held.items()}):
        module(images)
    watched = [name for name, layer in layers.items() if layer.calls == 1 and name not in held]
    with _held(module, held), attached(module, {name: watch(name) for name in watched}):
        module(images.expand(_TRIALS + 1, *images.shape[1:]))
    found = {name: name for name in makers}
    order = list(layers)
    for name, moved in changed.items():
        before = [maker for maker in makers if order.index(maker) < order.index(name)]
        for maker in reversed(before):
            own = held[maker].changed
            if own.shape == moved.shape and bool(moved.any()) and not bool((moved & ~own).any()):
                found[name] = maker
                break
    return {name: found[name] for name in order if name in found}


class _Noise:
    """What a layer puts out in place of what it makes: noise, and in each trial other noise in half of its channels.

    Attributes
    ----------
    changed : Tensor
        (trials, C), bool: which channels are of the other noise.
    """

    def __init__(self, name: str, axis: int) -> None:
        self._generator = torch.Generator().manual_seed(sum(name.encode()))
        self._axis = axis

    def like(self, _module: nn.Module, _inputs: tuple[Any, ...], output: Tensor) -> None:
        """Take the form and the strength of what a layer puts out; a forward hook."""
        self._example = output[:1]
        channels = output.shape[self._axis]
        self.changed = torch.rand((_TRIALS, channels), generator=self._generator) < 0.5

    def __call__(self, *_: Any, **__: Any) -> Tensor:
        shape = self._example.movedim(self._axis, 1).shape
        one, other = (torch.randn(shape, generator=self._generator) for _ in range(2))
        which = torch.cat([torch.zeros_like(self.changed[:1]), self.changed])
        drawn = torch.where(which.view(*which.shape, *[1] * (len(shape) - 2)), other, one)
        strength = float(self._example.float().square().mean().sqrt()) or 1.0
        return (drawn * strength).movedim(1, self._axis).to(self._example)


@contextmanager
def _held(module: nn.Module, forwards: Mapping[str, _Noise]) -> Iterator[None]:
    with ExitStack() as stack:
        for name, forward in forwards.items():
            attributes = vars(module.get_submodule(name))
            attributes["forward"] = forward
            stack.callback(attributes.pop, "forward")
        yield
