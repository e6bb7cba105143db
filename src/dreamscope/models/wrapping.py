"""From any network to a classifier, without touching the network."""

from __future__ import annotations

import copy
from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor, nn

from dreamscope.errors import DreamscopeError
from dreamscope.models.classifier import Classifier, Normalization


def wrap(
    module: nn.Module,
    *,
    name: str | None = None,
    labels: Sequence[str] = (),
    mean: Sequence[float] = (0.0, 0.0, 0.0),
    std: Sequence[float] = (1.0, 1.0, 1.0),
    input_size: int | tuple[int, int] = 224,
    crop: float = 1.0,
    default_address: str = "",
    source: dict[str, Any] | None = None,
) -> Classifier:
    """Make any network a classifier. It works on a copy: the caller's module stays exactly as it is.

    Parameters
    ----------
    module
        Takes (N, 3, H, W); a later change to it does not reach the classifier.
    name
        What messages call it; the class name if not given.
    labels
        Class names.
    mean, std
        The normalization it was trained with, for R, G and B in [0, 1].
    input_size
        (height, width), or one number for a square.
    crop
        The share of the shorter side that `Classifier.classify` looks at.
    default_address
        Where to dream when nothing is said.
    source
        How to load it again, for recipes.

    Raises
    ------
    DreamscopeError
        If `module` is no ``nn.Module``, is compiled or scripted (its layers can't be seen), or can't be
        copied; if a number of `mean`, `std` or `input_size` makes no sense.
    """
    if isinstance(module, Classifier):
        return module
    if not isinstance(module, nn.Module):
        raise DreamscopeError(f"a classifier is made of an nn.Module, not of {type(module).__name__}")
    if isinstance(module, torch.jit.ScriptModule) or hasattr(module, "_orig_mod"):
        raise DreamscopeError("a scripted or compiled module hides its layers; give the module it was made of")
    if len(mean) != 3 or len(std) != 3 or min(std) <= 0:
        raise DreamscopeError(f"mean and std are three numbers each, std above 0; got {tuple(mean)} and {tuple(std)}")
    size = (input_size, input_size) if isinstance(input_size, int) else tuple(input_size)
    if len(size) != 2 or min(size) < 1:
        raise DreamscopeError(f"input size is one number or (height, width), above 0; got {input_size}")
    return Classifier(
        _frozen_copy(module),
        name=name or type(module).__name__,
        labels=labels,
        normalization=Normalization(_three(mean), _three(std)),
        input_size=(size[0], size[1]),
        crop=crop,
        default_address=default_address,
        source=source,
    )


def _frozen_copy(module: nn.Module) -> nn.Module:
    # copy.deepcopy refuses tensors inside a graph (what the old weight_norm leaves): hand it plain ones.
    memo: dict[int, Any] = {
        id(value): value.detach().clone()
        for part in module.modules()
        for value in vars(part).values()
        if isinstance(value, Tensor) and not value.is_leaf
    }
    try:
        twin = copy.deepcopy(module, memo)
    except Exception as error:
        raise DreamscopeError(
            f"{type(module).__name__} can't be copied ({type(error).__name__}: {error}); "
            "dreamscope never works on the module it is given"
        ) from error
    return twin.eval().requires_grad_(False)


def _three(values: Sequence[float]) -> tuple[float, float, float]:
    red, green, blue = (float(value) for value in values)
    return (red, green, blue)
