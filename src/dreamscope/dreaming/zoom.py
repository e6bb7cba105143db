"""Zoom: the endless dive. Each frame is the one before, a little nearer, dreamt a little further.

After Mordvintsev, Olah and Tyka, "Inceptionism" (2015), and the DeepDream notebook's loop of zooming and dreaming.
"""

from __future__ import annotations

import math
from collections.abc import Generator, Sequence
from dataclasses import asdict, dataclass
from fractions import Fraction
from pathlib import Path

import torch
from torch import Tensor
from torch.nn import functional as F

from dreamscope import __version__, images
from dreamscope.dreaming import presets
from dreamscope.dreaming.dream import starting_picture
from dreamscope.dreaming.frames import Frame, frame_rate
from dreamscope.dreaming.octaves import Dreamer
from dreamscope.dreaming.presets import DEFAULT_PRESET
from dreamscope.dreaming.schedule import Schedule
from dreamscope.errors import DreamscopeError, ensure_seed
from dreamscope.images import Size
from dreamscope.models.addresses import Address, resolve
from dreamscope.models.classifier import Classifier
from dreamscope.objectives import Excite
from dreamscope.optimize.initial_images import STARTS
from dreamscope.recipes import Recipe, reference

STEPS, OCTAVES = 2, 3
"""Of each frame, since the next one goes on from it."""

CONTRAST = 0.18
"""Standard deviation of a colour that every film may reach."""


@dataclass(frozen=True)
class Zoom:
    """A dive, ready to be made frame by frame; nothing is held but one frame.

    Attributes
    ----------
    photo : Tensor
        The first frame, (1, 3, H, W).
    schedule : Schedule
        Where it dreams, and when.
    fps : Fraction
        Frames a second.
    count : int
        Frames to be made.
    overlap : int
        How many of them are there only to be faded into the end, so that the film can be repeated; or 0.
    recipe : Recipe
        Enough to make it again.
    """

    photo: Tensor
    schedule: Schedule
    fps: Fraction
    count: int
    overlap: int
    recipe: Recipe
    _dreamer: Dreamer
    _strengths: tuple[float, ...]

    def frames(self, first: int = 0, before: Tensor | None = None) -> Generator[Frame, None, None]:
        """Make the frames from number `first` on, in 8 bits; `before` is the one before it.

        A frame depends on nothing but its number and the one before it, so that a dive can go on from any frame.
        """
        given = self.recipe.parameters
        fps = float(self.fps)
        for number in range(first, self.count):
            if number == 0 or before is None:
                image = self.photo
            else:
                near = moved(
                    before,
                    zoom=given["zoom"] ** (1 / fps),
                    angle=math.radians(given["rotate"] / fps),
                    pan=(given["pan"][0] / fps, given["pan"][1] / fps),
                )
                addresses = self.schedule.at(Fraction(number) / self.fps, self._strengths)
                generator = torch.Generator().manual_seed((given["seed"] + number) % 2**63)
                dreamt = self._dreamer(near, Excite(addresses, given["loss"]), generator=generator)
                image = calmed(dreamt, self.photo)
            before = images.read(images.to_pil(image))
            yield Frame(before, Fraction(number) / self.fps)


