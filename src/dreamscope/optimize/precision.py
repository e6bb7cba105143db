"""The execution context: the fastest form of a network for climbing at some layers, chosen by measuring.

An ascent runs one part of a network hundreds of times. `prepared` folds what can be folded and takes the
precision and the memory format that were fastest on this machine among those whose gradient still points
where the plain float32 one does. The form is kept with the classifier, the choice on disk.
"""

from __future__ import annotations

import hashlib
import json
import time
from collections.abc import Collection, Mapping, Sequence
from dataclasses import asdict, dataclass

import torch
from torch import Tensor
from torch.nn import functional as F

from dreamscope import files
from dreamscope.errors import DreamscopeError, ensure_one_of
from dreamscope.images import Size
from dreamscope.models.classifier import Classifier
from dreamscope.models.devices import synchronize
from dreamscope.models.randomize import Randomize
from dreamscope.models.twins import twin_of
from dreamscope.optimize.folding import folded
from dreamscope.optimize.initial_images import clouds
from dreamscope.probes import probe

LEAST_COSINE = 0.98
"""The least cosine between a gradient and the float32 one."""

WORTH_MEASURING = 500_000
"""Number of weights; a smaller network runs in float32 as it is."""

_DTYPES = {"float32": torch.float32, "bfloat16": torch.bfloat16, "float16": torch.float16}
_FORMATS = {"contiguous": torch.contiguous_format, "channels_last": torch.channels_last}
_FILE = "calibration.json"
PRECISIONS = ("auto", *_DTYPES)


@dataclass(frozen=True)
class Form:
    """How a network is run: ``PRECISION/FORMAT``, such as ``bfloat16/channels_last``."""

    precision: str = "float32"
    format: str = "contiguous"

    def __str__(self) -> str:
        return f"{self.precision}/{self.format}"


@dataclass(frozen=True)
class Measured:
    """One row of a calibration: a form, seconds a step, and the cosine of its gradient with the plain one's."""

    form: str
    seconds: float
    cosine: float


@dataclass(frozen=True)
class Choice:
    """A form, and the measurements that it was chosen by; none if there was no choice."""

    form: Form
    measured: tuple[Measured, ...] = ()

    def __str__(self) -> str:
        rows = ", ".join(f"{row.form} {row.seconds * 1e3:.0f} ms (cosine {row.cosine:.3f})" for row in self.measured)
        return f"{self.form}" + (f", measured: {rows}" if rows else "")


def prepared(
    model: Classifier, layers: Collection[str], longer: int, precision: str = "auto"
) -> tuple[Classifier, Choice]:
    """Return a classifier that gives the same at `layers`, faster, and what was chosen for it.

    It is made once for the same layers, class of size and precision, and kept with `model` until its weights change.

    Parameters
    ----------
    model
        Not changed. The result shares weights with it and with later calls: change neither's.
    layers
        Names of the layers that will be recorded; others may be folded away.
    longer
        The longer side of the largest picture.
    precision
        ``auto``; ``float32``, ``bfloat16`` or ``float16`` for the faster format of that precision; or a whole
        form (``bfloat16/channels_last``) as a recipe has it.

    Raises
    ------
    DreamscopeError
        If there is no such precision, or it does not run here.
    """
    if "/" in precision:
        _parse(precision)
    else:
        ensure_one_of(precision, PRECISIONS, "precision")
    if model.dtype != torch.float32:
        # Someone's own precision: folding in it would round once more.
        return model, Choice(_parse(precision) if "/" in precision else Form())
    # Two classes of size: what holds for a small map need not for a large one.
    side = 128 if longer <= 192 else 256
    names = tuple(sorted(layers))
    key = (names, side, precision, model.weights_version())
    return model.forms.get(key, lambda: _made(model, names, side, precision))


def _made(model: Classifier, layers: Sequence[str], side: int, precision: str) -> tuple[Classifier, Choice]:
    keep = {*layers, *(edit.address.layer for edit in model.edits)}
    random = {edit.address.layer for edit in model.edits if isinstance(edit, Randomize)}
    # What is kept must serve later calls, whatever mode this one runs in.
    with torch.inference_mode(False):
        light = model.with_module(folded(model.module, keep, model.example(), random))
        choice = Choice(_parse(precision)) if "/" in precision else _choose(model, light, list(layers), side, precision)
        return _in_form(light, choice.form), choice


def _parse(text: str) -> Form:
    precision, _, format_ = text.partition("/")
    if precision not in _DTYPES or format_ not in _FORMATS:
        raise DreamscopeError(f"'{text}' is no PRECISION/FORMAT: {', '.join(_DTYPES)} / {', '.join(_FORMATS)}")
    return Form(precision, format_)


