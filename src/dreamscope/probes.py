"""Look into a network: record activations, stop early, edit - and leave nothing behind."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any, Self

import torch
from torch import Tensor, nn

from dreamscope import images as pictures
from dreamscope.errors import DreamscopeError
from dreamscope.models.addresses import Address, resolve
from dreamscope.models.classifier import Classifier
from dreamscope.models.edits import EditLike, Patch, ensure_edits
from dreamscope.models.hooks import Hook
from dreamscope.models.layers import tensor_of, with_tensor
from dreamscope.models.wrapping import wrap

LOGITS = ""
"""The name of the class scores, (N, classes) before softmax, among layers: no layer has an empty name."""


class _EverythingSeen(BaseException):
    """Ends a forward pass once all layers are recorded.

    A ``BaseException``, so that a network's own ``except Exception`` does not swallow it.
    """


class Probe(Mapping[str, Tensor]):
    """Runs a classifier as far as needed and keeps what the layers put out.

    Made by `probe`. Called with images it returns itself: a mapping from layer name to activation
    (N, C, ...), **channels second whatever the network's own order** (tokens become (N, C, T)). Each is a
    clone (or what `keep` makes of it) taken the moment the layer finished, so that an in-place operation
    after it can't change it; the graph behind it is kept, so that gradients flow. Of a layer that runs
    several times in one pass, the last time counts. A probe belongs to the thread that entered it.

    Attributes
    ----------
    output : Any
        What the network put out in the last pass; ``None`` if the pass stopped early.
    """

    output: Any

    def __init__(
        self,
        model: Classifier | nn.Module,
        layers: Iterable[str | Address],
        *,
        edits: EditLike | Iterable[EditLike] = (),
        to_the_end: bool = False,
        keep: Callable[[Tensor], Tensor] = torch.clone,
    ) -> None:
        self.output = None
        self._given = model
        self._wanted = list(layers)
        self._edits = ensure_edits(edits)
        self._logits = LOGITS in self._wanted
        self._names: list[str] = []
        self._to_the_end = to_the_end or self._logits
        self._keep = keep
        self._seen: dict[str, Tensor] = {}
        self._calls: dict[str, int] = {}
        self._stack: ExitStack | None = None
        self._thread = 0
        self._running = False
        self._classifier: Classifier | None = None
        if isinstance(model, Classifier):
            self._resolve(model)

    @property
    def model(self) -> Classifier:
        """The classifier that it runs, edits included; of a plain module there is one after the first pass."""
        if self._classifier is None:
            raise DreamscopeError("a probe of a module has a classifier only after its first pass")
        return self._classifier

    def _resolve(self, model: Classifier) -> Classifier:
        wanted = [each for each in self._wanted if each != LOGITS]
        found = [] if self._logits and not wanted else resolve(wanted, model)
        self._names = list(dict.fromkeys(address.layer for address in found))
        self._classifier = model.edited(self._edits) if self._edits else model
        return self._classifier

    def __enter__(self) -> Self:
        if self._stack is not None:
            raise DreamscopeError("this probe is already in use; make another with probe(...)")
        self._stack = ExitStack()
        self._thread = threading.get_ident()
        if self._classifier is not None:
            self._attach(self._classifier)
        return self

    def _attach(self, model: Classifier) -> None:
        assert self._stack is not None
        self._stack.enter_context(model.hooked({name: self._hook(name, model) for name in self._names}))

    def __exit__(self, *_: object) -> None:
        if self._stack is not None:
            self._stack.close()
        self._stack = None

    def __call__(self, images: Tensor) -> Self:
        """Run images (N, 3, H, W) in [0, 1] and record.

        Raises
        ------
        DreamscopeError
            Outside a ``with`` block, in another thread, or if a layer did not run this time, or put out no tensor.
        """
        if self._stack is None:
            raise DreamscopeError("a probe records inside a with block: with probe(model, layers) as seen: ...")
        if self._thread != threading.get_ident():
            raise DreamscopeError("a probe belongs to the thread that entered it; make another with probe(...)")
        model = self._classifier
        if model is None:
            # Only now it is known which size of picture the network takes.
            model = self._resolve(wrap(self._given, input_size=(images.shape[-2], images.shape[-1])))
            self._attach(model)
        self._seen.clear()
        self._calls.clear()
        self.output = None
        self._running = True
        try:
            self.output = model(images)
        except _EverythingSeen:
            pass
        finally:
            self._running = False
        if self._logits:
            self._seen[LOGITS] = model.scores(self.output)
        absent = [name for name in self._names if name not in self._seen]
        if absent:
            raise DreamscopeError(f"layer '{absent[0]}' of {model.name} did not run, or put out no tensor")
        return self

    def _hook(self, name: str, model: Classifier) -> Hook:
        layer = model.layers[name]
        calls = {each: model.layers[each].calls for each in self._names}

        def record(_module: nn.Module, _inputs: tuple[Any, ...], output: Any) -> None:
            # Passes of another probe of the same network (nested blocks) are not recorded here.
            tensor = tensor_of(output) if self._running else None
            if tensor is None:
                return
            self._seen[name] = self._keep(tensor.movedim(layer.channel_axis, 1))
            self._calls[name] = self._calls.get(name, 0) + 1
            if not self._to_the_end and all(self._calls.get(each, 0) >= times for each, times in calls.items()):
                raise _EverythingSeen

        return record

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
        name = self._given.name if isinstance(self._given, Classifier) else type(self._given).__name__
        return f"Probe({name!r}, {[str(each) for each in self._wanted]})"


def probe(
    model: Classifier | nn.Module,
    layers: str | Address | Iterable[str | Address],
    *,
    edits: EditLike | Iterable[EditLike] = (),
    to_the_end: bool = False,
    keep: Callable[[Tensor], Tensor] = torch.clone,
) -> Probe:
    """Look into a classifier, for the length of a ``with`` block.

    Parameters
    ----------
    model
        The classifier; its hooks, flags and weights are never touched, and no other thread sees the probe. Any other
        module is copied by the first pass, see `wrap`; the images of that pass are of its input size.
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

    Raises
    ------
    DreamscopeError
        If there is no such layer, or an edit does not fit.

    Examples
    --------
    ::

        with probe(model, ["features.28"]) as seen:
            activation = seen(images)["features.28"]
    """
    names = [layers] if isinstance(layers, str | Address) else layers
    return Probe(model, names, edits=edits, to_the_end=to_the_end, keep=keep)


def means(activation: Tensor) -> Tensor:
    """Return the means over positions, (N, C), of an activation (N, C, ...); what a probe is to `keep` of features."""
    return activation.reshape(*activation.shape[:2], -1).float().mean(2)


def patch(model: Classifier, photo: str | Path | Any, address: str | Address) -> Patch:
    """Return the edit that puts a photo's activations in place.

    Parameters
    ----------
    model
        The classifier that the photo runs through, with its edits.
    photo
        One photo, as `images.read` takes it; resized and cropped as the network was tested, as `Classifier.classify`
        does it.
    address
        Where: a layer, some of its channels, or these at one position.

    Raises
    ------
    DreamscopeError
        If the photo can't be read or is more than one, or the address is none or several.

    Examples
    --------
    ::

        patched = model.edited(patch(model, "flower.jpg", "blocks.4.2"))
    """
    found = resolve([address], model)
    if len(found) > 1:
        raise DreamscopeError(f"a photo is patched in at one address; '{address}' names {len(found)}")
    images = pictures.read(photo)
    if len(images) != 1:
        raise DreamscopeError(f"one photo is patched in at a time, not {len(images)}")
    with torch.no_grad(), probe(model, found) as seen:
        return Patch(found[0], seen(model.prepared(images))[found[0].layer])


@contextmanager
def tapped(model: Classifier, layers: Sequence[str]) -> Iterator[dict[str, Tensor]]:
    """Catch what layers put out, for the length of the block, in this thread.

    A probe keeps a copy that nothing depends on; what is caught here is what the following layers compute with, so
    that gradients of the output reach it, and nothing can change it: the network goes on with a copy. Of a layer that
    runs several times in one pass, the last time counts.

    Parameters
    ----------
    model
        The classifier, never touched.
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

    with model.hooked({name: hook_for(name) for name in layers}):
        yield caught
