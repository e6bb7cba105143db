"""Calibration: which form of a network gets an ascent on fastest on this machine, by measuring.

Where a faster form bends the gradient, it is judged by what counts: a few steps on real pictures, whose end is measured
in plain float32.
"""

from __future__ import annotations

import hashlib
import json
import time
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace

import torch
from torch import Tensor
from torch.nn import functional as F

from dreamscope import files, images
from dreamscope.errors import DivergedError, DreamscopeError
from dreamscope.images import Size
from dreamscope.models.classifier import Classifier
from dreamscope.models.devices import synchronize
from dreamscope.objectives import Objective
from dreamscope.optimize.ascent import Ascent
from dreamscope.optimize.forms import DTYPES, FORMATS, Form
from dreamscope.optimize.gradient_filters import unit_mean
from dreamscope.optimize.initial_images import clouds
from dreamscope.optimize.parameterizations import Pixel
from dreamscope.optimize.transforms import Shift
from dreamscope.optimize.update_rules import GradientStep
from dreamscope.probes import probe

LIKE_FLOAT32 = 0.98
"""The cosine between a gradient and the float32 one from which on no ascent could tell them apart."""

LEAST_RISE = 0.93
"""Where they differ more, an ascent averages much of it out: how far it must rise a step, as a share of float32's."""

LEAST_GAIN = 1.1
"""How much faster such a form must get on; for less no exactness is given up."""

_STEPS = 8
_RATE = 1.5 / 255  # mean change of a colour a step, as in a dream
_SHIFT = 16

WORTH_MEASURING = 500_000
"""Number of weights; a smaller network runs in float32 as it is."""

_FILE = "calibration.json"


@dataclass(frozen=True)
class Measured:
    """One row of a calibration.

    Attributes
    ----------
    form : str
        How the network was run.
    seconds : float
        Of a step.
    cosine : float
        Between its gradient and the plain one.
    rise : float or None
        Where that differs and it is faster: how far an ascent in this form rises, as a share of one in float32. Both
        ends are measured in plain float32.
    """

    form: str
    seconds: float
    cosine: float
    rise: float | None = None

    def __str__(self) -> str:
        rise = "" if self.rise is None else f", rise {self.rise:.2f}"
        return f"{self.form} {self.seconds * 1e3:.0f} ms (cosine {self.cosine:.3f}{rise})"


@dataclass(frozen=True)
class Choice:
    """A form, and the measurements that it was chosen by; none if there was no choice."""

    form: Form
    measured: tuple[Measured, ...] = ()

    def __str__(self) -> str:
        return f"{self.form}" + (f", measured: {', '.join(map(str, self.measured))}" if self.measured else "")


def choose(model: Classifier, light: Classifier, layers: list[str], side: int, precision: str) -> Choice:
    """Return the form for climbing at some layers, from the cache if it has been measured before.

    Parameters
    ----------
    model
        As it is: what others are compared with.
    light
        The same in fewer operations, in float32: what is put in other forms.
    layers
        Names of the layers to climb at.
    side
        Of the pictures that are measured on, in pixels.
    precision
        ``auto``, or one in `dreamscope.optimize.forms.DTYPES` in its faster memory format.

    Raises
    ------
    DreamscopeError
        If the network does not run in the precision that is asked for.
    """
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
            gradient, seconds = _measure(form.of(light), layers, side)
        except DreamscopeError:
            continue
        cosine = F.cosine_similarity(gradient.flatten(), plain.flatten(), dim=0).item()
        rows.append(Measured(str(form), seconds, cosine))
    if not rows:
        if precision == "auto":
            return Choice(Form())
        raise DreamscopeError(f"{model.name} does not run in {precision} on {model.device}")
    if precision == "auto":
        rows = _with_rises(rows, model, light, layers, side)
    good = [row for row in rows if precision != "auto" or row.cosine >= LIKE_FLOAT32 or (row.rise or 0) >= LEAST_RISE]
    if not good:
        return Choice(Form(), tuple(rows))
    choice = Choice(Form.parse(max(good, key=_pace).form), tuple(rows))
    _remember(key, choice)
    return choice


def _pace(row: Measured) -> float:
    """Return what a form rises a second, float32's rise a step being 1 and more than that chance."""
    rise = 1.0 if row.cosine >= LIKE_FLOAT32 else min(1.0, row.rise or 1.0) / LEAST_GAIN
    return rise / max(row.seconds, 1e-9)


