"""Invert: what is left of a picture at a layer?

After Mahendran and Vedaldi, "Understanding deep image representations by inverting them" (2014).
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Generator, Tensor

from dreamscope import images
from dreamscope.errors import DivergedError, DreamscopeError, Interrupted, ensure_one_of, ensure_seed
from dreamscope.images import Pictures, Size
from dreamscope.models.addresses import Address, resolve
from dreamscope.models.classifier import Classifier
from dreamscope.objectives import Match, select
from dreamscope.optimize import regularizers, update_rules
from dreamscope.optimize.ascent import Ascent, Step, StepCallback, image_of, stepping
from dreamscope.optimize.calibration import Choice
from dreamscope.optimize.ingredients import listed, text_of
from dreamscope.optimize.parameterizations import (
    PARAMETERIZATIONS,
    Chosen,
    Parameterization,
    Pixel,
    is_made,
    made_of,
    rate_of,
)
from dreamscope.optimize.precision import prepared
from dreamscope.optimize.regularizers import REGULARIZERS, Regularizer, TotalVariation
from dreamscope.probes import probe
from dreamscope.recipes import Recipe, note_of, reference

INITIAL = ("noise", "gray")


@dataclass(frozen=True)
class Inversion:
    """A picture made again from its activations at one place; or several of one size.

    Attributes
    ----------
    address : Address
        Where.
    image : Tensor
        (N, 3, H, W) in [0, 1]; N is the number of photos, usually 1.
    original : Tensor
        What went in, (N, 3, H, W).
    error : float
        The squared distance of its activations from the original's, in units of their squared norm; the mean of
        several.
    values : tuple of float
        The objective before each step: minus the error, minus the penalty; the sum of that of all images.
    seconds : float
        How long it took.
    recipe : Recipe or None
        Enough to make it again; ``None`` with ``recipe=False``.
    choice : Choice
        In which precision and memory format the network ran, and why.
    """

    address: Address
    image: Tensor
    original: Tensor
    error: float
    values: tuple[float, ...]
    seconds: float
    recipe: Recipe | None
    choice: Choice

    def save(self, path: str | Path) -> Path:
        """Write the picture (PNG, JPEG or WebP) with the recipe inside; raise if there are several."""
        return images.write(self.image, path, note=note_of(self.recipe))

    def _repr_png_(self) -> bytes:
        return images.png(self.image)


def invert(
    model: Classifier,
    image: Pictures,
    at: str | Address | Sequence[str | Address] | None = None,
    *,
    steps: int = 400,
    initial: str = "noise",
    parameterization: Chosen = "fourier",
    optimizer: update_rules.Chosen = "adam",
    rate: float | None = None,
    smooth: float = 0.05,
    penalty: str | Regularizer | Sequence[str | Regularizer] = (),
    size: int | str | Size | None = None,
    precision: str = "float32",
    seed: int = 0,
    callback: StepCallback | None = None,
    progress: bool = False,
    recipe: bool = True,
) -> list[Inversion]:
    """Make a picture again from its activations alone.

    Parameters
    ----------
    model
        The classifier.
    image
        A file, ``sample:NAME``, a PIL image, an array, an image (N, 3, H, W), or a list of such of one size, all of
        which are climbed at once.
    at
        Addresses, one result each; the model's default if not given.
    steps
        Number of steps.
    initial
        What is climbed from: ``noise`` or ``gray``.
    parameterization
        What is climbed: a name in `dreamscope.optimize.parameterizations.PARAMETERIZATIONS`, an object of your own with
        ``parameters()`` and ``image()`` (for one address), or a function that makes one from the initial image.
    optimizer
        ``adam``, ``normalized``, an update rule, or a factory of an optimizer of ``torch.optim``.
    rate
        Length of a step; one that suits the parameterization if not given.
    smooth
        The weight of the total variation, 0 for none.
    penalty
        Further ones, see `dreamscope.optimize.regularizers`.
    size
        Of the picture, ``WIDTHxHEIGHT`` or its longer side; as the network was tested if not given.
    precision
        See `dreamscope.optimize.precision.prepared`.
    seed
        Seed of all random numbers.
    callback
        Called after each step with a `Step`, numbered through all addresses.
    progress
        Show a bar.
    recipe
        Make a recipe; what can't be written in one (your own functions) is then refused.

    Returns
    -------
    list of Inversion
        In the order given.

    Raises
    ------
    DreamscopeError
        No such address, initial image or parameterization; a position outside the map; activations that are all zero.
    DivergedError
        If numbers became infinite; its ``result`` is the list so far.
    Interrupted
        On Ctrl-C; its ``result`` is the list so far, the one under way as it was.
    """
    arguments = locals()
    _ensure_numbers(steps, rate, smooth)
    ensure_one_of(initial, INITIAL, "initial image")
    if isinstance(parameterization, str):
        ensure_one_of(parameterization, PARAMETERIZATIONS, "parameterization")
        rate = PARAMETERIZATIONS[parameterization].rate if rate is None else rate
    given: list[str | Regularizer] = [*([TotalVariation(smooth)] if smooth else []), *listed(penalty)]
    costs = [regularizers.ensure(each) for each in given]
    update_rules.ensure(optimizer, Pixel.rate)
    ensure_seed(seed)
    addresses = resolve(at, model)
    if is_made(parameterization) and len(addresses) > 1:
        raise DreamscopeError(
            f"one parameterization is climbed once, not at {len(addresses)} addresses: give a function that makes it"
        )
    original = _picture(model, image, size)
    full = images.size_of(original)
    made = None
    if recipe:
        resolved = {
            "at": [str(address) for address in addresses],
            "rate": rate,
            "penalty": [text_of(each, REGULARIZERS) for each in listed(penalty)],
            "size": None if size is None else str(full),
        }
        made = Recipe.of_call(invert, arguments, inputs={"image": reference(image)}, resolved=resolved)
    fast, choice = prepared(model, {each.layer for each in addresses}, max(full.width, full.height), precision)
    if made is not None:
        made = made.but(precision=str(choice.form))
    wanted = _wanted(fast, original, addresses)
    done: list[Inversion] = []
    with stepping(callback, "inverting", progress=progress) as note:
        try:
            for index, objective in enumerate(wanted):
                started = time.perf_counter()
                generator = torch.Generator().manual_seed(seed)
                values: list[float] = []

                def noted(step: Step, values: list[float] = values) -> None:
                    values.append(step.value)
                    note(step)

                def finished(
                    picture: Tensor,
                    objective: Match = objective,
                    values: list[float] = values,
                    started: float = started,
                ) -> Inversion:
                    with torch.no_grad(), probe(fast, objective.layers) as seen:
                        error = -objective(seen(picture)).mean().item()
                    seconds = time.perf_counter() - started
                    return Inversion(
                        objective.address, picture.cpu(), original, error, tuple(values), seconds, made, choice
                    )

                climbed = _begun(parameterization, initial, original, generator, fast.device)
                own = rate_of(climbed, Pixel.rate) if rate is None else rate
                try:
                    picture = Ascent(update_rules.ensure(optimizer, own), penalties=costs)(
                        fast,
                        climbed,
                        objective,
                        steps=steps,
                        generator=generator,
                        callback=noted,
                        before=index * steps,
                        total=len(wanted) * steps,
                    )
                except (DivergedError, Interrupted) as stop:
                    stop.result = [*done, finished(stop.result)]
                    raise
                done.append(finished(picture))
        except Interrupted:
            raise
        except KeyboardInterrupt as stop:
            raise Interrupted(f"stopped after {len(done)} of {len(wanted)} addresses", result=done) from stop
    return done


def _ensure_numbers(steps: int, rate: float | None, smooth: float) -> None:
    if not 1 <= steps <= 100_000:
        raise DreamscopeError(f"steps lies between 1 and 100000, not at {steps}")
    if smooth < 0 or (rate is not None and not rate > 0):
        raise DreamscopeError("smooth is 0 or more, and rate more than 0")


def _begun(
    chosen: Chosen, initial: str, original: Tensor, generator: Generator, device: torch.device
) -> Parameterization:
    """Return what is climbed: the initial image for each of the originals."""
    full, count = images.size_of(original), len(original)
    if isinstance(chosen, str) and initial == "noise":
        # The same for all, so that a picture does not depend on its neighbours.
        return PARAMETERIZATIONS[chosen].noise(1, full, generator).repeated(count, device)
    if is_made(chosen):
        shape = tuple(image_of(chosen).shape)
        if shape != tuple(original.shape):
            raise DreamscopeError(f"a parameterization of {tuple(original.shape)} is needed, not of {shape}")
        return chosen
    first = torch.full_like(original, 0.5)
    if initial == "noise":
        first = Pixel.noise(1, full, generator).image().repeat(count, 1, 1, 1)
    return made_of(first.to(device), chosen)


def _picture(model: Classifier, image: Pictures, size: int | str | Size | None) -> Tensor:
    picture = images.read_all(image).cpu()
    if size is None:
        return model.prepared(picture)
    return images.resize(picture, Size.parse(size, images.size_of(picture))).clamp(0, 1)


def _wanted(model: Classifier, original: Tensor, addresses: Sequence[Address]) -> list[Match]:
    with torch.no_grad(), probe(model, addresses) as seen:
        seen(original)
        found = [Match(address, select(seen, address)) for address in addresses]
    for each in found:
        if not each.features.any():
            raise DreamscopeError(f"'{each.address}' is silent for this picture; nothing is left to make it again from")
    return found
