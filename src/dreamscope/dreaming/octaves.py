"""Octaves: the loop of a dream over sizes of the picture, with all that holds for one size made ready once."""

from __future__ import annotations

import logging
from collections.abc import Iterable

import torch
from torch import Generator, Tensor

from dreamscope import images
from dreamscope.dreaming.presets import Settings
from dreamscope.errors import DivergedError, DreamscopeError, Interrupted, ensure_one_of
from dreamscope.images import Size
from dreamscope.models.classifier import Classifier
from dreamscope.objectives import LOSSES, Each, Excite, Gathered, Objective
from dreamscope.objectives.balance import balanced, ensure_addresses, parts_of
from dreamscope.optimize import regularizers, transforms, update_rules
from dreamscope.optimize.ascent import Ascent, Step, StepCallback
from dreamscope.optimize.gradient_filters import FILTERS, Filter, FirstAtUnitMean, Times, natural_colors, unit_mean
from dreamscope.optimize.parameterizations import (
    PARAMETERIZATIONS,
    Covered,
    Parameterization,
    Pixel,
    held_by,
    is_made,
    made_of,
    rate_of,
)
from dreamscope.optimize.precision import prepared
from dreamscope.optimize.tiles import bytes_of, side_for
from dreamscope.optimize.transforms import Shift, Transform
from dreamscope.optimize.update_rules import GradientStep, UpdateRule
from dreamscope.probes import probe

_log = logging.getLogger(__name__)

SMALLEST_OCTAVE = 32
"""Octaves whose shorter side would be smaller are skipped: networks see nothing in them."""

FIRST_STEP = 1.5 / 255
"""Mean change of a colour in the first step where a raw gradient's rate is not given."""

WAKING_STEPS = 32
"""Steps at most until what is silent on a plain picture is no longer."""


RATE_DIGITS = 4
"""To which a rate that is not given is rounded."""


