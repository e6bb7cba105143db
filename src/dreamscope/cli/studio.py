"""``studio``: all of it in a browser."""

from __future__ import annotations

from typing import Annotated

import typer

from dreamscope.cli.options import Loader, with_model


@with_model()
def studio(
    *,
    loader: Loader,
    port: Annotated[
        int, typer.Option(metavar="P", min=0, max=65535, help="Port; the next free one if it is taken.")
    ] = 8765,
    host: Annotated[
        str, typer.Option(metavar="ADDRESS", help="Where others may reach it, such as 0.0.0.0; needs --password.")
    ] = "127.0.0.1",
    password: Annotated[
        str | None,
        typer.Option(metavar="TEXT", envvar="DREAMSCOPE_PASSWORD", help="What visitors have to give."),
    ] = None,
    name: Annotated[
        list[str] | None,
        typer.Option("--name", metavar="NAME", help="Another name under which it may be called; may be repeated."),
    ] = None,
    photos: Annotated[
        list[str] | None,
        typer.Option(
            metavar="FOLDER",
            help="Photos in which all visitors see what excites a channel: a folder, photos, an archive or a labels "
            "file; may be repeated.",
        ),
    ] = None,
    microscope: Annotated[
        str | None,
        typer.Option(
            metavar="SITE",
            help="An atlas's folder: its pictures of channels are shown, and those made here are added. Begun if there "
            "is none.",
        ),
    ] = None,
    browser: Annotated[bool, typer.Option("--open/--no-open", help="Open it in the browser.")] = True,
) -> None:
    """Open the studio: dream, look, explain and blind in a browser, live. Ctrl-C ends it."""
    from dreamscope.studio.server import studio as serve

    def ready(text: str) -> None:
        print(text, flush=True)
        if browser and text.startswith("http"):
            import webbrowser

            webbrowser.open(text)

    serve(
        loader(),
        host=host,
        port=port,
        password=password,
        names=name or (),
        photos=photos or (),
        microscope=microscope,
        ready=ready,
    )
