"""``exemplars``: the patches of real photos that excite channels most."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from dreamscope.cli import output
from dreamscope.cli.channel_options import SHEETFUL, ChannelsFile, model_of, read_channels, strongest_option
from dreamscope.cli.options import PICTURES, DirectionsFile, Json, Loader, out_option, with_model
from dreamscope.cli.photo_options import PHOTO_SETS, EngineName, given_engine
from dreamscope.errors import DreamscopeError

if TYPE_CHECKING:
    from dreamscope.exploration.exemplar_index import Exemplar, Exemplars
    from dreamscope.figures.exemplar_sheets import Row
    from dreamscope.models.addresses import Address
    from dreamscope.models.classifier import Classifier
    from dreamscope.models.erase import Erase
    from dreamscope.photos import Photo

_ROWS = 32  # channels on one sheet
_MOST_SHOWN = 512


@with_model()
def exemplars(
    photos: Annotated[
        list[str] | None,
        typer.Argument(metavar="[PHOTOS ...]", help=f"{PHOTO_SETS}; if none, --index is read.", show_default=False),
    ] = None,
    *,
    loader: Loader,
    at: Annotated[
        list[str] | None,
        typer.Option(
            metavar="ADDRESS",
            help="LAYER[:CHANNELS] to show; may be repeated. All channels of these layers are searched; those of the "
            "later activations if not given.",
        ),
    ] = None,
    directions: DirectionsFile = None,
    channels: ChannelsFile = None,
    strongest: Annotated[int | None, strongest_option(SHEETFUL, top=False)] = None,
    top: Annotated[
        int | None, typer.Option(metavar="K", min=1, help="Number of photos for each channel; 9 if not given.")
    ] = None,
    least: Annotated[bool, typer.Option("--least", help="Also find the least exciting ones.")] = False,
    out: Annotated[str | None, out_option(f"A sheet: {PICTURES}; for more than 32 rows, a folder of sheets.")] = None,
    index: Annotated[
        str | None,
        typer.Option(
            metavar="INDEX",
            help="A .json of all channels: written if photos are given, otherwise read. Holds the photos' paths "
            "relative to itself.",
        ),
    ] = None,
    engine: EngineName = None,
    json: Json = False,
) -> None:
    """Find the patches of real photos that excite channels most, or lie furthest along directions."""
    from dreamscope import files
    from dreamscope import photos as sets
    from dreamscope.exploration.exemplar_index import Exemplars
    from dreamscope.exploration.exemplars import TOP
    from dreamscope.exploration.exemplars import exemplars as technique
    from dreamscope.exploration.patches import channels_of
    from dreamscope.models.addresses import Address
    from dreamscope.models.directions import directions_of, read_directions

    if at and directions is not None:
        raise DreamscopeError("--at and --directions exclude each other: directions say themselves where they are")
    listed = read_channels(channels, strongest, SHEETFUL, at=at, directions=directions)
    at = at if listed is None else listed.texts()
    _ensure_something(photos, index, shows=bool(at) or directions is not None, sheet=out is not None)
    where = given_engine(engine)
    edits = [] if directions is None else read_directions(directions)
    given = sets.find(photos) if photos else []
    known = None
    if index is not None:
        known = None if given else _known(Exemplars.load(index), index, top=top, least=least)
        files.ensure_writable(index)
    source = None if known is None or known.recipe is None else known.recipe.model
    like_index = None if source is None else partial(loader.like, source, near=index or "")
    model = model_of(listed, loader, like_index)
    along = directions_of(model, edits)
    if known is not None:
        known.check(model, index or "")
        _ensure_of(along.values(), known, f"'{index}' is of other directions than '{directions}'")
    named = channels_of(model, at) if at else [Address.parse(name) for name in along]
    # Whole layers written into an index need no sheet; channels named one by one are to be shown.
    show = out is not None or not given or index is None or any(each.channels for each in named)
    rows = [(each, low) for each in _channels(model, named) for low in (False, True)[: 1 + least]] if show else []
    sheets = _targets(out, math.ceil(len(rows) / _ROWS), given) if show else []
    if known is None:
        with output.stages() as callback:
            known = technique(
                model,
                given,
                named if at else None,
                directions=edits,
                top=top or TOP,
                least=least,
                engine=where,
                callback=callback,
            )
        if index is not None:
            known.save(index)
    found = [known.of(address, least=low)[:top] for address, low in rows]
    _draw(known, model, rows, top, sheets)
    output.unreadable(known.unreadable)
    if json:
        facts = {"index": index, "sheets": [str(path) for path in sheets], "photos": known.count}
        shown = [_row_facts(*row, each) for row, each in zip(rows, found, strict=True)]
        output.as_json({**facts, "channels": shown, "unreadable": dict(known.unreadable)})
        return
    ranked = "direction" if edits else "channel"
    print(f"{known.count} photos, {sum(len(each.values) for each in known.most.values())} {ranked}s")
    if rows:
        lines = [
            [str(address), "least" if low else "most", *_first(each)]
            for (address, low), each in zip(rows, found, strict=True)
        ]
        output.table([ranked, "exciting", "value", "photo"], lines)
    for path in [*([index] if index and given else []), *sheets]:
        print(path)


def _ensure_something(photos: list[str] | None, index: str | None, *, shows: bool, sheet: bool) -> None:
    """Raise if there are no photos and no index of them, or nothing would come out."""
    if not photos and index is None:
        raise DreamscopeError("give photos to search, or an index written before with --index")
    if not shows and (sheet or index is None or not photos):
        raise DreamscopeError(
            "say what to show: --at LAYER[:CHANNELS], or --channels or --directions FILE; with photos and --index "
            "alone, all channels go into the index"
        )
    if index is not None and Path(index).suffix.lower() != ".json":
        raise DreamscopeError(f"can't use '{index}': an index is a .json file")


def _known(found: Exemplars, index: str, *, top: int | None, least: bool) -> Exemplars:
    """Return an index that was read; raise if it holds less than is asked for."""
    if least and not found.least:
        raise DreamscopeError(f"'{index}' holds the most exciting photos only; give the photos again, with --least")
    held = found.top if found.recipe is None else found.recipe.parameters["top"]
    if top is not None and top > held:
        raise DreamscopeError(f"'{index}' holds {held} photos for each channel, not {top}; give the photos again")
    return found


def _ensure_of(directions: Iterable[Erase], known: Exemplars, message: str) -> None:
    """Raise unless an index is of these directions, or they or the index's own are not known."""
    held = None if known.recipe is None else known.recipe.parameters.get("directions")
    given = [each.to_dict() for each in directions]
    if held and given and held != given:
        raise DreamscopeError(f"{message}; give the photos again")


