"""``filters``: the weights of a convolution, as pictures."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from dreamscope.cli import output
from dreamscope.cli.options import PICTURES, Json, Loader, out_option, with_model
from dreamscope.errors import ensure_one_of


@with_model()
def filters(
    *,
    loader: Loader,
    at: Annotated[
        str | None,
        typer.Option(metavar="ADDRESS", help="A convolution: LAYER[:CHANNELS]; the first one if not given."),
    ] = None,
    scaling: Annotated[
        str,
        typer.Option(
            metavar="S", help="Scale each filter by its own largest weight (each) or by the largest of all (shared)."
        ),
    ] = "each",
    out: Annotated[str | None, out_option(f"{PICTURES}; MODEL-filters.png if not given.")] = None,
    json: Json = False,
) -> None:
    """Show the filters of the first convolution, or of another one by their norms."""
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
    images.write(
        exemplar_sheets.of_filters(found, scaling), target, note=found.recipe.to_json() if found.recipe else None
    )
    if json:
        norms = [{"channel": c, "norm": n} for c, n in zip(found.channels, found.norms, strict=True)]
        output.as_json({"file": str(target), "layer": found.layer, "kind": found.kind, "filters": norms})
        return
    height, width = found.weights.shape[-2:]
    print(f"{found.layer}: {len(found.channels)} filters of {height}x{width}, {KINDS[found.kind]}")
    print(target)
