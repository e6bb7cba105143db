"""Batches: pictures from noise that are climbed together."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import torch
from torch import Tensor

from dreamscope import images
from dreamscope.errors import DreamscopeError
from dreamscope.images import Size
from dreamscope.models.classifier import Classifier
from dreamscope.objectives import Diversity, Each, Objective
from dreamscope.objectives.targets import Target
from dreamscope.optimize import regularizers, transforms, update_rules
from dreamscope.optimize.ascent import Ascent, Step, StepCallback, image_of
from dreamscope.optimize.calibration import Choice
from dreamscope.optimize.parameterizations import (
    PARAMETERIZATIONS,
    Contrasted,
    Parameterization,
    Pixel,
    made_of,
    rate_of,
)
from dreamscope.probes import probe
from dreamscope.recipes import Recipe
from dreamscope.visualization.presets import MOST_CONTRAST, Settings
from dreamscope.visualization.result import Visualization

DIVERSITY = 1.0
"""How much the unlikeness of several pictures of one target counts, in units of what the target itself reaches."""

OWN_RATE = 0.05
"""How far a step goes in one's own parameterization that has no ``rate``."""

Pair = tuple[Target, Objective]
"""What is shown, and what is climbed for it."""

_QUIET = 0.25
"""The last share of the steps, in which a channel that had no gradient counts as silent."""


