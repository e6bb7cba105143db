"""Edits as plain weights: a changed network that PyTorch loads without dreamscope, with the same outputs.

Whole channels times a number, or plus a number, are the same as other numbers in the weights that make these channels
(their producer), or in those that take them in (their consumers). Which weights these are is not read off the
network's code but found by trying, see `_Bench`.
"""

from __future__ import annotations

import copy
import json
from collections.abc import Collection, Iterator, Mapping
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F
from torch.utils._pytree import tree_leaves, tree_map

from dreamscope.errors import DreamscopeError
from dreamscope.files import ensure_writable, written_whole
from dreamscope.models.classifier import Classifier
from dreamscope.models.edit_base import Edit
from dreamscope.models.edits import Ablation, edit_hooks
from dreamscope.models.hooks import Hook, attached
from dreamscope.models.layers import Layer
from dreamscope.models.weight_changes import UnbakeableError, WeightChange, weight_change_of

_Changes = dict[str, Tensor]

_REACH = 4  # Number of parts with weights before a layer that are tried as the one that makes its channels.


@torch.no_grad()
def bake(model: Classifier) -> dict[str, Tensor]:
    """Return a network's weights with its edits in them.

    Parameters
    ----------
    model
        With edits ``zero``, ``scale:X`` and `Add` of whole channels; it stays as it is.

    Returns
    -------
    dict of str to Tensor
        The state dict of ``model.module``, on the CPU: the same keys, shapes and precision. A network with it
        puts out what `model` puts out, within 1e-4 (of the largest logit, if that is over 1).

    Raises
    ------
    DreamscopeError
        If no weights do what an edit does: it needs the picture (``mean``, ``noise``, `Patch`), stands at one
        position, its channels are summed with others (a skip connection) before weights take them in, or no bias is
        there to hold what is added.
    """
    # A GPU's short-cuts in multiplication, and half precision, would hide small mistakes and feign others.
    exact = torch.promote_types(model.dtype, torch.float32)
    twin, original = (copy.deepcopy(model.module).to("cpu", exact) for _ in range(2))
    images = _pictures(model.input_size)
    inputs = model.normalization(images).to(exact)
    for edit in model.edits:
        _bake_one(twin, edit, model.layers, inputs)
    wanted = _tensors(model.with_module(original)(images))
    for ours, theirs in zip(_tensors(twin(inputs)), wanted, strict=True):
        if not _alike(ours, theirs, 1e-4 * max(1.0, float(theirs.abs().max()))):
            raise DreamscopeError(f"{model.name} can't be baked: with the edits in its weights its outputs differ")
    kept = model.module.state_dict()
    return {key: value.to(kept[key].dtype).contiguous().clone() for key, value in twin.state_dict().items()}


def export(model: Classifier, path: str | Path) -> Path:
    """Write a network's weights with its edits in them; see `bake`.

    Parameters
    ----------
    model
        With edits that can be baked.
    path
        A ``.safetensors`` file; its metadata name the edits, under ``dreamscope``.

    Returns
    -------
    Path
        The file. ``load(NAME, weights=path)`` reads it, and so do torchvision and timm.
    """
    from safetensors.torch import save_file

    path = Path(path)
    if path.suffix.lower() != ".safetensors":
        raise DreamscopeError(f"weights are written as .safetensors; '{path}' ends otherwise")
    ensure_writable(path)
    state = bake(model)
    with written_whole(path) as temporary:
        save_file(state, temporary, {"dreamscope": json.dumps([edit.to_dict() for edit in model.edits])})
    return path


def _bake_one(twin: nn.Module, edit: Edit, layers: Mapping[str, Layer], inputs: Tensor) -> None:
    try:
        bench = _Bench(twin, edit, weight_change_of(edit), layers, inputs)
        ways = (bench.producers, bench.consumers)
        if not any(
            bench.accepts(*trial) for way in ways[:: 1 if bench.change.producers_first else -1] for trial in way()
        ):
            raise UnbakeableError(bench.reason)
    except UnbakeableError as error:
        how = edit.how if isinstance(edit, Ablation) else edit.kind
        raise DreamscopeError(f"'{edit.address}' ({how}) can't be baked into weights: {error}") from error