class Dreamer:
    """Dreams on pictures of one size.

    Parameters
    ----------
    model
        The classifier.
    layers
        Names of all layers that objectives will read.
    settings
        All settings of a dream but its loss, which the objectives have.
    size
        Of the pictures.
    tile
        The side of the tiles, 0 for none; one that fits into memory if not given.
    memory
        What a dream may hold (``2GB``); half of what is free if not given.
    count
        Number of pictures that are dreamt on together.

    Attributes
    ----------
    model : Classifier
        The network as it runs.
    choice : Choice
        In which precision and memory format it runs, and why.
    tile : int
        The side of the tiles.
    rates : tuple of float or None
        What the rates have come to since the last call began, for each picture, where none was given; ``None`` for a
        picture without a gradient. Empty if one was given.

    Raises
    ------
    DreamscopeError
        If there is no such loss, filter, precision, transform, penalty, optimizer or parameterization, or if memory
        does not suffice for the smallest tiles.
    """

    def __init__(
        self,
        model: Classifier,
        layers: Iterable[str],
        settings: Settings,
        size: Size,
        *,
        tile: int | None = None,
        memory: str | int | None = None,
        count: int = 1,
    ) -> None:
        # Before anything long begins: what objectives ask for, they check when they are made.
        ensure_one_of(settings.loss, LOSSES, "loss")
        ensure_one_of(settings.filter, FILTERS, "filter")
        self._transforms: list[Transform] = [Shift(settings.jitter)] if settings.jitter else []
        given = [transforms.ensure(each) for each in settings.transform]
        self._transforms += [transforms.sized(each, model.input_size) for each in given]
        self._penalties = [regularizers.ensure(each) for each in settings.penalty]
        if isinstance(settings.parameterization, str):
            ensure_one_of(settings.parameterization, PARAMETERIZATIONS, "parameterization")
        elif is_made(settings.parameterization):
            raise DreamscopeError("a dream begins with an image: give a function that makes a parameterization of it")
        if settings.optimizer is not None:
            update_rules.ensure(settings.optimizer, FIRST_STEP)
        layers = sorted(set(layers))
        self.model, self.choice = prepared(model, layers, max(size.width, size.height), settings.precision)
        self._settings, self._sizes = settings, _runnable(octave_sizes(size, settings), self.model, layers)
        if tile is None:
            tile = side_for(self.model, layers, size, None if memory is None else bytes_of(memory), count)
        self.tile = tile
        self._first = FirstAtUnitMean()

    @property
    def rates(self) -> tuple[float | None, ...]:
        """See the class."""
        return self._first.rates

    @classmethod
    def climbing(
        cls,
        model: Classifier,
        objective: Objective,
        settings: Settings,
        size: Size,
        *,
        tile: int | None = None,
        memory: str | int | None = None,
        count: int = 1,
    ) -> Dreamer:
        """Return a dreamer for one objective; only one that is `Gathered` over positions can be run in tiles.

        Raises
        ------
        DreamscopeError
            If tiles, the memory that asks for them, or a balance are given for another objective; and see the class.
        """
        if settings.balance:
            ensure_addresses(objective)
        if not isinstance(objective, Gathered):
            given = [name for name, asked in (("tile", tile), ("memory", memory is not None)) if asked]
            if given:
                raise DreamscopeError(
                    f"an objective of your own can't be run in tiles: leave {' and '.join(given)} out"
                )
            tile = 0
        return cls(model, objective.layers, settings, size, tile=tile, memory=memory, count=count)

    def __call__(
        self,
        picture: Tensor,
        objective: Objective,
        *,
        generator: Generator,
        steps: int | None = None,
        coverage: Tensor | None = None,
        callback: StepCallback | None = None,
    ) -> Tensor:
        """Dream on a picture, or on several at once.

        Parameters
        ----------
        picture
            (N, 3, H, W) in [0, 1], of the dreamer's size; it becomes gray first if that is what is climbed.
        objective
            What to climb, at the dreamer's layers; run in tiles only if it is `Gathered` over positions.
        generator
            The source of all random numbers.
        steps
            On each octave, instead of the settings'.
        coverage
            (1, 1, H, W) in [0, 1]: how far each pixel follows.
        callback
            Called after each step with a `Step`, numbered through all octaves.

        Returns
        -------
        Tensor
            Like `picture`.

        Raises
        ------
        DivergedError
            If numbers became infinite; its ``result`` is the picture so far, at its full size.
        Interrupted
            On Ctrl-C; its ``result`` is the picture so far, at its full size.
        """
        settings = self._settings
        steps = settings.steps if steps is None else steps
        # Made once, not for each octave: the one for no given rate remembers its first gradient.
        # Rates of recipes from before `gradient` were not rounded.
        digits = None if settings.gradient == "image" else RATE_DIGITS
        self._first = first = FirstAtUnitMean(FIRST_STEP, self._unit, digits=digits)
        evened = natural_colors(first if settings.rate is None else self._filter, settings.natural)
        picture = held_by(picture, settings.parameterization)
        # At all times `image - base` is what was dreamt so far, at the size of the octave.
        image = base = picture
        try:
            for index, size in enumerate(self._sizes):
                image, base = self._grown(picture, image - base if index else None, size)
                if index == 0 and steps:
                    image = self._woken(image, objective, generator)
                mask = None if coverage is None else images.resize(coverage, size).clamp(0, 1)
                climbed = made_of(image.to(self.model.device), settings.parameterization)
                weighed = self._balanced(image, objective) if settings.balance else objective
                optimizer = self._optimizer(climbed, evened, mask)
                if mask is not None and not isinstance(climbed, Pixel):
                    # The network is to see what will be there; a step in pixels keeps to the mask by itself.
                    climbed = Covered(climbed, image.to(self.model.device), mask.to(self.model.device))
                ascent = Ascent(
                    optimizer,
                    transforms=self._transforms,
                    crops=settings.crops,
                    penalties=self._penalties,
                    branch_gradient=settings.branch_gradient,
                    tile=self._tile_of(size),
                )
                dreamt = ascent(
                    self.model,
                    climbed,
                    weighed,
                    steps=steps,
                    generator=generator,
                    callback=callback,
                    before=index * steps,
                    total=len(self._sizes) * steps,
                )
                image = dreamt.cpu()
                del dreamt, climbed, ascent
            return _with(picture, image - base)
        except (DivergedError, Interrupted) as stop:
            stop.result = _with(picture, stop.result.cpu() - base)
            raise
        except KeyboardInterrupt as stop:
            raise Interrupted("stopped between two octaves", result=_with(picture, image - base)) from stop

    @staticmethod
    def _grown(picture: Tensor, detail: Tensor | None, size: Size) -> tuple[Tensor, Tensor]:
        """Return the picture at a size with the detail that was dreamt at a smaller one, and without it."""
        # The picture itself on the last octave: no copy, which for large ones matters.
        base = picture if size == images.size_of(picture) else images.resize(picture, size).clamp(0, 1)
        return base if detail is None else (base + images.resize(detail, size)).clamp_(0, 1), base

    def _woken(self, picture: Tensor, objective: Objective, generator: Generator) -> Tensor:
        """Return a picture that excites what is dreamt of, if this one is plain and does not: squares of 0 are flat."""
        plain = torch.equal(picture, picture[..., :1, :1].expand_as(picture))
        means = _means(objective)
        if not plain or means is None or bool(self._strengths(picture, objective).all()):
            return picture
        values = [0.0]

        def is_awake(step: Step) -> bool:
            values.append(min(step.values))
            return values[-1] > 0

        woken = Ascent(
            GradientStep(FIRST_STEP, unit_mean),
            redirect_steps=WAKING_STEPS,
            tile=self._tile_of(images.size_of(picture)),
            until=is_awake,
        )(self.model, Pixel.of(picture.to(self.model.device)), means, steps=WAKING_STEPS, generator=generator).cpu()
        return woken if values[-1] > 0 else picture

    def strength(self, picture: Tensor, objective: Objective) -> float:
        """Return the mean size of the gradient that an objective has on a picture, to weigh it against others."""
        return self._strengths(picture, objective).mean().item()

    def _strengths(self, picture: Tensor, objective: Objective) -> Tensor:
        """Return the mean size of each picture's gradient, (N,)."""
        sizes: list[Tensor] = []
        ascent = Ascent(
            GradientStep(0.0, torch.zeros_like),
            tile=self._tile_of(images.size_of(picture)),
            watch=lambda gradient: sizes.append(gradient.float().abs().mean((1, 2, 3)).cpu()),
        )
        climbed = Pixel.of(picture.to(self.model.device))
        ascent(self.model, climbed, objective, steps=1, generator=torch.Generator().manual_seed(0))
        return sizes[0]

    def _balanced(self, picture: Tensor, objective: Objective) -> Objective:
        """Return an objective whose addresses all have gradients of one size on these pictures."""
        parts = parts_of(objective)
        if len(parts) == 1:
            return objective
        sizes = torch.stack([self._strengths(picture, part) for part in parts], 1)
        return balanced(objective, sizes)

    @property
    def _unit(self) -> float:
        return self.model.normalization.unit if self._settings.gradient == "input" else 1.0

    @property
    def _filter(self) -> Filter:
        raw = self._settings.filter == "none" and self._unit != 1
        return Times(self._unit) if raw else FILTERS[self._settings.filter]

    def _optimizer(self, climbed: Parameterization, evened: Filter, mask: Tensor | None) -> UpdateRule:
        settings = self._settings
        if settings.optimizer is None and isinstance(climbed, Pixel):
            return GradientStep(settings.rate, evened, None if mask is None else mask.to(self.model.device))
        rate = FIRST_STEP if settings.rate is None else settings.rate
        # As far in its own numbers as that changes colours in pixels.
        own = rate * rate_of(climbed, Pixel.rate) / Pixel.rate
        return update_rules.ensure("adam" if settings.optimizer is None else settings.optimizer, own)

    def _tile_of(self, size: Size) -> int:
        return self.tile if max(size.width, size.height) > self.tile else 0


