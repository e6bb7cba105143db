"""Tails: the part of a network behind a cut, started from activations that were kept.

Edits late in a network change nothing before them, so that many of them can start from the same activations.
"""

from __future__ import annotations

import math
import threading
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import torch
from torch import Tensor, nn
from torch.utils._pytree import tree_leaves, tree_map

from dreamscope.errors import DreamscopeError
from dreamscope.models.addresses import resolve
from dreamscope.models.classifier import Classifier
from dreamscope.models.hooks import Hook, attached
from dreamscope.models.layers import tensor_of, with_tensor
from dreamscope.models.twins import twin_of

TOLERANCE = 1e-6
"""How far the numbers of a tail may be from those of a whole pass, as a share of the largest."""


class Tail:
    """What of a classifier follows a layer, to be run from what that layer put out.

    All modules that run once and finish before the cut are skipped. What they would put out is replaced by NaN, so that
    what depends on it by another way than through the cut can't pass for a result; `cut_before` finds a layer that
    everything passes through.

    Parameters
    ----------
    model
        The classifier; it stays as it is. Its edits hold in the tail, too.
    cut
        The name of a layer that runs once in a pass.

    Attributes
    ----------
    model : Classifier
        Of the layers behind the cut, which can be looked at and edited inside of a `given` block; the others do not
        run. The images that it gets count for nothing but their number and size.
    cut : str
        The layer.

    Raises
    ------
    DreamscopeError
        If there is no such layer, it runs several times, or an edit of `model` is not behind it.

    Examples
    --------
    ::

        cut = cut_before(model, ["blocks.5.3"])
        with torch.no_grad(), tapped(model, [cut]) as caught:
            model(images)
        tail = Tail(model.edited(Ablation("blocks.5.3:40")), cut)
        logits = tail.logits(caught[cut])
    """

    def __init__(self, model: Classifier, cut: str) -> None:
        found = resolve([cut], model)
        self.cut = found[0].layer
        if len(found) > 1 or model.layers[self.cut].calls > 1:
            raise DreamscopeError(f"'{cut}' of {model.name} is not one layer that runs once; a tail starts behind one")
        known: _Pass = model.tails.get(model.weights_version(), lambda: _Pass(model))
        behind = known.behind(self.cut)
        for edit in model.edits:
            if edit.address.layer not in behind:
                raise DreamscopeError(
                    f"the edit at '{edit.address}' is not behind the cut at '{self.cut}', where the tail begins; "
                    f"cut before it, or edit from '{next(iter(behind), 'nowhere')}' on"
                )
        self._given = _Given()
        twin = twin_of(model.module)
        for name in known.skipped(self.cut):
            self._given.stand_in(twin.get_submodule(name), known.outputs[name])
        self._given.stand_in(twin.get_submodule(self.cut), known.outputs[self.cut], puts_out_what_is_given=True)
        self.model = model.with_module(twin)
        self.model.layers = {name: layer for name, layer in model.layers.items() if name in behind}
        self._layer = model.layers[self.cut]
        self._dim = tensor_of(known.outputs[self.cut]).dim()  # type: ignore[union-attr]

    @contextmanager
    def given(self, activation: Tensor) -> Iterator[Tensor]:
        """Run the tail's `model` from an activation for the length of the block, in this thread.

        Yields the images to call it with, (N, 3, H, W): it reads nothing of them, and they are NaN.

        Parameters
        ----------
        activation
            What the cut itself put out for N pictures of the classifier's input size, channels where the network has
            them (as `dreamscope.probes.tapped` catches it). It is never changed; gradients flow to it.

        Raises
        ------
        DreamscopeError
            If it has not as many axes or channels as the cut puts out.
        """
        layer = self._layer
        if activation.dim() != self._dim or activation.shape[layer.channel_axis] != layer.channels:
            raise DreamscopeError(
                f"'{self.cut}' puts out {self._dim} axes with {layer.channels} channels, not an activation of shape "
                f"{tuple(activation.shape)}"
            )
        before, self._given.activation = self._given.activation, activation.to(self.model.device)
        nothing = torch.tensor(torch.nan, device=self.model.device)
        try:
            yield nothing.expand(len(activation), 3, *self.model.input_size)
        finally:
            self._given.activation = before

    def logits(self, activation: Tensor) -> Tensor:
        """Return the class scores before softmax, float32 (N, classes), of what the cut put out; see `given`."""
        with self.given(activation) as images:
            return self.model.logits(images)

    def __repr__(self) -> str:
        return f"Tail({self.model!r}, cut={self.cut!r})"


