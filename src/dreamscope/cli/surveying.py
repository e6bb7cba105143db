"""``exemplars``, ``filters`` and ``map``: photos that excite channels, weights, and photos in feature space."""

from __future__ import annotations

import math
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from dreamscope.cli import output
from dreamscope.cli.options import Json, Loader, with_model
from dreamscope.errors import DreamscopeError, ensure_one_of

if TYPE_CHECKING:
    from dreamscope.exploration.exemplar_index import Exemplar, Exemplars
    from dreamscope.figures.exemplar_sheets import Row
    from dreamscope.models.addresses import Address
    from dreamscope.models.classifier import Classifier
    from dreamscope.photos import Photo

_PHOTOS = "folders, photos, or labels files (CSV: file, class_index or label)"
_ROWS = 32  # channels on one sheet
_MOST_SHOWN = 512
_LABELS = 12


@with_model()
def exemplars(
    photos: Annotated[
        list[str] | None,
        typer.Argument(metavar="[PHOTOS ...]", help=f"{_PHOTOS}; if none, --index is read.", show_default=False),
    ] = None,
    *,
    loader: Loader,
    at: Annotated[
        list[str] | None,
        typer.Option(
            metavar="ADDRESS",
            help="LAYER[:CHANNELS] to show; may be repeated. All channels of these layers are looked at; of the later "
            "activations if not given.",
        ),
    ] = None,
    top: Annotated[
        int | None, typer.Option(metavar="K", min=1, help="Photos for each channel; 9 if not given.")
    ] = None,
    least: Annotated[bool, typer.Option("--least", help="The least exciting ones too.")] = False,
    out: Annotated[
        str | None,
        typer.Option(
            "-o", "--out", metavar="OUT", help="A sheet: .png, .jpg or .webp; of over 32 rows, a folder of sheets."
        ),
    ] = None,
    index: Annotated[
        str | None,
        typer.Option(
            metavar="INDEX",
            help="A .json of all channels: written if photos are given, else read. Holds the photos' paths as seen "
            "from it.",
        ),
    ] = None,
    json: Json = False,
) -> None:
    """Find the patches of real photos that excite channels most."""
    from dreamscope import files
    from dreamscope import photos as sets
    from dreamscope.exploration.exemplar_index import Exemplars
    from dreamscope.exploration.exemplars import TOP
    from dreamscope.exploration.exemplars import exemplars as technique
    from dreamscope.exploration.patches import channels_of

    if not photos and index is None:
        raise DreamscopeError("give photos to look through, or with --index what was found before")
    if not at and (out is not None or index is None or not photos):
        raise DreamscopeError("say what to show: --at LAYER[:CHANNELS]; with photos and --index alone, all is kept")
    if index is not None and Path(index).suffix.lower() != ".json":
        raise DreamscopeError(f"can't use '{index}': an index is a .json file")
    given = sets.find(photos) if photos else []
    known = None
    if index is not None:
        known = None if given else _known(Exemplars.load(index), index, top=top, least=least)
        files.ensure_writable(index)
    model = loader() if known is None else loader.like(known.recipe.model, near=index or "")
    if known is not None:
        known.check(model, index or "")
    addresses = channels_of(model, at) if at else None
    # Whole layers that go into an index need no sheet; what is named by channel is there to be seen.
    seen = out is not None or not given or index is None or any(each.channels for each in addresses or ())
    rows = (
        [(each, low) for each in _channels(model, addresses or []) for low in (False, True)[: 1 + least]]
        if seen
        else []
    )
    sheets = _targets(out, math.ceil(len(rows) / _ROWS), given) if seen else []
    if known is None:
        with output.stages() as report:
            known = technique(model, given, addresses, top=top or TOP, least=least, report=report)
        if index is not None:
            known.save(index)
    told = [known.of(address, least=low)[:top] for address, low in rows]
    _draw(known, model, rows, top, sheets)
    output.unreadable(known.unreadable)
    if json:
        channels = [_row_facts(*row, each) for row, each in zip(rows, told, strict=True)]
        facts = {"index": index, "sheets": [str(path) for path in sheets], "photos": known.count, "channels": channels}
        output.as_json({**facts, "unreadable": dict(known.unreadable)})
        return
    print(f"{known.count} photos, {sum(len(each.values) for each in known.most.values())} channels")
    if rows:
        lines = [
            [str(address), "least" if low else "most", *_first(each)]
            for (address, low), each in zip(rows, told, strict=True)
        ]
        output.table(["channel", "exciting", "value", "photo"], lines)
    for path in [*([index] if index and given else []), *sheets]:
        print(path)


@with_model()
def filters(
    *,
    loader: Loader,
    at: Annotated[
        str | None,
        typer.Option(metavar="ADDRESS", help="A convolution: LAYER[:CHANNELS]; the first one if not given."),
    ] = None,
    scaling: Annotated[
        str, typer.Option(metavar="S", help="each (by its own largest weight) or shared (by the largest of all).")
    ] = "each",
    out: Annotated[
        str | None,
        typer.Option("-o", "--out", metavar="OUT", help=".png, .jpg or .webp; MODEL-filters.png if not given."),
    ] = None,
    json: Json = False,
) -> None:
    """Show the weights of the first convolution, or of another one by their norm."""
    from dreamscope import files, images
    from dreamscope.exploration.filters import KINDS, SCALINGS
    from dreamscope.exploration.filters import filters as technique
    from dreamscope.figures import exemplar_sheets

    ensure_one_of(scaling, SCALINGS, "scaling")
    if out is not None:
        images.ensure_format(out)
        files.ensure_writable(out)
    model = loader()
    target = Path(out) if out is not None else output.free_name(f"{Path(model.name).stem}-filters", ".png")
    found = technique(model, at)
    images.write(exemplar_sheets.of_filters(found, scaling), target, note=found.recipe.to_json())
    if json:
        norms = [{"channel": c, "norm": n} for c, n in zip(found.channels, found.norms, strict=True)]
        output.as_json({"file": str(target), "layer": found.layer, "kind": found.kind, "filters": norms})
        return
    height, width = found.weights.shape[-2:]
    print(f"{found.layer}: {len(found.channels)} filters of {height}x{width}, {KINDS[found.kind]}")
    print(target)


