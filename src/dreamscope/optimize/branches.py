"""Ascents that listen to residual branches less than to the connections around them.

A residual block adds what its branch makes of an input to the input itself. Wu et al., "Skip Connections Matter: On the
Transferability of Adversarial Examples Generated with ResNets" (2020), scale down the gradient that comes through the
branches: what is left follows the early layers more, whose features networks share, so that other networks see a class
too where one network was shown it. Outputs stay what they are.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from torch import nn

from dreamscope.models.classifier import Classifier
from dreamscope.models.hooks import Hook
from dreamscope.models.layers import tensor_of


@contextmanager
def weakened(model: Classifier, share: float) -> Iterator[None]:
    """Let residual branches pass on `share` of their gradient, for the length of the block and in this thread."""
    if share == 1:
        yield
        return
    with model.hooked(dict.fromkeys(model.residual_branches, _passing(share))):
        yield


def _passing(share: float) -> Hook:
    def hook(_module: nn.Module, _inputs: tuple[Any, ...], output: Any) -> None:
        tensor = tensor_of(output)
        if tensor is not None and tensor.requires_grad:
            tensor.register_hook(lambda gradient: share * gradient)

    return hook
