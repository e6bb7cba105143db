"""``--recipe``: a result made again from what it holds about itself, or with single values changed."""

from __future__ import annotations

from collections.abc import Callable, Collection
from importlib import import_module
from typing import TYPE_CHECKING, Annotated, Any

import typer

from dreamscope.cli.options import Loader
from dreamscope.errors import DreamscopeError

if TYPE_CHECKING:
    from dreamscope.models.classifier import Classifier
    from dreamscope.recipes import Recipe

RecipeOf = Annotated[
    str | None,
    typer.Option("--recipe", metavar="OUT", help="Make the same picture again; other options change single values."),
]

_SETS = ("preset",)
"""Options that name a whole set of settings."""

_SUITING = {
    "of": ("class_name",),
    "tile": ("size", "memory", "at"),
    "rate": ("parameterization", "optimizer"),
    "steps": ("method",),
    "budget": ("norm",),
}
"""Values that suit others: where one of those is changed, a recipe's own would be wrong, and is chosen anew."""


def replayed(
    command: str, recipe: str | None, loader: Loader, /, **options: Any
) -> tuple[dict[str, Any], Callable[[], Classifier]]:
    """Return what a technique is to be called with, and what loads the model for it.

    Parameters
    ----------
    command
        The technique's name.
    recipe
        The file with the recipe (``--recipe``), if there is one.
    loader
        Of the model that the options name.
    options
        What the options say, by the technique's own names; ``None`` where they say nothing, so that the recipe's
        value holds, or else the technique's default. Pictures have the name of their role: ``image``, ``mask``.

    Raises
    ------
    DreamscopeError
        No recipe in the file, or one of another command; a set of settings beside it; a picture that went in and is
        neither found again nor given anew.

    Examples
    --------
    >>> given, load = replayed("invert", "out.png", loader, image=None, at=None, seed=5)  # doctest: +SKIP
    >>> found = technique.invert(load(), **given)  # doctest: +SKIP
    """
    given = {name: value for name, value in options.items() if value is not None}
    if recipe is None:
        return given, loader
    kept = recipe_of(command, recipe, given)
    _ensure_known(kept, recipe, options.keys())
    found = located(kept, recipe, kept.inputs.keys() - given.keys())
    parameters = kept.parameters
    changed = {name for name, value in given.items() if value != parameters.get(name)}
    suiting = {name: value for name, value in parameters.items() if changed.isdisjoint(_SUITING.get(name, ()))}
    return {**suiting, **found, **given}, lambda: loader.again(kept.model, near=recipe)


def recipe_of(command: str, path: str, given: Collection[str]) -> Recipe:
    """Return a recipe, if it is of that command and no set of settings is given beside it."""
    from dreamscope.recipes import Recipe

    kept = Recipe.read(path)
    if kept.command != command:
        raise DreamscopeError(f"'{path}' was made by {kept.command}, not by {command}")
    for name in _SETS:
        if name in given:
            raise DreamscopeError(f"--{name} and --recipe exclude each other: a recipe holds every setting")
    return kept


def _ensure_known(kept: Recipe, path: str, options: Collection[str]) -> None:
    """Raise if a recipe holds something that neither the command nor its technique takes: one of another version."""
    from dreamscope import __version__
    from dreamscope.recipes import parameters_of

    technique = getattr(import_module("dreamscope"), kept.command)
    unknown = sorted({*kept.parameters, *kept.inputs} - {*options, *parameters_of(technique)})
    if unknown:
        raise DreamscopeError(
            f"'{path}' was made by dreamscope {kept.version}; this one, {__version__}, knows no {', '.join(unknown)}"
        )


def located(kept: Recipe, path: str, roles: Collection[str]) -> dict[str, str]:
    """Find the pictures of these roles that went in, here or beside the recipe."""
    from dreamscope.recipes import locate

    found = {}
    for role in (each for each in kept.inputs if each in roles):
        option = "IMAGE" if role == "image" else f"--{role}"
        what = "image" if role == "image" else f"{option} picture"
        found[role] = locate(kept.inputs[role], path, what=what, option=option)
    return found
