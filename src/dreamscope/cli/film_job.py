"""Films made frame by frame that can be continued after an interruption: what ``zoom`` and ``video`` share."""

from __future__ import annotations

import time
from collections.abc import Callable
from itertools import count
from pathlib import Path
from typing import TYPE_CHECKING, Any

import typer

from dreamscope.cli import output
from dreamscope.cli.exits import INTERRUPTED
from dreamscope.errors import DreamscopeError, Interrupted

if TYPE_CHECKING:
    from dreamscope.film.frame_store import Plan
    from dreamscope.film.writer import Film
    from dreamscope.recipes import Recipe


def make(plan: Plan, target: Path, *, json: bool, **options: Any) -> None:
    """Make the planned film and print its facts; if interrupted, keep a film of the frames so far."""
    from dreamscope.film import frame_store

    started = time.perf_counter()
    try:
        with output.stages() as callback:
            made = frame_store.make_film(target, plan, callback=callback, **options)
    except Interrupted as stop:
        so_far = "nothing was written" if stop.result is None else f"kept the film so far: {stop.result.path}"
        output.note(f"dreamscope: {stop}; {so_far}; the same command continues from there")
        raise typer.Exit(INTERRUPTED) from stop
    seconds = time.perf_counter() - started
    for side, line, added in (("width", "column", made.added.width), ("height", "row", made.added.height)):
        if added:
            output.note(
                f"The frames' {side} is odd, and {target.suffix} needs even sides: the last {line} is shown twice."
            )
    if json:
        from dreamscope.recipes import ensure_recipe

        output.as_json(_facts(made, ensure_recipe(plan.recipe), seconds))
    else:
        print(f"{target}  {made.size}  {made.count} frames  {float(made.fps):g} fps  {seconds:.1f} s")


def writable_film(out: str | None) -> Path | None:
    """Return where the film goes, or ``None`` if that follows from the plan; raise if it can't be written."""
    from dreamscope import files
    from dreamscope.film import writer

    if out is None:
        return None
    writer.ensure_format(out)
    return files.ensure_writable(out)


def precision_and_tile(out: str | None, precision: str | None) -> dict[str, Any]:
    """Return the settings of an interrupted film, if there is one: measured again, they might differ."""
    from dreamscope.film.frame_store import FrameStore
    from dreamscope.recipes import Recipe

    stored = None if out is None else FrameStore(out).note
    if stored is None or precision is not None:
        return {"precision": precision}
    try:
        parameters = Recipe.from_json(stored).parameters
    except DreamscopeError:
        return {"precision": precision}
    return {key: parameters.get(key) for key in ("precision", "tile")}


def target_of(out: str | None, stem: str, recipe: Recipe) -> Path:
    """Return where the film goes: `out`, or the name of the same film if it was interrupted, or a free name."""
    from dreamscope.film.frame_store import FrameStore

    if out is not None:
        return Path(out)
    note = recipe.to_json()
    candidates = (Path(f"{stem}{'' if n == 1 else f'-{n}'}.mp4") for n in count(1))
    free: Callable[[Path], bool] = lambda path: not path.exists() and not FrameStore(path).folder.exists()  # noqa: E731
    return next(path for path in candidates if FrameStore(path).note == note or free(path))


def _facts(made: Film, recipe: Recipe, seconds: float) -> dict[str, Any]:
    return {
        "file": str(made.path),
        "size": str(made.size),
        "frames": made.count,
        "fps": str(made.fps),
        "seconds": round(seconds, 3),
        "recipe": recipe.to_dict(),
    }
