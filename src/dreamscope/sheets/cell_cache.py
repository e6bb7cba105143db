"""Shelf: where the finished cells of a sheet are kept and found again.

Each is a picture in a folder, its recipe inside, under a name that is a digest of all that it is made of.
"""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from torch import Tensor

from dreamscope import __version__, files, images
from dreamscope.errors import DreamscopeError
from dreamscope.models.classifier import Classifier
from dreamscope.optimize.initial_images import INITIAL_IMAGES
from dreamscope.recipes import Recipe, reference
from dreamscope.sheets.plan import Cell, Plan


@dataclass(frozen=True)
class Slot:
    """A cell, and where it is kept.

    Attributes
    ----------
    cell : Cell
        What it is.
    path : Path
        A ``.png``, there or not.
    """

    cell: Cell
    path: Path

    @property
    def steps(self) -> int:
        """As many as its dream may have, all octaves together."""
        return int(self.cell.settings["steps"]) * int(self.cell.settings["octaves"])


def slots(plan: Plan, folder: Path) -> list[Slot]:
    """Return where the cells of a plan are kept, or will be.

    Raises
    ------
    DreamscopeError
        If nothing can be written there.
    """
    if folder.exists() and not folder.is_dir():
        raise DreamscopeError(f"can't keep cells in '{folder}': it is a file, not a folder")
    files.ensure_writable(folder / "cell.png" if folder.is_dir() else folder)
    prints = {id(model): _print_of(model) for model in {id(c.model): c.model for c in plan.cells}.values()}
    return [Slot(cell, folder / f"{_digest(cell, prints[id(cell.model)])}.png") for cell in plan.cells]


def keep(slot: Slot, image: Tensor, recipe: Recipe) -> None:
    """Write a finished cell, whole or not at all; the first one makes the folder."""
    try:
        slot.path.parent.mkdir(exist_ok=True)
    except OSError as error:
        raise DreamscopeError(f"can't make the folder '{slot.path.parent}': {error.strerror or error}") from error
    images.write(image, slot.path, note=recipe.to_json())


def kept(slot: Slot) -> Recipe | None:
    """Return the recipe of a finished cell, or ``None`` if it is not there, not whole, or another picture."""
    if not slot.path.is_file():
        return None
    try:
        recipe = Recipe.read(slot.path)
        size = str(images.size_of(images.read(slot.path)))
    except Exception:
        # Whatever is wrong with a file: a cell can be made again.
        return None
    told, asked = recipe.parameters, slot.cell.settings
    # Precision, size and tiles are written as what the machine made of them.
    same = all(told[name] == asked[name] for name in (told.keys() & asked.keys()) - {"precision", "size", "tile"})
    return recipe if recipe.command == "dream" and same and told.get("size") == size else None


def _digest(cell: Cell, network: str) -> str:
    """Return a digest of all that decides how a cell looks."""
    beside = others(cell)
    told = {
        "version": __version__,
        "network": network,
        "model": cell.model.source,
        "inputs": {role: _reference(picture) for role, picture in {"image": cell.image, **beside}.items()},
        "settings": {name: value for name, value in cell.settings.items() if name not in beside and value is not None},
    }
    return hashlib.sha256(json.dumps(told, sort_keys=True, default=str).encode()).hexdigest()[:24]


def others(cell: Cell) -> dict[str, str | Path | Tensor]:
    """Return the pictures that go in besides the one that is dreamt on."""
    return {role: cell.settings[role] for role in ("guide", "mask") if cell.settings.get(role) is not None}


def _reference(picture: str | Path | Tensor) -> Any:
    return picture if isinstance(picture, str) and picture in INITIAL_IMAGES else reference(picture)


def _print_of(model: Classifier) -> str:
    """Return a digest of a network: its parts and all its numbers."""
    told = hashlib.sha256(repr((model.module, model.normalization, model.edits)).encode())
    for name, value in model.module.state_dict().items():
        told.update(name.encode() + value.detach().cpu().float().contiguous().numpy().tobytes())
    return told.hexdigest()
