"""``visualize``: pictures from noise.

Each picture holds its own recipe, which makes it again without the others of its batch or the others ``--between`` two
targets, the same up to rounding (a network's sums depend a little on how many pictures it runs at once). Only pictures
of ``--diversity`` depend on each other: their recipes make all of them again.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from dreamscope.cli import output
from dreamscope.cli.channel_options import SOME, ChannelsFile, model_of, read_channels, strongest_option
from dreamscope.cli.film import Every, FilmOut, Fps, Hold, PingPong, filmed
from dreamscope.cli.options import (
    PICTURES,
    PRECISIONS,
    DirectionsFile,
    Json,
    Loader,
    OptionalSeed,
    StepLength,
    out_option,
    size_option,
    with_model,
)
from dreamscope.cli.replay import RecipeOf, replayed
from dreamscope.errors import DreamscopeError
from dreamscope.visualization.presets import DEFAULT_PRESET, PHOTO_PRESET, PRESETS

if TYPE_CHECKING:
    from dreamscope.visualization.result import Visualization


@with_model()
def visualize(
    of: Annotated[
        list[str] | None,
        typer.Argument(
            metavar="[ADDRESS ...]",
            help="LAYER[:CHANNELS][@ROW,COL], a picture for each channel; sums as 'A + 0.5*B - C' are one picture.",
            show_default=False,
        ),
    ] = None,
    *,
    loader: Loader,
    class_name: Annotated[
        list[str] | None,
        typer.Option("--class-name", "--class", metavar="LABEL", help="Name or index of a class; may be repeated."),
    ] = None,
    directions: DirectionsFile = None,
    channels: ChannelsFile = None,
    strongest: Annotated[int | None, strongest_option(SOME)] = None,
    out: Annotated[
        str | None, out_option(f"One picture: {PICTURES}. Several: a folder, for them and a contact sheet.")
    ] = None,
    preset: Annotated[
        str | None,
        typer.Option(
            metavar="P",
            help=f"{', '.join(PRESETS)}; {DEFAULT_PRESET} if not given, {PHOTO_PRESET} for a class with --like.",
        ),
    ] = None,
    parameterization: Annotated[
        str | None,
        typer.Option(metavar="P", help="Parameterization of the picture: fourier, pixel, maco, detail or gray."),
    ] = None,
    optimizer: Annotated[
        str | None, typer.Option(metavar="O", help="adam, or normalized (along the gradient divided by its mean size).")
    ] = None,
    steps: Annotated[int | None, typer.Option(metavar="N", help="Number of steps.")] = None,
    rate: StepLength = None,
    transform: Annotated[
        list[str] | None,
        typer.Option(
            metavar="T",
            help="Random transforms, in order: shift:PX, scale:A,B, rotate:DEG, flip, crop:A,B,SHOWN, window:A,B, "
            "noise:SD, blur:PX, or none; may be repeated.",
        ),
    ] = None,
    crops: Annotated[
        int | None, typer.Option(metavar="N", help="Number of random transforms of the picture at each step.")
    ] = None,
    redirect_steps: Annotated[
        int | None,
        typer.Option(metavar="N", help="Number of steps at the start in which silent units get a gradient."),
    ] = None,
    contrast: Annotated[
        float | None,
        typer.Option(
            metavar="SD", help="Standard deviation of colours that the finished picture is raised to; 0 leaves its own."
        ),
    ] = None,
    penalty: Annotated[
        list[str] | None,
        typer.Option(metavar="R", help="Regularizers: l1:W, l2:W, tv:W, blur:W, or none; may be repeated."),
    ] = None,
    loss: Annotated[
        str | None,
        typer.Option(
            metavar="L", help="What is maximized at an address: mean, mean_square or norm; mean if not given."
        ),
    ] = None,
    negative: Annotated[
        bool | None, typer.Option("--negative/--no-negative", help="Show what excites it least.", show_default=False)
    ] = None,
    diversity: Annotated[
        int | None,
        typer.Option(
            metavar="N",
            min=1,
            help="Number of pictures of each target, unlike each other (each recipe makes them all); 1 if not given.",
        ),
    ] = None,
    between: Annotated[
        int | None,
        typer.Option(
            metavar="N", help="With two targets: number of pictures on the way from one to the other; 0 if not given."
        ),
    ] = None,
    like: Annotated[
        str | None,
        typer.Option(
            metavar="IMAGE",
            help="A photo, or a start as in dream: layers exaggerate what they see in it, a class grows on it.",
        ),
    ] = None,
    alpha: Annotated[
        bool | None,
        typer.Option("--alpha/--no-alpha", help="Make transparent what did not matter.", show_default=False),
    ] = None,
    size: Annotated[str | None, size_option("the network's input size")] = None,
    seed: OptionalSeed = None,
    precision: Annotated[str | None, typer.Option(metavar="P", help=f"{PRECISIONS}; auto if not given.")] = None,
    recipe: RecipeOf = None,
    film: FilmOut = None,
    every: Every = 1,
    fps: Fps = "24",
    hold: Hold = 1.0,
    ping_pong: PingPong = False,
    json: Json = False,
) -> None:
    """Show, from noise, what a layer, channel, neuron, direction or class looks like."""
    from dreamscope.models.directions import read_directions

    found_channels = read_channels(channels, strongest, SOME, ADDRESS=of)
    given, load = replayed(
        "visualize",
        recipe,
        loader,
        of=(of or None) if found_channels is None else found_channels.texts(),
        class_name=class_name or None,
        directions=None if directions is None else read_directions(directions),
        preset=preset,
        parameterization=parameterization,
        optimizer=optimizer,
        steps=steps,
        rate=rate,
        transform=_unless_none(transform),
        crops=crops,
        redirect_steps=redirect_steps,
        contrast=contrast,
        penalty=_unless_none(penalty),
        loss=loss,
        negative=negative,
        diversity=diversity,
        between=between,
        like=like,
        alpha=alpha,
        size=size,
        precision=precision,
        seed=seed,
    )
    from dreamscope.objectives.targets import along, targets, with_classes
    from dreamscope.optimize.initial_images import is_initial
    from dreamscope.visualization import visualize as technique

    texts = [str(each) for each in with_classes(given.get("of", ()), given.get("class_name", ()))]
    if not texts and not given.get("directions"):
        raise DreamscopeError(
            "give something to visualize: an address such as features.28:40, --class LABEL, --channels or "
            "--directions FILE, or --recipe OUT"
        )
    alpha = given.pop("alpha", False)
    model = model_of(found_channels, loader, load if recipe is not None else None)

    shown = [*(targets(model, texts) if texts else ()), *along(model, given.get("directions", ()))]
    several = max(len(shown), given.get("between", 0)) * given.get("diversity", 1) > 1
    named = texts[0] if texts else shown[0].name
    # Several channels of a file are not best called by the first of them.
    named = output.stem_of(channels) if channels is not None and several else named
    target = _target(out, named, several=several, alpha=alpha)
    if "like" in given and not is_initial(given["like"]):
        output.input_picture(given["like"], target)
    if film is not None and several and given.get("diversity", 1) == 1:
        raise DreamscopeError("a film shows one picture, or several of one target (--diversity); name one")
    save = partial(_save, target=target, several=several, alpha=alpha)
    with (
        output.keeping(lambda found: target if any(save(found)) else None),
        output.progress("visualizing") as callback,
        filmed(film, every=every, fps=fps, hold=hold, back=ping_pong, callback=callback) as filming,
    ):
        found = technique.visualize(model, callback=filming.callback, **given)
        filming.of(found[0].recipe)
    written = save(found)
    rows = [_facts(each, path) for each, path in zip(found, written, strict=True)]
    if json:
        output.as_json(rows)
        return
    output.table(
        ["file", "shows", "reached", "seconds"],
        [
            [row["file"], row["shows"], "silent" if row["silent"] else f"{row['reached']:.3g}", row["seconds"]]
            for row in rows
        ],
    )
    silent = [row["shows"] for row in rows if row["silent"]]
    if silent:
        output.note(f"silent in every attempt, so no picture: {', '.join(silent)}")
    for each in found:
        if each.gray and not each.silent:
            output.note(f"{each.name} stayed gray: {each.gray}")
    if several:
        print(target / "sheet.png")


def _unless_none(given: Sequence[str] | None) -> Sequence[str] | None:
    """Return what was given; the word ``none`` alone for an empty list."""
    return [] if given == ["none"] else given or None


def _target(out: str | None, first: str, *, several: bool, alpha: bool) -> Path:
    """Return where to write; raise before any long work if that can't be written."""
    from dreamscope import files, images

    suffix = "" if several else ".png"
    target = Path(out) if out is not None else output.free_name(f"{_slug(first)}-visualized", suffix)
    if several:
        if target.suffix.lower() in (".png", ".jpg", ".jpeg", ".webp"):
            raise DreamscopeError(f"several pictures go into a folder; '{target}' names one file")
        files.ensure_writable(target / "sheet.png" if target.is_dir() else target)
        return target
    if images.ensure_format(target) == "JPEG" and alpha:
        raise DreamscopeError(f"can't write '{target}': JPEG has no transparency; use .png or .webp")
    return files.ensure_writable(target)


