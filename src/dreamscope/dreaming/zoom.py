"""Zoom: the endless dive. Each frame is the one before, a little nearer, dreamt a little further.

After Mordvintsev, Olah and Tyka, "Inceptionism" (2015), and the DeepDream notebook's loop of zooming and dreaming.
"""

from __future__ import annotations

import math
from collections.abc import Generator, Sequence
from dataclasses import dataclass, replace
from fractions import Fraction
from typing import Unpack

import torch
from torch import Tensor
from torch.nn import functional as F

from dreamscope import images
from dreamscope.dreaming import presets
from dreamscope.dreaming.dream import recorded
from dreamscope.dreaming.frames import Frame, frame_rate
from dreamscope.dreaming.octaves import Dreamer
from dreamscope.dreaming.presets import DEFAULT_PRESET, Overrides, Settings
from dreamscope.dreaming.schedule import Schedule, Speeds
from dreamscope.errors import DreamscopeError, ensure_seed
from dreamscope.images import Picture, Size
from dreamscope.models.addresses import Address
from dreamscope.models.classifier import Classifier
from dreamscope.objectives import Excite, Objective
from dreamscope.objectives.targets import Given, at_places
from dreamscope.optimize.initial_images import initial_picture, referenced
from dreamscope.recipes import Recipe

STEPS, OCTAVES = 2, 3
"""Of each frame, since the next one goes on from it."""

CONTRAST = 0.18
"""Standard deviation of a colour that every film may reach."""


@dataclass(frozen=True)
class Camera:
    """How the view moves in a second.

    Attributes
    ----------
    zoom : float
        How much larger things get.
    rotate : float
        Degrees, counter-clockwise.
    pan : tuple of float
        Widths to the right and heights down.
    """

    zoom: float = 1.3
    rotate: float = 0.0
    pan: tuple[float, float] = (0.0, 0.0)

    def __post_init__(self) -> None:
        if not 0.1 <= self.zoom <= 10:
            raise DreamscopeError(f"zoom lies between 0.1 and 10 times a second, not at {self.zoom}")
        if not (math.isfinite(self.rotate) and all(map(math.isfinite, self.pan))):
            raise DreamscopeError("rotate and pan are finite numbers")

    def moved(self, image: Tensor, fps: float) -> Tensor:
        """Show (N, 3, H, W) as it is a frame later."""
        return moved(
            image,
            zoom=self.zoom ** (1 / fps),
            angle=math.radians(self.rotate / fps),
            pan=(self.pan[0] / fps, self.pan[1] / fps),
        )


@dataclass(frozen=True)
class Climbed:
    """What is climbed along a film: one objective, or those of a schedule.

    Attributes
    ----------
    schedule : Schedule or None
        Addresses along the way.
    strengths : tuple of float
        For each of its entries how large its gradients are.
    objective : Objective
        What is climbed if there is no schedule, and else at its beginning.
    """

    objective: Objective
    schedule: Schedule | None = None
    strengths: tuple[float, ...] = ()

    def at(self, time: Fraction) -> Objective:
        """Return what is climbed at a time in seconds."""
        if self.schedule is None or not isinstance(self.objective, Excite):
            return self.objective
        return Excite(self.schedule.at(time, self.strengths), self.objective.loss)


@dataclass(frozen=True)
class Zoom:
    """A dive, ready to be made frame by frame; nothing is held but one frame.

    Attributes
    ----------
    photo : Tensor
        The first frame, (1, 3, H, W).
    fps : Fraction
        Frames a second.
    count : int
        Frames to be made.
    overlap : int
        How many of them are there only to be faded into the end, so that the film can be repeated; or 0.
    recipe : Recipe or None
        Enough to make it again; ``None`` with ``recipe=False``.
    """

    photo: Tensor
    fps: Fraction
    count: int
    overlap: int
    recipe: Recipe | None
    _camera: Camera
    _speeds: Speeds
    _climbed: Climbed
    _dreamer: Dreamer
    _seed: int

    def frames(self, first: int = 0, before: Tensor | None = None) -> Generator[Frame, None, None]:
        """Make the frames from number `first` on, in 8 bits; `before` is the one before it.

        A frame depends on nothing but its number and the one before it, so that a dive can go on from any frame.
        """
        for number in range(first, self.count):
            time = Fraction(number) / self.fps
            if number == 0 or before is None:
                image = self.photo
            else:
                near = replace(self._camera, zoom=self._speeds.at(time)).moved(before, float(self.fps))
                generator = torch.Generator().manual_seed((self._seed + number) % 2**63)
                image = calmed(self._dreamer(near, self._climbed.at(time), generator=generator), self.photo)
            before = images.read(images.to_pil(image))
            yield Frame(before, time)


