"""Settings of a dream, and the named sets of them. Imports no torch, so that ``--help`` can read it."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any, TypedDict

from dreamscope.errors import DreamscopeError, ensure_one_of
from dreamscope.optimize.ingredients import listed
from dreamscope.visualization.presets import BRANCHES, ON_A_PHOTO

GRADIENTS = ("input", "image")
"""Which gradient a raw step follows. Both point the same way; they differ in size.

With x = (image - mean) / std, what the network itself is given, the gradient with respect to the image in [0, 1] is
dL/dx / std. Its size depends on the range of x: with 0-255 pixels std is 1/255, and it is 58 times what it is with the
usual std of 0.226. The write-ups climb dL/dx itself, ``x <- clip(x + rate * dL/dx, 0, 1)``; with ``input`` that is what
a rate multiplies on every network: std times the gradient of the image.

For the losses ``norm`` and ``mean`` and a network of convolutions, ReLUs and pooling this is exact. Given a range k
times as large, the same weights and biases k times as large make activations k times as large everywhere, and the
same dL/dx; ``mean_square`` and ``gram`` still grow by k. Batch normalization takes the range out by itself, so that
steps there get smaller as std does. Where nothing is known of a network's range (mean 0, std 1), x is the image. How
strongly networks respond is theirs, and differs.
"""


@dataclass(frozen=True)
class Settings:
    """How a dream is made; all that may be given in place of a preset's value.

    Attributes
    ----------
    loss : str
        What is climbed at addresses, see `dreamscope.objectives.LOSSES`.
    steps : int
        Number of steps on each octave.
    rate : float or None
        Length of a step: the mean change of a colour (in [0, 1]) with a filter other than ``none``, the factor of the
        raw gradient with it, see `gradient`. ``None``, with ``none``: the factor that makes the first step change
        colours by 1.5/255 on average, and the same one from there on. Only with a factor that is given does a common
        factor of all weights count.
    octaves : int
        Number of sizes of the picture, from small to full.
    octave_scale : float
        From one size to the next.
    jitter : int
        Random shift at each step, up to so many pixels each way.
    filter : str
        What evens out the gradient, see `dreamscope.optimize.gradient_filters.FILTERS`.
    gradient : str
        Which raw gradient a given `rate` multiplies, with the filter ``none``: with respect to the network's own
        ``input``, or to the ``image`` in [0, 1] (as in recipes that don't say it). See `GRADIENTS`.
    balance : bool
        Weights of several addresses count equally whatever the scale of each one's numbers, see
        `dreamscope.objectives.balance`.
    natural : float
        How far colours change together, as they do in photos: 0 freely, 1 entirely.
    precision : str
        ``auto`` measures which is fastest and still right; or ``float32``, ``bfloat16``, ``float16``; or, as
        recipes have it, with the memory format (``bfloat16/channels_last``).
    transform : sequence of str, Transform or callable
        After the shift, see `dreamscope.optimize.transforms`: ``rotate:5``, or any function from images to images.
    crops : int
        Number of draws of the transforms at each step.
    penalty : sequence of str or callable
        Subtracted from the objective, see `dreamscope.optimize.regularizers`: ``tv:0.1``, or a function of images.
    optimizer : str, UpdateRule, callable or None
        In place of the step along the filtered gradient: ``adam``, an update rule, or a factory of an optimizer of
        ``torch.optim``, see `dreamscope.optimize.update_rules`. Filter and colours then have no say.
    branch_gradient : float
        The share of their gradient that residual branches pass on, see `dreamscope.optimize.branches`: with less than
        1 other networks see a class too.
    parameterization : str or callable
        What is climbed: ``pixel``, ``gray`` (the picture becomes gray, and stays so), another name in
        `dreamscope.optimize.parameterizations.PARAMETERIZATIONS`, or a function that makes one's own object from the
        image that an octave starts with. Others than ``pixel`` and ``gray`` are climbed with ``adam`` if no optimizer
        is given.
    """

    loss: str = "norm"
    steps: int = 10
    rate: float | None = 1.5 / 255
    octaves: int = 4
    octave_scale: float = 1.4
    jitter: int = 32
    filter: str = "mean"
    gradient: str = "input"
    balance: bool = False
    natural: float = 0.0
    precision: str = "auto"
    transform: Sequence[Any] = ()
    crops: int = 1
    penalty: Sequence[Any] = ()
    optimizer: Any = None
    branch_gradient: float = 1.0
    parameterization: Any = "pixel"

    def __post_init__(self) -> None:
        for value, name, least, most in (
            (self.steps, "steps", 0, 100_000),
            (self.octaves, "octaves", 1, 100),
            (self.jitter, "jitter", 0, 100_000),
            (self.crops, "crops", 1, 64),
            (self.natural, "natural", 0, 1),
            (self.branch_gradient, "branch_gradient", 0, 1),
        ):
            if not least <= value <= most:
                raise DreamscopeError(f"{name} lies between {least} and {most}, not at {value}")
        ensure_one_of(self.gradient, GRADIENTS, "gradient")
        if not 1 < self.octave_scale <= 10:
            raise DreamscopeError(f"octave scale is more than 1 and at most 10, not {self.octave_scale}")
        if self.rate is not None and math.isnan(self.rate):
            raise DreamscopeError("rate is not a number")
        if self.rate is None and self.filter != "none":
            raise DreamscopeError(f"the filter '{self.filter}' needs a rate")
        for name in ("transform", "penalty"):
            object.__setattr__(self, name, listed(getattr(self, name)))


class Overrides(TypedDict, total=False):
    """Values in place of a preset's, see `Settings`; ``None`` leaves the preset's own."""

    loss: str | None
    steps: int | None
    rate: float | None
    octaves: int | None
    octave_scale: float | None
    jitter: int | None
    filter: str | None
    gradient: str | None
    balance: bool | None
    natural: float | None
    precision: str | None
    transform: str | Sequence[Any] | None
    crops: int | None
    penalty: str | Sequence[Any] | None
    optimizer: str | Callable[..., Any] | None
    branch_gradient: float | None
    parameterization: str | Callable[..., Any] | None


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
    "class": Settings(
        loss="mean_square",
        steps=90,
        rate=0.03,
        octaves=2,
        octave_scale=1.7,
        jitter=0,
        transform=ON_A_PHOTO,
        crops=2,
        branch_gradient=BRANCHES,
        parameterization="detail",
    ),
}
"""Settings by name, the default first. ``rich`` was chosen by eye; ``classic`` is the notebook of 2015;
``plain`` the bare loop ``x <- clip(x + rate * dL/dx, 0, 1)`` of the VGG19 write-ups, see `GRADIENTS`; ``class`` shows
the network parts of the picture at its input size, so that a class grows that other networks, and people, see too."""

DEFAULT_PRESET = next(iter(PRESETS))
CLASS_PRESET = "class"
"""Of a dream towards a class, if no preset is given."""


def settings(preset: str | Settings, **given: Any) -> Settings:
    """Return a preset's settings, or one's own, with those in their place that are given and not ``None``.

    Raises
    ------
    DreamscopeError
        If there is no such preset, or a value is invalid.
    """
    if isinstance(preset, str):
        ensure_one_of(preset, PRESETS, "preset")
        preset = PRESETS[preset]
    unknown = given.keys() - Overrides.__annotations__.keys()
    if unknown:
        raise TypeError(f"no setting of a dream: {', '.join(sorted(unknown))}")
    return replace(preset, **{name: value for name, value in given.items() if value is not None})