def _save(found: Sequence[Visualization], target: Path, *, several: bool, alpha: bool) -> list[Path | None]:
    """Write the pictures that are not silent, and a contact sheet of several; return where each went."""
    from dreamscope import images
    from dreamscope.figures.contact_sheets import Cell, sheet
    from dreamscope.recipes import ensure_recipe

    if not several:
        if found and found[0].silent:
            raise DreamscopeError(f"'{found[0].name}' is silent, so there is no picture: {found[0].gray}")
        return [each.save(target, alpha=alpha) for each in found]
    if not found:
        return []
    target.mkdir(exist_ok=True)
    written: list[Path | None] = []
    for each in found:
        path = target / f"{_slug(each.name)}.png"
        written.append(None if each.silent else each.save(path, alpha=alpha))
    cells = [Cell(None if each.silent else each.image, each.name, "silent" if each.silent else "") for each in found]
    recipe = ensure_recipe(found[0].recipe)
    title = f"{recipe.model.get('name', '')}, {recipe.parameters['parameterization']}"
    images.write(sheet(cells, title=title), target / "sheet.png")
    return written


def _slug(name: str) -> str:
    return re.sub(r"[^\w.@,-]+", "-", name).strip("-") or "picture"


def _facts(found: Visualization, path: Path | None) -> dict[str, Any]:
    return {
        "file": None if path is None else str(path),
        "shows": found.name,
        "reached": found.reached,
        "silent": found.silent,
        "gray": found.gray or None,
        "steps": len(found.values),
        "seconds": round(found.seconds, 3),
    }
