"""Looking in: record activations, stop early, edit - and leave nothing behind."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from typing import Any, Self

import torch
from torch import Tensor, nn

from dreamscope.errors import DreamscopeError
from dreamscope.models.addresses import Address, resolve
from dreamscope.models.classifier import Classifier
from dreamscope.models.edits import Ablation
from dreamscope.models.hooks import Hook, attached
from dreamscope.models.layers import tensor_of, with_tensor

LOGITS = ""
"""What a probe calls the class scores, (N, classes) before softmax, among layers: no layer has an empty name."""


class _EverythingSeen(BaseException):
    """Ends a forward pass when nothing asked for is left to come.

    A ``BaseException``, so that a network's own ``except Exception`` does not swallow it.
    """


class Probe(Mapping[str, Tensor]):
    """Runs a classifier as far as needed and keeps what the layers asked for put out.

    Made by `probe`. Called with images it returns itself: a mapping from layer name to activation
    (N, C, ...), **channels second whatever the network's own order** (tokens become (N, C, T)). Each is a
    clone (or what `keep` makes of it) taken the moment the layer finished, so that an in-place operation
    after it can't change it; the graph behind it is kept, so that gradients flow. Of a layer that runs
    several times in one pass, the last time counts.
    """

    def __init__(
        self,
        model: Classifier,
        layers: Iterable[str | Address],
        *,
        edits: Iterable[Ablation] = (),
        to_the_end: bool = False,
        keep: Callable[[Tensor], Tensor] = torch.clone,
    ) -> None:
        wanted = list(layers)
        self._logits = LOGITS in wanted
        wanted = [each for each in wanted if each != LOGITS]
        found = [] if self._logits and not wanted else resolve(wanted, model)
        self._names = list(dict.fromkeys(address.layer for address in found))
        edits = list(edits)
        self.model = model.edited(edits) if edits else model
        self._to_the_end = to_the_end or self._logits
        self._keep = keep
        self._seen: dict[str, Tensor] = {}
        self._calls: dict[str, int] = {}
        self._stack: ExitStack | None = None
        self._running = False
        self.output: Any = None

    def __enter__(self) -> Self:
        if self._stack is not None:
            raise DreamscopeError("this probe is already in use; make another with probe(...)")
        self._stack = ExitStack()
        self._stack.enter_context(attached(self.model.module, {name: self._hook(name) for name in self._names}))
        return self

    def __exit__(self, *_: object) -> None:
        if self._stack is not None:
            self._stack.close()
        self._stack = None

    def __call__(self, images: Tensor) -> Self:
        """Run images (N, 3, H, W) in [0, 1] and record.

        Raises
        ------
        DreamscopeError
            Outside a ``with`` block, or if a layer did not run this time, or put out no tensor.
        """
        if self._stack is None:
            raise DreamscopeError("a probe records inside a with block: with probe(model, layers) as seen: ...")
        self._seen.clear()
        self._calls.clear()
        self.output = None
        self._running = True
        try:
            self.output = self.model(images)
        except _EverythingSeen:
            pass
        finally:
            self._running = False
        if self._logits:
            self._seen[LOGITS] = self.model.scores(self.output)
        absent = [name for name in self._names if name not in self._seen]
        if absent:
            raise DreamscopeError(f"layer '{absent[0]}' of {self.model.name} did not run, or put out no tensor")
        return self

    def _hook(self, name: str) -> Hook:
        layer = self.model.layers[name]

        def record(_module: nn.Module, _inputs: tuple[Any, ...], output: Any) -> None:
            # Another probe's pass over the same network (nested blocks) is none of ours.
            tensor = tensor_of(output) if self._running else None
            if tensor is None:
                return
            self._seen[name] = self._keep(tensor.movedim(layer.channel_axis, 1))
            self._calls[name] = self._calls.get(name, 0) + 1
            if not self._to_the_end and self._all_done():
                raise _EverythingSeen

        return record

    def _all_done(self) -> bool:
        return all(self._calls.get(name, 0) >= self.model.layers[name].calls for name in self._names)

    def __getitem__(self, name: str) -> Tensor:
        try:
            return self._seen[name]
        except KeyError:
            raise DreamscopeError(
                f"nothing recorded at '{name}'; recorded: {', '.join(self._seen) or 'nothing yet'}"
            ) from None

    def __contains__(self, name: object) -> bool:
        return name in self._seen

    def __iter__(self) -> Any:
        return iter(self._seen)

    def __len__(self) -> int:
        return len(self._seen)

    def __repr__(self) -> str:
        return f"Probe({self.model.name!r}, {self._names})"


def probe(
    model: Classifier,
    layers: str | Address | Iterable[str | Address],
    *,
    edits: Iterable[Ablation] = (),
    to_the_end: bool = False,
    keep: Callable[[Tensor], Tensor] = torch.clone,
) -> Probe:
    """Look into a classifier, for the length of a ``with`` block.

    Parameters
    ----------
    model
        The classifier; its hooks, flags and weights are afterwards as they were, whatever happens.
    layers
        Layer names, globs (``features.*``) or addresses (of which only the layer counts); `LOGITS` for the
        class scores.
    edits
        Changes inside the network that hold in this probe only.
    to_the_end
        Run the whole network, its result being ``seen.output``; otherwise the pass stops as soon as the
        last of the layers has put out its activation.
    keep
        What to keep of an activation (N, C, ...) instead of a clone: a new tensor, such as its mean over
        positions, where whole activations of many layers would be too many.

    Examples
    --------
    ::

        with probe(model, ["features.28"]) as seen:
            activation = seen(images)["features.28"]
    """
    names = [layers] if isinstance(layers, str | Address) else layers
    return Probe(model, names, edits=edits, to_the_end=to_the_end, keep=keep)


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