class Whole:
    """A whole network in the place of a tail, where there is no cut: it is given the images themselves.

    Attributes
    ----------
    model : Classifier
        The network.
    """

    def __init__(self, model: Classifier) -> None:
        self.model = model

    @contextmanager
    def given(self, images: Tensor) -> Iterator[Tensor]:
        """Yield the images."""
        yield images


def part_behind(model: Classifier, cut: str | None) -> Tail | Whole:
    """Return what of a network runs behind a cut: all of it, where there is none; see `cut_before`."""
    return Whole(model) if cut is None else Tail(model, cut)


def cut_before(model: Classifier, layers: str | Sequence[str]) -> str | None:
    """Return the latest layer that a pass can start from when only some layers and what follows them must run.

    Found by trying, once for the same layers: candidates are the modules that finish before the first of `layers`
    starts, beside it or beside a module around it, the nearest first.

    Parameters
    ----------
    model
        The classifier; its edits play no part.
    layers
        Names or globs of the layers that are edited or looked at.

    Returns
    -------
    str or None
        The name of a layer; ``None`` if nothing but a whole pass will do.

    Raises
    ------
    DreamscopeError
        If there is no such layer.
    """
    texts = [layers] if isinstance(layers, str) else layers
    names = tuple(sorted({address.layer for address in resolve(texts, model)}))
    found: str | None = model.tails.get((names, model.weights_version()), lambda: _cut_before(model, names))
    return found


def _cut_before(model: Classifier, layers: Sequence[str]) -> str | None:
    plain = model.with_module(model.module, edits=())
    known: _Pass = plain.tails.get(plain.weights_version(), lambda: _Pass(plain))
    candidates = [name for name in known.before(layers) if name in plain.layers]
    generator = torch.Generator().manual_seed(1)
    images = torch.rand((2, 3, *plain.input_size), generator=generator)
    whole = _outputs(plain, images, [*candidates, *layers])
    for name in candidates:
        tail = Tail(plain, name)
        try:
            with tail.given(whole[name]) as nothing:
                found = _outputs(tail.model, nothing, layers)
        except Exception:
            # A network's own code may fail in any way where parts of it are skipped.
            continue
        if all(_same(values, whole[each]) for each, values in found.items()):
            return name
    return None


@torch.no_grad()
def _outputs(model: Classifier, images: Tensor, layers: Sequence[str]) -> dict[str, Tensor]:
    """Return what layers put out, and under an empty name the network itself."""
    found: dict[str, Tensor] = {}

    def hook_for(name: str) -> Hook:
        def hook(_module: nn.Module, _inputs: tuple[Any, ...], output: Any) -> None:
            tensor = tensor_of(output)
            if tensor is not None:
                found[name] = tensor.clone()

        return hook

    with model.hooked({name: hook_for(name) for name in layers}):
        output = model(images)
    leaves = [leaf.flatten() for leaf in tree_leaves(output) if isinstance(leaf, Tensor)]
    return {**found, "": torch.cat(leaves)}


def _same(found: Tensor, expected: Tensor) -> bool:
    # A comparison with NaN is false.
    return found.shape == expected.shape and bool((found - expected).abs().max() <= TOLERANCE * expected.abs().max())


