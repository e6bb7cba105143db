"""``sheet``: dreams side by side, to choose from."""

from __future__ import annotations

import inspect
import json as json_module
import time
from collections.abc import Callable, Mapping, Sequence
from functools import wraps
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from dreamscope.cli import dream, output
from dreamscope.cli.channel_options import LOSS, SOME, ChannelsFile, model_of, read_channels, strongest_option
from dreamscope.cli.exits import INTERRUPTED
from dreamscope.cli.film import FORMATS, Every, Fps, ensure_sheet_film, film_of_sheet
from dreamscope.cli.options import PHOTO_OR_PATTERN, Json, Loader, out_option, size_option, with_model
from dreamscope.cli.replay import located, recipe_of
from dreamscope.errors import DreamscopeError, did_you_mean, ensure_one_of
from dreamscope.sheets.plan import OVER, STEPS

if TYPE_CHECKING:
    from dreamscope.dissection.found_channels import FoundChannels
    from dreamscope.models.classifier import Classifier
    from dreamscope.sheets.differences import Change
    from dreamscope.sheets.gallery import Gallery
    from dreamscope.sheets.plan import Plan

LARGEST_UNASKED = 512
"""Photos with a longer side than this are made smaller, if --size is not given: a sheet has many dreams."""

_AS_IN_DREAM = (
    *("preset", "loss", "steps", "rate", "octaves", "octave_scale", "jitter", "filter", "natural", "precision"),
    *("guide", "mask", "keep_color", "seed", "memory"),
)


def _with_dream(command: Callable[..., Any]) -> Callable[..., Any]:
    """Replace a command's parameter ``given`` by the options of ``dream``, and pass it those that were given."""
    theirs = inspect.signature(dream.dream).parameters
    own = dict(inspect.signature(command, eval_str=True).parameters)
    del own["given"]
    parameters = [*own.values(), *(theirs[name] for name in _AS_IN_DREAM)]

    @wraps(command)
    def wrapper(**values: Any) -> Any:
        given = {name: values.pop(name) for name in _AS_IN_DREAM}
        return command(given={name: value for name, value in given.items() if value is not None}, **values)

    wrapper.__signature__ = inspect.Signature(parameters)  # type: ignore[attr-defined]
    wrapper.__annotations__ = {parameter.name: parameter.annotation for parameter in parameters}
    return wrapper


