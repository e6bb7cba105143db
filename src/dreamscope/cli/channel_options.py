"""``--channels``: the channels that dissect or blind found, taken from their file."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Annotated, Any

import typer

from dreamscope.cli.options import Loader
from dreamscope.errors import DreamscopeError

if TYPE_CHECKING:
    from dreamscope.dissection.found_channels import FoundChannels
    from dreamscope.models.classifier import Classifier

FEW, SOME, SHEETFUL = 8, 12, 32
"""Channels that are taken from a file: for one picture of their sum, for a picture of each, for a row of each."""

LOSS = "mean"
"""What of found channels is dreamt of if nothing else is said: it wakes those that are quiet, too, where squares only
make loud ones louder. Dreams of 4, 8 and 16 channels of bees were called bee with 84, 97 and 98 %; by squares with 43,
88 and 58 %."""

ChannelsFile = Annotated[
    str | None,
    typer.Option(
        "--channels",
        metavar="FILE",
        help="Channels that were found, in place of addresses: scores of dissect -o, or the .json report of blind.",
    ),
]


def strongest_option(default: int, *, top: bool = True, note: str = "") -> Any:
    """Return the option of how many of them; also called ``--top`` where that means nothing else."""
    names = ["--strongest", *(["--top"] if top else [])]
    return typer.Option(
        *names, metavar="K", min=1, help=f"Number of --channels, the strongest first; {default} if not given.{note}"
    )


def read_channels(path: str | None, strongest: int | None, default: int, **others: object) -> FoundChannels | None:
    """Return the strongest channels in a file, if one is named.

    Raises
    ------
    DreamscopeError
        If it holds none, if one of the `others`, options that name channels too, is given, or a number without a file.
    """
    if path is None:
        if strongest is not None:
            raise DreamscopeError("--strongest says how many of the --channels FILE; give the file too")
        return None
    from dreamscope.dissection.found_channels import FoundChannels

    for name, value in others.items():
        if value:
            option = name if name.isupper() else f"--{name.replace('_', '-')}"
            raise DreamscopeError(f"--channels and {option} exclude each other: both say which channels")
    return FoundChannels.load(path).first(strongest or default)


def model_of(
    found: FoundChannels | None, loader: Loader, recipes: Callable[[], Classifier] | None = None
) -> Classifier:
    """Load the model that the options name, or else the one in which the channels were found.

    `recipes` loads that of a recipe which is made again, in place of both. Raise if the channels are of another one.
    """
    if found is None or found.recipe is None or recipes is not None:
        model = (recipes or loader)()
    else:
        model = loader.like(found.recipe.model, near=str(found.path))
    if found is not None:
        found.check(model)
    return model
