"""The ascent: the one loop that climbs an objective."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from contextlib import nullcontext
from dataclasses import dataclass
from functools import cached_property

import torch
from torch import Generator, Tensor

from dreamscope.errors import DivergedError, Interrupted
from dreamscope.models.classifier import Classifier
from dreamscope.models.relu_rules import awake
from dreamscope.objectives import Gathered, Objective
from dreamscope.optimize import tiles
from dreamscope.optimize.parameterizations import Parameterization, Pixel
from dreamscope.optimize.regularizers import Regularizer
from dreamscope.optimize.transforms import Transform
from dreamscope.optimize.update_rules import Move
from dreamscope.probes import Probe, probe


@dataclass(frozen=True)
class Step:
    """What a callback is told after each step.

    Attributes
    ----------
    number, total : int
        This step, from 1, of how many in all.
    values : tuple of float
        Each image's objective before the step, penalties taken off.
    numbers : Tensor
        What is climbed, after the step; the next step makes new ones.
    parameterization : Parameterization
        Makes images of them.
    """

    number: int
    total: int
    values: tuple[float, ...]
    numbers: Tensor
    parameterization: Parameterization

    @property
    def value(self) -> float:
        """The objective before the step, summed over images."""
        return sum(self.values)

    @cached_property
    def image(self) -> Tensor:
        """The picture after the step, (N, 3, H, W) in [0, 1]."""
        with torch.no_grad():
            return self.parameterization.image(self.numbers)

    def is_due(self, every: int) -> bool:
        """Return whether it is the first one, each `every`-th after that, or the last."""
        return (self.number - 1) % every == 0 or self.number == self.total


Report = Callable[[Step], None]


def ascend(
    model: Classifier,
    numbers: Tensor,
    objective: Objective,
    *,
    steps: int,
    move: Move,
    parameterization: Parameterization | None = None,
    transforms: Sequence[Transform] = (),
    views: int = 1,
    penalties: Sequence[Regularizer] = (),
    waking: int = 0,
    generator: Generator,
    report: Report | None = None,
    until: Callable[[Step], bool] | None = None,
    watch: Callable[[Tensor], None] | None = None,
    tile: int = 0,
    before: int = 0,
    total: int | None = None,
) -> Tensor:
    """Climb: ``numbers <- within(move(numbers, dL/dnumbers))``, `steps` times.

    Parameters
    ----------
    model
        Run no further than the objective's layers.
    numbers
        Where to start: an image (N, 3, H, W) in [0, 1], or what the parameterization makes images of.
    objective
        What to climb; one number an image.
    steps
        How often.
    move
        One step, see `dreamscope.optimize.update_rules`.
    parameterization
        From numbers to images; the numbers are pixels if not given.
    transforms
        Applied in order to the picture that the network sees, drawn anew each step.
    views
        So many draws of the transforms at each step, over which the objective is averaged.
    penalties
        Taken from the objective, see `dreamscope.optimize.regularizers`.
    waking
        If the first step has no gradient at all for an image: for so many steps gradients pass through units that are
        silent all over a picture.
    generator
        The source of all randomness.
    report
        Called after each step.
    until
        Called after each step; the ascent ends where it is true.
    watch
        Called at each step with the gradient of the image, (N, 3, H, W).
    tile
        The side of the parts in which the picture is run, 0 for the whole at once, see `dreamscope.optimize.tiles`.
    before, total
        Steps that a technique made in earlier ascents, and of all of them: what numbers are counted in.

    Returns
    -------
    Tensor
        The numbers, like `numbers`.

    Raises
    ------
    DivergedError
        At the first step whose numbers are not finite; its ``result`` is the last finite ones.
    Interrupted
        On Ctrl-C; its ``result`` is the numbers after the last whole step.
    """
    total = before + steps if total is None else total
    parameterization = parameterization or Pixel()
    # Its own, so that a picture in tiles is shifted as the whole one would be.
    grid = torch.Generator().manual_seed((generator.initial_seed() + 1) % 2**63)
    asleep = False
    with probe(model, objective.layers) as seen:
        for number in range(before + 1, before + steps + 1):
            progress = (number - before - 1) / steps
            try:
                with awake() if asleep else nullcontext():
                    gradient, values = _gradient(
                        seen,
                        numbers,
                        objective,
                        parameterization=parameterization,
                        transforms=transforms,
                        progress=progress,
                        views=views,
                        penalties=penalties,
                        generator=generator,
                        watch=watch,
                        tile=tile,
                        grid=grid,
                    )
                # Seen at the first step, since waking takes twice the time.
                if number == before + 1 and waking:
                    asleep = bool((gradient.flatten(1).abs().amax(1) == 0).any())
                asleep = asleep and number - before <= waking
                with torch.no_grad():
                    moved = move(numbers, gradient, values, progress)
                    del gradient
                    # A NaN or an infinity anywhere makes the sum one; far cheaper than looking at each pixel,
                    # and before clipping, which would turn an infinity into a white one.
                    if not torch.isfinite(moved.sum() + values.sum()):
                        raise DivergedError(
                            f"the numbers were no longer finite at step {number} of {total}; "
                            f"try a smaller rate{_than(move)}",
                            step=number,
                            result=numbers,
                        )
                    numbers = parameterization.within(moved)
                step = Step(number, total, tuple(values.tolist()), numbers, parameterization)
                if report is not None:
                    report(step)
                if until is not None and until(step):
                    break
            except KeyboardInterrupt as stop:
                raise Interrupted(f"stopped at step {number} of {total}", result=numbers) from stop
    return numbers


def _than(move: Move) -> str:
    rate = getattr(move, "rate", None)
    return "" if rate is None else f" than {rate:g}"


def _gradient(
    seen: Probe,
    numbers: Tensor,
    objective: Objective,
    *,
    parameterization: Parameterization,
    transforms: Sequence[Transform],
    progress: float,
    views: int,
    penalties: Sequence[Regularizer],
    generator: Generator,
    watch: Callable[[Tensor], None] | None,
    tile: int,
    grid: Generator,
) -> tuple[Tensor, Tensor]:
    """Return the gradient of the numbers, and the value of each image."""
    leaf = numbers.detach().requires_grad_()
    image = parameterization.image(leaf)
    drawn = []
    for _ in range(views):
        view = image
        for transform in transforms:
            view = transform(view, generator, progress)
        drawn.append(view)
    view = torch.cat(drawn) if views > 1 else drawn[0]
    # Pictures may be large: no copy is kept longer, or made, than needed.
    del drawn
    outputs, slopes = [], []
    if tile and isinstance(objective, Gathered):
        slope, values = tiles.gradient(seen, view.detach(), objective, tile, grid)
        tiles.release_memory()
        outputs.append(view)
        slopes.append(slope)
        del slope
    else:
        activations = seen(view)
        each = [objective(_drawn(activations, index, views)) for index in range(views)]
        values = torch.stack(each).mean(0)
        outputs.append(values)
        slopes.append(torch.ones_like(values))
        del activations, each
    del view
    for penalty in penalties:
        cost = penalty(image)
        outputs.append(cost)
        slopes.append(-torch.ones_like(cost))
        values = values - cost
    (gradient,) = torch.autograd.grad(outputs, image, slopes)
    outputs.clear()
    slopes.clear()
    if watch is not None:
        watch(gradient)
    if image is not leaf:
        (gradient,) = torch.autograd.grad(image, leaf, gradient)
    # A gradient comes back in the network's memory format; resampling is far slower in channels_last.
    return gradient.contiguous(), values.detach()


def _drawn(activations: Mapping[str, Tensor], index: int, views: int) -> Mapping[str, Tensor]:
    """Return the activations of one draw of the transforms, of several that ran together."""
    return activations if views == 1 else {name: each.chunk(views)[index] for name, each in activations.items()}
