"""``recipe``: how a result was made."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from dreamscope.cli.options import Json


def recipe(
    file: Annotated[str, typer.Argument(metavar="OUT", help="A picture or a film that dreamscope made.")],
    *,
    json: Json = False,  # noqa: ARG001 - a recipe is always JSON
) -> None:
    """Print the recipe inside a result."""
    from dreamscope.film.writer import FORMATS
    from dreamscope.recipes import Recipe

    if Path(file).suffix.lower() in FORMATS:
        from dreamscope.film.writer import read_note

        print(Recipe.from_json(read_note(file) or "", source=f"'{file}'").to_json(indent=2))
        return
    print(Recipe.read(file).to_json(indent=2))
