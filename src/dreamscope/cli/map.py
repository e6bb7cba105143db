"""``map``: photos in feature space."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from dreamscope.cli import output
from dreamscope.cli.options import PICTURES, Json, Loader, Seed, out_option, with_model
from dreamscope.cli.photo_options import PHOTO_SETS, EngineName, given_engine
from dreamscope.errors import DreamscopeError, ensure_one_of

_LABELS = 12


@with_model()
def map_(
    photos: Annotated[list[str], typer.Argument(metavar="PHOTOS ...", help=f"{PHOTO_SETS}.", show_default=False)],
    *,
    loader: Loader,
    at: Annotated[
        str | None,
        typer.Option(metavar="LAYER", help="Layer whose features are mapped; the one before the logits if not given."),
    ] = None,
    method: Annotated[str, typer.Option(metavar="M", help="tsne, umap (pip install umap-learn) or pca.")] = "tsne",
    neighbours: Annotated[
        int, typer.Option(metavar="K", min=1, help="Number of nearest neighbours whose labels are compared.")
    ] = 5,
    out: Annotated[
        str | None,
        out_option(f"A .html to zoom into, with a .png beside it, or only a {PICTURES}; map.html if not given."),
    ] = None,
    seed: Seed = 0,
    engine: EngineName = None,
    json: Json = False,
) -> None:
    """Map photos in two dimensions by a layer's features, and report how often neighbours share a label."""
    from dreamscope import files
    from dreamscope import photos as sets
    from dreamscope.exploration.embedding import map as technique
    from dreamscope.exploration.projections import METHODS
    from dreamscope.figures import embedding_map
    from dreamscope.pages import map_page

    ensure_one_of(method, METHODS, "method")
    target = Path(out) if out is not None else output.free_name("map", ".html")
    page = target if target.suffix.lower() == ".html" else None
    picture = target.with_suffix(".png") if page else target
    if picture.suffix.lower() not in (".png", ".jpg", ".jpeg", ".webp"):
        raise DreamscopeError(f"can't write '{target}': a map is a .html to zoom into, or a .png, .jpg or .webp")
    where = given_engine(engine)
    given = sets.find(photos)
    written = [page, picture] if page else [picture]
    for target in written:
        files.ensure_writable(target)
        files.ensure_no_input(target, (photo.path for photo in given))
    model = loader()
    with output.stages() as callback:
        found = technique(
            model, given, at, method=method, neighbours=neighbours, seed=seed, engine=where, callback=callback
        )
    embedding_map.picture(found, picture)
    if page:
        map_page.write(found, page)
    output.unreadable(found.unreadable)
    if json:
        output.as_json({"file": str(written[0]), "picture": str(picture), **found.to_dict()})
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
        print("no two photos have the same label, so neighbours can't share one")
    for path in written:
        print(path)


def _shares(*shares: float) -> list[str]:
    return [f"{100 * share:.0f} %" for share in shares]