class _Pass:
    """One pass of a picture through a network: what ran in which order, and what it put out.

    Attributes
    ----------
    order : list of str
        Names of modules as they finished; one that ran several times is there as often.
    outputs : dict
        What they put out the last time; of tensors, the shape and type without numbers.
    """

    def __init__(self, model: Classifier) -> None:
        self.order: list[str] = []
        self.outputs: dict[str, Any] = {}
        twin = twin_of(model.module)

        def hook_for(name: str) -> Hook:
            def hook(_module: nn.Module, _inputs: tuple[Any, ...], output: Any) -> None:
                self.order.append(name)
                self.outputs[name] = tree_map(_without_numbers, output)

            return hook

        names = [name for name, _ in twin.named_modules() if name]
        with torch.no_grad(), attached(twin, {name: hook_for(name) for name in names}):
            twin(model.example())
        self._calls = Counter(self.order)
        self._first = {name: place for place, name in reversed(list(enumerate(self.order)))}

    def behind(self, cut: str) -> dict[str, None]:
        """Return the modules that finish only after the cut, in order."""
        return dict.fromkeys(name for name, place in self._in_order() if place > self._first[cut])

    def skipped(self, cut: str) -> list[str]:
        """Return the modules that run once, before the cut, and none of whose parts runs after it."""
        later = {part for name in self.order[self._first[cut] :] for part in _with_parents(name)}
        return [name for name in self.order[: self._first[cut]] if self._calls[name] == 1 and name not in later]

    def before(self, layers: Sequence[str]) -> list[str]:
        """Return the modules that run once and finish before the first of `layers` starts: beside it or a parent.

        The innermost come first, and of those the last to finish.
        """
        # What is inside a layer finishes first: the earliest of it shows when the layer has started.
        starts = {
            layer: min(place for name, place in self._first.items() if layer in _with_parents(name)) for layer in layers
        }
        layer = min(layers, key=lambda name: (starts[name], -name.count(".")))
        finished = [name for name, place in self._in_order() if place < starts[layer] and self._calls[name] == 1]
        found: list[str] = []
        while layer:
            layer = self._caller(layer)
            found += [name for name in reversed(finished) if self._caller(name) == layer]
        return found

    def _in_order(self) -> list[tuple[str, int]]:
        return sorted(self._first.items(), key=lambda pair: pair[1])

    def _caller(self, name: str) -> str:
        """Return the innermost module around another that runs itself, as lists of modules don't; "" is the network."""
        parent = name.rpartition(".")[0]
        return parent if not parent or parent in self._first else self._caller(parent)


def _with_parents(name: str) -> list[str]:
    parts = name.split(".")
    return [".".join(parts[: depth + 1]) for depth in range(len(parts))]


def _without_numbers(value: Any) -> Any:
    floating = isinstance(value, Tensor) and value.is_floating_point()
    return torch.empty_like(value, device="meta") if floating else value


class _Given(threading.local):
    """The activation that this thread's passes start from, and what is put out in place of all before it."""

    activation: Tensor | None = None
    nothing: Tensor = torch.empty(0)

    def stand_in(self, part: nn.Module, output: Any, *, puts_out_what_is_given: bool = False) -> None:
        """Let a module put out NaN, or the activation, in the form of what it put out once for one picture.

        It keeps its name, parts and attributes, which the modules around it may read.
        """

        def forward(*_: Any, **__: Any) -> Any:
            if self.activation is None:
                raise DreamscopeError("a tail runs from an activation: with tail.given(activation): ...")
            blank = tree_map(self._blank, output)
            # A copy: what follows may change it in place.
            return with_tensor(blank, self.activation.clone()) if puts_out_what_is_given else blank

        forward_: Callable[..., Any] = forward
        vars(part)["forward"] = forward_

    def _blank(self, value: Any) -> Any:
        """Return NaN in the shape of a tensor without numbers, for as many pictures as are given."""
        if not (isinstance(value, Tensor) and value.is_meta):
            return value
        assert self.activation is not None
        shape = (len(self.activation), *value.shape[1:]) if value.shape[:1] == (1,) else value.shape
        # All share one memory, which takes less time than to fill it again for each; nobody reads it.
        size, device = math.prod(shape), self.activation.device
        if self.nothing.numel() < size or (self.nothing.dtype, self.nothing.device) != (value.dtype, device):
            self.nothing = torch.full((size,), torch.nan, dtype=value.dtype, device=device)
        return self.nothing[:size].view(shape)
