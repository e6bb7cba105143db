"""``sheet``: dreams side by side, to choose from."""

from __future__ import annotations

import inspect
import time
from collections.abc import Callable, Mapping, Sequence
from functools import wraps
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from dreamscope.cli import dream, output
from dreamscope.cli import sheet_inputs as inputs
from dreamscope.cli.channel_options import LOSS, SOME, ChannelsFile, read_channels, strongest_option
from dreamscope.cli.exits import INTERRUPTED
from dreamscope.cli.film import FORMATS, Every, Fps, ensure_sheet_film, film_of_sheet
from dreamscope.cli.options import PHOTO_OR_PATTERN, Json, Loader, out_option, size_option, with_model
from dreamscope.errors import DreamscopeError, ensure_one_of
from dreamscope.sheets.axes import OVER, STEPS

if TYPE_CHECKING:
    from dreamscope.models.classifier import Classifier
    from dreamscope.sheets.differences import Change
    from dreamscope.sheets.gallery import Gallery
    from dreamscope.sheets.plan import Plan

LARGEST_UNASKED = 512
"""Photos with a longer side than this are made smaller, if --size is not given: a sheet has many dreams."""
LARGEST_IN_GRID = 256
"""The same where two ways differ: that are more dreams, shown smaller."""

_AS_IN_DREAM = (
    *(
        "preset",
        "loss",
        "steps",
        "rate",
        "balance",
        "octaves",
        "octave_scale",
        "jitter",
        "filter",
        "natural",
        "precision",
    ),
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
            metavar="IMAGE ...",
            help=f"{PHOTO_OR_PATTERN} Over photos: several, folders or archives.",
            show_default=False,
        ),
    ],
    *,
    loader: Loader,
    given: dict[str, Any],
    over: Annotated[
        list[str], typer.Option(metavar="WHAT", help=f"What differs: {', '.join(OVER)}. Twice: rows and columns.")
    ],
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
        list[str] | None,
        typer.Option(
            metavar="[WHAT=]V,V,...",
            help=f"Over steps or octaves: the numbers ({','.join(map(str, STEPS))}; 1 to the preset's); over presets "
            "or losses: their names. Where two of these differ, once each: steps=5,10.",
        ),
    ] = None,
    models: Annotated[str | None, typer.Option(metavar="M,M,...", help="Over models: their names.")] = None,
    recipe: Annotated[
        str | None,
        typer.Option(metavar="OUT", help="A dream whose settings are used; other options change single values."),
    ] = None,
    size: Annotated[
        str | None, size_option(f"the photo's own up to {LARGEST_UNASKED}, {LARGEST_IN_GRID} two ways")
    ] = None,
    differences: Annotated[
        bool,
        typer.Option("--differences", help="Also show where each dream changed the photo, and at which wavelengths."),
    ] = False,
    between: Annotated[
        list[str] | None,
        typer.Option(metavar="A..B", help="Also show where the cells labelled A and B differ; may be repeated."),
    ] = None,
    columns: Annotated[
        int | None, typer.Option(metavar="N", min=1, help="Number of cells side by side, where one way differs.")
    ] = None,
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
    from dreamscope.sheets.weight_sets import weights

    started, pairs = time.perf_counter(), [inputs.pair(text) for text in between or []]
    for each in over:
        ensure_one_of(each, OVER, "kind of sheet")
    if len(over) > 1 and columns is not None:
        raise DreamscopeError("a sheet of two ways has its columns already; leave --columns out")
    given = {**({} if recipe is None else inputs.settings(recipe, over, given)), **given}
    listed = read_channels(channels, strongest, SOME, at=at)
    default_at = given.pop("at", None)
    if listed is not None:
        default_at = listed.texts()
        given = given if "losses" in over else {"loss": LOSS, **given}
    sources = inputs.sources(pictures)
    target = Path(out) if out is not None else output.free_name("-".join([output.stem_of(sources[0]), *over]), ".png")
    written = inputs.targets(target, differences=bool(differences or pairs))
    ensure_sheet_film(film, fps, crossfade, every)
    longer = inputs.longest_side([*sources, *(given[role] for role in ("guide", "mask") if role in given)], target)
    given |= _size(size, longer, LARGEST_UNASKED if len(over) == 1 else LARGEST_IN_GRID, given)
    folder = target.with_suffix(".cells")
    networks = inputs.models(loader, models, over, recipe, listed)
    plan = plans.plan(
        over,
        networks,
        sources,
        at=at or default_at,
        sets=weights(weights_set or [], weights_file),
        values=inputs.values(values or []),
        **given,
    )
    _note(plan, networks[0], blocks=not (at or default_at))
    inputs.ensure_labels(pairs, [cell.label for cell in plan.cells])
    found = _made(plan, folder, every if film is not None and crossfade is None else None)
    note, changes, drawn = ensure_recipe(found.recipe).to_json(), {}, None
    if differences or pairs:
        changes = changes_of(found, pairs)
        across = columns if len(over) == 1 else len(plan.axes[1].places)
        drawn = difference_maps.maps(changes, columns=across, title=found.title)
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


def _size(size: str | None, longer: int, largest: int, given: Mapping[str, Any]) -> dict[str, Any]:
    """Return the size that is given, or the largest one unasked for where photos are larger."""
    if size is not None:
        return {"size": size}
    if "size" in given or longer <= largest:
        return {}
    output.note(f"The longest side is {longer} pixels; dreaming at {largest} (--size changes that).")
    return {"size": largest}


def _note(plan: Plan, model: Classifier, *, blocks: bool) -> None:
    """Report what a person should know before the work begins."""
    for axis in plan.axes if blocks else ():
        if axis.over == "layers":
            count = sum(bool(layer.grid) for layer in model.layers.values())
            output.note(f"Over the {len(axis.places)} blocks of {model.name}; --at '*' takes all {count} layers.")
    for each in plan.remarks:
        output.note(each)


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
        "over": found.plan.kinds[0] if len(found.plan.kinds) == 1 else list(found.plan.kinds),
        "remarks": list(found.plan.remarks),
        "cells": cells,
        "between": {name: each for name, each in numbers.items() if name not in labels},
        "bands": list(BANDS) if changes else [],
        "seconds": round(seconds, 3),
        "recipe": ensure_recipe(found.recipe).to_dict(),
    }