def zoom(
    model: Classifier,
    image: str | Path | Tensor,
    at: str | Address | Sequence[str | Address] | None = None,
    *,
    seconds: float = 5.0,
    zoom: float = 1.3,
    rotate: float = 0.0,
    pan: tuple[float, float] = (0.0, 0.0),
    fps: str | float | Fraction = 24,
    schedule: str | None = None,
    loop: bool = False,
    preset: str = DEFAULT_PRESET,
    loss: str | None = None,
    steps: int | None = None,
    rate: float | None = None,
    octaves: int | None = None,
    precision: str | None = None,
    size: int | str | Size | None = None,
    seed: int = 0,
    tile: int | None = None,
) -> Zoom:
    """Plan a dive into a picture; `dreamscope.film.frame_store.make` makes the film.

    Parameters
    ----------
    model
        Whose dream it is.
    image
        A file, ``sample:NAME``, an image (1, 3, H, W), or a starting point: ``noise``, ``gray``, ``clouds``.
    at
        Addresses, weighted; the model's default if not given.
    seconds
        How long the film is.
    zoom
        How much larger things get in a second; below 1 it goes outwards.
    rotate
        Degrees in a second, counter-clockwise.
    pan
        Widths and heights of the picture in a second, to the right and down.
    fps
        Frames a second.
    schedule
        Addresses that change along the way, instead of `at`, see `Schedule`.
    loop
        End where it begins: a second more is made, and its end faded into its beginning.
    preset, loss, steps, rate, octaves, precision
        As for `dream`; but each frame has `STEPS` steps and `OCTAVES` octaves if not given.
    size
        The longer side in pixels, or ``WIDTHxHEIGHT``; the photo's own if not given.
    seed
        Of all randomness.
    tile
        The side of the tiles, 0 for none; one that fits into memory if not given.

    Returns
    -------
    Zoom

    Raises
    ------
    DreamscopeError
        Anything that can't be meant; see the modules that read what was given.
    """
    settings = presets.settings(
        preset,
        loss=loss,
        steps=STEPS if steps is None else steps,
        rate=rate,
        octaves=OCTAVES if octaves is None else octaves,
        precision=precision,
    )
    fps = frame_rate(fps)
    if not 0 < seconds <= 36_000:
        raise DreamscopeError(f"seconds are more than 0 and at most 36000, not {seconds}")
    if not 0.1 <= zoom <= 10:
        raise DreamscopeError(f"zoom lies between 0.1 and 10 times a second, not at {zoom}")
    if not (math.isfinite(rotate) and all(map(math.isfinite, pan))):
        raise DreamscopeError("rotate and pan are finite numbers")
    if at is not None and schedule is not None:
        raise DreamscopeError("an address and a schedule exclude each other: write the address into the schedule")
    ensure_seed(seed)
    if schedule is not None:
        plan = Schedule.parse(schedule, model)
    else:
        plan = Schedule(((Fraction(0), tuple(resolve(at, model))),))
    photo = starting_picture(image, size, torch.Generator().manual_seed(seed))
    photo = images.read(images.to_pil(photo))
    dreamer = Dreamer(model, plan.addresses, settings, images.size_of(photo), tile=tile)
    strengths: tuple[float, ...] = (1.0,)
    if len(plan.entries) > 1:
        measured = [dreamer.strength(photo, Excite(addresses, settings.loss)) or 1.0 for _, addresses in plan.entries]
        strengths = tuple(each / measured[0] for each in measured)
    shown = max(1, round(Fraction(str(seconds)) * fps))
    overlap = min(round(fps), shown) if loop else 0
    recipe = Recipe(
        version=__version__,
        command="zoom",
        model=model.source,
        inputs={"image": image if isinstance(image, str) and image in STARTS else reference(image)},
        parameters={
            **asdict(settings),
            "preset": preset,
            "precision": str(dreamer.choice.form),
            "tile": dreamer.tile,
            "at": None if schedule is not None else [str(address) for address in plan.addresses],
            "schedule": None if schedule is None else str(plan),
            "seconds": seconds,
            "zoom": zoom,
            "rotate": rotate,
            "pan": list(pan),
            "fps": str(fps),
            "loop": loop,
            "size": str(images.size_of(photo)),
            "seed": seed,
        },
    )
    return Zoom(photo, plan, fps, shown + overlap, overlap, recipe, dreamer, strengths)


def moved(image: Tensor, *, zoom: float = 1.0, angle: float = 0.0, pan: tuple[float, float] = (0.0, 0.0)) -> Tensor:
    """Show (N, 3, H, W) from nearer, turned and from further on: what one frame shows of the one before.

    Bicubic, since a hundred bilinear samplings in a row leave nothing but mush. What is missing at the edges is
    mirrored.

    Parameters
    ----------
    image
        In [0, 1], like what comes back.
    zoom
        How much larger things get.
    angle
        Radians, counter-clockwise.
    pan
        Widths to the right and heights down.
    """
    height, width = image.shape[-2:]
    cosine, sine = math.cos(angle) / zoom, math.sin(angle) / zoom
    # From each pixel to where it was, in coordinates that run from -1 to 1 in both directions.
    turn = image.new_tensor([[cosine, -sine * height / width, 2 * pan[0]], [sine * width / height, cosine, 2 * pan[1]]])
    grid = F.affine_grid(turn.expand(len(image), 2, 3), list(image.shape), align_corners=False)
    near = F.grid_sample(image, grid, mode="bicubic", padding_mode="reflection", align_corners=False)
    return near.clamp(0, 1)


def calmed(image: Tensor, photo: Tensor) -> Tensor:
    """Bring the colours of (1, 3, H, W) back to the mean of the photo's, and to no more contrast than photos have.

    Each frame adds to the one before; after some seconds all would be black and white.
    """
    spread, mean = torch.std_mean(image, (2, 3), keepdim=True)
    wanted, middle = torch.std_mean(photo, (2, 3), keepdim=True)
    return (middle + (image - mean) * (wanted.clamp_min(CONTRAST) / spread.clamp_min(1e-6)).clamp_max(1)).clamp(0, 1)
