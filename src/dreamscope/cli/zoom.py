"""``zoom``: a film that dives into a picture."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from dreamscope.cli import output
from dreamscope.cli.film import FORMATS, Fps
from dreamscope.cli.film_job import make, precision_and_tile, target_of, writable_film
from dreamscope.cli.options import (
    PHOTO_OR_PATTERN,
    Addresses,
    DreamPreset,
    DreamRate,
    Json,
    Loader,
    Loss,
    Octaves,
    Precision,
    Seed,
    out_option,
    size_option,
    with_model,
)
from dreamscope.dreaming.presets import DEFAULT_PRESET
from dreamscope.errors import DreamscopeError

LARGEST_UNASKED = 512
"""Photos with a longer side than this are made smaller if --size is not given."""


@with_model()
def zoom(
    image: Annotated[str, typer.Argument(metavar="IMAGE", help=PHOTO_OR_PATTERN)],
    *,
    loader: Loader,
    out: Annotated[str | None, out_option(f"{FORMATS}; NAME-zoom.mp4 if not given.")] = None,
    seconds: Annotated[float, typer.Option(metavar="S", help="Length of the film in seconds.")] = 5.0,
    zoom: Annotated[
        str,
        typer.Option(metavar="X", help="Factor by which things grow per second; along the way: '0s:1.3 8s:0.9'."),
    ] = "1.3",
    rotate: Annotated[float, typer.Option(metavar="DEG", help="Degrees per second, counter-clockwise.")] = 0.0,
    pan: Annotated[str, typer.Option(metavar="X,Y", help="Widths to the right and heights down per second.")] = "0,0",
    fps: Fps = "24",
    at: Addresses = None,
    schedule: Annotated[
        str | None,
        typer.Option(metavar="TEXT", help="Addresses along the way: '0s:LAYER 8s:LAYER:3+0.5*LAYER'."),
    ] = None,
    loop: Annotated[
        bool, typer.Option("--loop", help="End where it begins, so that it repeats without a jump.")
    ] = False,
    preset: DreamPreset = DEFAULT_PRESET,
    loss: Loss = None,
    steps: Annotated[
        int | None, typer.Option(metavar="N", help="Number of steps on each octave of a frame; 2 if not given.")
    ] = None,
    rate: DreamRate = None,
    octaves: Octaves = None,
    precision: Precision = None,
    size: Annotated[str | None, size_option(f"the photo's own up to {LARGEST_UNASKED}")] = None,
    seed: Seed = 0,
    json: Json = False,
) -> None:
    """Dive into a picture: each frame is the one before, a little nearer, dreamt a little further.

    If it is interrupted, even killed, the same command continues it.
    """
    from dreamscope.film import writer
    from dreamscope.optimize.initial_images import is_initial

    frame_rate = writer.rate(fps, writable_film(out) or "a.mp4")
    if not is_initial(image):
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
        zoom=zoom if ":" in zoom else _factor(zoom),
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
        **precision_and_tile(out, precision),
    )
    make(plan, target_of(out, f"{output.stem_of(image)}-zoom", ensure_recipe(plan.recipe)), json=json)


def _factor(text: str) -> float:
    try:
        return float(text)
    except ValueError:
        raise DreamscopeError(f"--zoom takes a factor such as 1.3, or '0s:1.3 8s:0.9', not '{text}'") from None


def _pair(text: str) -> tuple[float, float]:
    try:
        across, down = (float(part) for part in text.split(","))
    except ValueError as error:
        raise DreamscopeError(f"--pan takes two numbers separated by a comma, not '{text}'") from error
    return across, down
