"""Video: dream a clip, so that what is dreamt moves along with what it was dreamt on.

Each frame begins with what was dreamt on the one before, carried along the optical flow where it is still to be seen,
as Ruder, Dosovitskiy and Brox did for styles in "Artistic style transfer for videos" (2016).
"""

from __future__ import annotations

from collections.abc import Generator, Sequence
from dataclasses import dataclass
from fractions import Fraction
from typing import Unpack

import torch
from torch import Tensor

from dreamscope import images
from dreamscope.dreaming import presets
from dreamscope.dreaming.dream import recorded
from dreamscope.dreaming.frames import Footage, Frame
from dreamscope.dreaming.octaves import Dreamer
from dreamscope.dreaming.optical_flow import motion
from dreamscope.dreaming.presets import DEFAULT_PRESET, Overrides, Settings
from dreamscope.errors import DreamscopeError, ensure_seed
from dreamscope.images import Size
from dreamscope.models.addresses import Address
from dreamscope.models.classifier import Classifier
from dreamscope.objectives import Objective
from dreamscope.objectives.targets import Given, at_places
from dreamscope.optimize.initial_images import referenced
from dreamscope.recipes import Recipe

KEEP = 0.85
"""The share of the dream on the frame before that is kept."""


@dataclass(frozen=True)
class Video:
    """A clip ready to be dreamt frame by frame; nothing is held but two frames.

    Attributes
    ----------
    clip : Footage
        What is dreamt on.
    size : Size
        Of its frames.
    recipe : Recipe or None
        Enough to make it again; ``None`` with ``recipe=False``.
    """

    clip: Footage
    size: Size
    recipe: Recipe | None
    _objective: Objective
    _dreamer: Dreamer
    _keep: float
    _steps: int
    _seed: int

    @property
    def fps(self) -> Fraction:
        """Frames a second, on average."""
        return self.clip.fps

    @property
    def count(self) -> int:
        """The number of frames, as far as the clip says."""
        return self.clip.count

    @property
    def overlap(self) -> int:
        """0: a clip ends where it ends."""
        return 0

    def frames(self, first: int = 0, before: Tensor | None = None) -> Generator[Frame, None, None]:
        """Dream the frames from number `first` on, in 8 bits; `before` is the dream before it.

        A dream depends on nothing but its frame, the frame before and the dream on that, so that it can go on anywhere.
        """
        earlier: Tensor | None = None
        for number, frame in enumerate(self.clip.frames(max(0, first - 1)), max(0, first - 1)):
            later = images.resize(frame.image, self.size).clamp(0, 1)
            if number >= first:
                before = images.read(images.to_pil(self._dreamt(later, earlier, before)))
                yield Frame(before, frame.time)
            earlier = later

    def _dreamt(self, later: Tensor, earlier: Tensor | None, before: Tensor | None) -> Tensor:
        initial, steps = later, None
        if earlier is not None and before is not None and self._keep:
            moved = motion(earlier, later)
            if not moved.cut:
                initial = (later + self._keep * moved.carry(before - earlier)).clamp(0, 1)
                # So much is forgotten from frame to frame, and so much dreamt anew: it neither fades nor piles up.
                steps = max(1, round((1 - self._keep) * self._steps))
        # The same seed for each: what does not move is dreamt alike.
        generator = torch.Generator().manual_seed(self._seed)
        return self._dreamer(initial, self._objective, generator=generator, steps=steps)


def video(
    model: Classifier,
    clip: Footage,
    at: Given | Sequence[str | Address] | None = None,
    *,
    keep: float = KEEP,
    preset: str | Settings = DEFAULT_PRESET,
    size: int | str | Size | None = None,
    seed: int = 0,
    tile: int | None = None,
    recipe: bool = True,
    **settings: Unpack[Overrides],
) -> Video:
    """Plan a dream on a clip; `dreamscope.film.frame_store.make_film` makes the film.

    Parameters
    ----------
    model
        The classifier.
    clip
        What is dreamt on: a video file opened with `dreamscope.film.reader.Clip.open`, or anything like it.
    at
        Addresses, weighted, or an objective of your own, as for `dream`; the model's default if not given.
    keep
        The share of the dream before that is kept, 0 to less than 1; with 0 each frame is dreamt by itself.
    preset
        A name in `PRESETS`, or `Settings`. The first frame of a scene has all the steps; the others only what was not
        kept of them.
    size
        The longer side in pixels, or ``WIDTHxHEIGHT``; the clip's own if not given.
    seed
        Seed of all random numbers.
    tile
        The side of the tiles, 0 for none; one that fits into memory if not given.
    recipe
        Make a recipe; what can't be written in one (your own functions) is then refused.
    **settings
        Values in place of the preset's, see `Settings`.

    Returns
    -------
    Video

    Raises
    ------
    DreamscopeError
        If an argument is invalid, or the file is no video; see the modules that read what was given.
    """
    arguments = locals()
    chosen = presets.settings(preset, **settings)
    if not 0 <= keep < 1:
        raise DreamscopeError(f"keep lies between 0 and less than 1, not at {keep}")
    ensure_seed(seed)
    objective = at_places(model, at, chosen.loss)
    full = Size.parse(size, clip.size)
    made = None
    if recipe:
        resolved = {**recorded(chosen, preset, objective, at), "size": str(full)}
        made = Recipe.of_call(video, arguments, inputs=referenced({"clip": clip.path}), resolved=resolved)
    dreamer = Dreamer.climbing(model, objective, chosen, full, tile=tile)
    if made is not None:
        made = made.but(precision=str(dreamer.choice.form), tile=dreamer.tile)
    return Video(clip, full, made, objective, dreamer, keep, chosen.steps, seed)
