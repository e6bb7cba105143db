"""Invert: what is left of a picture at a layer?

After Mahendran and Vedaldi, "Understanding deep image representations by inverting them" (2014).
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor

from dreamscope import __version__, images
from dreamscope.errors import DivergedError, DreamscopeError, Interrupted, ensure_one_of, ensure_seed
from dreamscope.images import Size
from dreamscope.models.addresses import Address, resolve
from dreamscope.models.classifier import Classifier
from dreamscope.objectives import Match, select
from dreamscope.optimize.ascent import Report, Step, ascend
from dreamscope.optimize.parameterizations import PARAMETERIZATIONS
from dreamscope.optimize.precision import Choice, prepared
from dreamscope.optimize.regularizers import TotalVariation
from dreamscope.optimize.update_rules import Adam
from dreamscope.probes import probe
from dreamscope.recipes import Recipe, reference

STARTS = ("noise", "gray")
RATES = {"fourier": 0.25, "pixel": 0.02, "maco": 0.3}
"""Of Adam, in each parameterization's own numbers."""


@dataclass(frozen=True)
class Inversion:
    """A picture made again from its activations at one place.

    Attributes
    ----------
    address : Address
        Where.
    image : Tensor
        (1, 3, H, W) in [0, 1].
    original : Tensor
        What went in, (1, 3, H, W).
    error : float
        The squared distance of its activations from the original's, in units of their squared norm.
    values : tuple of float
        The objective before each step: minus the error, minus the penalty.
    seconds : float
        How long it took.
    recipe : Recipe
        Enough to make it again.
    choice : Choice
        In which precision and memory format the network ran, and why.
    """

    address: Address
    image: Tensor
    original: Tensor
    error: float
    values: tuple[float, ...]
    seconds: float
    recipe: Recipe
    choice: Choice

    def save(self, path: str | Path) -> Path:
        """Write the picture (PNG, JPEG or WebP) with the recipe inside."""
        return images.write(self.image, path, note=self.recipe.to_json())


def invert(
    model: Classifier,
    image: str | Path | Tensor,
    at: str | Address | Sequence[str | Address] | None = None,
    *,
    steps: int = 400,
    start: str = "noise",
    param: str = "fourier",
    rate: float | None = None,
    smooth: float = 0.05,
    size: int | str | Size | None = None,
    precision: str = "float32",
    seed: int = 0,
    report: Report | None = None,
) -> list[Inversion]:
    """Make a picture again from its activations alone.

    Parameters
    ----------
    model
        The classifier.
    image
        A file, ``sample:NAME``, or an image (1, 3, H, W).
    at
        Addresses, one picture each; the model's default if not given.
    steps
        How often.
    start
        ``noise`` or ``gray``.
    param
        What is climbed, a name in `dreamscope.optimize.parameterizations.PARAMETERIZATIONS`.
    rate
        How far each step goes; one that suits the parameterization if not given.
    smooth
        The weight of the total variation, 0 for none.
    size
        Of the picture, ``WIDTHxHEIGHT`` or its longer side; as the network was tested if not given.
    precision
        See `dreamscope.optimize.precision.prepared`.
    seed
        Of all randomness.
    report
        Called after each step with a `Step`, numbered through all addresses.

    Returns
    -------
    list of Inversion
        In the order given.

    Raises
    ------
    DreamscopeError
        No such address, start or parameterization; a position outside the map; activations that are all zero.
    DivergedError
        If numbers became infinite; its ``result`` is the list so far.
    Interrupted
        On Ctrl-C; its ``result`` is the list so far, the one under way as it was.
    """
    ensure_one_of(start, STARTS, "start")
    ensure_one_of(param, PARAMETERIZATIONS, "parameterization")
    if not 1 <= steps <= 100_000:
        raise DreamscopeError(f"steps lies between 1 and 100000, not at {steps}")
    if smooth < 0 or (rate is not None and not rate > 0):
        raise DreamscopeError("smooth is 0 or more, and rate more than 0")
    ensure_seed(seed)
    rate = RATES[param] if rate is None else rate
    addresses = resolve(at, model)
    original = _picture(model, image, size)
    full = images.size_of(original)
    kind = PARAMETERIZATIONS[param](full)
    fast, choice = prepared(model, {each.layer for each in addresses}, max(full.width, full.height), precision)
    wanted = _wanted(fast, original, addresses)
    recipe = Recipe(
        version=__version__,
        command="invert",
        model=model.source,
        inputs={"image": reference(image)},
        parameters={
            "at": [str(address) for address in addresses],
            "steps": steps,
            "start": start,
            "param": param,
            "rate": rate,
            "smooth": smooth,
            "size": None if size is None else str(full),
            "precision": str(choice.form),
            "seed": seed,
        },
    )
    done: list[Inversion] = []
    for index, objective in enumerate(wanted):
        started = time.perf_counter()
        generator = torch.Generator().manual_seed(seed)
        values: list[float] = []

        def note(step: Step, values: list[float] = values) -> None:
            values.append(step.value)
            if report is not None:
                report(step)

        def finished(
            numbers: Tensor, objective: Match = objective, values: list[float] = values, started: float = started
        ) -> Inversion:
            with torch.no_grad(), probe(fast, objective.layers) as seen:
                picture = kind.image(numbers)
                error = -objective(seen(picture)).item()
            seconds = time.perf_counter() - started
            return Inversion(objective.address, picture.cpu(), original, error, tuple(values), seconds, recipe, choice)

        first = kind.start(1, full, generator)
        if start == "gray":
            first = kind.numbers(torch.full_like(original, 0.5))
        try:
            numbers = ascend(
                fast,
                first.to(fast.device),
                objective,
                steps=steps,
                move=Adam(rate),
                parameterization=kind,
                penalties=[TotalVariation(smooth)] if smooth else [],
                generator=generator,
                report=note,
                before=index * steps,
                total=len(wanted) * steps,
            )
        except (DivergedError, Interrupted) as stop:
            stop.result = [*done, finished(stop.result)]
            raise
        done.append(finished(numbers))
    return done


def _picture(model: Classifier, image: str | Path | Tensor, size: int | str | Size | None) -> Tensor:
    picture = images.read(image).cpu()
    if len(picture) != 1:
        raise DreamscopeError(f"one picture is inverted at a time, not {len(picture)}")
    if size is None:
        return model.prepared(picture)
    wanted = size if isinstance(size, Size) else Size.parse(size)
    return images.resize(picture, wanted if isinstance(wanted, Size) else images.fit_to(picture, wanted)).clamp(0, 1)


def _wanted(model: Classifier, original: Tensor, addresses: Sequence[Address]) -> list[Match]:
    with torch.no_grad(), probe(model, addresses) as seen:
        seen(original)
        found = [Match(address, select(seen, address)) for address in addresses]
    for each in found:
        if not each.features.any():
            raise DreamscopeError(f"'{each.address}' is silent for this picture; nothing is left to make it again from")
    return found
