"""``microscope``: an atlas of a classifier, to be made and to be opened."""

from __future__ import annotations

import shlex
from pathlib import Path
from typing import Annotated

import typer

from dreamscope.cli import output
from dreamscope.cli.options import Json, Loader, seconds, with_model
from dreamscope.cli.photo_options import PHOTO_SETS
from dreamscope.errors import DreamscopeError

INDEX = "index.html"

group = typer.Typer(rich_markup_mode=None)


@group.callback(invoke_without_command=True)
def microscope(context: typer.Context) -> None:
    """Make an atlas of a network to browse: every channel, layer and class, in pictures and photos."""
    if context.invoked_subcommand is None:
        print(context.get_help())


@group.command()
@with_model()
def build(
    *,
    loader: Loader,
    out: Annotated[
        str, typer.Option("-o", "--out", metavar="SITE", help="The atlas's folder; one there is gone on with.")
    ],
    layers: Annotated[
        list[str] | None,
        typer.Option(metavar="GLOB", help="Layers whose channels are shown; may be repeated. All blocks if not given."),
    ] = None,
    photos: Annotated[
        list[str] | None,
        typer.Option(metavar="FOLDER", help=f"Photos to find examples in: {PHOTO_SETS}; may be repeated."),
    ] = None,
    size: Annotated[int, typer.Option(metavar="PX", min=32, max=1024, help="Pixels of a channel's picture.")] = 160,
    top: Annotated[int, typer.Option(metavar="K", min=1, max=100, help="Number of photos for each channel.")] = 9,
    engine: Annotated[
        str,
        typer.Option(
            metavar="ENGINE", help="local: processes of this machine. ray: a Ray cluster. here: this process."
        ),
    ] = "local",
    address: Annotated[
        str | None, typer.Option(metavar="ADDRESS", help="The Ray cluster's; one of this machine if not given.")
    ] = None,
    workers: Annotated[
        int | None, typer.Option(metavar="N", min=1, help="Processes; one for each processor if not given.")
    ] = None,
    budget: Annotated[
        str | None,
        typer.Option(metavar="TIME", help="Time after which nothing more is begun, such as 90s, 20min or 2h."),
    ] = None,
    verify: Annotated[
        int, typer.Option(metavar="N", min=0, help="Make so many items once more at the end, and compare them.")
    ] = 0,
    json: Json = False,
) -> None:
    """Make an atlas, or go on with one: its pages are there soon, and get better."""
    within = None if budget is None else seconds(budget)
    if Path(out).exists() and not Path(out).is_dir():
        raise DreamscopeError(f"can't make an atlas in '{out}': it is a file; give a folder")
    from dreamscope.microscope.build import microscope as technique

    model = loader()
    with output.stages() as callback:
        built = technique(
            model,
            out,
            photos or (),
            layers=layers,
            size=size,
            top=top,
            engine=engine,
            address=address,
            workers=workers,
            budget=within,
            verify=verify,
            callback=callback,
        )
    for key, reason in built.failed.items():
        output.note(f"{key} could not be made: {reason}")
    for key, difference in built.differing.items():
        output.note(f"{key} came out otherwise: {difference}")
    page = Path(out) / INDEX
    if json:
        output.as_json(
            {
                "page": str(page),
                "made": built.made,
                "kept": built.kept,
                "left": built.left,
                "failed": built.failed,
                "checked": built.checked,
                "differing": built.differing,
                "seconds": round(built.seconds, 1),
            }
        )
        return
    left = f", {built.left} are left: the same line goes on with them" if built.left else ""
    print(f"{built.made} items made, {built.kept} were there{left}")
    if verify:
        print(f"{built.checked} items made once more, {len(built.differing)} came out otherwise")
    print(page)


@group.command("open")
def open_(
    site: Annotated[str, typer.Argument(metavar="SITE", help="An atlas's folder.", show_default=False)],
    *,
    browser: Annotated[bool, typer.Option("--open/--no-open", help="Open it in the browser.")] = True,
) -> None:
    """Open an atlas in the browser, and print where it is."""
    page = Path(site) / INDEX if Path(site).is_dir() else Path(site)
    if page.name != INDEX or not page.is_file():
        raise DreamscopeError(f"no atlas in '{site}'; make one: dreamscope microscope build -o {shlex.quote(site)}")
    if browser:
        import webbrowser

        webbrowser.open(page.resolve().as_uri())
    print(page)