def _with_rises(
    rows: Sequence[Measured], model: Classifier, light: Classifier, layers: list[str], side: int
) -> list[Measured]:
    """Climb a few steps in each form that is well faster than float32 but not as exact, in its faster memory format."""
    exact = [row for row in rows if row.cosine >= LIKE_FLOAT32]
    if not exact:
        return list(rows)
    best = min(exact, key=lambda row: row.seconds)
    fastest = {Form.parse(row.form).precision: row for row in sorted(rows, key=lambda row: -row.seconds)}
    faster = [row for row in fastest.values() if row.cosine < LIKE_FLOAT32 and row.seconds * LEAST_GAIN < best.seconds]
    if not faster:
        return list(rows)
    climb = _Climb(model, layers, side)
    whole = climb.rise(Form.parse(best.form).of(light))
    if not whole > 0:
        return list(rows)
    rises = {row.form: climb.rise(Form.parse(row.form).of(light)) / whole for row in faster}
    return [replace(row, rise=rises.get(row.form)) for row in rows]


class _Climb:
    """A short ascent on real pictures, and how far it gets: measured in plain float32, whatever it climbed in."""

    def __init__(self, model: Classifier, layers: Sequence[str], side: int) -> None:
        self._plain, self._layers = model, tuple(layers)
        self._start = torch.cat([_square(images.read(f"sample:{name}"), side) for name in images.SAMPLES])
        self._first = self._squares(self._start)

    def rise(self, model: Classifier) -> float:
        """Return by how much it has risen in the end; 1 is as much as it was in the beginning."""
        # Each layer and each picture counts the same.
        objective = Objective.of(lambda seen: _sum_of_ratios(_squares(seen), self._first), self._layers)
        ascent = Ascent(GradientStep(_RATE, unit_mean), transforms=[Shift(_SHIFT)])
        climbed = Pixel.of(self._start.to(model.device))
        try:
            with torch.enable_grad():
                end = ascent(model, climbed, objective, steps=_STEPS, generator=torch.Generator().manual_seed(0))
        except DivergedError:
            return 0.0
        return float(_sum_of_ratios(self._squares(end), self._first).mean()) / len(self._layers) - 1

    def _squares(self, pictures: Tensor) -> dict[str, Tensor]:
        with torch.no_grad(), probe(self._plain, self._layers) as seen:
            return _squares(seen(pictures))


def _squares(activations: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Return each layer's mean square for each picture, (N,)."""
    return {name: each.float().square().flatten(1).mean(1) for name, each in activations.items()}


def _sum_of_ratios(these: Mapping[str, Tensor], those: Mapping[str, Tensor]) -> Tensor:
    return torch.stack([each / those[name].clamp_min(1e-30) for name, each in these.items()]).sum(0)


def _square(image: Tensor, side: int) -> Tensor:
    """Return the left part of a picture, `side` pixels each way."""
    height, width = image.shape[-2:]
    return images.resize(image, Size(round(width * side / height), side)).clamp(0, 1)[..., :side]


def _candidates(device: torch.device, precision: str) -> list[Form]:
    precisions = [precision]
    if precision == "auto":
        precisions = ["float32"]
        if device.type == "cuda":
            precisions += ["bfloat16", "float16"] if torch.cuda.is_bf16_supported() else ["float16"]
        elif device.type == "mps":
            precisions += ["float16"]
        elif torch.backends.mkldnn.is_available() and torch.ops.mkldnn._is_mkldnn_bf16_supported():
            precisions += ["bfloat16", "mixed"]
    return [Form(name, format_) for name in precisions for format_ in FORMATS]


def _measure(model: Classifier, layers: list[str], side: int, repeats: int = 3) -> tuple[Tensor, float]:
    """Return the gradient of the layers' mean squares on clouds, and the best time of a step in seconds."""
    picture = clouds(Size(side, side), torch.Generator().manual_seed(0)).to(model.device)
    best = float("inf")
    with torch.enable_grad(), probe(model, layers) as seen:
        for _ in range(repeats):
            synchronize(model.device)
            started = time.perf_counter()
            leaf = picture.clone().requires_grad_()
            squares = _squares(seen(leaf))
            # Each layer counts the same, whatever the size of its numbers.
            value = _sum_of_ratios(squares, {name: each.detach() for name, each in squares.items()}).sum()
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
    machine = [device, *DTYPES, torch.__version__, torch.backends.cpu.get_cpu_capability(), torch.get_num_threads()]
    digest.update(json.dumps([layers, [str(edit) for edit in model.edits], side, precision, machine]).encode())
    return digest.hexdigest()


def _store() -> Mapping[str, dict[str, object]]:
    found = files.recall(_FILE)
    return found if isinstance(found, dict) else {}


def _recall(key: str) -> Choice | None:
    try:
        kept = _store()[key]
        rows = tuple(Measured(**row) for row in kept["measured"])  # type: ignore[attr-defined]
        return Choice(Form.parse(str(kept["form"])), rows)
    except (KeyError, TypeError, DreamscopeError):
        # Never measured, or a file of another make: measure.
        return None


def _remember(key: str, choice: Choice) -> None:
    kept = {"form": str(choice.form), "measured": [asdict(row) for row in choice.measured]}
    files.remember(_FILE, {**_store(), key: kept})
