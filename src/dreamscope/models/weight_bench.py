"""A bench on which an edit is compared with changes of weights, until one is found that does the same.

Which weights make the channels of a layer, and which take them in, is not read off the network's code but found by
trying.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from functools import cached_property
from itertools import pairwise
from typing import Any

import torch
from torch import Tensor, nn
from torch.utils._pytree import tree_leaves, tree_map

from dreamscope.models.edit_base import Edit
from dreamscope.models.edits import edit_hooks
from dreamscope.models.hooks import Hook, attached
from dreamscope.models.layers import Layer, tensor_of, with_tensor
from dreamscope.models.weight_changes import WeightChange
from dreamscope.models.weight_parts import Changes, Inflow, Part, UnbakeableError, norm_shifted

_REACH = 4  # Number of parts with weights before a layer that are tried as the one that makes its channels.


class Bench:
    """A network whose parts hold still, to see what flows between them.

    Every part that has weights can be held: it then puts out noise, always the same, whatever goes in. So nothing is
    seen through a part but what flows straight into it, by sums, concatenations or anything else, and no
    channel escapes a comparison because the pictures at hand do not excite it, or what it is added to.

    Attributes
    ----------
    module : Module
        The network.
    layers : Mapping of str to Layer
        Its layer table.
    state : dict of str to Tensor
        Its weights, to be changed in place.
    order : list of str
        The parts that have weights and the edited layers, as they ran.
    weighted : set of str
        The parts that have weights.
    """

    def __init__(self, module: nn.Module, layers: Mapping[str, Layer], inputs: Tensor, edited: Collection[str]) -> None:
        self.module, self.layers, self._inputs = module, layers, inputs
        self.state: Changes = module.state_dict()
        self.order: list[str] = []
        self._noise: dict[str, list[Any]] = {}
        generator = torch.Generator().manual_seed(0)

        def hook_for(name: str) -> Hook:
            def hook(_module: nn.Module, given: tuple[Any, ...], output: Any) -> None:
                # Without its inputs (given by keyword) it is unknown what flows into it.
                if tensors(given):
                    self._noise.setdefault(name, []).append(tree_map(lambda leaf: _noise_like(leaf, generator), output))
                    self.order.append(name)

            return hook

        own = [n for n, part in module.named_modules() if n and [*part.parameters(False), *part.buffers(False)]]
        with attached(module, {name: hook_for(name) for name in {*own, *edited}}):
            module(inputs.clone())
        # Of parts with weights inside each other the innermost: a block's own factor stays part of the flow.
        ran = [name for name in own if name in self._noise]
        self.weighted = {name for name in ran if not any(other.startswith(f"{name}.") for other in ran)}

    def part(self, name: str) -> Part:
        """Return a part with copies of its weights."""
        keys = [key for key in ("weight", "bias") if f"{name}.{key}" in self.state]
        weights = {key: self.state[f"{name}.{key}"].clone() for key in keys}
        return Part(name, self.module.get_submodule(name), weights)

    def run(
        self, held: Collection[str], edit: Edit | None = None, instead: Mapping[str, Callable[[Any], Any]] | None = None
    ) -> dict[str, list[Tensor]]:
        """Return what goes into each held part, call by call, and what comes out at the end, under ``""``.

        Parameters
        ----------
        held
            Names of parts.
        edit
            Is applied, if given.
        instead
            What parts put out instead of their noise, made of it.
        """
        taken: dict[str, list[Tensor]] = {}

        def forward_of(name: str) -> Callable[..., Any]:
            outputs = map((instead or {}).get(name, lambda noise: noise), self._noise[name])

            def forward(*given: Any, **_named: Any) -> Any:
                # Copies, since what follows may work in place.
                taken.setdefault(name, []).extend(tensor.clone() for tensor in tensors(given))
                return tree_map(lambda leaf: leaf.clone() if isinstance(leaf, Tensor) else leaf, next(outputs))

            return forward

        edits = {} if edit is None else edit_hooks([edit], self.layers)
        with _held(self.module, {name: forward_of(name) for name in held}), attached(self.module, edits):
            taken[""] = tensors(self.module(self._inputs.clone()))
        return taken


class Trial:
    """One edit on a bench, compared with changes of weights until one is found that does the same.

    Attributes
    ----------
    reason : str
        Why none has been found so far.
    """

    def __init__(self, bench: Bench, edit: Edit, change: WeightChange) -> None:
        self._bench, self._edit, self._change = bench, edit, change
        self._layer = edit.address.layer
        self._around = [name for name in bench.weighted if self._layer.startswith(f"{name}.")]
        self._held = {*bench.weighted, self._layer}.difference(self._around)
        self.reason = "no weights make these channels alone, or take them in alone"

    def bake_into_producers(self) -> bool:
        """Put the edit into the weights that make the channels, and tell whether there are such."""
        return any(self._accepts(*trial) for trial in self._producers())

    def bake_into_consumers(self) -> bool:
        """Put the edit into the weights that take the channels in, and tell whether there are such."""
        return any(self._accepts(*trial) for trial in self._consumers())

    def _producers(self) -> Iterator[tuple[Changes, set[str]]]:
        """Yield changes of the rows of what may make the channels, nearest first, and the parts to hold."""
        bench = self._bench
        last = max(i for i, name in enumerate(bench.order) if name == self._layer)
        # timm's norms hold the activation that follows them, so they may be around the layer.
        before = [name for name in reversed(bench.order[: last + 1]) if name in bench.weighted]
        near = list(dict.fromkeys([*self._around, *before]))
        channels = self._edit.address.channels
        rows = slice(None) if channels is None else list(channels)
        for count, name in enumerate(near[:_REACH], 1):
            part, earlier = bench.part(name), bench.part(near[count]) if count < len(near) else None
            if not part.weights or any(len(w) != bench.layers[self._layer].channels for w in part.weights.values()):
                continue
            try:
                changes = self._placed(self._change.rows(part, earlier, rows))
            except UnbakeableError as error:
                self.reason = str(error)
                continue
            yield changes, bench.weighted - {*near[:count], self._layer}

    def _consumers(self) -> Iterator[tuple[Changes, set[str]]]:
        """Yield the change of the columns of all that take the channels in, and the parts to hold."""
        plain, edited = self._bench.run(self._held), self._bench.run(self._held, self._edit)
        changes: Changes = {}
        for name, given in plain.items():
            pairs = list(zip(given, edited[name], strict=True))
            if all(torch.equal(one, other) for one, other in pairs):
                continue
            if not name:
                self.reason = "they reach the network's output with no weights in between"
                return
            part = self._bench.part(name)
            if "weight" not in part.weights:
                self.reason = f"they go into {part}, which has no weights for single channels"
                return
            one, other = (_channels_first(part, [pair[i] for pair in pairs]) for i in (0, 1))
            sources = self._sources(part) if self._change.mixes else None
            try:
                changes |= self._placed(self._change.columns(Inflow(part, one, other, sources)))
            except UnbakeableError as error:
                self.reason = str(error)
                return
        yield changes, self._held

    def _placed(self, changes: Changes) -> Changes:
        """Return changes with what parts without a bias need of one in the bias of the norm behind them."""
        placed = {key: value for key, value in changes.items() if key in self._bench.state}
        order = [name for name in self._bench.order if name in self._bench.weighted]
        for key in changes.keys() - placed.keys():
            name = key.removesuffix(".bias")
            if changes[key].any():
                behind = {after for part, after in pairwise(order) if part == name}
                norm = self._bench.part(behind.pop()) if len(behind) == 1 else None
                shifted = None if norm is None else norm_shifted(norm, changes[key])
                if shifted is None:
                    raise UnbakeableError(f"'{name}' has no bias, and no norm comes right behind it")
                placed |= shifted
        return placed

    def _sources(self, part: Part) -> Tensor:
        """Return for each channel that goes into a part the edited layer's channel that it is, -1 for none."""
        marked, unmarked = (_channels_first(part, run[part.name]) for run in self._marked)
        return (marked - unmarked).nan_to_num(0.0).amax(1).round().long() - 1

    @cached_property
    def _marked(self) -> tuple[dict[str, list[Tensor]], dict[str, list[Tensor]]]:
        """What goes into each part if the layer puts out its channels' numbers, from 1 on, and if zeros."""

        def marks(output: Any) -> Any:
            tensor = tensor_of(output)
            if tensor is None:
                return output
            axis = self._bench.layers[self._layer].channel_axis
            numbers = torch.arange(1, tensor.shape[axis] + 1).to(tensor)
            return with_tensor(output, numbers.view(-1, *[1] * (tensor.dim() - 1 - axis)).expand_as(tensor))

        marked, unmarked = (
            self._bench.run(self._held, instead={self._layer: put_out})
            for put_out in (marks, lambda output: tree_map(torch.zeros_like, output))
        )
        return marked, unmarked

    def _accepts(self, changes: Changes, held: set[str]) -> bool:
        """Put changes in, and leave them in if all that is held then gets what it gets from the edit."""
        places = {self._bench.state[key].data_ptr() for key in changes}
        # By place and not by name, since two parts can share weights.
        touched = {key.rpartition(".")[0] for key, value in self._bench.state.items() if value.data_ptr() in places}
        held = held - touched - {*self._around}
        wanted = self._bench.run(held, self._edit)
        before = {key: self._bench.state[key].clone() for key in changes}
        self._put(changes)
        got = self._bench.run(held)
        if all(alike(*pair) for name in wanted for pair in zip(got[name], wanted[name], strict=True)):
            return True
        self._put(before)
        return False

    def _put(self, changes: Changes) -> None:
        for key, value in changes.items():
            self._bench.state[key].copy_(value)


