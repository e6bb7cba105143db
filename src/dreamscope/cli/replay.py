"""``--recipe``: a result made again from its own recipe, or with single values changed."""

from __future__ import annotations

from collections.abc import Callable, Collection
from typing import TYPE_CHECKING, Annotated, Any

import typer

from dreamscope.cli.options import Loader
from dreamscope.errors import DreamscopeError

if TYPE_CHECKING:
    from dreamscope.models.classifier import Classifier
    from dreamscope.recipes import Recipe

RecipeOf = Annotated[
    str | None,
    typer.Option("--recipe", metavar="OUT", help="A result to make again; other options change single values."),
]

_DEPENDENT = {
    "of": ("class_name", "directions"),
    "directions": ("of", "class_name"),
    "at": ("class_name",),
    "class_name": ("at", "of", "directions"),
    "tile": ("size", "memory", "at", "class_name"),
    "rate": ("parameterization", "optimizer"),
    "steps": ("method",),
    "budget": ("norm",),
}
"""Values that depend on others: if one of those is changed, the recipe's value would be wrong and is chosen again."""


def replayed(
    command: str, recipe: str | None, loader: Loader, /, **options: Any
) -> tuple[dict[str, Any], Callable[[], Classifier]]:
    """Return the arguments of a technique, and a function that loads its model.

    Parameters
    ----------
    command
        The technique's name.
    recipe
        The file with the recipe (``--recipe``), if there is one.
    loader
        The loader of the model that the options name.
    options
        The values of the options, by the technique's parameters; ``None`` for those not given, so that the recipe's
        value holds, or else the technique's default. Pictures have the name of their role: ``image``, ``mask``.

    Raises
    ------
    DreamscopeError
        If the file holds no recipe, or one of another command or version; if a set of settings is given beside it; if
        an input picture is neither found nor given.

    Examples
    --------
    >>> given, load = replayed("invert", "out.png", loader, image=None, at=None, seed=5)  # doctest: +SKIP
    >>> found = technique.invert(load(), **given)  # doctest: +SKIP
    """
    given = {name: value for name, value in options.items() if value is not None}
    if recipe is None:
        return given, loader
    stored = recipe_of(command, recipe, given)
    _ensure_known(stored, recipe, options.keys())
    found = located(stored, recipe, stored.inputs.keys() - given.keys())
    parameters = stored.parameters
    changed = {name for name, value in given.items() if value != parameters.get(name)}
    valid = {name: value for name, value in parameters.items() if changed.isdisjoint(_DEPENDENT.get(name, ()))}
    return {**valid, **found, **given}, lambda: loader.again(stored.model, near=recipe)


def recipe_of(command: str, path: str, given: Collection[str]) -> Recipe:
    """Return the recipe in a file; raise if it is of another command, or a set of settings is given beside it."""
    from dreamscope.recipes import Recipe

    stored = Recipe.read(path).as_given()
    if stored.command != command:
        raise DreamscopeError(f"'{path}' was made by {stored.command}, not by {command}")
    if "preset" in given:
        raise DreamscopeError("--preset and --recipe exclude each other: a recipe holds every setting")
    return stored


def _ensure_known(stored: Recipe, path: str, options: Collection[str]) -> None:
    """Raise if a recipe holds a parameter that neither the command nor its technique has: it is of another version."""
    import dreamscope
    from dreamscope.recipes import parameters_of

    technique = getattr(dreamscope, stored.command)
    unknown = sorted({*stored.parameters, *stored.inputs} - {*options, *parameters_of(technique)})
    if unknown:
        raise DreamscopeError(
            f"'{path}' was made by dreamscope {stored.version}; "
            f"this one, {dreamscope.__version__}, knows no {', '.join(unknown)}"
        )


def located(stored: Recipe, path: str, roles: Collection[str]) -> dict[str, str]:
    """Find the input pictures of these roles, here or beside the recipe."""
    from dreamscope.recipes import locate

    found = {}
    for role in (each for each in stored.inputs if each in roles):
        option = "IMAGE" if role == "image" else f"--{role}"
        what = "image" if role == "image" else f"{option} picture"
        found[role] = locate(stored.inputs[role], path, what=what, option=option)
    return found
