"""The ascent: the one loop that climbs an objective."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import torch
from torch import Generator, Tensor

from dreamscope import memory, tiles
from dreamscope.errors import DivergedError, Interrupted
from dreamscope.gradients import Filter
from dreamscope.models.classifier import Classifier
from dreamscope.objectives import Gathered, Objective
from dreamscope.probes import Probe, probe
from dreamscope.transforms import Transform


@dataclass(frozen=True)
class Step:
    """What a callback is told after each step.

    Attributes
    ----------
    number, total : int
        This step, from 1, of how many in all.
    value : float
        The objective before the step, summed over images.
    image : Tensor
        The picture after the step, (N, 3, H, W) in [0, 1]; the next step makes a new one.
    """

    number: int
    total: int
    value: float
    image: Tensor


Report = Callable[[Step], None]


def ascend(
    model: Classifier,
    image: Tensor,
    objective: Objective,
    *,
    steps: int,
    rate: float,
    filter: Filter,
    transforms: Sequence[Transform] = (),
    mask: Tensor | None = None,
    generator: Generator,
    report: Report | None = None,
    tile: int = 0,
    before: int = 0,
    total: int | None = None,
) -> Tensor:
    """Climb: ``image <- clip(image + rate * filter(dL/dimage), 0, 1)``, `steps` times.

    Parameters
    ----------
    model
        Run no further than the objective's layers.
    image
        Where to start, (N, 3, H, W) in [0, 1].
    objective
        What to climb; one number an image, images do not influence each other.
    steps, rate
        How often and how far; with a filter of unit mean, `rate` is the mean change a step.
    filter
        From gradient to direction, see `dreamscope.gradients`.
    transforms
        Applied in order to the picture that the network sees, drawn anew each step.
    mask
        (1, 1, H, W) in [0, 1]: how far each pixel follows.
    generator
        The source of all randomness.
    report
        Called after each step.
    tile
        The side of the parts in which the picture is run, 0 for the whole at once, see `dreamscope.tiles`.
    before, total
        Steps that a technique made in earlier ascents, and of all of them: what numbers are counted in.

    Returns
    -------
    Tensor
        The picture, like `image`.

    Raises
    ------
    DivergedError
        At the first step whose numbers are not finite; its ``result`` is the last finite picture.
    Interrupted
        On Ctrl-C; its ``result`` is the picture after the last whole step.
    """
    total = before + steps if total is None else total
    # Its own, so that a picture in tiles is shifted as the whole one would be.
    grid = torch.Generator().manual_seed((generator.initial_seed() + 1) % 2**63)
    with memory.kept(), probe(model, objective.layers) as seen:
        for number in range(before + 1, before + steps + 1):
            try:
                moved, value = _step(
                    seen,
                    image,
                    objective,
                    rate=rate,
                    filter=filter,
                    transforms=transforms,
                    mask=mask,
                    generator=generator,
                    tile=tile,
                    grid=grid,
                )
                # A NaN or an infinity anywhere makes the sum one; far cheaper than looking at each pixel.
                if not torch.isfinite(moved.sum() + value):
                    raise DivergedError(
                        f"the numbers were no longer finite at step {number} of {total}; "
                        f"try a smaller rate than {rate:g}",
                        step=number,
                        result=image,
                    )
                image = moved
                if report is not None:
                    report(Step(number, total, value.item(), image))
            except KeyboardInterrupt as stop:
                raise Interrupted(f"stopped at step {number} of {total}", result=image) from stop
    return image


def _step(
    seen: Probe,
    image: Tensor,
    objective: Objective,
    *,
    rate: float,
    filter: Filter,
    transforms: Sequence[Transform],
    mask: Tensor | None,
    generator: Generator,
    tile: int,
    grid: Generator,
) -> tuple[Tensor, Tensor]:
    leaf = image.detach().requires_grad_()
    view = leaf
    for transform in transforms:
        view = transform(view, generator)
    if tile and isinstance(objective, Gathered):
        slope, values = tiles.gradient(seen, view.detach(), objective, tile, grid)
        value = values.sum()
        memory.release()
        (gradient,) = torch.autograd.grad(view, leaf, slope) if transforms else (slope,)
        del slope
    else:
        value = objective(seen(view)).sum()
        (gradient,) = torch.autograd.grad(value, leaf)
    # Pictures may be large: no copy is kept longer, or made, than needed.
    del view
    with torch.no_grad():
        # A gradient comes back in the network's memory format; resampling is far slower in channels_last.
        gradient = gradient.contiguous()
        change = filter(gradient)
        del gradient
        change.mul_(rate)
        if mask is not None:
            change.mul_(mask)
        # Clipping would turn an infinity into a white pixel, so look before.
        if not torch.isfinite(change.sum()):
            return change, value.detach()
        return change.add_(image).clamp_(0, 1), value.detach()
