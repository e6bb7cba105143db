"""The application: all commands, or just the one that a line names."""

from __future__ import annotations

import os
import re
from collections.abc import Sequence
from importlib import import_module
from pathlib import Path
from typing import Annotated

import typer

from dreamscope import __version__

COMMANDS = (
    *("dream", "visualize", "invert", "fool", "dissect", "blind", "explain", "activations", "exemplars", "filters"),
    *(
        "map",
        "augment",
        "sheet",
        "zoom",
        "video",
        "models",
        "layers",
        "classify",
        "recipe",
        "studio",
        "microscope",
        "doctor",
    ),
)
"""The commands, each in a module of its name; one that has commands of its own holds them in ``group``."""


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


def application(words: Sequence[str] | None = None) -> typer.Typer:
    """Return the application.

    Parameters
    ----------
    words
        The command line after the program's name: importing a module for each command takes time. Where the first is
        a command, there is that one alone; where it is none (``--help``, a mistake), there are the names of all, and
        what they are for. ``None`` for all of them as they are.
    """
    app = typer.Typer(
        name="dreamscope",
        help="Look into an image classifier, and change it.",
        pretty_exceptions_enable=False,
        rich_markup_mode=None,
        context_settings={"help_option_names": ["-h", "--help"]},
    )
    app.callback()(_main)
    if "_DREAMSCOPE_COMPLETE" in os.environ:
        words = _completed()
    named = words[0] if words and words[0] in COMMANDS else None
    for name in COMMANDS if named is None else [named]:
        if words is None or named is not None:
            module = import_module(f"dreamscope.cli.{name}")
            if hasattr(module, "group"):
                app.add_typer(module.group, name=name)
            else:
                app.command(name)(getattr(module, _function(name)))
        else:
            app.command(name, help=about(name))(lambda: None)
    return app


def about(name: str) -> str:
    """Return the first line of a command's docstring, without importing its module."""
    source = Path(__file__).with_name(f"{name}.py").read_text("utf-8")
    found = re.search(rf'^def {_function(name)}\(.*?^    """(.+?)(?:"""|\n)', source, re.DOTALL | re.MULTILINE)
    assert found is not None, f"the command {name} has no docstring"
    return found[1]


def _function(name: str) -> str:
    # Python's own function has the name of one.
    return "map_" if name == "map" else name


def _completed() -> list[str]:
    """Return the words of the line that is to be completed, after the program's: each shell has a variable for them."""
    return (os.environ.get("COMP_WORDS") or os.environ.get("_TYPER_COMPLETE_ARGS") or "").split()[1:]
