"""``zoom`` and ``video``."""

from __future__ import annotations

import json as json_module
import time
from collections.abc import Callable
from itertools import count
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from dreamscope.cli import output
from dreamscope.cli.exits import INTERRUPTED
from dreamscope.cli.film import FORMATS, Fps
from dreamscope.cli.options import Json, Loader, with_model
from dreamscope.dreaming.presets import DEFAULT_PRESET, PRESETS
from dreamscope.errors import DreamscopeError, Interrupted

if TYPE_CHECKING:
    from dreamscope.film.frame_store import Plan
    from dreamscope.film.writer import Film
    from dreamscope.recipes import Recipe

LARGEST_UNASKED = 512
"""A zoom's longer side, where the photo is larger and --size does not say how large."""

At = Annotated[
    list[str] | None,
    typer.Option(metavar="ADDRESS", help="[WEIGHT*]LAYER[:CHANNELS][@ROW,COL]; may be repeated."),
]
Preset = Annotated[str, typer.Option(metavar="P", help=f"{', '.join(PRESETS)}.")]
Loss = Annotated[str | None, typer.Option(metavar="L", help="norm, mean_square, mean or gram.")]
Rate = Annotated[float | None, typer.Option(metavar="R", help="Mean change of a colour (0 to 1) in a step.")]
Octaves = Annotated[int | None, typer.Option(metavar="N", help="Sizes of each frame, from small to full.")]
Precision = Annotated[str | None, typer.Option(metavar="P", help="auto (measured), float32, bfloat16 or float16.")]
Seed = Annotated[int, typer.Option(metavar="N", help="Of all randomness.")]


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
    from dreamscope.optimize.initial_images import STARTS

    frame_rate = writer.rate(fps, _checked(out) or "a.mp4")
    if image not in STARTS:
        photo = output.input_picture(image, Path(out or ""))
        longer = max(photo.shape[-2:])
        if size is None and longer > LARGEST_UNASKED:
            size = str(LARGEST_UNASKED)
            output.note(f"The photo's longer side is {longer} pixels; zooming at {size} (--size changes that).")
    model = loader()
    from dreamscope.dreaming import zoom as technique

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
        **_as_begun(out, precision),
    )
    _make(plan, _target(out, f"{output.stem_of(image)}-zoom", plan.recipe), json=json)


@with_model()
def video(
    clip: Annotated[str, typer.Argument(metavar="VIDEO", help="A video file.")],
    *,
    loader: Loader,
    out: Annotated[
        str | None, typer.Option("-o", "--out", metavar="OUT", help=f"{FORMATS}; NAME-dream.mp4 if not given.")
    ] = None,
    at: At = None,
    keep: Annotated[
        float | None, typer.Option(metavar="0..1", help="Of the dream before, carried along the motion; 0.85.")
    ] = None,
    preset: Preset = DEFAULT_PRESET,
    loss: Loss = None,
    steps: Annotated[
        int | None, typer.Option(metavar="N", help="Steps on each octave; what was kept needs fewer.")
    ] = None,
    rate: Rate = None,
    octaves: Octaves = None,
    precision: Precision = None,
    size: Annotated[
        str | None, typer.Option(metavar="PX", help="The longer side, or WIDTHxHEIGHT; the clip's own if not given.")
    ] = None,
    seed: Seed = 0,
    json: Json = False,
) -> None:
    """Dream a clip, so that what is dreamt moves along with it; its sound comes along.

    What was interrupted, even killed, goes on with the same command.
    """
    from dreamscope import files
    from dreamscope.film import writer
    from dreamscope.film.reader import Clip

    target = _checked(out)
    opened = Clip.open(clip)
    if target is not None:
        files.ensure_no_input(target, [clip])
    writer.rate(opened.fps, target or "a.mp4")
    model = loader()
    from dreamscope.dreaming import video as technique

    plan = technique.video(
        model,
        opened,
        at or None,
        keep=technique.KEEP if keep is None else keep,
        preset=preset,
        loss=loss,
        steps=steps,
        rate=rate,
        octaves=octaves,
        size=size,
        seed=seed,
        **_as_begun(out, precision),
    )
    target = _target(out, f"{Path(clip).stem}-dream", plan.recipe)
    _make(plan, target, json=json, sound=clip, time_base=opened.time_base)


def _make(plan: Plan, target: Path, *, json: bool, **options: Any) -> None:
    from dreamscope.film import frame_store

    started = time.perf_counter()
    try:
        with output.stages() as report:
            made = frame_store.make(target, plan, report=report, **options)
    except Interrupted as stop:
        so_far = "nothing was written" if stop.result is None else f"kept the film so far: {stop.result.path}"
        output.note(f"dreamscope: {stop}; {so_far}; the same command goes on from there")
        raise typer.Exit(INTERRUPTED) from stop
    seconds = time.perf_counter() - started
    for side, line, added in (("width", "column", made.added.width), ("height", "row", made.added.height)):
        if added:
            output.note(
                f"The frames' {side} is odd, and {target.suffix} needs even sides: the last {line} is shown twice."
            )
    if json:
        output.as_json(_facts(made, plan.recipe, seconds))
    else:
        print(f"{target}  {made.size}  {made.count} frames  {float(made.fps):g} fps  {seconds:.1f} s")


def _checked(out: str | None) -> Path | None:
    from dreamscope import files
    from dreamscope.film import writer

    if out is None:
        return None
    writer.ensure_format(out)
    return files.ensure_writable(out)


def _as_begun(out: str | None, precision: str | None) -> dict[str, Any]:
    """Go on in the precision and the tiles that a film was begun in; measured anew, they might be others."""
    from dreamscope.film.frame_store import Reel
    from dreamscope.recipes import Recipe

    kept = None if out is None else Reel(out).note
    if kept is None or precision is not None:
        return {"precision": precision}
    try:
        parameters = Recipe.from_json(kept).parameters
    except DreamscopeError:
        return {"precision": precision}
    return {key: parameters.get(key) for key in ("precision", "tile")}


def _target(out: str | None, stem: str, recipe: Recipe) -> Path:
    """Return where the film goes: as asked, or a free name, or that of the same film where it was interrupted."""
    from dreamscope.film.frame_store import Reel

    if out is not None:
        return Path(out)
    note = recipe.to_json()
    candidates = (Path(f"{stem}{'' if n == 1 else f'-{n}'}.mp4") for n in count(1))
    free: Callable[[Path], bool] = lambda path: not path.exists() and not Reel(path).folder.exists()  # noqa: E731
    return next(path for path in candidates if Reel(path).note == note or free(path))


def _pair(text: str) -> tuple[float, float]:
    try:
        across, down = (float(part) for part in text.split(","))
    except ValueError as error:
        raise DreamscopeError(f"--pan takes two numbers separated by a comma, not '{text}'") from error
    return across, down


def _facts(made: Film, recipe: Recipe, seconds: float) -> dict[str, Any]:
    return {
        "file": str(made.path),
        "size": str(made.size),
        "frames": made.count,
        "fps": str(made.fps),
        "seconds": round(seconds, 3),
        "recipe": json_module.loads(recipe.to_json())["dreamscope"],
    }
