"""Options of the commands that look through sets of photos."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from dreamscope.errors import DreamscopeError

if TYPE_CHECKING:
    from dreamscope.dissection.frequency import FrequencySettings
    from dreamscope.engines.base import Engine

PHOTO_SETS = "folders, photos, archives (.tar, .parquet), or labels files (CSV: file, class_index or label)"

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

EngineName = Annotated[
    str | None,
    typer.Option(
        "--engine",
        metavar="ENGINE",
        help="Go through many photos side by side: local (processes of this machine; local:8 for eight) or ray "
        "(ray:HOST:PORT for a cluster). In this process if not given.",
    ),
]

FromLayer = Annotated[
    str | None, typer.Option(metavar="LAYER", help="In place of --layers: the activations from this layer on.")
]

Loudest = Annotated[
    int | None,
    typer.Option(metavar="N", min=1, help="For frequency: the N loudest channels of a layer count; 5 if not given."),
]
AtLeast = Annotated[
    int | None,
    typer.Option(
        metavar="M", min=1, help="For frequency: channels that are among them on at least M photos; 1 if not given."
    ),
]
PerLayer = Annotated[
    int | None,
    typer.Option(metavar="K", min=1, help="For frequency: at most K channels of a layer; all if not given."),
]


def given_engine(name: str | None) -> Engine | None:
    """Return the engine of that name; raise if there is none, before anything is loaded."""
    if name is None:
        return None
    from dreamscope.engines.choose import engine

    return engine(name)


def frequency_rule(loudest: int | None, at_least: int | None, per_layer: int | None) -> FrequencySettings:
    """Return what was given of the rule of the method ``frequency``."""
    rule: FrequencySettings = {}
    if loudest is not None:
        rule["loudest"] = loudest
    if at_least is not None:
        rule["at_least"] = at_least
    if per_layer is not None:
        rule["per_layer"] = per_layer
    return rule


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