class _Bench:
    """A network on which one edit is compared with changes of weights.

    Every part that has weights is held: it puts out noise, always the same, whatever goes in. So nothing is
    seen through a part but what flows straight into it, by sums, concatenations or anything else, and no
    channel escapes the comparison because the pictures at hand do not excite it, or what it is added to.
    """

    def __init__(
        self, module: nn.Module, edit: Edit, change: WeightChange, layers: Mapping[str, Layer], inputs: Tensor
    ) -> None:
        self.module, self.edit, self.change, self.layers, self.inputs = module, edit, change, layers, inputs
        self.layer = edit.address.layer
        self.reason = "no weights make these channels alone, or take them in alone"
        self.state: _Changes = module.state_dict()
        self._noise: dict[str, list[Any]] = {}
        self._order: list[str] = []
        generator = torch.Generator().manual_seed(0)

        def hook_for(name: str) -> Hook:
            def hook(_module: nn.Module, given: tuple[Any, ...], output: Any) -> None:
                # Without its inputs (given by keyword) it is unknown what flows into it.
                if _tensors(given):
                    self._noise.setdefault(name, []).append(tree_map(lambda leaf: _noise_like(leaf, generator), output))
                    self._order.append(name)

            return hook

        own = [n for n, part in module.named_modules() if n and [*part.parameters(False), *part.buffers(False)]]
        with attached(module, {name: hook_for(name) for name in {*own, self.layer}}):
            module(inputs.clone())
        # Of parts with weights inside each other the innermost: a block's own factor stays part of the flow.
        ran = [name for name in own if name in self._noise]
        self.weighted = {name for name in ran if not any(other.startswith(f"{name}.") for other in ran)}
        self.around = [name for name in self.weighted if self.layer.startswith(f"{name}.")]

    def producers(self) -> Iterator[tuple[_Changes, set[str]]]:
        """Yield changes of the rows of what may make the channels, nearest first, and the parts to hold."""
        last = max(i for i, name in enumerate(self._order) if name == self.layer)
        # timm's norms hold the activation that follows them, so they may be around the layer.
        before = [name for name in reversed(self._order[: last + 1]) if name in self.weighted]
        near = list(dict.fromkeys([*self.around, *before]))[:_REACH]
        channels = self.edit.address.channels
        rows = slice(None) if channels is None else list(channels)
        for count, name in enumerate(near, 1):
            weights = {k: self.state[f"{name}.{k}"].clone() for k in ("weight", "bias") if f"{name}.{k}" in self.state}
            if not weights or any(len(value) != self.layers[self.layer].channels for value in weights.values()):
                continue
            try:
                self.change.rows(name, weights, rows)
            except UnbakeableError as error:
                self.reason = str(error)
                continue
            yield (
                {f"{name}.{key}": value for key, value in weights.items()},
                self.weighted - {*near[:count], self.layer},
            )

    def consumers(self) -> Iterator[tuple[_Changes, set[str]]]:
        """Yield the change of the columns of all that take the channels in, and the parts to hold."""
        held = {*self.weighted, self.layer}
        plain, edited = self.run(held, edited=False), self.run(held, edited=True)
        changes: _Changes = {}
        for name, given in plain.items():
            pairs = list(zip(given, edited[name], strict=True))
            if all(torch.equal(one, other) for one, other in pairs):
                continue
            if not name:
                self.reason = "they reach the network's output with no weights in between"
                return
            part = self.module.get_submodule(name)
            if f"{name}.weight" not in self.state:
                self.reason = f"they go into '{name}' ({type(part).__name__}), which has no weights for single channels"
                return
            axis = -1 if isinstance(part, nn.Linear) else 1
            one, other = (torch.cat([pair[i].movedim(axis, 0).flatten(1) for pair in pairs], 1) for i in (0, 1))
            try:
                columns = self.change.columns(name, part, one, other)
            except UnbakeableError as error:
                self.reason = str(error)
                return
            changes |= {f"{name}.{key}": value for key, value in columns.items()}
        yield changes, held

    def accepts(self, changes: _Changes, held: set[str]) -> bool:
        """Put changes in, and leave them in if all that is held then gets what it gets from the edit."""
        places = {self.state[key].data_ptr() for key in changes}
        # By place and not by name, since two parts can share weights.
        touched = {key.rpartition(".")[0] for key, value in self.state.items() if value.data_ptr() in places}
        held = held - touched
        wanted = self.run(held, edited=True)
        before = {key: self.state[key].clone() for key in changes}
        self._put(changes)
        got = self.run(held, edited=False)
        if all(_alike(*pair) for name in wanted for pair in zip(got[name], wanted[name], strict=True)):
            return True
        self._put(before)
        return False

    def _put(self, changes: _Changes) -> None:
        for key, value in changes.items():
            self.state[key].copy_(value)

    def run(self, held: Collection[str], *, edited: bool) -> dict[str, list[Tensor]]:
        """Return what goes into each held part, call by call, and what comes out at the end, under ``""``."""
        taken: dict[str, list[Tensor]] = {}

        def hook_for(name: str) -> Hook:
            outputs = iter(self._noise[name])

            def hook(_module: nn.Module, given: tuple[Any, ...], _output: Any) -> Any:
                # Copies, since what follows may work in place.
                taken.setdefault(name, []).extend(tensor.clone() for tensor in _tensors(given))
                return tree_map(lambda leaf: leaf.clone() if isinstance(leaf, Tensor) else leaf, next(outputs))

            return hook

        hooks = {name: hook_for(name) for name in held if name not in self.around}
        edits = edit_hooks([self.edit], self.layers) if edited else {}
        with attached(self.module, hooks), attached(self.module, edits):
            taken[""] = _tensors(self.module(self.inputs.clone()))
        return taken


def _alike(ours: Tensor, theirs: Tensor, tolerance: float | None = None) -> bool:
    if tolerance is None:
        tolerance = 1e-5 * float(theirs.abs().max())
    return bool((ours - theirs).abs().max() <= tolerance)


def _tensors(values: Any) -> list[Tensor]:
    return [leaf for leaf in tree_leaves(values) if isinstance(leaf, Tensor)]


def _noise_like(value: Any, generator: torch.Generator) -> Any:
    if not isinstance(value, Tensor) or not value.is_floating_point() or not value.dim():
        return value
    noise = torch.randn(value.shape, generator=generator, dtype=value.dtype)
    # Weak and strong, and some of it all positive: an activation is then met on all its branches.
    noise[::2] = noise[::2].abs()
    strength = torch.logspace(-1, 1, len(value), dtype=value.dtype) * (float(value.square().mean().sqrt()) or 1.0)
    return noise * strength.view(-1, *[1] * (value.dim() - 1))


def _pictures(size: tuple[int, int]) -> Tensor:
    """Return four images, fine noise and coarse: a network's channels seldom respond to one kind alone."""
    generator = torch.Generator().manual_seed(0)
    fine = torch.rand((2, 3, *size), generator=generator)
    coarse = F.interpolate(torch.rand((2, 3, 8, 8), generator=generator), size, mode="bicubic").clamp(0, 1)
    return torch.cat([fine, coarse])
