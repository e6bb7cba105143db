"""From any network to a classifier, without touching the network."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from torch import nn

from dreamscope.errors import DreamscopeError
from dreamscope.models.classifier import Classifier, Normalization
from dreamscope.models.twins import private_copy, twin_of


def wrap(
    module: nn.Module,
    *,
    name: str | None = None,
    labels: Sequence[str] | None = None,
    mean: Sequence[float] | None = None,
    std: Sequence[float] | None = None,
    input_size: int | tuple[int, int] | None = None,
    crop: float | None = None,
    default_address: str | None = None,
    source: dict[str, Any] | None = None,
    owned: bool = False,
) -> Classifier:
    """Make any network a classifier. It works on a copy: the caller's module stays exactly as it is.

    Parameters
    ----------
    module
        Takes (N, 3, H, W); a later change to it does not reach the classifier. Of a `Classifier`, what is not given
        stays as it is; if nothing is given, it is returned itself.
    name
        What messages call it; the class name by default.
    labels
        Class names; none by default.
    mean, std
        The normalization it was trained with, for R, G and B in [0, 1]; 0 and 1 by default.
    input_size
        (height, width) in pixels, or one number for a square; 224 by default.
    crop
        The share of the shorter side that `Classifier.classify` crops to, 1 by default.
    default_address
        Where to dream if no address is given; chosen by depth by default.
    source
        How to load it again, for recipes.
    owned
        Nobody else has `module`, so that it need not be copied: it is frozen as it is.

    Raises
    ------
    DreamscopeError
        If `module` is no ``nn.Module``, is compiled or scripted (its layers can't be seen), or can't be
        copied; if a number of `mean`, `std` or `input_size` makes no sense.
    """
    given: dict[str, Any] = {
        "name": name,
        "labels": labels,
        "normalization": None if mean is None and std is None else _normalization(module, mean, std),
        "input_size": None if input_size is None else _size(input_size),
        "crop": crop,
        "default_address": default_address,
        "source": source,
    }
    given = {key: value for key, value in given.items() if value is not None}
    if isinstance(module, Classifier):
        if not given:
            return module
        if source is None:
            given["source"] = _source_with(module, labels=labels, mean=mean, std=std, input_size=input_size, crop=crop)
        return module.with_module(twin_of(module.module), **given)
    if not isinstance(module, nn.Module):
        raise DreamscopeError(f"a classifier is made of an nn.Module, not of {type(module).__name__}")
    if isinstance(module, torch.jit.ScriptModule) or hasattr(module, "_orig_mod"):
        raise DreamscopeError("a scripted or compiled module hides its layers; give the module it was made of")
    frozen = (module if owned else private_copy(module)).eval().requires_grad_(False)
    return Classifier(frozen, **{"name": type(module).__name__, **given})


def _source_with(model: Classifier, *, crop: float | None, **changes: Any) -> dict[str, Any]:
    """Return how to load a classifier with these changes again; nothing if ``load`` can't make them."""
    if crop is not None:
        return {}
    kept = {
        name: value if isinstance(value, int) else list(value) for name, value in changes.items() if value is not None
    }
    return {**model.plain_source, **kept}


def _normalization(module: nn.Module, mean: Sequence[float] | None, std: Sequence[float] | None) -> Normalization:
    usual = module.normalization if isinstance(module, Classifier) else Normalization()
    # A std of one's own says all about the range.
    scale = usual.scale if std is None else 1.0
    mean, std = (usual.mean if mean is None else mean), (usual.std if std is None else std)
    if len(mean) != 3 or len(std) != 3 or min(std) <= 0:
        raise DreamscopeError(f"mean and std are three numbers each, std above 0; got {tuple(mean)} and {tuple(std)}")
    return Normalization(_three(mean), _three(std), scale)


def _size(given: int | tuple[int, int]) -> tuple[int, int]:
    size = (given, given) if isinstance(given, int) else tuple(given)
    if len(size) != 2 or min(size) < 1:
        raise DreamscopeError(f"input size is one number or (height, width), above 0; got {given}")
    return (size[0], size[1])


def _three(values: Sequence[float]) -> tuple[float, float, float]:
    red, green, blue = (float(value) for value in values)
    return (red, green, blue)
