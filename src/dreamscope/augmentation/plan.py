"""Plan: which pictures are made, from what, and how strongly; the same whatever is made first, or was made before."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import count as numbers
from itertools import islice

import torch

from dreamscope.augmentation.hallucination import seeded
from dreamscope.errors import DreamscopeError
from dreamscope.photos import Photo, shuffled

STRENGTHS = (0.5, 1.0)
"""From the least to the most, if nothing is given."""


@dataclass(frozen=True)
class Planned:
    """One picture that is to be made.

    Attributes
    ----------
    number : int
        From 0.
    photo : Photo
        What is dreamt on.
    guide : Photo
        A photo with the thing, which the aim ``guide`` follows.
    strength : float
        The share of the dream that is put on the photo.
    """

    number: int
    photo: Photo
    guide: Photo
    strength: float

    @property
    def stem(self) -> str:
        """The name of its file, without the suffix."""
        return f"{self.number:06}-{self.photo.path.stem}"


def ensure_strength(given: float | Sequence[float]) -> tuple[float, float]:
    """Return the least and the most strength, from one number or two.

    Raises
    ------
    DreamscopeError
        If they are not between 0 and 4, in this order.
    """
    both = [given, given] if isinstance(given, int | float) else [*given]
    if len(both) != 2 or not 0 <= both[0] <= both[1] <= 4:
        raise DreamscopeError(f"a strength is a number between 0 and 4, or two such as (0.5, 1), not {given}")
    return float(both[0]), float(both[1])


def plan(
    healthy: Sequence[Photo], positives: Sequence[Photo], count: int, strength: tuple[float, float], seed: int
) -> Iterator[Planned]:
    """Yield what is to be made: all photos take turns in an order of their own each time."""
    rounds = (shuffled(healthy, seed + turn) for turn in numbers())
    for number, photo in islice(enumerate(photo for photos in rounds for photo in photos), count):
        drawn = torch.rand(2, generator=seeded(seed, number)).tolist()
        low, high = strength
        # Four digits, as the recipe has it.
        share = round(low + (high - low) * drawn[0], 4)
        yield Planned(number, photo, positives[int(drawn[1] * len(positives))], share)
