"""The application: all commands, or just the one that a line names."""

from __future__ import annotations

import os
from collections.abc import Sequence
from importlib import import_module
from pathlib import Path
from typing import Annotated

import typer

from dreamscope import __version__

COMMANDS = (
    *("dream", "visualize", "invert", "fool", "dissect", "blind", "explain", "activations", "exemplars", "filters"),
    *("map", "sheet", "zoom", "video", "models", "layers", "classify", "recipe", "doctor"),
)
"""The commands, each in a module of its name."""


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
        The command line after the program's name. Where the first is no command (``--help``, a mistake) all commands
        are there; where a shell asks for completions, all but the one that it has come to are there by name only.
    """
    app = typer.Typer(
        name="dreamscope",
        help="Look into an image classifier, and change it.",
        pretty_exceptions_enable=False,
        rich_markup_mode=None,
        context_settings={"help_option_names": ["-h", "--help"]},
    )
    app.callback()(_main)
    completing = "_DREAMSCOPE_COMPLETE" in os.environ
    if completing:
        words = _completed()
    named = words[0] if words and words[0] in COMMANDS else None
    for name in COMMANDS:
        if name == named or (named is None and not completing):
            module = import_module(f"dreamscope.cli.{name}")
            # Python's own function has the name of one.
            app.command(name)(module.map_ if name == "map" else getattr(module, name))
        elif completing:
            app.command(name, help=_about(name))(lambda: None)
    return app


def _completed() -> list[str]:
    """Return the words of the line that is to be completed, after the program's: each shell has a variable for them."""
    return (os.environ.get("COMP_WORDS") or os.environ.get("_TYPER_COMPLETE_ARGS") or "").split()[1:]


def _about(name: str) -> str:
    """Return what the first line of a command's module says of it."""
    with Path(__file__).with_name(f"{name}.py").open(encoding="utf-8") as module:
        return module.readline().partition("``: ")[2].strip().removesuffix('"""')
