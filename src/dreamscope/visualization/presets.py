"""Settings of a picture made from noise, and named sets of them. Imports no torch, for ``--help``."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any, TypedDict

from dreamscope.errors import DreamscopeError, ensure_one_of
from dreamscope.optimize.ingredients import listed

MOST_CONTRAST = 1.6
"""At most so many times its own contrast a picture gets. Networks take little notice of it; people see less gray."""


@dataclass(frozen=True)
class Settings:
    """How a picture is made from noise; all that may be given in place of a preset's value.

    Attributes
    ----------
    parameterization : str, Parameterization or callable
        What is climbed: a name in `dreamscope.optimize.parameterizations.PARAMETERIZATIONS`, one's own object with
        ``parameters()`` and ``image()``, or a function that makes one from an image of noise, (N, 3, H, W).
    optimizer : str, UpdateRule or callable
        ``adam``; ``normalized``, along the gradient over its own mean size; an update rule; or a factory of an
        optimizer of ``torch.optim``, see `dreamscope.optimize.update_rules`.
    steps : int
        Number of steps.
    rate : float or None
        Length of a step: of Adam in the parameterization's own numbers, else the mean change of a colour in [0, 1].
        ``None`` for one's own parameterization: its ``rate``, or 0.05 if it has none.
    transform : sequence of str, Transform or callable
        See `dreamscope.optimize.transforms`; ``shift:8``, ``crop:0.3,1,0.7``, or any function from images to images.
    crops : int
        Number of draws of the transforms at each step.
    penalty : sequence of str or callable
        See `dreamscope.optimize.regularizers`; ``l2:5``, ``tv:0.1``, or any function from images to one number each.
    redirect_steps : int
        Number of steps at the start in which units that are silent all over a picture get a gradient.
    branch_gradient : float
        Of classes: the share of their gradient that residual branches pass on. With less than 1 other networks see the
        class too, see `dreamscope.optimize.branches`.
    contrast : float
        Standard deviation of a colour that the finished picture is brought up to, at most `MOST_CONTRAST` times its
        own; photos have 0.2 to 0.25. 0 leaves it as it was climbed.
    """

    parameterization: Any = "fourier"
    optimizer: Any = "adam"
    steps: int = 256
    rate: float | None = 0.05
    transform: Sequence[Any] = ()
    crops: int = 1
    penalty: Sequence[Any] = ()
    redirect_steps: int = 16
    branch_gradient: float = 1.0
    contrast: float = 0.0

    def __post_init__(self) -> None:
        for value, name, least, most in (
            (self.steps, "steps", 1, 100_000),
            (self.crops, "crops", 1, 64),
            (self.redirect_steps, "redirect_steps", 0, 100_000),
            (self.branch_gradient, "branch_gradient", 0, 1),
            (self.contrast, "contrast", 0, 1),
        ):
            if not least <= value <= most:
                raise DreamscopeError(f"{name} lies between {least} and {most}, not at {value}")
        if self.rate is not None and not self.rate > 0:
            raise DreamscopeError(f"rate is more than 0, not {self.rate}")
        for name in ("transform", "penalty"):
            object.__setattr__(self, name, listed(getattr(self, name)))


class Overrides(TypedDict, total=False):
    """Values in place of a preset's, see `Settings`; ``None`` leaves the preset's own."""

    parameterization: Any
    optimizer: str | Callable[..., Any] | None
    steps: int | None
    rate: float | None
    transform: str | Sequence[Any] | Callable[..., Any] | None
    crops: int | None
    penalty: str | Sequence[Any] | Callable[..., Any] | None
    redirect_steps: int | None
    branch_gradient: float | None
    contrast: float | None


ON_A_PHOTO = ("window:0.4,1", "flip", "rotate:10", "noise:0.05")
"""The transforms of what grows on a photo: parts of it, at the network's input size."""

BRANCHES = 0.35
"""The share of their gradient that residual branches pass on for a class."""

_SEEN = ("crop:0.25,1,0.71", "flip", "rotate:15", "noise:0.05")

_PIXEL = Settings(
    parameterization="pixel", transform=("shift:8", "scale:0.9,1.1", "rotate:5"), penalty=("tv:1",), rate=0.01
)

PRESETS = {
    "fourier": Settings(transform=_SEEN, crops=2, branch_gradient=BRANCHES, contrast=0.17),
    "maco": Settings(parameterization="maco", transform=_SEEN, crops=2, rate=0.3, contrast=0.17),
    "pixel": _PIXEL,
    "gray": replace(_PIXEL, parameterization="gray"),
    "detail": Settings(
        parameterization="detail", transform=ON_A_PHOTO, crops=2, steps=160, rate=0.35, branch_gradient=BRANCHES
    ),
    "classic": Settings(
        parameterization="pixel", optimizer="normalized", transform=("shift:8",), penalty=("l2:10",), rate=1 / 255
    ),
}
"""By name, the default first. ``classic`` is the class image of Simonyan, Vedaldi and Zisserman (2013): plain
pixels, an L2 penalty and jitter; the others are named after their parameterization. ``detail`` is for a class on a
photo."""

DEFAULT_PRESET = next(iter(PRESETS))
PHOTO_PRESET = "detail"
"""Of a class that grows on a photo, if no preset is given."""


def settings(preset: str | Settings | None, **given: Any) -> Settings:
    """Return a preset's settings, or one's own, with those in their place that are given and not ``None``.

    Without a preset it is the one of the same name as the parameterization, or else the default.

    Raises
    ------
    DreamscopeError
        If there is no such preset, or a value is invalid.
    """
    changes = {name: value for name, value in given.items() if value is not None}
    unknown = changes.keys() - Overrides.__annotations__.keys()
    if unknown:
        raise TypeError(f"no setting of a visualization: {', '.join(sorted(unknown))}")
    chosen = changes.get("parameterization")
    if preset is None:
        if isinstance(chosen, str):
            ensure_one_of(chosen, [name for name in PRESETS if name != "classic"], "parameterization")
        preset = chosen if isinstance(chosen, str) else DEFAULT_PRESET
    if isinstance(preset, str):
        ensure_one_of(preset, PRESETS, "preset")
        preset = PRESETS[preset]
    if chosen is not None and not isinstance(chosen, str):
        # The preset's suits its own numbers.
        changes.setdefault("rate", None)
    return replace(preset, **changes)