def _channels(model: Classifier, addresses: Sequence[Address]) -> list[Address]:
    """Return the addresses of the single channels to show."""
    from dreamscope.models.addresses import Address

    every = [
        Address(each.layer, (channel,))
        for each in addresses
        for channel in each.channels or range(model.layers[each.layer].channels)
    ]
    found = list(dict.fromkeys(every))
    if len(found) > _MOST_SHOWN:
        raise DreamscopeError(
            f"{len(found)} channels are too many to show, {_MOST_SHOWN} at most: name some, such as "
            f"{found[0]}, or write all into an index, with photos and --index alone"
        )
    return found


def _targets(out: str | None, count: int, given: Sequence[Photo]) -> list[Path]:
    """Return where that many sheets go; raise before any long work if they can't be written."""
    from dreamscope import files, images

    target = Path(out) if out is not None else output.free_name("exemplars", ".png" if count == 1 else "")
    if count == 1:
        images.ensure_format(target)
        sheets = [target]
    else:
        if target.suffix.lower() in (".png", ".jpg", ".jpeg", ".webp"):
            raise DreamscopeError(f"{count} sheets of {_ROWS} channels go into a folder; '{target}' names one file")
        sheets = [target / f"sheet-{number:0{len(str(count))}}.png" for number in range(1, count + 1)]
    files.ensure_writable(sheets[0] if count == 1 or target.is_dir() else target)
    for sheet in sheets:
        files.ensure_no_input(sheet, (photo.path for photo in given))
    return sheets


def _draw(found: Exemplars, model: Classifier, rows: Sequence[Row], top: int | None, sheets: Sequence[Path]) -> None:
    """Draw the sheets one by one, so that few patches are in memory at a time."""
    from dreamscope import images
    from dreamscope.figures import exemplar_sheets

    hidden = 0
    for number, path in enumerate(sheets):
        some = rows[number * _ROWS : (number + 1) * _ROWS]
        drawn, missing = exemplar_sheets.of_exemplars(found, model, some, top=top, alone=len(rows) == 1)
        path.parent.mkdir(exist_ok=True)
        images.write(drawn, path, note=found.recipe.to_json() if found.recipe else None)
        hidden += missing
    if hidden:
        output.note(f"{hidden} patches are not shown: their photos were removed or changed")


def _first(found: Sequence[Exemplar]) -> list[str]:
    return [f"{found[0].value:.4g}", found[0].photo.path.name] if found else ["silent", ""]


def _row_facts(address: Address, low: bool, found: Sequence[Exemplar]) -> dict[str, Any]:
    photos = [
        {
            "file": str(each.photo.path),
            "label": each.photo.label,
            "value": each.value,
            "position": list(each.position),
            "box": list(each.box),
        }
        for each in found
    ]
    return {"address": str(address), "exciting": "least" if low else "most", "photos": photos}
