"""Sets of layer weights: read, put in front of addresses, and told apart. Imports no torch, as the plan does not."""

from __future__ import annotations

import math
import tomllib
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from dreamscope.errors import DreamscopeError
from dreamscope.files import existing_file
from dreamscope.models.addresses import Address

Weights = Mapping[str, Sequence[float]]
"""Sets of layer weights by name, a number for each address."""


def weights(texts: Sequence[str], file: str | Path | None = None) -> dict[str, tuple[float, ...]]:
    """Read sets of layer weights: ``NAME=W,W,...``, and a TOML file of lines such as ``deep = [0.2, 0.5, 1, 2]``.

    Raises
    ------
    DreamscopeError
        If one is not of that form, or two have the same name.

    Examples
    --------
    >>> weights(["balanced=1,1", "deep=0.2,2"])
    {'balanced': (1.0, 1.0), 'deep': (0.2, 2.0)}
    """
    pairs: list[tuple[str, Any]] = []
    if file is not None:
        try:
            pairs += tomllib.loads(existing_file(file, "weights file").read_text("utf-8")).items()
        except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
            raise DreamscopeError(
                f"weights file '{file}' is no TOML such as deep = [0.2, 0.5, 1, 2]: {error}"
            ) from error
        if not pairs:
            raise DreamscopeError(f"weights file '{file}' holds no sets such as deep = [0.2, 1, 2]")
    for text in texts:
        name, _, listed = text.partition("=")
        pairs.append((name.strip(), listed.split(",")))
    found: dict[str, tuple[float, ...]] = {}
    for name, given in pairs:
        if name in found:
            raise DreamscopeError(f"two sets of weights are called '{name}'")
        try:
            numbers = tuple(float(each) for each in given)
        except (TypeError, ValueError):
            numbers = ()
        # What TOML knows besides: a bool would pass for a number, a text for a list of digits.
        other = isinstance(given, str) or any(isinstance(each, bool) for each in given) if numbers else True
        if not name or other or not all(map(math.isfinite, numbers)):
            raise DreamscopeError(f"'{name}' is no set of weights such as deep=0.2,0.5,1,2")
        found[name] = numbers
    return found


def weighted(addresses: Sequence[Address], name: str, numbers: Sequence[float]) -> list[Address]:
    """Return the addresses with a set's numbers as their weights.

    Raises
    ------
    DreamscopeError
        If there are not as many, or the addresses are weighted already.
    """
    if len(numbers) != len(addresses):
        names = ", ".join(str(address) for address in addresses)
        raise DreamscopeError(f"weights '{name}' are {len(numbers)} for {len(addresses)} layers: {names}")
    if any(address.weight != 1 for address in addresses):
        raise DreamscopeError("a sheet over weights takes them from its sets; leave those before the layers out")
    return [replace(address, weight=number) for address, number in zip(addresses, numbers, strict=True)]


def proportional(sets: Weights) -> dict[str, tuple[float, str]]:
    """Return which sets are a positive multiple of one before them: the factor, and the name of that one.

    Examples
    --------
    >>> proportional({"balanced": (1, 1), "deep": (0.2, 2), "high": (4, 4)})
    {'high': (4.0, 'balanced')}
    """
    found: dict[str, tuple[float, str]] = {}
    names = list(sets)
    for place, name in enumerate(names):
        for other in names[:place]:
            factor = _factor(sets[other], sets[name])
            if factor is not None:
                found[name] = (factor, other)
                break
    return found


def _factor(one: Sequence[float], two: Sequence[float]) -> float | None:
    if len(one) != len(two):
        return None
    if not any(one) or not any(two):
        return None if any(one) or any(two) else 1.0
    largest = max(range(len(one)), key=lambda place: abs(one[place]))
    factor = two[largest] / one[largest]
    near = all(math.isclose(factor * a, b, rel_tol=1e-9) for a, b in zip(one, two, strict=True))
    return factor if factor > 0 and near else None