def zoom(
    model: Classifier,
    image: Picture,
    at: Given | Sequence[str | Address] | None = None,
    *,
    seconds: float = 5.0,
    zoom: float | str = 1.3,
    rotate: float = 0.0,
    pan: tuple[float, float] = (0.0, 0.0),
    fps: str | float | Fraction = 24,
    schedule: str | None = None,
    loop: bool = False,
    preset: str | Settings = DEFAULT_PRESET,
    size: int | str | Size | None = None,
    seed: int = 0,
    tile: int | None = None,
    recipe: bool = True,
    **settings: Unpack[Overrides],
) -> Zoom:
    """Plan a dive into a picture; `dreamscope.film.frame_store.make_film` makes the film.

    Parameters
    ----------
    model
        The classifier.
    image
        A file, ``sample:NAME``, a PIL image, an array, an image (1, 3, H, W), or an initial image: ``noise``,
        ``clouds``, ``black``, ``gray``, ``white``, or a colour (``#336699``, ``navy``).
    at
        Addresses, weighted, or an objective of your own, as for `dream`; the model's default if not given.
    seconds
        How long the film is.
    zoom
        How much larger things get in a second; below 1 it goes outwards. Along the way it may change, see `Speeds`.
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
    preset
        A name in `PRESETS`, or `Settings`.
    size
        The longer side in pixels, or ``WIDTHxHEIGHT``; the photo's own if not given.
    seed
        Seed of all random numbers.
    tile
        The side of the tiles, 0 for none; one that fits into memory if not given.
    recipe
        Make a recipe; what can't be written in one (your own functions) is then refused.
    **settings
        Values in place of the preset's, see `Settings`; but each frame has `STEPS` steps and `OCTAVES` octaves if not
        given.

    Returns
    -------
    Zoom

    Raises
    ------
    DreamscopeError
        If an argument is invalid; see the modules that read what was given.
    """
    arguments = locals()
    chosen = presets.settings(preset, **{**settings, **_few(settings)})
    rate = frame_rate(fps)
    if not 0 < seconds <= 36_000:
        raise DreamscopeError(f"seconds are more than 0 and at most 36000, not {seconds}")
    speeds = Speeds.parse(zoom)
    camera, *_ = [Camera(factor, rotate, pan) for _, factor in speeds.entries]
    if at is not None and schedule is not None:
        raise DreamscopeError("an address and a schedule exclude each other: write the address into the schedule")
    ensure_seed(seed)
    plan = None if schedule is None else Schedule.parse(schedule, model)
    objective = at_places(model, at, chosen.loss) if plan is None else Excite(tuple(plan.addresses), chosen.loss)
    photo = initial_picture(image, size, torch.Generator().manual_seed(seed))
    if len(photo) != 1:
        raise DreamscopeError(f"a zoom takes one picture, not {len(photo)}")
    photo = images.read(images.to_pil(photo))
    full = images.size_of(photo)
    made = None
    if recipe:
        resolved = {**recorded(chosen, preset, objective, at), "fps": str(rate), "size": str(full)}
        if isinstance(zoom, str):
            resolved["zoom"] = str(speeds)
        if plan is not None:
            resolved |= {"at": None, "schedule": str(plan)}
        made = Recipe.of_call(_technique, arguments, inputs=referenced({"image": image}), resolved=resolved)
    dreamer = Dreamer.climbing(model, objective, chosen, full, tile=tile)
    if made is not None:
        made = made.but(precision=str(dreamer.choice.form), tile=dreamer.tile)
    # A balance weighs each address by itself already.
    strengths: tuple[float, ...] = (1.0,) * (1 if plan is None else len(plan.entries))
    if plan is not None and len(plan.entries) > 1 and not chosen.balance:
        measured = [dreamer.strength(photo, Excite(addresses, chosen.loss)) or 1.0 for _, addresses in plan.entries]
        strengths = tuple(each / measured[0] for each in measured)
    shown = max(1, round(Fraction(str(seconds)) * rate))
    overlap = min(round(rate), shown) if loop else 0
    climbed = Climbed(objective, plan, strengths)
    return Zoom(photo, rate, shown + overlap, overlap, made, camera, speeds, climbed, dreamer, seed)


# Inside of it, its name is that of an argument.
_technique = zoom


def _few(settings: Overrides) -> Overrides:
    """Return how many steps and octaves a frame has, where it is not said."""
    steps, octaves = settings.get("steps"), settings.get("octaves")
    return {"steps": STEPS if steps is None else steps, "octaves": OCTAVES if octaves is None else octaves}


def moved(image: Tensor, *, zoom: float = 1.0, angle: float = 0.0, pan: tuple[float, float] = (0.0, 0.0)) -> Tensor:
    """Show (N, 3, H, W) enlarged, turned and moved along: what one frame shows of the one before.

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