@contextmanager
def _held(module: nn.Module, forwards: Mapping[str, Callable[..., Any]]) -> Iterator[None]:
    """Let functions run in place of parts; a hook would have them run first, for nothing."""
    with ExitStack() as stack:
        for name, forward in forwards.items():
            attributes = vars(module.get_submodule(name))
            own = {"forward": attributes["forward"]} if "forward" in attributes else {}
            attributes["forward"] = forward
            stack.callback(attributes.update, own)
            stack.callback(attributes.pop, "forward")
        yield


def alike(ours: Tensor, theirs: Tensor, tolerance: float | None = None) -> bool:
    """Tell whether numbers differ by no more than `tolerance`, 1e-5 of the largest if not given."""
    if tolerance is None:
        tolerance = 1e-5 * float(theirs.abs().max())
    return bool((ours - theirs).abs().max() <= tolerance)


def tensors(values: Any) -> list[Tensor]:
    """Return all tensors in a tree of tuples, lists and dicts."""
    return [leaf for leaf in tree_leaves(values) if isinstance(leaf, Tensor)]


def _channels_first(part: Part, given: list[Tensor]) -> Tensor:
    """Return what goes into a part in all its calls as (C, M)."""
    axis = -1 if isinstance(part.module, nn.Linear) else 1
    return torch.cat([tensor.movedim(axis, 0).flatten(1) for tensor in given], 1)


def _noise_like(value: Any, generator: torch.Generator) -> Any:
    if not isinstance(value, Tensor) or not value.is_floating_point() or not value.dim():
        return value
    noise = torch.randn(value.shape, generator=generator, dtype=value.dtype)
    # Weak and strong, and some of it all positive: an activation is then met on all its branches.
    noise[::2] = noise[::2].abs()
    strength = torch.logspace(-1, 1, len(value), dtype=value.dtype) * (float(value.square().mean().sqrt()) or 1.0)
    return noise * strength.view(-1, *[1] * (value.dim() - 1))
