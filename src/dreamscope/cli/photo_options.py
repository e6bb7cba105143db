"""Options of the commands that look through sets of photos."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from dreamscope.errors import DreamscopeError

PHOTO_SETS = "folders, photos, or labels files (CSV: file, class_index or label)"

Targets = Annotated[
    list[str], typer.Argument(metavar="TARGETS ...", help=f"Photos of the class: {PHOTO_SETS}.", show_default=False)
]

Controls = Annotated[
    list[str] | None, typer.Option("--controls", metavar="PHOTOS", help="Photos of other classes; may be repeated.")
]

ClassName = Annotated[
    str | None,
    typer.Option(
        "--class-name",
        "--class",
        metavar="LABEL",
        help="Name or index of the class; the targets' label or likeliest class if not given.",
    ),
]

Layers = Annotated[
    list[str] | None,
    typer.Option(metavar="GLOB", help="Layers to search in; may be repeated. The later activations if not given."),
]

FromLayer = Annotated[
    str | None, typer.Option(metavar="LAYER", help="In place of --layers: the activations from this layer on.")
]


def given_controls(controls: list[str] | None) -> list[str | Path]:
    """Return the controls, or raise if there are none."""
    if not controls:
        raise DreamscopeError("give photos of other things to compare with: --controls FOLDER")
    return paths(controls)


def paths(texts: list[str]) -> list[str | Path]:
    """Return what the command line names, in the type that the library takes."""
    return list(texts)


def writable(text: str | None, suffix: str) -> Path | None:
    """Return the file to be written, if one is named; raise if it has another suffix or can't be written."""
    from dreamscope import files

    if text is None:
        return None
    if Path(text).suffix.lower() != suffix:
        raise DreamscopeError(f"can't write '{text}': this is a {suffix} file")
    return files.ensure_writable(text)