def _in_form(model: Classifier, form: Form) -> Classifier:
    dtype, format_ = _DTYPES[form.precision], _FORMATS[form.format]
    tensors = [*model.module.parameters(), *model.module.buffers()]
    if form == Form() and all(t.is_contiguous() and t.dtype == dtype for t in tensors if t.is_floating_point()):
        return model
    module = twin_of(model.module, own_parameters=True).to(dtype)
    return model.with_module(module.to(memory_format=format_))


def _choose(model: Classifier, light: Classifier, layers: list[str], side: int, precision: str) -> Choice:
    weights = sum(parameter.numel() for parameter in model.module.parameters())
    if weights < WORTH_MEASURING and precision in ("auto", "float32"):
        return Choice(Form())
    key = _key(model, layers, side, precision)
    known = _recall(key)
    if known is not None:
        return known
    # Positions outside a small map, sizes that a network does not take: nothing to measure then.
    try:
        plain, _ = _measure(model, layers, side, repeats=1)
    except DreamscopeError:
        return Choice(Form())
    rows = []
    for form in _candidates(model.device, precision):
        try:
            gradient, seconds = _measure(_in_form(light, form), layers, side)
        except DreamscopeError:
            continue
        cosine = F.cosine_similarity(gradient.flatten(), plain.flatten(), dim=0).item()
        rows.append(Measured(str(form), seconds, cosine))
    good = [row for row in rows if row.cosine >= LEAST_COSINE or precision != "auto"]
    if not good:
        if precision == "auto":
            return Choice(Form())
        raise DreamscopeError(f"{model.name} does not run in {precision} on {model.device}")
    choice = Choice(_parse(min(good, key=lambda row: row.seconds).form), tuple(rows))
    _remember(key, choice)
    return choice


def _candidates(device: torch.device, precision: str) -> list[Form]:
    precisions = [precision]
    if precision == "auto":
        precisions = ["float32"]
        if device.type == "cuda":
            precisions += ["bfloat16", "float16"] if torch.cuda.is_bf16_supported() else ["float16"]
        elif device.type == "mps":
            precisions += ["float16"]
        elif torch.backends.mkldnn.is_available() and torch.ops.mkldnn._is_mkldnn_bf16_supported():
            precisions += ["bfloat16"]
    return [Form(name, format_) for name in precisions for format_ in _FORMATS]


def _measure(model: Classifier, layers: list[str], side: int, repeats: int = 3) -> tuple[Tensor, float]:
    """Return the gradient of the layers' mean squares on clouds, and the best time of a step in seconds."""
    picture = clouds(Size(side, side), torch.Generator().manual_seed(0)).to(model.device)
    best = float("inf")
    with torch.enable_grad(), probe(model, layers) as seen:
        for _ in range(repeats):
            synchronize(model.device)
            started = time.perf_counter()
            leaf = picture.clone().requires_grad_()
            activations = seen(leaf)
            # Each layer counts the same, whatever the size of its numbers.
            terms = [a.float().square().mean() for a in activations.values()]
            value = torch.stack([term / term.detach().clamp_min(1e-30) for term in terms]).sum()
            (gradient,) = torch.autograd.grad(value, leaf)
            synchronize(model.device)
            best = min(best, time.perf_counter() - started)
    return gradient.float(), best


def _key(model: Classifier, layers: list[str], side: int, precision: str) -> str:
    """Return what a measurement holds for, as a digest: network, weights, layers, size, machine, versions."""
    digest = hashlib.sha256(repr(model.module).encode())
    for parameter in model.module.parameters():
        first = " ".join(f"{value:.6g}" for value in parameter.flatten()[:1].tolist())
        digest.update(f"{tuple(parameter.shape)} {first}".encode())
    device = torch.cuda.get_device_name(model.device) if model.device.type == "cuda" else model.device.type
    machine = [device, torch.__version__, torch.backends.cpu.get_cpu_capability(), torch.get_num_threads()]
    digest.update(json.dumps([layers, [str(edit) for edit in model.edits], side, precision, machine]).encode())
    return digest.hexdigest()


def _store() -> Mapping[str, dict[str, object]]:
    found = files.recall(_FILE)
    return found if isinstance(found, dict) else {}


def _recall(key: str) -> Choice | None:
    try:
        kept = _store()[key]
        rows = tuple(Measured(**row) for row in kept["measured"])  # type: ignore[attr-defined]
        return Choice(_parse(str(kept["form"])), rows)
    except (KeyError, TypeError, DreamscopeError):
        # Never measured, or a file of another make: measure.
        return None


def _remember(key: str, choice: Choice) -> None:
    kept = {"form": str(choice.form), "measured": [asdict(row) for row in choice.measured]}
    files.remember(_FILE, {**_store(), key: kept})