@dataclass
class Batches:
    """One ascent for each batch of targets, all alike.

    Attributes
    ----------
    model : Classifier
        As it runs.
    choice : Choice
        In which precision and memory format that is.
    settings : Settings
        Of all pictures.
    size : Size
        Of a picture.
    seed : int
        Seed of all random numbers.
    negative : bool
        Climb the other way.
    compared : str or None
        The layer at which the pictures of a batch are to differ, if they are to.
    callback : callable or None
        Called after each step.
    total : int
        Number of steps of all batches.
    begun : Tensor or None
        (1, 3, H, W), what is climbed from instead of noise.
    """

    model: Classifier
    choice: Choice
    settings: Settings
    size: Size
    seed: int
    negative: bool
    compared: str | None
    callback: StepCallback | None
    total: int = 0
    begun: Tensor | None = None

    def __post_init__(self) -> None:
        given = [transforms.ensure(each) for each in self.settings.transform]
        self._transforms = [transforms.sized(each, self.model.input_size) for each in given]
        self._penalties = [regularizers.ensure(each) for each in self.settings.penalty]
        update_rules.ensure(self.settings.optimizer, OWN_RATE)
        self._done = 0

    def __call__(self, batch: Sequence[Pair], recipe: Recipe | None) -> list[Visualization]:
        """Make the pictures of one batch; `recipe` is what they have in common."""
        self._values: list[tuple[float, ...]] = []
        self._weight = torch.zeros(len(batch), 1, self.size.height, self.size.width)
        self._quiet = torch.zeros(len(batch), dtype=torch.bool)
        self._started = time.perf_counter()
        generator = torch.Generator().manual_seed(self.seed)
        climbed = self._begun(len(batch), generator)
        self._shown = Contrasted(climbed, self.settings.contrast, MOST_CONTRAST)
        own = rate_of(climbed, OWN_RATE)
        ascent = Ascent(
            update_rules.ensure(self.settings.optimizer, own if self.settings.rate is None else self.settings.rate),
            transforms=self._transforms,
            crops=self.settings.crops,
            penalties=self._penalties,
            redirect_steps=self.settings.redirect_steps,
            branch_gradient=self.settings.branch_gradient,
            watch=self._watch,
        )
        ascent(
            self.model,
            climbed,
            self._objective(batch),
            steps=self.settings.steps,
            generator=generator,
            callback=self._note,
            before=self._done,
            total=self.total,
        )
        self._done += self.settings.steps
        return self.made(batch, recipe)

    def _begun(self, count: int, generator: torch.Generator) -> Parameterization:
        """Return what is climbed for so many pictures."""
        chosen, device = self.settings.parameterization, self.model.device
        # The same noise for all targets, so that a picture does not depend on its neighbours.
        apart = count if self.compared else 1
        if isinstance(chosen, str) and self.begun is None:
            return PARAMETERIZATIONS[chosen].noise(apart, self.size, generator).repeated(count // apart, device)
        noise = Pixel.noise(apart, self.size, generator).repeated(count // apart, device).image()
        if self.begun is not None:
            # Pictures that are to differ must not begin alike.
            faint = noise - 0.5 if apart > 1 else torch.zeros_like(noise)
            noise = (self.begun.to(device) + faint).clamp(0, 1)
        found = made_of(noise, chosen)
        shape = tuple(image_of(found).shape)
        if shape != (count, 3, self.size.height, self.size.width):
            raise DreamscopeError(
                f"a parameterization of ({count}, 3, {self.size.height}, {self.size.width}) is needed, "
                f"{type(found).__name__} makes {shape}"
            )
        return found

    def _objective(self, batch: Sequence[Pair]) -> Objective:
        sign = -1 if self.negative else 1
        each = Each(tuple(sign * wanted for _, wanted in batch))
        return each if self.compared is None else _Apart(each, Diversity(self.compared))

    def _note(self, step: Step) -> None:
        self._values.append(step.values)
        if self.callback is not None:
            self.callback(replace(step, parameterization=self._shown))

    def _watch(self, gradient: Tensor) -> None:
        size = gradient.detach().abs().float().mean(1, keepdim=True).cpu()
        self._weight += size / size.amax((1, 2, 3), keepdim=True).clamp_min(1e-30)
        nothing = size.amax((1, 2, 3)) == 0
        late = len(self._values) > (1 - _QUIET) * self.settings.steps
        self._quiet = self._quiet & nothing if late else nothing

    def made(self, batch: Sequence[Pair], recipe: Recipe | None) -> list[Visualization]:
        """Return the pictures of a batch as far as they got."""
        with torch.no_grad():
            pictures = image_of(self._shown)
            with probe(self.model, {layer for _, wanted in batch for layer in wanted.layers}) as seen:
                reached = Each(tuple(wanted for _, wanted in batch))(seen(pictures)).tolist()
        seconds = (time.perf_counter() - self._started) / len(batch)
        columns = list(zip(*self._values, strict=True)) or [()] * len(batch)
        importance = _evened(self._weight)
        return [
            Visualization(
                name=target.name,
                image=pictures[index : index + 1].cpu(),
                values=columns[index],
                reached=reached[index],
                # Negative pictures are to end in silence.
                silent=bool(self._quiet[index]) and not self.negative and bool(columns[index]) and reached[index] <= 0,
                importance=importance[index : index + 1],
                seconds=seconds,
                recipe=None if recipe is None else recipe.but(**target.parameters),
                choice=self.choice,
            )
            for index, (target, _) in enumerate(batch)
        ]


@dataclass(frozen=True)
class _Apart(Objective):
    """Several pictures of one target, each as strong as it can be and unlike the others."""

    each: Objective
    diversity: Diversity

    @property
    def layers(self) -> Sequence[str]:
        return [*self.each.layers, *self.diversity.layers]

    def __call__(self, activations: Any) -> Tensor:
        strength = self.each(activations)
        # In units of what is reached by now, or the one would drown the other.
        unit = strength.detach().abs().mean()
        return strength + DIVERSITY * unit * self.diversity(activations)


def _evened(weight: Tensor) -> Tensor:
    """Return gradients' sizes as importance in [0, 1]: smooth, the upper hundredth of the pixels being 1."""
    smooth = images.blur(weight, max(1.0, min(weight.shape[-2:]) / 64))
    top = torch.quantile(smooth.flatten(1), 0.99, dim=1).clamp_min(1e-30).view(-1, 1, 1, 1)
    return (smooth / top).clamp(0, 1)
