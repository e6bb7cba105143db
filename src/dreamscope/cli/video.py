"""``video``: a dream on a video."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from dreamscope.cli.film import FORMATS
from dreamscope.cli.film_job import make, precision_and_tile, target_of, writable_film
from dreamscope.cli.options import (
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


@with_model()
def video(
    clip: Annotated[str, typer.Argument(metavar="VIDEO", help="A video file.")],
    *,
    loader: Loader,
    out: Annotated[str | None, out_option(f"{FORMATS}; NAME-dream.mp4 if not given.")] = None,
    at: Addresses = None,
    keep: Annotated[
        float | None,
        typer.Option(
            metavar="0..1",
            help="Share of the previous frame's dream that is kept, moved along with the picture; 0.85 if not given.",
        ),
    ] = None,
    preset: DreamPreset = DEFAULT_PRESET,
    loss: Loss = None,
    steps: Annotated[
        int | None,
        typer.Option(
            metavar="N",
            help="Number of steps on each octave of a scene's first frame; the others have fewer.",
        ),
    ] = None,
    rate: DreamRate = None,
    octaves: Octaves = None,
    precision: Precision = None,
    size: Annotated[str | None, size_option("the clip's own")] = None,
    seed: Seed = 0,
    json: Json = False,
) -> None:
    """Dream on a video, so that the dream moves along with it; its sound is kept.

    If it is interrupted, even killed, the same command continues it.
    """
    from dreamscope import files
    from dreamscope.film import writer
    from dreamscope.film.reader import Clip

    target = writable_film(out)
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
        **precision_and_tile(out, precision),
    )
    target = target_of(out, f"{Path(clip).stem}-dream", ensure_recipe(plan.recipe))
    make(plan, target, json=json, sound=clip, time_base=opened.time_base)
