"""Runs: the cells of a sheet that are dreamt together - along one run, in one batch - and those that are not."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Sequence
from contextlib import nullcontext
from functools import partial
from pathlib import Path
from typing import Any

import torch
from torch import Generator, Tensor

from dreamscope import images
from dreamscope.dreaming import presets
from dreamscope.dreaming.dream import dream, initial_picture
from dreamscope.dreaming.octaves import Dreamer
from dreamscope.dreaming.presets import Settings
from dreamscope.errors import DivergedError
from dreamscope.models.addresses import Address, resolve
from dreamscope.objectives import Each, Excite
from dreamscope.optimize.ascent import Step
from dreamscope.recipes import Recipe, ensure_recipe
from dreamscope.sheets import cell_cache
from dreamscope.sheets.cell_cache import Slot
from dreamscope.sheets.plan import Cell
from dreamscope.sheets.snapshots import Trail

BATCH_PIXELS = 512**2
"""Pixels that are dreamt on at once: with more, little is gained."""

Report = Callable[[str, int, int], None]
"""Told what is being dreamt, and how many steps are done of all that this call makes."""

Made = tuple[Slot, Recipe, str]
"""A cell that was made, with which recipe, and why there is no picture if there is none."""

_Told = Callable[[float], None]
"""Called with the share of a run that is done."""

_Run = tuple[Callable[[Sequence[Slot], _Told], Iterator[Made]], Sequence[Slot]]
"""Cells that are made together, and how."""


def made(slots: Sequence[Slot], missing: Collection[Path], every: int | None, report: Report | None) -> Iterator[Made]:
    """Dream the cells of a sheet that are missing, and keep them.

    Parameters
    ----------
    slots
        All cells, each once: what is dreamt together does not depend on what is missing.
    missing
        Where those are kept that are to be dreamt.
    every
        Leave a trail of every so many steps beside each.
    report
        Told of progress.
    """
    runs: list[_Run]
    if every is None:
        runs = _runs(slots, missing)
    else:
        runs = [(partial(_alone, every=every), [slot]) for slot in slots if slot.path in missing]
    costs = [run[-1].steps if make is _along else sum(slot.steps for slot in run) for make, run in runs]
    total, done = sum(costs), 0
    for number, ((make, run), cost) in enumerate(zip(runs, costs, strict=True), 1):
        name = f"{run[-1].cell.label} ({number} of {len(runs)})"

        def told(share: float, name: str = name, before: int = done, cost: int = cost) -> None:
            if report is not None:
                report(name, before + int(cost * share), total)

        told(0)
        yield from make(run, told)
        told(1)
        done += cost


def _runs(slots: Sequence[Slot], missing: Collection[Path]) -> list[_Run]:
    """Put cells together that are pictures along one run, and then those that make one batch."""
    runs: list[_Run] = []
    single: list[Slot] = []
    for run in _alike(slots, _same_but_steps):
        wanted = [slot for slot in run if slot.path in missing]
        if len(run) == 1:
            single += run
        elif wanted:
            runs.append((_along, sorted(wanted, key=lambda slot: slot.steps)))
    batches = [batch for run in _alike(single, _same_but_channels) for batch in _batches(run)]
    due = [batch for batch in batches if any(slot.path in missing for slot in batch)]
    return runs + [(_alone if len(batch) == 1 else partial(_beside, missing=missing), batch) for batch in due]


def _alike(slots: Sequence[Slot], key: Callable[[Slot], str]) -> list[list[Slot]]:
    found: dict[str, list[Slot]] = {}
    for slot in slots:
        settings = slot.cell.settings
        # What a mask or kept colours leave of a picture is the dream's own business.
        alone = settings["keep_color"] or settings.get("mask") is not None
        found.setdefault(str(slot.path) if alone else key(slot), []).append(slot)
    return list(found.values())


def _same_but_steps(slot: Slot) -> str:
    # At several octaves each step of a small one changes all that follows.
    return str(slot.path) if slot.cell.settings["octaves"] > 1 else _key(slot, steps=None)


def _same_but_channels(slot: Slot) -> str:
    layers = [Address.parse(text).layer for text in slot.cell.settings["at"]]
    return str(slot.path) if slot.cell.settings.get("guide") is not None else _key(slot, at=layers)


def _key(slot: Slot, **instead: Any) -> str:
    cell = slot.cell
    same = {**cell.settings, **instead, "picture": id(cell.image), "model": id(cell.model)}
    return repr(sorted(same.items()))


def _alone(run: Sequence[Slot], told: _Told, every: int | None = None) -> Iterator[Made]:
    (slot,) = run
    try:
        with nullcontext() if every is None else Trail(slot.path, every).recorded() as record:

            def note(step: Step) -> None:
                if record is not None:
                    record(step)
                told(step.number / step.total)

            made = dream(slot.cell.model, slot.cell.image, callback=note, **slot.cell.settings)
    except DivergedError as error:
        yield slot, error.result.recipe, _fault(error)
        return
    recipe = ensure_recipe(made.recipe)
    cell_cache.keep(slot, made.image, recipe)
    yield slot, recipe, ""


def _along(run: Sequence[Slot], told: _Told) -> Iterator[Made]:
    """Keep pictures along one run, each as soon as it is there."""
    cell = run[-1].cell
    start = dream(cell.model, cell.image, **{**cell.settings, "steps": 0})
    recipe = ensure_recipe(start.recipe)
    fixed = {name: recipe.parameters[name] for name in ("precision", "tile")}
    kept: dict[int, Recipe] = {}

    def keep(number: int, image: Tensor) -> None:
        for slot in run:
            if slot.steps == number:
                kept[number] = recipe.but(steps=number)
                # The sum as `dream` takes it, so that not even rounding differs.
                cell_cache.keep(slot, (start.image + (image.cpu() - start.image)).clamp(0, 1), kept[number])

    def note(step: Step) -> None:
        keep(step.number, step.image)
        told(step.number / step.total)

    fault = ""
    keep(0, start.image)
    try:
        dream(cell.model, cell.image, callback=note, **{**cell.settings, **fixed})
    except DivergedError as error:
        fault = _fault(error)
    for slot in run:
        yield slot, recipe.but(steps=slot.steps), "" if slot.steps in kept else fault


def _batches(run: Sequence[Slot]) -> list[Sequence[Slot]]:
    """Part cells that are alike but for their channels into batches."""
    cell = run[0].cell
    count = 1
    # How large the picture is takes reading it: not for one cell, of which a sheet may have hundreds.
    if len(run) > 1 and not cell.settings.get("tile") and cell.settings.get("memory") is None:
        size = images.size_of(_begun(cell)[0])
        count = max(1, BATCH_PIXELS // (size.width * size.height))
    return [run[begin : begin + count] for begin in range(0, len(run), count)]


def _beside(run: Sequence[Slot], told: _Told, missing: Collection[Path]) -> Iterator[Made]:
    """Dream on several channels, or with several weights, of the same layers at once, in less time.

    Rounding differs from that of each alone, and grows along an ascent: after a hundred steps details differ.
    """
    cell = run[0].cell
    still = ensure_recipe(dream(cell.model, cell.image, **{**cell.settings, "steps": 0}).recipe)
    recipe = still.but(steps=cell.settings["steps"])
    given = recipe.parameters
    settings = presets.settings(given["preset"], **{name: given[name] for name in Settings.__dataclass_fields__})
    places = [tuple(resolve(slot.cell.settings["at"], cell.model)) for slot in run]
    photo, generator = _begun(cell)
    dreamer = Dreamer(
        cell.model, [each.layer for each in places[0]], settings, images.size_of(photo), tile=given["tile"]
    )
    try:
        pictures = dreamer(
            photo.repeat(len(run), 1, 1, 1),
            Each(tuple(Excite(addresses, settings.loss) for addresses in places)),
            generator=generator,
            callback=lambda step: told(step.number / step.total),
        )
    except DivergedError:
        # One of them did; the others need not.
        for slot in run:
            if slot.path in missing:
                yield from _alone([slot], lambda _share: None)
        return
    for slot, image in zip(run, pictures.split(1), strict=True):
        if slot.path in missing:
            own = recipe.but(at=slot.cell.settings["at"])
            cell_cache.keep(slot, image, own)
            yield slot, own, ""


def _begun(cell: Cell) -> tuple[Tensor, Generator]:
    """Return what a cell's dream starts from, and what draws the rest."""
    generator = torch.Generator().manual_seed(cell.settings["seed"])
    return initial_picture(cell.image, cell.settings.get("size"), generator), generator


def _fault(error: DivergedError) -> str:
    return f"not finite at step {error.step}: try a smaller --rate"
