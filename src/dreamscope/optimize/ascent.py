"""The ascent: the one loop that climbs an objective."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass
from functools import cached_property

import torch
from torch import Generator, Tensor

from dreamscope.errors import DivergedError, DreamscopeError, Interrupted
from dreamscope.models.classifier import Classifier
from dreamscope.models.relu_rules import redirected
from dreamscope.objectives import Gathered, Objective
from dreamscope.optimize import tiles
from dreamscope.optimize.branches import weakened
from dreamscope.optimize.parameterizations import Constrained, Parameterization, tensors_of
from dreamscope.optimize.regularizers import Regularizer
from dreamscope.optimize.transforms import Transform
from dreamscope.optimize.update_rules import UpdateRule
from dreamscope.probes import Probe, probe
from dreamscope.progress import reported


@dataclass(frozen=True)
class Step:
    """What a callback is given after each step.

    Attributes
    ----------
    number, total : int
        This step, from 1, of how many in all.
    values : tuple of float
        Each image's objective before the step, penalties subtracted.
    parameterization : Parameterization
        What is climbed, as it is after the step; the next step changes it.
    rates : tuple of float or None
        Each image's rate, where a dream has found it by its first step; else empty.
    """

    number: int
    total: int
    values: tuple[float, ...]
    parameterization: Parameterization
    rates: tuple[float | None, ...] = ()

    @property
    def value(self) -> float:
        """The objective before the step, summed over images."""
        return sum(self.values)

    @cached_property
    def image(self) -> Tensor:
        """The picture after the step, (N, 3, H, W) in [0, 1]: made when first asked for, which is in the callback."""
        return image_of(self.parameterization)

    def is_due(self, every: int) -> bool:
        """Return whether it is the first one, each `every`-th after that, or the last."""
        return (self.number - 1) % every == 0 or self.number == self.total


StepCallback = Callable[[Step], None]


@dataclass(frozen=True)
class Ascent:
    """How to climb: ``parameters <- optimizer(parameters, d objective / d parameters)``.

    Attributes
    ----------
    optimizer : UpdateRule
        One step, see `dreamscope.optimize.update_rules`.
    transforms : sequence of Transform
        Applied in order to the picture that the network sees, drawn anew each step.
    crops : int
        Number of draws of the transforms at each step, over which the objective is averaged.
    penalties : sequence of Regularizer
        Subtracted from the objective, see `dreamscope.optimize.regularizers`.
    redirect_steps : int
        If the first step has no gradient at all for an image: for so many steps gradients pass through units that are
        silent all over a picture.
    branch_gradient : float
        The share of their gradient that residual branches pass on, see `dreamscope.optimize.branches`.
    tile : int
        The side of the parts in which the picture is run, 0 for the whole at once, see `dreamscope.optimize.tiles`.
    watch : callable or None
        Called at each step with the gradient of the image, (N, 3, H, W).
    until : callable or None
        Called after each step; the ascent ends where it is true.
    """

    optimizer: UpdateRule
    transforms: Sequence[Transform] = ()
    crops: int = 1
    penalties: Sequence[Regularizer] = ()
    redirect_steps: int = 0
    branch_gradient: float = 1.0
    tile: int = 0
    watch: Callable[[Tensor], None] | None = None
    until: Callable[[Step], bool] | None = None

    def __call__(
        self,
        model: Classifier,
        parameterization: Parameterization,
        objective: Objective,
        *,
        steps: int,
        generator: Generator,
        callback: StepCallback | None = None,
        before: int = 0,
        total: int | None = None,
    ) -> Tensor:
        """Climb.

        Parameters
        ----------
        model
            Run no further than the objective's layers.
        parameterization
            What to climb; changed in place.
        objective
            One number an image.
        steps
            Number of steps.
        generator
            The source of all random numbers.
        callback
            Called after each step.
        before, total
            Steps that a technique made in earlier ascents, and of all of them, for the steps' numbers.

        Returns
        -------
        Tensor
            The images, (N, 3, H, W) in [0, 1].

        Raises
        ------
        DivergedError
            At the first step whose parameters are not finite; its ``result`` is the images before it.
        Interrupted
            On Ctrl-C; its ``result`` is the images after the last whole step.
        """
        if not objective.layers:
            raise DreamscopeError("the objectives cancel out; nothing is left to climb")
        total = before + steps if total is None else total
        # Its own, so that a picture in tiles is shifted as the whole one would be.
        grid = torch.Generator().manual_seed((generator.initial_seed() + 1) % 2**63)
        silent, number = False, before
        with _climbed(parameterization) as parameters:
            try:
                with weakened(model, self.branch_gradient), probe(model, objective.layers) as seen:
                    for number in range(before + 1, before + steps + 1):
                        progress = (number - before - 1) / steps
                        with redirected() if silent else nullcontext():
                            image, gradient, values = self._gradient(
                                seen, parameterization, objective, progress=progress, generator=generator, grid=grid
                            )
                        # Seen at the first step, since redirecting takes twice the time.
                        if number == before + 1 and self.redirect_steps:
                            silent = bool((gradient.flatten(1).abs().amax(1) == 0).any())
                        silent = silent and number - before <= self.redirect_steps
                        gradients = _behind(image, parameters, gradient)
                        del image, gradient
                        self._move(parameters, gradients, values, progress, step=f"step {number} of {total}")
                        del gradients
                        if isinstance(parameterization, Constrained):
                            with torch.no_grad():
                                parameterization.constrain()
                        step = Step(number, total, tuple(values.tolist()), parameterization)
                        if callback is not None:
                            callback(step)
                        if self.until is not None and self.until(step):
                            break
                return image_of(parameterization)
            except DivergedError as error:
                error.step, error.result = number, image_of(parameterization)
                raise
            except KeyboardInterrupt as stop:
                raise Interrupted(f"stopped at step {number} of {total}", result=image_of(parameterization)) from stop

    def _gradient(
        self,
        seen: Probe,
        parameterization: Parameterization,
        objective: Objective,
        *,
        progress: float,
        generator: Generator,
        grid: Generator,
    ) -> tuple[Tensor, Tensor, Tensor]:
        """Return the image with its graph, the gradient of the image, and the value of each."""
        image = parameterization.image()
        _check(image)
        drawn = []
        for _ in range(self.crops):
            shown = image
            for transform in self.transforms:
                shown = transform(shown, generator, progress)
            drawn.append(shown)
        shown = torch.cat(drawn) if self.crops > 1 else drawn[0]
        # Pictures may be large: no copy is kept longer, or made, than needed.
        del drawn
        outputs: list[Tensor] = []
        slopes: list[Tensor | None] = []
        if self.tile and isinstance(objective, Gathered):
            slope, values = tiles.gradient(seen, shown.detach(), objective, self.tile, grid)
            slope, values = slope / self.crops, values.unflatten(0, (self.crops, -1)).mean(0)
            tiles.release_memory()
            outputs.append(shown)
            slopes.append(slope)
            del slope
        else:
            activations = seen(shown)
            each = [objective(_drawn(activations, index, self.crops)) for index in range(self.crops)]
            values = torch.stack(each).mean(0)
            # Sums, since with slopes of their own PyTorch imports its compiler's symbols first (half a second).
            outputs.append(values.sum())
            slopes.append(None)
            del activations, each
        del shown
        for penalty in self.penalties:
            cost = penalty(image)
            outputs.append(-cost.sum())
            slopes.append(None)
            values = values - cost.to(values.device)
        (gradient,) = torch.autograd.grad(outputs, image, slopes)
        outputs.clear()
        slopes.clear()
        if self.watch is not None:
            self.watch(gradient)
        return image, gradient, values.detach()

    @torch.no_grad()
    def _move(
        self, parameters: list[Tensor], gradients: list[Tensor], values: Tensor, progress: float, *, step: str
    ) -> None:
        """Put the next parameters in the place of these, if they are finite."""
        moved = self.optimizer(parameters, gradients, values, progress)
        # A NaN or an infinity anywhere makes the sum one; far cheaper than looking at each pixel,
        # and before clipping, which would turn an infinity into a white one.
        if not all(torch.isfinite(each.sum()) for each in (*moved, values)):
            rate = getattr(self.optimizer, "rate", None)
            than = "" if rate is None else f" than {rate:g}"
            raise DivergedError(f"the numbers were no longer finite at {step}; try a smaller rate{than}", step=0)
        for parameter, new in zip(parameters, moved, strict=True):
            parameter.data = new


@contextmanager
def stepping(callback: StepCallback | None, stage: str, *, progress: bool) -> Iterator[StepCallback]:
    """Give a callback for steps that passes them on and, with `progress`, draws a bar."""
    with reported(progress=progress) as bar:

        def note(step: Step) -> None:
            if callback is not None:
                callback(step)
            if bar is not None:
                bar(stage, step.number, step.total)

        yield note


def image_of(parameterization: Parameterization) -> Tensor:
    """Return the images that a parameterization makes now, without a graph behind them."""
    with torch.no_grad():
        # A tensor of its own: the next step puts other numbers into the parameters.
        return parameterization.image().detach()


@contextmanager
def _climbed(parameterization: Parameterization) -> Iterator[list[Tensor]]:
    """Give the tensors that are climbed, with gradients for the length of the block."""
    parameters = tensors_of(parameterization)
    required = [each.requires_grad for each in parameters]
    try:
        for each in parameters:
            each.requires_grad_()
        yield parameters
    finally:
        for each, before in zip(parameters, required, strict=True):
            each.requires_grad_(before)


def _check(image: Tensor) -> None:
    if not isinstance(image, Tensor) or image.dim() != 4 or image.shape[1] != 3:
        what = f"shape {tuple(image.shape)}" if isinstance(image, Tensor) else type(image).__name__
        raise DreamscopeError(f"a parameterization's image() returns (N, 3, H, W), not {what}")
    if not image.requires_grad:
        raise DreamscopeError("a parameterization's image() does not depend on its parameters(): nothing to climb")


def _behind(image: Tensor, parameters: list[Tensor], gradient: Tensor) -> list[Tensor]:
    """Return the gradients of the parameters behind an image whose gradient is given."""
    gradients: Sequence[Tensor] = [gradient]
    if len(parameters) > 1 or image is not parameters[0]:
        along = (image * gradient).sum()
        gradients = torch.autograd.grad(along, parameters, allow_unused=True, materialize_grads=True)
    # A gradient comes back in the network's memory format; resampling is far slower in channels_last.
    return [each.contiguous() for each in gradients]


def _drawn(activations: Mapping[str, Tensor], index: int, crops: int) -> Mapping[str, Tensor]:
    """Return the activations of one draw of the transforms, of several that ran together."""
    return activations if crops == 1 else {name: each.chunk(crops)[index] for name, each in activations.items()}