@with_model()
@_with_dream
def sheet(
    pictures: Annotated[
        list[str],
        typer.Argument(
            metavar="IMAGE ...", help=f"{PHOTO_OR_PATTERN} Over photos: several, or folders.", show_default=False
        ),
    ],
    *,
    loader: Loader,
    given: dict[str, Any],
    over: Annotated[str, typer.Option(metavar="WHAT", help=f"What differs: {', '.join(OVER)}.")],
    out: Annotated[
        str | None,
        out_option("A .png or .webp; beside it a .html to click through and OUT.cells/. NAME-WHAT.png if not given."),
    ] = None,
    at: Annotated[
        list[str] | None,
        typer.Option(
            metavar="ADDRESS",
            help="What to dream of: [WEIGHT*]LAYER[:CHANNELS][@ROW,COL]; may be repeated. Over layers and channels "
            "each is a cell; over layers, the network's blocks if none is given.",
        ),
    ] = None,
    channels: ChannelsFile = None,
    strongest: Annotated[int | None, strongest_option(SOME, note=" Over channels each is a cell.")] = None,
    weights_set: Annotated[
        list[str] | None,
        typer.Option(metavar="NAME=W,W,...", help="Over weights: a number for each --at; may be repeated."),
    ] = None,
    weights_file: Annotated[
        str | None, typer.Option(metavar="FILE", help="Over weights: TOML lines such as deep = [0.2, 0.5, 1, 2].")
    ] = None,
    values: Annotated[
        str | None,
        typer.Option(
            metavar="V,V,...",
            help=f"Over steps or octaves: the numbers ({','.join(map(str, STEPS))}; 1 to the preset's); over "
            "presets: their names.",
        ),
    ] = None,
    models: Annotated[str | None, typer.Option(metavar="M,M,...", help="Over models: their names.")] = None,
    recipe: Annotated[
        str | None,
        typer.Option(metavar="OUT", help="A dream whose settings are used; other options change single values."),
    ] = None,
    size: Annotated[str | None, size_option(f"the photo's own up to {LARGEST_UNASKED}")] = None,
    differences: Annotated[
        bool,
        typer.Option("--differences", help="Also show where each dream changed the photo, and at which wavelengths."),
    ] = False,
    between: Annotated[
        list[str] | None,
        typer.Option(metavar="A..B", help="Also show where the cells labelled A and B differ; may be repeated."),
    ] = None,
    columns: Annotated[int | None, typer.Option(metavar="N", min=1, help="Number of cells side by side.")] = None,
    film: Annotated[
        str | None, typer.Option("--film", metavar="OUT", help=f"Film of the dreams growing side by side: {FORMATS}.")
    ] = None,
    crossfade: Annotated[
        float | None,
        typer.Option(metavar="S", help="In the film, fade from one finished dream to the next in S seconds instead."),
    ] = None,
    every: Every = 1,
    fps: Fps = "24",
    json: Json = False,
) -> None:
    """Dream the same picture in many ways, or many pictures in the same way, on one labelled sheet."""
    from dreamscope import images
    from dreamscope.figures import difference_maps, sheet_picture
    from dreamscope.pages import sheet_page
    from dreamscope.recipes import ensure_recipe
    from dreamscope.sheets import plan as plans
    from dreamscope.sheets.differences import changes as changes_of

    started, pairs = time.perf_counter(), [_pair(text) for text in between or []]
    ensure_one_of(over, OVER, "kind of sheet")
    given = {**({} if recipe is None else _settings(recipe, over, given)), **given}
    listed = read_channels(channels, strongest, SOME, at=at)
    default_at = given.pop("at", None)
    if listed is not None:
        default_at, given = listed.texts(), {"loss": LOSS, **given}
    sources = _sources(pictures)
    target = Path(out) if out is not None else output.free_name(f"{output.stem_of(sources[0])}-{over}", ".png")
    written = _targets(target, differences=bool(differences or pairs))
    ensure_sheet_film(film, fps, crossfade, every)
    longer = _longest_side([*sources, *(given[role] for role in ("guide", "mask") if role in given)], target)
    if size is not None:
        given["size"] = size
    elif "size" not in given and longer > LARGEST_UNASKED:
        given["size"] = LARGEST_UNASKED
        output.note(f"The longest side is {longer} pixels; dreaming at {LARGEST_UNASKED} (--size changes that).")
    folder = target.with_suffix(".cells")
    networks = _models(loader, models, over, recipe, listed)
    plan = plans.plan(
        over,
        networks,
        sources,
        at=at or default_at,
        sets=plans.weights(weights_set or [], weights_file),
        values=None if values is None else [value.strip() for value in values.split(",")],
        **given,
    )
    if over == "layers" and not (at or default_at):
        count = sum(bool(layer.grid) for layer in networks[0].layers.values())
        output.note(f"Over the {len(plan.cells)} blocks of {networks[0].name}; --at '*' takes all {count} layers.")
    _ensure_labels(pairs, [cell.label for cell in plan.cells])
    found = _made(plan, folder, every if film is not None and crossfade is None else None)
    note, changes, drawn = ensure_recipe(found.recipe).to_json(), {}, None
    if differences or pairs:
        changes = changes_of(found, pairs)
        drawn = difference_maps.maps(changes, columns=columns, title=found.title)
        images.write(drawn, written[2], note=note)
        images.write(difference_maps.frequencies(changes, title=found.title), written[3], note=note)
    sheet_page.write(found, written[1], changes=changes, maps=drawn)
    images.write(sheet_picture.picture(found, columns=columns), target, note=note)
    if film is not None:
        written.append(film_of_sheet(found, film, fps=fps, crossfade=crossfade, every=every, columns=columns))
    seconds = time.perf_counter() - started
    if json:
        output.as_json(_facts(found, written, changes, seconds))
        return
    _print(found, written, changes, seconds)


def _settings(recipe: str, over: str, given: Mapping[str, Any]) -> dict[str, Any]:
    """Return the settings in a dream's recipe that are the same in all cells."""
    stored = recipe_of("dream", recipe, [*given, over.removesuffix("s")])
    # A sheet over layers or channels varies the address, so it does not take the dream's.
    own = {"tile", over, *(["at"] if over in ("layers", "channels") else [])}
    found = {name: value for name, value in stored.parameters.items() if name not in own}
    if over == "photos":
        # Its size has the proportions of its own photo.
        found["size"] = max(map(int, found["size"].split("x")))
    return found | located(stored, recipe, {"guide", "mask"} - given.keys())


def _sources(pictures: Sequence[str]) -> list[str]:
    from dreamscope import photos

    found: list[str] = []
    for each in pictures:
        found += [str(photo.path) for photo in photos.find(each)] if Path(each).is_dir() else [each]
    return list(dict.fromkeys(found))


