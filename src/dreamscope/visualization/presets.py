"""Settings of a picture made from nothing, and named sets of them. Imports no torch, for ``--help``."""

from __future__ import annotations

from dataclasses import dataclass

from dreamscope.errors import DreamscopeError, ensure_one_of

MOVES = ("adam", "climb")

MOST_CONTRAST = 1.6
"""How often a picture's own contrast it may get. Networks take little notice of it; people see less gray."""


@dataclass(frozen=True)
class Look:
    """Every number of a visualization.

    Attributes
    ----------
    param : str
        What is climbed, see `dreamscope.optimize.parameterizations.PARAMETERIZATIONS`.
    move : str
        ``adam``, or ``climb``: along the gradient over its own mean size.
    steps : int
        How often.
    rate : float
        How far: of Adam in the parameterization's own numbers, else the mean change of a colour in [0, 1].
    transforms : tuple of str
        See `dreamscope.optimize.transforms.TRANSFORMS`; ``shift:8``, ``crop:0.3,1,0.7``.
    views : int
        Draws of the transforms at each step.
    penalties : tuple of str
        See `dreamscope.optimize.regularizers.REGULARIZERS`; ``l2:5``, ``tv:0.1``.
    waking : int
        Steps at the start in which units that are silent all over a picture get a gradient.
    contrast : float
        Standard deviation of a colour that the finished picture is brought up to, at most `MOST_CONTRAST` times its
        own; photos have 0.2 to 0.25. 0 leaves it as it was climbed.
    """

    param: str = "fourier"
    move: str = "adam"
    steps: int = 256
    rate: float = 0.05
    transforms: tuple[str, ...] = ()
    views: int = 1
    penalties: tuple[str, ...] = ()
    waking: int = 16
    contrast: float = 0.0

    def __post_init__(self) -> None:
        ensure_one_of(self.move, MOVES, "move")
        for value, name, least, most in (
            (self.steps, "steps", 1, 100_000),
            (self.views, "views", 1, 64),
            (self.waking, "waking", 0, 100_000),
            (self.contrast, "contrast", 0, 1),
        ):
            if not least <= value <= most:
                raise DreamscopeError(f"{name} lies between {least} and {most}, not at {value}")
        if not self.rate > 0:
            raise DreamscopeError(f"rate is more than 0, not {self.rate}")


_SEEN = ("crop:0.25,1,0.71", "flip", "rotate:15", "noise:0.05")

LOOKS = {
    "fourier": Look(transforms=_SEEN, views=2, contrast=0.17),
    "maco": Look(param="maco", transforms=_SEEN, views=2, rate=0.3, contrast=0.17),
    "pixel": Look(param="pixel", transforms=("shift:8", "scale:0.9,1.1", "rotate:5"), penalties=("tv:1",), rate=0.01),
    "classic": Look(param="pixel", move="climb", transforms=("shift:8",), penalties=("l2:10",), rate=1 / 255),
}
"""By name, the default first. ``classic`` is the class image of Simonyan, Vedaldi and Zisserman (2013): plain
pixels, an L2 penalty and jitter; the others are named after their parameterization."""

DEFAULT_LOOK = next(iter(LOOKS))
