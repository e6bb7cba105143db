"""``zoom``: the endless dive."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from dreamscope.cli import output
from dreamscope.cli.film import FORMATS, Fps
from dreamscope.cli.options import Json, Loader, with_model
from dreamscope.dreaming.presets import DEFAULT_PRESET
from dreamscope.errors import DreamscopeError

if TYPE_CHECKING:
    pass
from dreamscope.cli.film_job import At, Loss, Octaves, Precision, Preset, Rate, Seed, as_begun, checked, make, target_of

LARGEST_UNASKED = 512
"""A zoom's longer side, where the photo is larger and --size does not say how large."""


@with_model()
def zoom(
    image: Annotated[
        str, typer.Argument(metavar="IMAGE", help="A photo, sample:china, sample:flower, or noise, gray, clouds.")
    ],
    *,
    loader: Loader,
    out: Annotated[
        str | None, typer.Option("-o", "--out", metavar="OUT", help=f"{FORMATS}; NAME-zoom.mp4 if not given.")
    ] = None,
    seconds: Annotated[float, typer.Option(metavar="S", help="How long the film is.")] = 5.0,
    zoom: Annotated[float, typer.Option(metavar="X", help="How much larger things get in a second.")] = 1.3,
    rotate: Annotated[float, typer.Option(metavar="DEG", help="Degrees in a second, counter-clockwise.")] = 0.0,
    pan: Annotated[str, typer.Option(metavar="X,Y", help="Widths to the right and heights down in a second.")] = "0,0",
    fps: Fps = "24",
    at: At = None,
    schedule: Annotated[
        str | None,
        typer.Option(metavar="TEXT", help="Addresses along the way: '0s:LAYER 8s:LAYER:3+0.5*LAYER'."),
    ] = None,
    loop: Annotated[bool, typer.Option("--loop", help="End where it begins, to be repeated without a jump.")] = False,
    preset: Preset = DEFAULT_PRESET,
    loss: Loss = None,
    steps: Annotated[int | None, typer.Option(metavar="N", help="Steps on each octave of a frame; 2.")] = None,
    rate: Rate = None,
    octaves: Octaves = None,
    precision: Precision = None,
    size: Annotated[
        str | None,
        typer.Option(metavar="PX", help=f"The longer side, or WIDTHxHEIGHT; the photo's own up to {LARGEST_UNASKED}."),
    ] = None,
    seed: Seed = 0,
    json: Json = False,
) -> None:
    """Dive into a picture: each frame is the one before, a little nearer, dreamt a little further.

    What was interrupted, even killed, goes on with the same command.
    """
    from dreamscope.film import writer
    from dreamscope.optimize.initial_images import INITIAL_IMAGES

    frame_rate = writer.rate(fps, checked(out) or "a.mp4")
    if image not in INITIAL_IMAGES:
        photo = output.input_picture(image, Path(out or ""))
        longer = max(photo.shape[-2:])
        if size is None and longer > LARGEST_UNASKED:
            size = str(LARGEST_UNASKED)
            output.note(f"The photo's longer side is {longer} pixels; zooming at {size} (--size changes that).")
    model = loader()
    from dreamscope.dreaming import zoom as technique
    from dreamscope.recipes import ensure_recipe

    plan = technique.zoom(
        model,
        image,
        at or None,
        seconds=seconds,
        zoom=zoom,
        rotate=rotate,
        pan=_pair(pan),
        fps=frame_rate,
        schedule=schedule,
        loop=loop,
        preset=preset,
        loss=loss,
        steps=steps,
        rate=rate,
        octaves=octaves,
        size=size,
        seed=seed,
        **as_begun(out, precision),
    )
    make(plan, target_of(out, f"{output.stem_of(image)}-zoom", ensure_recipe(plan.recipe)), json=json)


def _pair(text: str) -> tuple[float, float]:
    try:
        across, down = (float(part) for part in text.split(","))
    except ValueError as error:
        raise DreamscopeError(f"--pan takes two numbers separated by a comma, not '{text}'") from error
    return across, down
