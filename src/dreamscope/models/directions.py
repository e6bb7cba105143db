"""Directions of channel space to look at: those that edits erase, one by one, from Python or from a file."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from dreamscope import files
from dreamscope.errors import DreamscopeError
from dreamscope.models.addresses import resolve
from dreamscope.models.edit_base import Edit
from dreamscope.models.erase import Erase

if TYPE_CHECKING:
    from dreamscope.models.classifier import Classifier

Directions = Erase | Mapping[str, Any] | Sequence[Erase | Mapping[str, Any]]
"""One or several edits that erase directions, or what their ``to_dict`` writes."""

_SUFFIX = ".direction"


def directions_of(model: Classifier, given: Directions) -> dict[str, Erase]:
    """Return each direction as an edit that erases it alone, under its name, such as ``blocks.5.3.direction:0``.

    The directions of a layer are counted from 0, through all edits.

    Raises
    ------
    DreamscopeError
        If something is no `Erase`, or does not fit the network.
    """
    found: dict[str, Erase] = {}
    counts: Counter[str] = Counter()
    for each in [given] if isinstance(given, Erase | Mapping) else given:
        edit = Edit.from_dict(each) if isinstance(each, Mapping) else each
        if not isinstance(edit, Erase):
            raise DreamscopeError(f"directions are those of Erase edits, not of {edit!r}")
        for address in resolve([edit.address], model):
            edit.ensure_fits(model.layers[address.layer])
            for index in range(edit.count):
                name = f"{name_at(address.layer)}:{counts[address.layer]}"
                found[name] = replace(edit.along(index), address=address)
                counts[address.layer] += 1
    return found


def name_at(layer: str) -> str:
    """Return what stands for a layer where its directions are meant in place of its channels."""
    return layer + _SUFFIX


def layer_of(name: str) -> str:
    """Return the layer of which `name_at` made a name; any other name as it is."""
    return name.removesuffix(_SUFFIX)


def read_directions(path: str | Path) -> list[Erase]:
    """Read the edits that erase directions from a ``.json`` report of ``blind``, or from exported ``.safetensors``.

    Raises
    ------
    DreamscopeError
        If there is no such file, it is something else, or no direction is in it.
    """
    path = files.existing_file(path, "file of directions")
    try:
        if path.suffix.lower() == ".safetensors":
            from safetensors import SafetensorError, safe_open

            try:
                with safe_open(path, "pt") as file:
                    kept = json.loads((file.metadata() or {})["dreamscope"])
            except SafetensorError as error:
                raise ValueError(str(error)) from error
        else:
            kept = json.loads(path.read_text("utf-8"))["edits"]
        edits = [Edit.from_dict(each) for each in kept]
    except (ValueError, KeyError, TypeError) as error:
        raise DreamscopeError(
            f"'{path}' names no edits; give a .json report of dreamscope blind, or the .safetensors that it exported"
        ) from error
    found = [edit for edit in edits if isinstance(edit, Erase)]
    if not found:
        kinds = ", ".join(sorted({edit.kind for edit in edits})) or "none"
        raise DreamscopeError(f"'{path}' holds no erased directions; its edits: {kinds}")
    return found
