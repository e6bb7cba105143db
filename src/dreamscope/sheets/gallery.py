"""Gallery: the dreams of a sheet; finished ones are found in the cache and not made again."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from functools import cached_property
from html import escape
from pathlib import Path
from typing import Any

from torch import Tensor

from dreamscope import __version__, images
from dreamscope.dreaming.dream import Dream, dream
from dreamscope.errors import DreamscopeError
from dreamscope.images import Picture
from dreamscope.models.addresses import Address
from dreamscope.optimize.initial_images import is_initial
from dreamscope.progress import Callback, reported
from dreamscope.recipes import Recipe, ensure_recipe
from dreamscope.sheets import cell_cache
from dreamscope.sheets.batching import Dreamt, dreamt
from dreamscope.sheets.cell_cache import Entry
from dreamscope.sheets.plan import Cell, Plan
from dreamscope.sheets.snapshots import Snapshots

_THUMBNAIL = 200  # pixels of the longer side in a notebook


@dataclass(frozen=True)
class FinishedCell:
    """One picture of a gallery.

    Attributes
    ----------
    label, note : str
        What it is called, and a second line.
    path : Path or None
        Its file in the cache; ``None`` if it is not cached, or if its numbers became infinite.
    recipe : Recipe or None
        Enough to make it again, by itself; ``None`` if that can't be written.
    fresh : bool
        Made now, not found in the cache.
    picture : Tensor or None
        (1, 3, H, W) in [0, 1], of a cell that is not cached.
    """

    label: str
    note: str
    path: Path | None
    recipe: Recipe | None
    fresh: bool
    picture: Tensor | None = None

    @property
    def image(self) -> Tensor | None:
        """The picture, (1, 3, H, W) in [0, 1], read anew each time: a sheet may be of hundreds."""
        return self.picture if self.path is None else images.read(self.path)

    @property
    def diverged(self) -> bool:
        """Whether its numbers became infinite, so that there is no picture."""
        return self.path is None and self.picture is None


@dataclass(frozen=True)
class Gallery:
    """Dreams side by side.

    Attributes
    ----------
    plan : Plan
        What they were to be.
    cells : tuple of FinishedCell
        One for each cell of the plan.
    recipe : Recipe or None
        ``sheet``, with the recipes of all cells; ``None`` with ``recipe=False``.
    """

    plan: Plan
    cells: tuple[FinishedCell, ...]
    recipe: Recipe | None

    @property
    def title(self) -> str:
        """One line about all of it."""
        first, over = self.plan.cells[0], self.plan.kinds
        about = [] if "photos" in over else [name_of(first.image)]
        about += [] if "models" in over else [first.model.name]
        about += [] if {"layers", "channels", "models"} & set(over) else [_where(first)]
        about += [] if "presets" in over else [str(first.settings["preset"])]
        return ", ".join([*about, f"over {' and '.join(over)}"])

    def original(self, number: int) -> Tensor:
        """Return what a cell was dreamt on, at its size and as 8 bits hold it, (1, 3, H, W); made anew each time."""
        return images.to_8_bits(_undreamt(self.plan.cells[number]).image)

    @cached_property
    def before(self) -> tuple[Tensor, ...]:
        """What each of them was dreamt on, see `original`."""
        found: dict[int, Tensor] = {}
        for number, cell in enumerate(self.plan.cells):
            # Cells of one sheet that share a picture share its size too.
            if id(cell.image) not in found:
                found[id(cell.image)] = self.original(number)
        return tuple(found[id(cell.image)] for cell in self.plan.cells)

    def _repr_html_(self) -> str:
        return f"<p>{escape(self.title)}</p>{''.join(map(_figure, self.cells))}"


def gallery(
    plan: Plan,
    *,
    folder: str | Path | None = None,
    every: int | None = None,
    callback: Callback | None = None,
    progress: bool = False,
    recipe: bool = True,
) -> Gallery:
    """Dream all cells of a sheet except those that are in `folder` already.

    Each is what `dreamscope.dreaming.dream.dream` makes with the same settings. Without a mask and with free colours,
    steps at one octave are pictures along one ascent; small ones at other channels of the same layers, or with other
    weights, are dreamt in batches: the same but for details, since rounding grows along an ascent. The same sheet gives
    the same cells, interrupted or not.

    Parameters
    ----------
    plan
        What the cells are, see `dreamscope.sheets.plan.plan`.
    folder
        The cache of finished cells; made if it is not there. Pictures of other sheets in it are left alone. If not
        given, pictures are held in memory.
    every
        Take a picture of every so many steps as well, see `Snapshots`; cells without them are dreamt again.
    callback
        Called with the number of steps done, of all that are to be made.
    progress
        Show a bar.
    recipe
        Make a recipe; what can't be written in one (your own functions) is then refused. Without, cells with such
        settings are made, but not cached.

    Raises
    ------
    DreamscopeError
        Pictures that can't be read, a folder that can't be written or settings that a recipe can't hold, at once; what
        `dream` refuses, at that cell. Cells that are finished stay.
    Interrupted
        On Ctrl-C; cells that are finished stay.
    """
    inputs = {id(each): each for cell in plan.cells for each in (cell.image, *cell_cache.others(cell).values())}
    for picture in inputs.values():
        # One that can't be read is refused before the others are dreamt on.
        if not is_initial(picture):
            images.read(picture)
    entries = cell_cache.entries(plan, None if folder is None else Path(folder), recipe=recipe)
    if every is not None and any(entry.path is None for entry in entries):
        raise DreamscopeError("pictures of every so many steps are kept beside cached cells: give a folder and recipes")
    there = {
        entry.key: found
        for entry in entries
        if (every is None or entry.path is None or Snapshots(entry.path, every).complete)
        and (found := cell_cache.stored(entry)) is not None
    }
    once = {entry.key: entry for entry in entries}
    with reported(callback, progress=progress) as report:
        missing = once.keys() - there.keys()
        made = {each.entry.key: each for each in dreamt(list(once.values()), missing, every=every, callback=report)}
    cells = tuple(_finished(entry, there.get(entry.key), made.get(entry.key)) for entry in entries)
    return Gallery(plan, cells, _recipe(plan, cells) if recipe else None)


def name_of(picture: Picture) -> str:
    """Return what a picture is called, without its folder."""
    return Path(picture).name if isinstance(picture, str | Path) else "a picture in memory"


def _finished(entry: Entry, found: Recipe | None, made: Dreamt | None) -> FinishedCell:
    label, note = entry.cell.label, entry.cell.note
    if made is None:
        return FinishedCell(label, note, entry.path, found, fresh=False)
    path = None if made.fault else entry.path
    return FinishedCell(label, made.fault or note, path, made.recipe, fresh=True, picture=made.image)


def _undreamt(cell: Cell) -> Dream:
    # In a form that needs no measuring, which nothing depends on.
    still = {"steps": 0, "octaves": 1, "precision": "float32/contiguous", "guide": None, "mask": None}
    return dream(cell.model, cell.image, recipe=False, **{**cell.settings, **still})


def _where(cell: Cell) -> str:
    at = cell.settings["at"]
    return (
        " ".join(str(replace(Address.parse(text), weight=1.0)) for text in at)
        if isinstance(at, list)
        else "own objective"
    )


def _figure(cell: FinishedCell) -> str:
    """Return one cell for a notebook."""
    image = cell.image
    shown = "no picture"
    if image is not None:
        source = images.data_uri(images.to_pil(images.at_most(image, _THUMBNAIL)), quality=82)
        shown = f'<img alt="" src="{source}">'
    caption = f"{escape(cell.label)}<br><small>{escape(cell.note)}</small>"
    return f'<figure style="display: inline-block; margin: .5em">{shown}<figcaption>{caption}</figcaption></figure>'


def _recipe(plan: Plan, cells: Sequence[FinishedCell]) -> Recipe:
    models = list({id(cell.model): cell.model for cell in plan.cells}.values())
    recipes = [ensure_recipe(each.recipe) for each in cells]
    inputs: Mapping[str, Any] = recipes[0].inputs
    if "photos" in plan.kinds:
        pictures = {id(cell.image): each.inputs["image"] for cell, each in zip(plan.cells, recipes, strict=True)}
        inputs = {**inputs, "image": list(pictures.values())}
    written = [
        {"label": each.label, "note": each.note, "recipe": asdict(recipe)}
        for each, recipe in zip(cells, recipes, strict=True)
    ]
    return Recipe(
        version=__version__,
        command="sheet",
        model=models[0].source if len(models) == 1 else {"models": [model.source for model in models]},
        inputs=inputs,
        parameters={"over": plan.kinds[0] if len(plan.kinds) == 1 else list(plan.kinds), "cells": written},
    )
