"""Visualization: what one target looks like."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from torch import Tensor

from dreamscope import images
from dreamscope.optimize.calibration import Choice
from dreamscope.recipes import Recipe, note_of

_FLAT = 0.02
"""The standard deviation over positions that what begins as noise has at most before anything grows; later 0.1."""

_SAME = 0.02
"""An objective that ends so near to where it began, as a share of that, did not rise."""


@dataclass(frozen=True)
class Visualization:
    """What one target looks like.

    Attributes
    ----------
    name : str
        What is shown: an address, a sum of them, a class, or the name of a function.
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
    recipe : Recipe or None
        Enough to make it again; ``None`` with ``recipe=False``.
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
    recipe: Recipe | None
    choice: Choice

    @property
    def gray(self) -> str:
        """Why the picture stayed gray, or shows nothing but its noise, and what to try; empty if something is seen."""
        flat = float(self.image.std((2, 3)).amax()) < _FLAT
        if not self.values or not (flat or self.silent or not self.importance.any()):
            return ""
        first, last, steps = self.values[0], self.reached, len(self.values)
        if last == 0 or abs(last - first) <= _SAME * abs(first):
            return (
                f"it is {last:.3g} whatever was tried: the channel is dead, or its gradient vanishes; try the layer "
                "before its activation, another preset, or exemplars, to see whether any photo excites it"
            )
        taken = "1 step" if steps == 1 else f"{steps} steps"
        return f"it went from {first:.3g} to {last:.3g} in {taken}, which is not to be seen yet; try more steps"

    def save(self, path: str | Path, *, alpha: bool = False) -> Path:
        """Write the picture (PNG, JPEG or WebP) with the recipe inside.

        With `alpha`, importance makes it opaque, and the recipe in the file says so.
        """
        if not alpha:
            return images.write(self.image, path, note=note_of(self.recipe))
        kept = None if self.recipe is None else self.recipe.but(alpha=True)
        return images.write(self.image, path, note=note_of(kept), alpha=self.importance)

    def _repr_png_(self) -> bytes:
        return images.png(self.image)