@with_model()
def map_(
    photos: Annotated[list[str], typer.Argument(metavar="PHOTOS ...", help=f"{_PHOTOS}.", show_default=False)],
    *,
    loader: Loader,
    at: Annotated[
        str | None, typer.Option(metavar="LAYER", help="Whose features; the one before the logits if not given.")
    ] = None,
    method: Annotated[str, typer.Option(metavar="M", help="tsne, umap (pip install umap-learn) or pca.")] = "tsne",
    neighbours: Annotated[int, typer.Option(metavar="K", min=1, help="That are asked for their label.")] = 5,
    out: Annotated[
        str | None,
        typer.Option(
            "-o", "--out", metavar="OUT", help="A .html to zoom into, a .png beside it; map.html if not given."
        ),
    ] = None,
    seed: Annotated[int, typer.Option(metavar="N", help="Of all randomness.")] = 0,
    json: Json = False,
) -> None:
    """Lay photos out in two dimensions by a layer's features; say how far neighbours agree with labels."""
    from dreamscope import files
    from dreamscope import photos as sets
    from dreamscope.exploration.embedding import embed
    from dreamscope.exploration.projections import METHODS
    from dreamscope.figures import embedding_map

    ensure_one_of(method, METHODS, "method")
    page = Path(out) if out is not None else output.free_name("map", ".html")
    if page.suffix.lower() != ".html":
        raise DreamscopeError(f"can't write '{page}': a map is a .html, with a .png of the same name beside it")
    picture = page.with_suffix(".png")
    given = sets.find(photos)
    for target in (page, picture):
        files.ensure_writable(target)
        files.ensure_no_input(target, (photo.path for photo in given))
    model = loader()
    with output.stages() as report:
        found = embed(model, given, at, method=method, k=neighbours, seed=seed, report=report)
    embedding_map.picture(found, picture)
    embedding_map.page(found, page)
    output.unreadable(found.unreadable)
    if json:
        output.as_json({"file": str(page), "picture": str(picture), **found.to_dict()})
        return
    print(f"{len(found.points)} photos at {found.layer}, by {found.method}")
    if found.features.count:
        print(embedding_map.explained(found.features) + ":")
        rows = [["all", found.features.count, *_shares(found.features.overall, found.plane.overall)]]
        for label in list(found.features.labels)[:_LABELS]:
            shares = _shares(found.features.labels[label], found.plane.labels[label])
            rows.append([label, found.counts[label], *shares])
        output.table(["label", "photos", "in the features", "on the map"], rows)
    else:
        print("no two photos have the same label, so neighbours can't agree with labels")
    for written in (page, picture):
        print(written)


def _known(kept: Exemplars, index: str, *, top: int | None, least: bool) -> Exemplars:
    """Return an index that was read, if it holds what is asked for."""
    if least and not kept.least:
        raise DreamscopeError(f"'{index}' holds the most exciting photos only; give the photos again, with --least")
    held = kept.recipe.parameters["top"]
    if top is not None and top > held:
        raise DreamscopeError(f"'{index}' holds {held} photos for each channel, not {top}; give the photos again")
    return kept


def _channels(model: Classifier, addresses: Sequence[Address]) -> list[Address]:
    """Return the addresses of single channels that are to be shown."""
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
            f"{found[0]}, or keep all with photos and --index alone"
        )
    return found


def _targets(out: str | None, count: int, given: Sequence[Photo]) -> list[Path]:
    """Return where so many sheets go, found to be writable before anything long begins."""
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
    """Draw the sheets one by one, so that there are never many patches in memory."""
    from dreamscope import images
    from dreamscope.figures import exemplar_sheets

    gone = 0
    for number, path in enumerate(sheets):
        some = rows[number * _ROWS : (number + 1) * _ROWS]
        drawn, missing = exemplar_sheets.of_exemplars(found, model, some, top=top, alone=len(rows) == 1)
        path.parent.mkdir(exist_ok=True)
        images.write(drawn, path, note=found.recipe.to_json())
        gone += missing
    if gone:
        output.note(f"{gone} patches are not shown: their photos are gone, or not what they were")


def _first(told: Sequence[Exemplar]) -> list[str]:
    return [f"{told[0].value:.4g}", told[0].photo.path.name] if told else ["silent", ""]


def _row_facts(address: Address, low: bool, told: Sequence[Exemplar]) -> dict[str, Any]:
    photos = [
        {
            "file": str(each.photo.path),
            "label": each.photo.label,
            "value": each.value,
            "position": list(each.position),
            "box": list(each.box),
        }
        for each in told
    ]
    return {"address": str(address), "exciting": "least" if low else "most", "photos": photos}


def _shares(*shares: float) -> list[str]:
    return [f"{100 * share:.0f} %" for share in shares]
