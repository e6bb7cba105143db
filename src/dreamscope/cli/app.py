"""The application: all commands, or just the one that a line names."""

from __future__ import annotations

import os
from collections.abc import Sequence
from importlib import import_module
from typing import Annotated

import typer

from dreamscope import __version__

COMMANDS = (
    *("dream", "visualize", "invert", "fool", "dissect", "blind", "explain", "activations", "exemplars", "filters"),
    *("map", "sheet", "zoom", "video", "models", "layers", "classify", "recipe", "doctor"),
)
"""The commands, each in a module of its name."""

_COMPLETING = "_DREAMSCOPE_COMPLETE"


def _version(asked: bool) -> None:
    if asked:
        print(f"dreamscope {__version__}")
        raise typer.Exit


def _main(
    version: Annotated[
        bool, typer.Option("--version", callback=_version, is_eager=True, help="Print the version.")
    ] = False,
    debug: Annotated[bool, typer.Option("--debug", help="Show tracebacks; works anywhere in the line.")] = False,
) -> None:
    pass


def application(words: Sequence[str] = ()) -> typer.Typer:
    """Return the application; importing a module for each command takes time, so only what `words` need is in it.

    Parameters
    ----------
    words
        The command line after the program's name. Where the first is no command (``--help``, a mistake), and where a
        shell asks for completions, all commands are there.
    """
    app = typer.Typer(
        name="dreamscope",
        help="Look into an image classifier, and change it.",
        pretty_exceptions_enable=False,
        rich_markup_mode=None,
        context_settings={"help_option_names": ["-h", "--help"]},
    )
    app.callback()(_main)
    one = words and words[0] in COMMANDS and _COMPLETING not in os.environ
    for name in [words[0]] if one else COMMANDS:
        module = import_module(f"dreamscope.cli.{name}")
        # Python's own function has the name of one.
        app.command(name)(module.map_ if name == "map" else getattr(module, name))
    return app