def _targets(target: Path, *, differences: bool) -> list[Path]:
    """Return where to write; raise before any long work if that can't be written."""
    from dreamscope import files

    if target.suffix.lower() not in (".png", ".webp"):
        raise DreamscopeError(
            f"can't write '{target}': a sheet is a .png or .webp (JPEG has no room for the recipes of all cells), "
            "with a .html of the same name beside it"
        )
    names = ["-differences.png", "-frequencies.png"] if differences else []
    written = [target, target.with_suffix(".html"), *(target.with_name(target.stem + name) for name in names)]
    for path in written:
        files.ensure_writable(path)
    return written


def _longest_side(sources: Sequence[str], target: Path) -> int:
    """Read every input picture, so that an unreadable one is refused at once; return the longest side."""
    from dreamscope.optimize.initial_images import INITIAL_IMAGES

    sides = [max(output.input_picture(source, target).shape[-2:]) for source in sources if source not in INITIAL_IMAGES]
    return max(sides, default=0)


def _models(
    loader: Loader, names: str | None, over: str, recipe: str | None, listed: FoundChannels | None
) -> list[Classifier]:
    from dreamscope.recipes import Recipe

    if (names is None) == (over == "models"):
        raise DreamscopeError("--over models and --models M,M,... go together")
    if names is None:
        again = None if recipe is None else lambda: loader.again(Recipe.read(recipe).model, near=recipe)
        return [model_of(listed, loader, again)]
    found = [loader.named(name.strip()) for name in names.split(",")]
    if len({json_module.dumps(model.source, sort_keys=True) for model in found}) < len(found):
        raise DreamscopeError("two of the models are the same: name each once in --models, and leave out --model")
    if listed is not None:
        for model in found:
            listed.check(model)
    return found


def _pair(text: str) -> tuple[str, str]:
    first, dots, second = (part.strip() for part in text.partition(".."))
    if not (first and dots and second):
        raise DreamscopeError(f"'{text}' names no two cells; expected A..B, such as balanced..deep")
    return first, second


def _ensure_labels(pairs: Sequence[tuple[str, str]], labels: Sequence[str]) -> None:
    for label in (label for pair in pairs for label in pair):
        if label not in labels:
            raise DreamscopeError(f"no cell '{label}' to compare{did_you_mean(label, labels)}")


def _made(plan: Plan, folder: Path, every: int | None) -> Gallery:
    """Dream the cells; if interrupted, report where the finished ones are."""
    from dreamscope.sheets.gallery import gallery

    try:
        with output.stages() as callback:
            found = gallery(plan, folder=folder, every=every, callback=callback)
    except KeyboardInterrupt as stop:
        note = f"; finished cells are kept in '{folder}', the same command continues from there"
        output.note(f"dreamscope: stopped{note if folder.is_dir() else ''}")
        raise typer.Exit(INTERRUPTED) from stop
    if all(each.diverged for each in found.cells):
        raise DreamscopeError(f"no cell came out: {found.cells[0].note}")
    return found


def _print(found: Gallery, written: Sequence[Path], changes: Mapping[str, Change], seconds: float) -> None:
    from dreamscope.sheets.differences import BANDS

    for each in found.cells:
        if each.diverged:
            output.note(f"{each.label}: {each.note}")
    if changes:
        shares = [[f"{100 * share:.0f}%" for share in each.shares] for each in changes.values()]
        sizes = [f"{255 * each.size:.1f}" for each in changes.values()]
        rows = [[name, size, *each] for name, size, each in zip(changes, sizes, shares, strict=True)]
        output.table(["cell", "change (of 255)", *BANDS], rows)
    fresh = sum(each.fresh for each in found.cells)
    print(f"{found.title}: {len(found.cells)} cells, {fresh} of them made now, {seconds:.1f} s")
    for path in written:
        print(path)


def _facts(found: Gallery, written: Sequence[Path], changes: Mapping[str, Change], seconds: float) -> dict[str, Any]:
    from dreamscope.sheets.differences import BANDS

    numbers = {name: {"change": each.size, "energy": list(each.energy)} for name, each in changes.items()}
    cells = [
        {
            "label": each.label,
            "note": each.note,
            "file": None if each.path is None else str(each.path),
            "made_now": each.fresh,
            **numbers.get(each.label, {}),
        }
        for each in found.cells
    ]
    from dreamscope.recipes import ensure_recipe

    labels = {each.label for each in found.cells}
    return {
        "files": [str(path) for path in written],
        "over": found.plan.over,
        "cells": cells,
        "between": {name: each for name, each in numbers.items() if name not in labels},
        "bands": list(BANDS) if changes else [],
        "seconds": round(seconds, 3),
        "recipe": json_module.loads(ensure_recipe(found.recipe).to_json())["dreamscope"],
    }
