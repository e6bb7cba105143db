"""Video: dream a clip, so that what is dreamt moves along with what it was dreamt on.

Each frame begins with what was dreamt on the one before, carried along the optical flow where it is still to be seen,
as Ruder, Dosovitskiy and Brox did for styles in "Artistic style transfer for videos" (2016).
"""

from __future__ import annotations

from collections.abc import Generator, Sequence
from dataclasses import asdict, dataclass
from fractions import Fraction

import torch
from torch import Tensor

from dreamscope import __version__, images
from dreamscope.dreaming import presets
from dreamscope.dreaming.frames import Footage, Frame
from dreamscope.dreaming.octaves import Dreamer
from dreamscope.dreaming.optical_flow import motion
from dreamscope.dreaming.presets import DEFAULT_PRESET
from dreamscope.errors import DreamscopeError, ensure_seed
from dreamscope.images import Size
from dreamscope.models.addresses import Address, resolve
from dreamscope.models.classifier import Classifier
from dreamscope.objectives import Excite
from dreamscope.recipes import Recipe, reference

KEEP = 0.85
"""Of what was dreamt on the frame before."""


@dataclass(frozen=True)
class Video:
    """A clip ready to be dreamt frame by frame; nothing is held but two frames.

    Attributes
    ----------
    clip : Footage
        What is dreamt on.
    addresses : tuple of Address
        Where.
    size : Size
        Of its frames.
    recipe : Recipe
        Enough to make it again.
    """

    clip: Footage
    addresses: tuple[Address, ...]
    size: Size
    recipe: Recipe
    _dreamer: Dreamer

    @property
    def fps(self) -> Fraction:
        """Frames a second, on average."""
        return self.clip.fps

    @property
    def count(self) -> int:
        """How many frames there are, as far as the clip says."""
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
            later = self._sized(frame.image)
            if number >= first:
                before = images.read(images.to_pil(self._dreamt(later, earlier, before)))
                yield Frame(before, frame.time)
            earlier = later

    def _sized(self, image: Tensor) -> Tensor:
        return images.resize(image, self.size).clamp(0, 1)

    def _dreamt(self, later: Tensor, earlier: Tensor | None, before: Tensor | None) -> Tensor:
        given = self.recipe.parameters
        start, steps = later, None
        if earlier is not None and before is not None and given["keep"]:
            moved = motion(earlier, later)
            if not moved.cut:
                start = (later + given["keep"] * moved.carry(before - earlier)).clamp(0, 1)
                # So much is forgotten from frame to frame, and so much dreamt anew: it neither fades nor piles up.
                steps = max(1, round((1 - given["keep"]) * given["steps"]))
        # The same seed for each: what does not move is dreamt alike.
        generator = torch.Generator().manual_seed(given["seed"])
        return self._dreamer(start, Excite(self.addresses, given["loss"]), generator=generator, steps=steps)


def video(
    model: Classifier,
    clip: Footage,
    at: str | Address | Sequence[str | Address] | None = None,
    *,
    keep: float = KEEP,
    preset: str = DEFAULT_PRESET,
    loss: str | None = None,
    steps: int | None = None,
    rate: float | None = None,
    octaves: int | None = None,
    precision: str | None = None,
    size: int | str | Size | None = None,
    seed: int = 0,
    tile: int | None = None,
) -> Video:
    """Plan a dream on a clip; `dreamscope.film.frame_store.make` makes the film.

    Parameters
    ----------
    model
        Whose dream it is.
    clip
        What is dreamt on: a video file opened with `dreamscope.film.reader.Clip.open`, or anything like it.
    at
        Addresses, weighted; the model's default if not given.
    keep
        How much of the dream before is kept, 0 to less than 1; with 0 each frame is dreamt by itself.
    preset, loss, steps, rate, octaves, precision
        As for `dream`. The first frame of a scene has all the steps; the others only what was not kept of them.
    size
        The longer side in pixels, or ``WIDTHxHEIGHT``; the clip's own if not given.
    seed
        Of all randomness.
    tile
        The side of the tiles, 0 for none; one that fits into memory if not given.

    Returns
    -------
    Video

    Raises
    ------
    DreamscopeError
        Anything that can't be meant; a file that is no video; see the modules that read what was given.
    """
    settings = presets.settings(preset, loss=loss, steps=steps, rate=rate, octaves=octaves, precision=precision)
    if not 0 <= keep < 1:
        raise DreamscopeError(f"keep lies between 0 and less than 1, not at {keep}")
    ensure_seed(seed)
    addresses = tuple(resolve(at, model))
    full = _size(clip, size)
    dreamer = Dreamer(model, addresses, settings, full, tile=tile)
    recipe = Recipe(
        version=__version__,
        command="video",
        model=model.source,
        inputs={"clip": reference(clip.path)},
        parameters={
            **asdict(settings),
            "preset": preset,
            "precision": str(dreamer.choice.form),
            "tile": dreamer.tile,
            "at": [str(address) for address in addresses],
            "keep": keep,
            "size": str(full),
            "seed": seed,
        },
    )
    return Video(clip, addresses, full, recipe, dreamer)


def _size(clip: Footage, size: int | str | Size | None) -> Size:
    wanted = size if isinstance(size, Size) or size is None else Size.parse(size)
    if isinstance(wanted, Size):
        return wanted
    if wanted is None:
        return clip.size
    scale = wanted / max(clip.size.width, clip.size.height)
    return Size(max(1, round(clip.size.width * scale)), max(1, round(clip.size.height * scale)))
