"""Dreamers: the loop over octaves, with all that holds for every picture of one size made ready once."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Generator, Tensor

from dreamscope import images
from dreamscope.dreaming.presets import Settings
from dreamscope.errors import DivergedError, Interrupted, ensure_one_of
from dreamscope.images import Size
from dreamscope.models.addresses import Address
from dreamscope.models.classifier import Classifier
from dreamscope.objectives import LOSSES, Objective
from dreamscope.optimize.ascent import Report, ascend
from dreamscope.optimize.gradient_filters import FILTERS, first_at_unit_mean, natural_colors
from dreamscope.optimize.precision import prepared
from dreamscope.optimize.tiles import bytes_of, side_for
from dreamscope.optimize.transforms import Shift
from dreamscope.optimize.update_rules import Climb

SMALLEST_OCTAVE = 32
"""Octaves whose shorter side would be smaller are left out: networks see nothing in them."""

FIRST_STEP = 1.5 / 255
"""Mean change of a colour in the first step where a raw gradient's rate is not given."""


class Dreamer:
    """Dreams on pictures of one size.

    Parameters
    ----------
    model
        Whose dreams they are.
    addresses
        All that objectives will ask for.
    settings
        Every number of a dream but its loss, which the objectives have.
    size
        Of the pictures.
    tile
        The side of the tiles, 0 for none; one that fits into memory if not given.
    memory
        What a dream may hold (``2GB``); half of what is free if not given.

    Attributes
    ----------
    model : Classifier
        The network as it runs.
    choice : Choice
        In which precision and memory format it runs, and why.
    tile : int
        The side of the tiles.

    Raises
    ------
    DreamscopeError
        If there is no such loss, filter or precision, or if memory does not suffice for the smallest tiles.
    """

    def __init__(
        self,
        model: Classifier,
        addresses: Sequence[Address],
        settings: Settings,
        size: Size,
        *,
        tile: int | None = None,
        memory: str | int | None = None,
    ) -> None:
        # Before anything long begins: what objectives ask for, they check when they are made.
        ensure_one_of(settings.loss, LOSSES, "loss")
        ensure_one_of(settings.filter, FILTERS, "filter")
        layers = sorted({address.layer for address in addresses})
        self.model, self.choice = prepared(model, layers, max(size.width, size.height), settings.precision)
        self._settings, self._sizes = settings, octave_sizes(size, settings)
        if tile is None:
            tile = side_for(self.model, layers, size, None if memory is None else bytes_of(memory))
        self.tile = tile

    def __call__(
        self,
        picture: Tensor,
        objective: Objective,
        *,
        generator: Generator,
        steps: int | None = None,
        coverage: Tensor | None = None,
        report: Report | None = None,
    ) -> Tensor:
        """Dream on a picture, or on several at once.

        Parameters
        ----------
        picture
            (N, 3, H, W) in [0, 1], of the dreamer's size; several only where they are not run in tiles.
        objective
            What to climb, at the dreamer's addresses.
        generator
            The source of all randomness.
        steps
            On each octave, instead of the settings'.
        coverage
            (1, 1, H, W) in [0, 1]: how far each pixel follows.
        report
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
        direction = first_at_unit_mean() if settings.rate is None else FILTERS[settings.filter]
        direction = natural_colors(direction, settings.natural)
        detail = torch.zeros(1, 3, 1, 1)
        for index, size in enumerate(self._sizes):
            # The picture itself on the last octave: no copy, which for large ones matters.
            base = picture if size == images.size_of(picture) else images.resize(picture, size).clamp(0, 1)
            start = (base + images.resize(detail, size)).clamp_(0, 1) if index else base
            del detail
            try:
                dreamt = ascend(
                    self.model,
                    start.to(self.model.device),
                    objective,
                    steps=steps,
                    move=Climb(
                        FIRST_STEP if settings.rate is None else settings.rate,
                        direction,
                        None if coverage is None else images.resize(coverage, size).clamp(0, 1).to(self.model.device),
                    ),
                    transforms=[Shift(settings.jitter)] if settings.jitter else [],
                    generator=generator,
                    report=report,
                    tile=self._tile_of(size),
                    before=index * steps,
                    total=len(self._sizes) * steps,
                )
            except (DivergedError, Interrupted) as stop:
                stop.result = _with(picture, stop.result.cpu() - base)
                raise
            detail = dreamt.cpu() - base
            del dreamt, start
        return _with(picture, detail)

    def strength(self, picture: Tensor, objective: Objective) -> float:
        """Return the mean size of the gradient that an objective has on a picture, to weigh it against others."""
        seen: list[float] = []
        ascend(
            self.model,
            picture.to(self.model.device),
            objective,
            steps=1,
            move=lambda numbers, gradient, values, progress: numbers,  # noqa: ARG005
            generator=torch.Generator().manual_seed(0),
            watch=lambda gradient: seen.append(gradient.float().abs().mean().item()),
            tile=self._tile_of(images.size_of(picture)),
        )
        return seen[0]

    def _tile_of(self, size: Size) -> int:
        return self.tile if max(size.width, size.height) > self.tile else 0


def octave_sizes(full: Size, settings: Settings) -> list[Size]:
    """Return the sizes of a dream, from small to full."""
    sizes = []
    for power in reversed(range(settings.octaves)):
        scale = settings.octave_scale**power
        size = Size(round(full.width / scale), round(full.height / scale))
        if power == 0 or min(size.width, size.height) >= SMALLEST_OCTAVE:
            sizes.append(size)
    return sizes


def _with(picture: Tensor, detail: Tensor) -> Tensor:
    return (picture + images.resize(detail, images.size_of(picture))).clamp_(0, 1)
