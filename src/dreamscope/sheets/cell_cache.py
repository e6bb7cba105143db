"""Cell cache: the finished cells of a sheet in a folder, where they are found again.

Each is a picture with its recipe inside, under a name that is a digest of all that it is made of.
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
from dreamscope.images import Picture
from dreamscope.models.classifier import Classifier
from dreamscope.optimize.ingredients import text_of
from dreamscope.optimize.initial_images import is_initial
from dreamscope.optimize.regularizers import REGULARIZERS
from dreamscope.optimize.transforms import TRANSFORMS
from dreamscope.recipes import Recipe, plain, reference
from dreamscope.sheets.plan import Cell, Plan


@dataclass(frozen=True)
class Entry:
    """A cell and its place in the cache.

    Attributes
    ----------
    cell : Cell
        What it is.
    key : str
        Equal for cells that are the same picture.
    path : Path or None
        A ``.png``, there or not; ``None`` for a cell that is not cached.
    writable : bool
        Whether its settings can be written in a recipe.
    """

    cell: Cell
    key: str
    path: Path | None
    writable: bool = True

    @property
    def steps(self) -> int:
        """The most steps that its dream may have, all octaves together."""
        return int(self.cell.settings["steps"]) * int(self.cell.settings["octaves"])


def entries(plan: Plan, folder: Path | None, *, recipe: bool = True) -> list[Entry]:
    """Return the places of the cells of a plan in the cache.

    Parameters
    ----------
    plan
        What the cells are.
    folder
        The cache; with ``None`` nothing is cached.
    recipe
        Whether every cell is to have a recipe. Cells that can't have one are not cached.

    Raises
    ------
    DreamscopeError
        If nothing can be written there, or a cell can't have a recipe and is to have one.
    """
    if folder is not None:
        if folder.exists() and not folder.is_dir():
            raise DreamscopeError(f"can't keep cells in '{folder}': it is a file, not a folder")
        files.ensure_writable(folder / "cell.png" if folder.is_dir() else folder)
    networks = {id(model): digest_of(model) for model in {id(c.model): c.model for c in plan.cells}.values()}
    found = []
    for number, cell in enumerate(plan.cells):
        try:
            key = _digest(cell, networks[id(cell.model)])
        except DreamscopeError:
            if recipe:
                raise
            found.append(Entry(cell, f"own {number}", None, writable=False))
        else:
            found.append(Entry(cell, key, None if folder is None else folder / f"{key}.png"))
    return found


def store(entry: Entry, image: Tensor, recipe: Recipe) -> None:
    """Write a finished cell, whole or not at all, if it is cached; the first one makes the folder."""
    if entry.path is None:
        return
    try:
        entry.path.parent.mkdir(exist_ok=True)
    except OSError as error:
        raise DreamscopeError(f"can't make the folder '{entry.path.parent}': {error.strerror or error}") from error
    images.write(image, entry.path, note=recipe.to_json())


def stored(entry: Entry) -> Recipe | None:
    """Return the recipe of a finished cell, or ``None`` if it is not there, damaged, or another picture."""
    if entry.path is None or not entry.path.is_file():
        return None
    try:
        recipe = Recipe.read(entry.path)
        size = str(images.size_of(images.read(entry.path)))
    except Exception:
        # Whatever is wrong with a file: a cell can be made again.
        return None
    found, wanted = recipe.parameters, settings_of(entry.cell)
    # Precision, size and tiles are written as what the machine made of them.
    same = all(found[name] == wanted[name] for name in (found.keys() & wanted.keys()) - {"precision", "size", "tile"})
    return recipe if recipe.command == "dream" and same and found.get("size") == size else None


def settings_of(cell: Cell) -> dict[str, Any]:
    """Return the settings of a cell as a recipe writes them, without its other pictures.

    Raises
    ------
    DreamscopeError
        If one can't be written: the user's own function or object.
    """
    beside = others(cell)
    found = {name: value for name, value in cell.settings.items() if name not in beside and value is not None}
    for name, table in (("transform", TRANSFORMS), ("penalty", REGULARIZERS)):
        found[name] = [text_of(each, table) for each in found.get(name, ())]
    # A size is written as text by its own type, and needs no parser of one argument.
    return {name: str(value) if name == "size" else plain(value, name) for name, value in found.items()}


def others(cell: Cell) -> dict[str, Picture]:
    """Return the pictures that go in besides the one that is dreamt on."""
    return {role: cell.settings[role] for role in ("guide", "mask") if cell.settings.get(role) is not None}


def _digest(cell: Cell, network: str) -> str:
    """Return a digest of all that decides how a cell looks."""
    pictures = {"image": cell.image, **others(cell)}
    content = {
        "version": __version__,
        "network": network,
        "model": cell.model.source,
        "inputs": {role: _reference(picture) for role, picture in pictures.items()},
        "settings": settings_of(cell),
    }
    return hashlib.sha256(json.dumps(content, sort_keys=True, default=str).encode()).hexdigest()[:24]


def _reference(picture: Picture) -> Any:
    return picture if is_initial(picture) else reference(picture)


def digest_of(model: Classifier) -> str:
    """Return a digest of a network: its parts and all its numbers."""
    found = hashlib.sha256(repr((model.module, model.normalization, model.edits)).encode())
    for name, value in model.module.state_dict().items():
        found.update(name.encode() + value.detach().cpu().float().contiguous().numpy().tobytes())
    return found.hexdigest()
