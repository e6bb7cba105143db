"""Gallery: the dreams of a sheet; finished ones are kept and not made again."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import Any

from torch import Tensor

from dreamscope import __version__, images
from dreamscope.dreaming.dream import Dream, dream
from dreamscope.models.addresses import Address
from dreamscope.optimize.initial_images import INITIAL_IMAGES
from dreamscope.recipes import Recipe
from dreamscope.sheets import cell_cache
from dreamscope.sheets.batching import Report, made
from dreamscope.sheets.plan import Cell, Plan
from dreamscope.sheets.snapshots import Trail


@dataclass(frozen=True)
class Shown:
    """One picture of a gallery.

    Attributes
    ----------
    label, note : str
        What it is called, and a second line.
    path : Path or None
        Where it is kept; ``None`` if its numbers became infinite.
    recipe : Recipe
        Enough to make it again, by itself.
    fresh : bool
        Made now, not found.
    """

    label: str
    note: str
    path: Path | None
    recipe: Recipe
    fresh: bool

    @property
    def image(self) -> Tensor | None:
        """The picture as it is kept, (1, 3, H, W) in [0, 1], read anew each time: a sheet may be of hundreds."""
        return None if self.path is None else images.read(self.path)


@dataclass(frozen=True)
class Gallery:
    """Dreams side by side.

    Attributes
    ----------
    plan : Plan
        What they were asked to be.
    shown : tuple of Shown
        One for each cell of the plan.
    recipe : Recipe
        ``sheet``, with the recipes of all cells.
    """

    plan: Plan
    shown: tuple[Shown, ...]
    recipe: Recipe

    @property
    def title(self) -> str:
        """One line about all of it."""
        first, over = self.plan.cells[0], self.plan.over
        about = [] if over == "photos" else [name_of(first.image)]
        about += [] if over == "models" else [first.model.name]
        about += [] if over in ("layers", "channels", "models") else [" ".join(_layers_of(first))]
        about += [] if over == "presets" else [str(first.settings["preset"])]
        return f"{', '.join(about)}, over {over}"

    @cached_property
    def before(self) -> tuple[Tensor, ...]:
        """What each of them was dreamt on, at its size and as 8 bits hold it, (1, 3, H, W)."""
        found: dict[int, Tensor] = {}
        for cell in self.plan.cells:
            # Cells of one sheet that share a picture share its size too.
            if id(cell.image) not in found:
                found[id(cell.image)] = images.to_8_bits(_undreamt(cell).image)
        return tuple(found[id(cell.image)] for cell in self.plan.cells)


def gallery(plan: Plan, *, folder: str | Path, every: int | None = None, report: Report | None = None) -> Gallery:
    """Dream all cells of a sheet except those that are in `folder` already.

    Each is what `dreamscope.dreaming.dream.dream` makes with the same settings. Without a mask and with free colours,
    steps at one octave are pictures along one run; small ones at other channels of the same layers, or with other
    weights, are dreamt in batches: the same but for details, since rounding grows along an ascent. The same sheet gives
    the same cells, interrupted or not.

    Parameters
    ----------
    plan
        What the cells are, see `dreamscope.sheets.plan.plan`.
    folder
        Where finished cells are kept; made if it is not there. Pictures of other sheets in it are left alone.
    every
        Keep a picture of every so many steps as well, see `Trail`; cells without such a trail are dreamt again.
    report
        Told of progress.

    Raises
    ------
    DreamscopeError
        Pictures that can't be read or a folder that can't be written, at once; what `dream` refuses, at that cell.
        Cells that are finished stay.
    Interrupted
        On Ctrl-C; cells that are finished stay.
    """
    inputs = {id(each): each for cell in plan.cells for each in (cell.image, *cell_cache.others(cell).values())}
    for picture in inputs.values():
        # One that can't be read is refused before the others are dreamt on.
        if not (isinstance(picture, str) and picture in INITIAL_IMAGES):
            images.read(picture)
    slots = cell_cache.slots(plan, Path(folder))
    enough = [slot for slot in slots if every is None or Trail(slot.path, every).whole]
    there = {slot.path: recipe for slot in enough if (recipe := cell_cache.kept(slot)) is not None}
    shown = {path: Shown("", "", path, recipe, fresh=False) for path, recipe in there.items()}
    once = {slot.path: slot for slot in slots}
    for slot, recipe, fault in made(list(once.values()), once.keys() - there.keys(), every, report):
        shown[slot.path] = Shown("", fault, None if fault else slot.path, recipe, fresh=True)
    named = tuple(
        replace(shown[slot.path], label=slot.cell.label, note=shown[slot.path].note or slot.cell.note) for slot in slots
    )
    return Gallery(plan, named, _recipe(plan, named))


def name_of(picture: str | Path | Tensor) -> str:
    """Return what a picture is called, without its folder."""
    return Path(picture).name if isinstance(picture, str | Path) else "a picture in memory"


def _undreamt(cell: Cell) -> Dream:
    # In a form that needs no measuring, which nothing depends on.
    still = {"steps": 0, "octaves": 1, "precision": "float32/contiguous", "guide": None, "mask": None}
    return dream(cell.model, cell.image, **{**cell.settings, **still})


def _layers_of(cell: Cell) -> list[str]:
    return [str(replace(Address.parse(text), weight=1.0)) for text in cell.settings["at"]]


def _recipe(plan: Plan, shown: Sequence[Shown]) -> Recipe:
    models = list({id(cell.model): cell.model for cell in plan.cells}.values())
    inputs: Mapping[str, Any] = shown[0].recipe.inputs
    if plan.over == "photos":
        inputs = {**inputs, "image": [each.recipe.inputs["image"] for each in shown]}
    cells = [{"label": each.label, "note": each.note, "recipe": asdict(each.recipe)} for each in shown]
    return Recipe(
        version=__version__,
        command="sheet",
        model=models[0].source if len(models) == 1 else {"models": [model.source for model in models]},
        inputs=inputs,
        parameters={"over": plan.over, "cells": cells},
    )
