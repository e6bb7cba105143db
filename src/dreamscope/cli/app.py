"""The commands, gathered."""

from __future__ import annotations

from typing import Annotated

import typer

from dreamscope import __version__
from dreamscope.cli import changing, dissecting, dream, explain, filming, looking, sheet, surveying, telling, visualize

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


app.command("dream")(dream.dream)
app.command("visualize")(visualize.visualize)
app.command("invert")(changing.invert)
app.command("fool")(changing.fool)
app.command("dissect")(dissecting.dissect)
app.command("blind")(dissecting.blind)
app.command("explain")(explain.explain)
app.command("exemplars")(surveying.exemplars)
app.command("filters")(surveying.filters)
app.command("map")(surveying.map_)
app.command("sheet")(sheet.sheet)
app.command("zoom")(filming.zoom)
app.command("video")(filming.video)
app.command("models")(looking.models)
app.command("layers")(looking.layers)
app.command("classify")(looking.classify)
app.command("recipe")(telling.recipe)
app.command("doctor")(telling.doctor)
