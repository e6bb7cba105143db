"""The application: all commands."""

from __future__ import annotations

from typing import Annotated

import typer

from dreamscope import __version__
from dreamscope.cli import (
    activations,
    blind,
    classify,
    dissect,
    doctor,
    dream,
    exemplars,
    explain,
    filters,
    fool,
    invert,
    layers,
    map,
    models,
    recipe,
    sheet,
    video,
    visualize,
    zoom,
)

app = typer.Typer(
    name="dreamscope",
    help="Look into an image classifier, and change it.",
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
    context_settings={"help_option_names": ["-h", "--help"]},
)


def _version(asked: bool) -> None:
    if asked:
        print(f"dreamscope {__version__}")
        raise typer.Exit


@app.callback()
def _main(
    version: Annotated[
        bool, typer.Option("--version", callback=_version, is_eager=True, help="Print the version.")
    ] = False,
    debug: Annotated[bool, typer.Option("--debug", help="Show tracebacks; works anywhere in the line.")] = False,
) -> None:
    pass


app.command()(dream.dream)
app.command()(visualize.visualize)
app.command()(invert.invert)
app.command()(fool.fool)
app.command()(dissect.dissect)
app.command()(blind.blind)
app.command()(explain.explain)
app.command()(activations.activations)
app.command()(exemplars.exemplars)
app.command()(filters.filters)
app.command("map")(map.map_)
app.command()(sheet.sheet)
app.command()(zoom.zoom)
app.command()(video.video)
app.command()(models.models)
app.command()(layers.layers)
app.command()(classify.classify)
app.command()(recipe.recipe)
app.command()(doctor.doctor)
