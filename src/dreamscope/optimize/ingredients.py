"""Ingredients by name: ``NAME`` or ``NAME:NUMBERS``, such as ``crop:0.3,1`` - one parser for all of them.

Imports no torch, so that presets can be read by ``--help``.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import MISSING, Field, astuple, fields
from typing import Any, TypeVar

from dreamscope.errors import DreamscopeError, ensure_one_of

T = TypeVar("T")


def named(given: str | T, table: Mapping[str, Callable[..., T]], what: str) -> T:
    """Return the ingredient that a text names; anything else is returned as it is.

    Parameters
    ----------
    given
        ``NAME`` or ``NAME:A,B``, the numbers being the ingredient's fields in order; or the ingredient itself.
    table
        The ingredients by name: dataclasses of numbers.
    what
        What they are called in messages.

    Raises
    ------
    DreamscopeError
        If there is no such name, or the numbers don't fit.

    Examples
    --------
    >>> from dreamscope.optimize.transforms import TRANSFORMS
    >>> named("shift:8", TRANSFORMS, "transform")
    Shift(pixels=8)
    """
    if not isinstance(given, str):
        return given
    name, _, text = given.strip().partition(":")
    ensure_one_of(name, table, what)
    parts: tuple[Field[Any], ...] = fields(table[name])  # type: ignore[arg-type]
    try:
        numbers = [_number(each) for each in text.split(",")] if text else []
    except ValueError:
        numbers = [math.nan]
    needed = sum(part.default is MISSING for part in parts)
    if not needed <= len(numbers) <= len(parts) or not all(map(math.isfinite, numbers)):
        form = ",".join(part.name.upper() for part in parts)
        raise DreamscopeError(f"'{given}' is no {what} such as {name}{form and ':'}{form}")
    return table[name](*numbers)


def text_of(ingredient: Any, table: Mapping[str, Any]) -> Any:
    """Return the text that `named` reads as this ingredient, for a recipe; what is no such ingredient as it is."""
    name = next((name for name, kind in table.items() if type(ingredient) is kind), None)
    if name is None:
        return ingredient
    numbers = ",".join(f"{number:.12g}" for number in astuple(ingredient))
    return f"{name}:{numbers}" if numbers else name


def listed(given: Any) -> tuple[Any, ...]:
    """Return one ingredient, or a sequence of them, as a tuple."""
    return tuple(given) if isinstance(given, list | tuple) else (given,)


def values_of(settings: Any, **tables: Mapping[str, Any]) -> dict[str, Any]:
    """Return the values of a dataclass by name, as they are but for tuples, which become lists as in a recipe.

    Of a field that `tables` gives the ingredients by name for, each is written as `text_of` does it.
    """
    values = {each.name: getattr(settings, each.name) for each in fields(settings)}
    texts = {name: tuple(text_of(each, table) for each in values[name]) for name, table in tables.items()}
    return {name: list(value) if isinstance(value, tuple) else value for name, value in {**values, **texts}.items()}


def _number(text: str) -> float:
    number = float(text)
    return int(number) if number.is_integer() else number
