"""Visualization: what one thing looks like, and the ascent that makes a batch of them."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from dreamscope import images
from dreamscope.images import Size
from dreamscope.models.classifier import Classifier
from dreamscope.objectives import Diversity, Each, Objective
from dreamscope.objectives.targets import Subject
from dreamscope.optimize.ascent import Report, Step, ascend
from dreamscope.optimize.gradient_filters import unit_mean
from dreamscope.optimize.parameterizations import PARAMETERIZATIONS, Contrasted
from dreamscope.optimize.precision import Choice
from dreamscope.optimize.update_rules import Adam, Climb, Move
from dreamscope.probes import probe
from dreamscope.recipes import Recipe
from dreamscope.visualization.presets import MOST_CONTRAST, Look

DIVERSITY = 1.0
"""How much the unlikeness of several pictures of one thing counts, in units of what the thing itself reaches."""

Pair = tuple[Subject, Objective]
"""What is shown, and what is climbed for it."""

_QUIET = 0.25
"""The last share of the steps, in which a channel that had no gradient is taken to be silent."""


@dataclass(frozen=True)
class Visualization:
    """What one thing looks like.

    Attributes
    ----------
    name : str
        What is shown: an address, a sum of them, or a class.
    image : Tensor
        (1, 3, H, W) in [0, 1].
    values : tuple of float
        The objective before each step.
    reached : float
        The objective of the picture itself, untransformed.
    silent : bool
        Nothing that was tried excites it: the picture shows nothing.
    importance : Tensor
        (1, 1, H, W) in [0, 1]: where the gradient was, all steps together - what matters of the picture.
    seconds : float
        How long it took, its share of the batch.
    recipe : Recipe
        Enough to make it again.
    choice : Choice
        In which precision and memory format the network ran, and why.
    """

    name: str
    image: Tensor
    values: tuple[float, ...]
    reached: float
    silent: bool
    importance: Tensor
    seconds: float
    recipe: Recipe
    choice: Choice

    def save(self, path: str | Path, *, alpha: bool = False) -> Path:
        """Write the picture (PNG, JPEG or WebP) with the recipe inside.

        With `alpha`, importance makes it opaque, and the recipe in the file says so.
        """
        if not alpha:
            return images.write(self.image, path, note=self.recipe.to_json())
        return images.write(self.image, path, note=self.recipe.but(alpha=True).to_json(), alpha=self.importance)


@dataclass
class Run:
    """One ascent for each batch of subjects, all alike."""

    model: Classifier
    choice: Choice
    settings: Look
    transforms: list[Any]
    penalties: list[Any]
    size: Size
    seed: int
    negative: bool
    compared: str | None
    report: Report | None
    total: int = 0
    done: int = 0

    def __call__(self, batch: Sequence[Pair], recipe: Recipe) -> list[Visualization]:
        """Make the pictures of one batch; `recipe` is what they have in common."""
        self._values: list[tuple[float, ...]] = []
        self._weight = torch.zeros(len(batch), 1, self.size.height, self.size.width)
        self._quiet = torch.zeros(len(batch), dtype=torch.bool)
        self._started = time.perf_counter()
        self._kind = PARAMETERIZATIONS[self.settings.param](self.size)
        self._shown = Contrasted(self._kind, self.settings.contrast, MOST_CONTRAST)
        generator = torch.Generator().manual_seed(self.seed)
        # The same noise for all subjects, so that a picture does not depend on its neighbours.
        apart = len(batch) if self.compared else 1
        start = self._kind.start(apart, self.size, generator)
        start = start.repeat(len(batch) // apart, *[1] * (start.dim() - 1))
        numbers = ascend(
            self.model,
            start.to(self.model.device),
            self._objective(batch),
            steps=self.settings.steps,
            move=self._move(),
            parameterization=self._kind,
            transforms=self.transforms,
            views=self.settings.views,
            penalties=self.penalties,
            waking=self.settings.waking,
            generator=generator,
            report=self._note,
            watch=self._watch,
            before=self.done,
            total=self.total,
        )
        self.done += self.settings.steps
        return self.made(numbers, batch, recipe)

    def _objective(self, batch: Sequence[Pair]) -> Objective:
        sign = -1 if self.negative else 1
        each = Each(tuple(sign * wanted for _, wanted in batch))
        return each if self.compared is None else _Apart(each, Diversity(self.compared))

    def _move(self) -> Move:
        rate = self.settings.rate
        return Adam(rate) if self.settings.move == "adam" else Climb(rate, unit_mean)

    def _note(self, step: Step) -> None:
        self._values.append(step.values)
        if self.report is not None:
            self.report(replace(step, parameterization=self._shown))

    def _watch(self, gradient: Tensor) -> None:
        size = gradient.detach().abs().float().mean(1, keepdim=True).cpu()
        self._weight += size / size.amax((1, 2, 3), keepdim=True).clamp_min(1e-30)
        nothing = size.amax((1, 2, 3)) == 0
        late = len(self._values) > (1 - _QUIET) * self.settings.steps
        self._quiet = self._quiet & nothing if late else nothing

    def made(self, numbers: Tensor, batch: Sequence[Pair], recipe: Recipe) -> list[Visualization]:
        """Return the pictures of a batch as far as they got."""
        with torch.no_grad():
            pictures = self._shown.image(numbers)
            with probe(self.model, {layer for _, wanted in batch for layer in wanted.layers}) as seen:
                reached = Each(tuple(wanted for _, wanted in batch))(seen(pictures)).tolist()
        seconds = (time.perf_counter() - self._started) / len(batch)
        columns = list(zip(*self._values, strict=True)) or [()] * len(batch)
        importance = _evened(self._weight)
        return [
            Visualization(
                name=subject.name,
                image=pictures[index : index + 1].cpu(),
                values=columns[index],
                reached=reached[index],
                # Negative pictures are to end in silence.
                silent=bool(self._quiet[index]) and not self.negative and bool(columns[index]) and reached[index] <= 0,
                importance=importance[index : index + 1],
                seconds=seconds,
                recipe=recipe.but(of=str(subject)),
                choice=self.choice,
            )
            for index, (subject, _) in enumerate(batch)
        ]


@dataclass(frozen=True)
class _Apart(Objective):
    """Several pictures of one thing, each as strong as it can be and unlike the others."""

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
