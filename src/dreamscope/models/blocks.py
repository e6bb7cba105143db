"""Blocks: the repeated parts that a network is made of, and the features that its last weights read."""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator
from typing import Any

import torch
from torch import Tensor, nn

from dreamscope.errors import DreamscopeError
from dreamscope.models.classifier import Classifier
from dreamscope.models.hooks import Hook, attached
from dreamscope.models.layers import tensor_of
from dreamscope.models.twins import twin_of

FEWEST = 4
"""Where a level of a network has fewer blocks, the next level is looked at."""

_CONTAINERS = (nn.Sequential, nn.ModuleList, nn.ModuleDict)
_DEEPEST = 4
"""Levels of parts within parts that are looked at."""

# Attention, and what weights other channels (the gates of squeeze and excitation), is no detector.
_NO_ACTIVATIONS = (
    *(nn.MultiheadAttention, nn.Softmax, nn.LogSoftmax, nn.Softmin, nn.Softmax2d),
    *(nn.Sigmoid, nn.Hardsigmoid),
)


def blocks(model: Classifier) -> list[str]:
    """Return the names of a network's blocks, in the order of the forward pass.

    Those are the first modules below plain containers that have parts and weights of their own: residual blocks,
    Inception modules, transformer blocks. In a plain stack of layers the pooling layers count, or where there
    are none the activations.

    Parameters
    ----------
    model
        The classifier.

    Returns
    -------
    list of str
        Each runs once in a pass and puts out channels at several positions.

    Raises
    ------
    DreamscopeError
        If no layer puts out a map or tokens.
    """
    maps = [name for name, layer in model.layers.items() if layer.calls == 1 and math.prod(layer.grid) > 1]
    found: list[str] = []
    level = [""]
    for _ in range(_DEEPEST):
        level = [name for parent in level for name in _below(model.module, parent) if _is_compound(model, name)]
        deeper = [name for name in maps if name in level]
        found = max(found, deeper, key=len)
        if len(found) >= FEWEST:
            return _without_stem(model, found)
    parts = {name: model.module.get_submodule(name) for name in maps}
    pools = [name for name in maps if isinstance(parts[name], nn.MaxPool2d | nn.AvgPool2d)]
    found = found or pools or [name for name in maps if is_activation(parts[name])] or maps
    if not found:
        raise DreamscopeError(f"no layer of {model.name} puts out a map or tokens; it has no blocks")
    return found


def features(model: Classifier) -> str:
    """Return the layer whose output the last layer with weights takes in, found by a pass of noise.

    That is the first layer that puts out these numbers, or else whose means over positions they are. Where there is
    none (a vision transformer reads one token of many), it is the last block. Edits play no part.

    Parameters
    ----------
    model
        The classifier.

    Raises
    ------
    DreamscopeError
        If the network has no classes.
    """
    twin = twin_of(model.module)
    outputs: dict[str, Tensor] = {}
    fed: Tensor | None = None

    def hook_for(name: str) -> Hook:
        def hook(module: nn.Module, inputs: tuple[Any, ...], output: Any) -> None:
            nonlocal fed
            tensor = tensor_of(output)
            if tensor is not None:
                outputs[name] = tensor.clone()
            if _holds_matrix(module.parameters(recurse=False)):
                fed = tensor_of(inputs)

        return hook

    with torch.no_grad(), attached(twin, {name: hook_for(name) for name in model.layers}):
        model.scores(twin(model.example()))
    once = {name: outputs[name] for name, layer in model.layers.items() if layer.calls == 1}
    same = [name for name, output in once.items() if _same_numbers(output, fed)]
    if same:
        return _whole(model, same[0], same)
    for name, output in once.items():
        means = output.movedim(model.layers[name].channel_axis, 1).flatten(2).mean(2) if output.dim() > 2 else output
        if fed is not None and means.shape == fed.shape and torch.allclose(means, fed, rtol=1e-4, atol=1e-6):
            return name
    return blocks(model)[-1]


def is_activation(part: nn.Module) -> bool:
    """Return whether a module is an activation function whose channels may be detectors: no gate, no attention."""
    return type(part).__module__.endswith(("modules.activation", "layers.activations")) and not isinstance(
        part, _NO_ACTIVATIONS
    )


def _below(module: nn.Module, parent: str) -> Iterator[str]:
    """Yield the names of a module's parts, those of plain containers in place of the containers."""
    for own, child in module.get_submodule(parent).named_children():
        name = f"{parent}.{own}" if parent else own
        if type(child) in _CONTAINERS:
            yield from _below(module, name)
        else:
            yield name


def _is_compound(model: Classifier, name: str) -> bool:
    """Return whether a module has parts, and weights: a batch norm with an activation inside is no block."""
    part = model.module.get_submodule(name)
    return next(part.children(), None) is not None and _holds_matrix(part.parameters())


def _holds_matrix(weights: Iterable[Tensor]) -> bool:
    return any(weight.dim() > 1 for weight in weights)


def _is_container(model: Classifier, name: str) -> bool:
    return type(model.module.get_submodule(name)) in _CONTAINERS


def _without_stem(model: Classifier, found: list[str]) -> list[str]:
    """Leave out what comes before the first block of a stack: the stem, such as a patch embedding."""
    stacked = [name for name in found if _is_container(model, name.rpartition(".")[0])]
    return found[found.index(stacked[0]) :] if len(stacked) >= FEWEST else found


def _whole(model: Classifier, name: str, same: list[str]) -> str:
    """Return the outermost of the modules `same` around one: a pooling layer stands for its mean and its flattening."""
    parent = name.rpartition(".")[0]
    return _whole(model, parent, same) if parent in same and not _is_container(model, parent) else name


def _same_numbers(output: Tensor, fed: Tensor | None) -> bool:
    return fed is not None and output.numel() == fed.numel() and torch.equal(output.flatten(), fed.flatten())