def _means(objective: Objective) -> Objective | None:
    """Return the mean activation at the addresses of an objective, or of several for an image each."""
    if isinstance(objective, Excite):
        return Excite(objective.addresses, "mean")
    if isinstance(objective, Each):
        each = [_means(one) for one in objective.objectives]
        return Each(tuple(one for one in each if one is not None)) if None not in each else None
    return None


def octave_sizes(full: Size, settings: Settings) -> list[Size]:
    """Return the sizes of a dream, from small to full."""
    sizes = []
    for power in reversed(range(settings.octaves)):
        scale = settings.octave_scale**power
        size = Size(round(full.width / scale), round(full.height / scale))
        if power == 0 or min(size.width, size.height) >= SMALLEST_OCTAVE:
            sizes.append(size)
    return sizes


def _runnable(sizes: list[Size], model: Classifier, layers: list[str]) -> list[Size]:
    """Leave out the sizes that are too small for the network, but never the full one."""
    # What is as large as the network was made for needs no trying, and may be too large to try at once.
    while len(sizes) > 1 and min(sizes[0].height, sizes[0].width) < min(model.input_size):
        try:
            with torch.no_grad(), probe(model, layers) as seen:
                seen(torch.full((1, 3, sizes[0].height, sizes[0].width), 0.5))
        except DreamscopeError:
            _log.info(f"octaves of {sizes[0]} pixels are left out: {model.name} can't run on anything as small")
            sizes = sizes[1:]
        else:
            break
    return sizes


def _with(picture: Tensor, detail: Tensor) -> Tensor:
    return (picture + images.resize(detail, images.size_of(picture))).clamp_(0, 1)
