"""``video``: a clip, dreamt."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from dreamscope.cli.film import FORMATS
from dreamscope.cli.options import Json, Loader, with_model
from dreamscope.dreaming.presets import DEFAULT_PRESET

if TYPE_CHECKING:
    pass
from dreamscope.cli.film_job import At, Loss, Octaves, Precision, Preset, Rate, Seed, as_begun, checked, make, target_of


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

    target = checked(out)
    opened = Clip.open(clip)
    if target is not None:
        files.ensure_no_input(target, [clip])
    writer.rate(opened.fps, target or "a.mp4")
    model = loader()
    from dreamscope.dreaming import video as technique
    from dreamscope.recipes import ensure_recipe

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
        **as_begun(out, precision),
    )
    target = target_of(out, f"{Path(clip).stem}-dream", ensure_recipe(plan.recipe))
    make(plan, target, json=json, sound=clip, time_base=opened.time_base)
