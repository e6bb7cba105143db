"""Taps: what layers put out, on the way to what follows, so that a gradient can be taken to it."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

from torch import Tensor, nn

from dreamscope.models.classifier import Classifier
from dreamscope.models.hooks import Hook, attached
from dreamscope.models.layers import tensor_of, with_tensor


@contextmanager
def tapped(model: Classifier, layers: Sequence[str]) -> Iterator[dict[str, Tensor]]:
    """Catch what layers put out, for the length of the block.

    A probe keeps a copy beside the way; what lies here is on the way itself, and nothing that follows can change
    it: the network goes on with a copy. Of a layer that runs several times in one pass, the last time counts.

    Parameters
    ----------
    model
        The classifier; afterwards as it was.
    layers
        Names.

    Yields
    ------
    dict
        Name -> what the layer itself put out, its channels where the network has them
        (`Layer.channel_axis`); filled when the network runs.
    """
    caught: dict[str, Tensor] = {}

    def hook_for(name: str) -> Hook:
        def hook(_module: nn.Module, _inputs: tuple[Any, ...], output: Any) -> Any:
            tensor = tensor_of(output)
            if tensor is None:
                return None
            caught[name] = tensor
            return with_tensor(output, tensor.clone())

        return hook

    with attached(model.module, {name: hook_for(name) for name in layers}):
        yield caught
