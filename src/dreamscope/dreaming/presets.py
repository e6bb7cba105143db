"""Settings of a dream, and the named sets of them. Imports no torch, so that ``--help`` can read it."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from typing import Any

from dreamscope.errors import DreamscopeError, ensure_one_of


@dataclass(frozen=True)
class Settings:
    """Every number of a dream.

    Attributes
    ----------
    loss : str
        What is climbed, see `dreamscope.objectives.LOSSES`.
    steps : int
        Steps on each octave.
    rate : float or None
        How far each step goes: the mean change of a colour (in [0, 1]) with a filter other than
        ``none``, the factor of the raw gradient with it. ``None``, with ``none``: the factor that makes
        the first step change colours by 1.5/255 on average, and the same one from there on.
    octaves : int
        Sizes of the picture, from small to full.
    octave_scale : float
        From one size to the next.
    jitter : int
        Random shift at each step, up to so many pixels each way.
    filter : str
        What evens out the gradient, see `dreamscope.optimize.gradient_filters.FILTERS`.
    natural : float
        How far colours change together, as they do in photos: 0 freely, 1 entirely.
    precision : str
        ``auto`` measures which is fastest and still right; or ``float32``, ``bfloat16``, ``float16``; or, as
        recipes have it, with the memory format (``bfloat16/channels_last``).
    """

    loss: str = "norm"
    steps: int = 10
    rate: float | None = 1.5 / 255
    octaves: int = 4
    octave_scale: float = 1.4
    jitter: int = 32
    filter: str = "mean"
    natural: float = 0.0
    precision: str = "auto"

    def __post_init__(self) -> None:
        for value, name, least, most in (
            (self.steps, "steps", 0, 100_000),
            (self.octaves, "octaves", 1, 100),
            (self.jitter, "jitter", 0, 100_000),
            (self.natural, "natural", 0, 1),
        ):
            if not least <= value <= most:
                raise DreamscopeError(f"{name} lies between {least} and {most}, not at {value}")
        if not 1 < self.octave_scale <= 10:
            raise DreamscopeError(f"octave scale is more than 1 and at most 10, not {self.octave_scale}")
        if self.rate is not None and math.isnan(self.rate):
            raise DreamscopeError("rate is not a number")
        if self.rate is None and self.filter != "none":
            raise DreamscopeError(f"the filter '{self.filter}' needs a rate")


PRESETS = {
    "rich": Settings(
        loss="mean_square",
        steps=20,
        rate=1.2 / 255,
        octaves=6,
        octave_scale=1.5,
        jitter=32,
        filter="laplacian",
        natural=0.7,
    ),
    "classic": Settings(loss="mean_square", steps=10, rate=1.5 / 255, octaves=4, jitter=32, filter="mean"),
    "plain": Settings(loss="norm", steps=20, rate=None, octaves=1, jitter=0, filter="none", precision="float32"),
}
"""Settings by name, the default first. ``rich`` was chosen by eye; ``classic`` is the notebook of 2015;
``plain`` the bare loop ``x <- clip(x + rate * dL/dx, 0, 1)`` of the VGG19 write-ups."""

DEFAULT_PRESET = next(iter(PRESETS))


def settings(preset: str, **given: Any) -> Settings:
    """Return a preset's settings, with those in their place that are given and not ``None``.

    Raises
    ------
    DreamscopeError
        If there is no such preset, or a number can't be meant.
    """
    ensure_one_of(preset, PRESETS, "preset")
    return replace(PRESETS[preset], **{name: value for name, value in given.items() if value is not None})
