"""Batching: cells of a sheet that are dreamt together - along one ascent, or in one batch - and those that are not."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Sequence
from contextlib import nullcontext
from dataclasses import dataclass
from functools import partial

import torch
from torch import Generator, Tensor

from dreamscope import images
from dreamscope.dreaming import presets
from dreamscope.dreaming.dream import dream, with_rate
from dreamscope.dreaming.octaves import Dreamer
from dreamscope.dreaming.presets import Settings
from dreamscope.errors import DivergedError
from dreamscope.models.addresses import Address, resolve
from dreamscope.objectives import Each, Excite
from dreamscope.optimize.ascent import Step
from dreamscope.optimize.initial_images import initial_picture
from dreamscope.progress import Callback
from dreamscope.recipes import Recipe, ensure_recipe
from dreamscope.sheets import cell_cache
from dreamscope.sheets.cell_cache import Entry
from dreamscope.sheets.plan import Cell
from dreamscope.sheets.snapshots import Snapshots
from dreamscope.sheets.work import work_of

BATCH_PIXELS = 512**2
"""Pixels that are dreamt on at once: with more, little is gained."""


@dataclass(frozen=True)
class Dreamt:
    """A cell that was dreamt.

    Attributes
    ----------
    entry : Entry
        Which.
    recipe : Recipe or None
        Enough to make it again; ``None`` if it can't be written.
    image : Tensor or None
        (1, 3, H, W) in [0, 1], of a cell that is not cached.
    fault : str
        Why there is no picture, if there is none.
    """

    entry: Entry
    recipe: Recipe | None
    image: Tensor | None = None
    fault: str = ""


_Share = Callable[[float], None]
"""Called with the share of a group that is done."""

_Group = tuple[Callable[[Sequence[Entry], _Share], Iterator[Dreamt]], Sequence[Entry]]
"""Cells that are dreamt together, and how."""


def dreamt(
    entries: Sequence[Entry], missing: Collection[str], *, every: int | None = None, callback: Callback | None = None
) -> Iterator[Dreamt]:
    """Dream the cells of a sheet that are missing, and store them.

    Parameters
    ----------
    entries
        All cells, each once: what is dreamt together does not depend on what is missing.
    missing
        Keys of those that are to be dreamt.
    every
        Take snapshots of every so many steps of each.
    callback
        Called with the share that is done of all cells together, in steps of the same work: so the time left is known
        from the first cell on.
    """
    if every is None:
        groups = _groups(entries, missing)
    else:
        groups = [(partial(_alone, every=every), [entry]) for entry in entries if entry.key in missing]
    run = [group[-1:] if make is _along else group for make, group in groups]
    total = sum(entry.steps for group in run for entry in group)
    # A step at the last layer may take a hundred times as long as one at the first: without this, the time left would
    # be wrong by as much.
    costs = [sum(work_of(entry.cell) for entry in group) for group in run]
    whole, done = sum(costs) or 1.0, 0.0
    for (make, group), cost in zip(groups, costs, strict=True):

        def share(part: float, before: float = done, cost: float = cost) -> None:
            if callback is not None:
                callback("dreaming", round(total * (before + cost * part) / whole), total)

        share(0)
        yield from make(group, share)
        share(1)
        done += cost


def _groups(entries: Sequence[Entry], missing: Collection[str]) -> list[_Group]:
    """Put cells together that are pictures along one ascent, and then those that make one batch."""
    groups: list[_Group] = []
    single: list[Entry] = []
    for alike in _alike(entries, _same_but_steps):
        wanted = [entry for entry in alike if entry.key in missing]
        if len(alike) == 1:
            single += alike
        elif wanted:
            groups.append((_along, sorted(wanted, key=lambda entry: entry.steps)))
    batches = [batch for alike in _alike(single, _same_but_channels) for batch in _batches(alike)]
    due = [batch for batch in batches if any(entry.key in missing for entry in batch)]
    return groups + [(_alone if len(batch) == 1 else partial(_beside, missing=missing), batch) for batch in due]


def _alike(entries: Sequence[Entry], key: Callable[[Entry], str]) -> list[list[Entry]]:
    found: dict[str, list[Entry]] = {}
    for entry in entries:
        settings = entry.cell.settings
        # What a mask or kept colours leave of a picture is the dream's own business.
        alone = not entry.writable or settings["keep_color"] or settings.get("mask") is not None
        found.setdefault(entry.key if alone else key(entry), []).append(entry)
    return list(found.values())


def _same_but_steps(entry: Entry) -> str:
    # At several octaves each step of a small one changes all that follows.
    return entry.key if entry.cell.settings["octaves"] > 1 else _shared(entry, steps=None)


def _same_but_channels(entry: Entry) -> str:
    layers = [Address.parse(text).layer for text in entry.cell.settings["at"]]
    return entry.key if entry.cell.settings.get("guide") is not None else _shared(entry, at=layers)


def _shared(entry: Entry, **instead: object) -> str:
    cell = entry.cell
    same = {**cell.settings, **instead, "picture": id(cell.image), "model": id(cell.model)}
    return repr(sorted(same.items()))


def _alone(group: Sequence[Entry], share: _Share, every: int | None = None) -> Iterator[Dreamt]:
    (entry,) = group
    shots = None if every is None or entry.path is None else Snapshots(entry.path, every)
    try:
        with nullcontext() if shots is None else shots.taken() as take:

            def note(step: Step) -> None:
                if take is not None:
                    take(step)
                share(step.number / step.total)

            cell = entry.cell
            made = dream(cell.model, cell.image, callback=note, recipe=entry.writable, **cell.settings)
    except DivergedError as error:
        yield Dreamt(entry, error.result.recipe, fault=_fault(error))
        return
    yield _stored(entry, made.image, made.recipe)


def _along(group: Sequence[Entry], share: _Share) -> Iterator[Dreamt]:
    """Store pictures along one ascent, each as soon as it is there."""
    cell = group[-1].cell
    start = dream(cell.model, cell.image, **{**cell.settings, "steps": 0})
    recipe = ensure_recipe(start.recipe)
    fixed = {name: recipe.parameters[name] for name in ("precision", "tile")}
    found: dict[str, Dreamt] = {}

    def keep(number: int, image: Tensor, rates: Sequence[float | None] = ()) -> None:
        for entry in group:
            if entry.steps == number:
                # The sum as `dream` takes it, so that not even rounding differs.
                picture = (start.image + (image.cpu() - start.image)).clamp(0, 1)
                found[entry.key] = _stored(entry, picture, with_rate(recipe, rates).but(steps=number))

    def note(step: Step) -> None:
        keep(step.number, step.image, step.rates)
        share(step.number / step.total)

    fault = ""
    keep(0, start.image)
    try:
        dream(cell.model, cell.image, callback=note, **{**cell.settings, **fixed})
    except DivergedError as error:
        fault = _fault(error)
    for entry in group:
        yield found.get(entry.key) or Dreamt(entry, recipe.but(steps=entry.steps), fault=fault)


def _batches(alike: Sequence[Entry]) -> list[Sequence[Entry]]:
    """Part cells that are alike but for their channels into batches."""
    cell = alike[0].cell
    count = 1
    # How large the picture is takes reading it: not for one cell, of which a sheet may have hundreds.
    if len(alike) > 1 and not cell.settings.get("tile") and cell.settings.get("memory") is None:
        size = images.size_of(_begun(cell)[0])
        count = max(1, BATCH_PIXELS // (size.width * size.height))
    return [alike[begin : begin + count] for begin in range(0, len(alike), count)]


def _beside(group: Sequence[Entry], share: _Share, missing: Collection[str]) -> Iterator[Dreamt]:
    """Dream on several channels, or with several weights, of the same layers at once, in less time.

    Rounding differs from that of each alone, and grows along an ascent: after a hundred steps details differ.
    """
    cell = group[0].cell
    still = ensure_recipe(dream(cell.model, cell.image, **{**cell.settings, "steps": 0}).recipe)
    recipe = still.but(steps=cell.settings["steps"])
    given = recipe.parameters
    settings = presets.settings(given["preset"], **{name: given[name] for name in Settings.__dataclass_fields__})
    addresses = [tuple(resolve(entry.cell.settings["at"], cell.model)) for entry in group]
    photo, generator = _begun(cell)
    dreamer = Dreamer(
        cell.model, [each.layer for each in addresses[0]], settings, images.size_of(photo), tile=given["tile"]
    )
    try:
        pictures = dreamer(
            photo.repeat(len(group), 1, 1, 1),
            Each(tuple(Excite(each, settings.loss) for each in addresses)),
            generator=generator,
            callback=lambda step: share(step.number / step.total),
        )
    except DivergedError:
        # One of them did; the others need not.
        for entry in group:
            if entry.key in missing:
                yield from _alone([entry], lambda _share: None)
        return
    for index, (entry, image) in enumerate(zip(group, pictures.split(1), strict=True)):
        if entry.key in missing:
            own = with_rate(recipe, dreamer.rates[index : index + 1])
            yield _stored(entry, image, own.but(at=entry.cell.settings["at"]))


def _stored(entry: Entry, image: Tensor, recipe: Recipe | None) -> Dreamt:
    if entry.path is None:
        return Dreamt(entry, recipe, image.cpu())
    cell_cache.store(entry, image, ensure_recipe(recipe))
    return Dreamt(entry, recipe)


def _begun(cell: Cell) -> tuple[Tensor, Generator]:
    """Return what a cell's dream starts from, and the source of the rest of its random numbers."""
    generator = torch.Generator().manual_seed(cell.settings["seed"])
    return initial_picture(cell.image, cell.settings.get("size"), generator), generator


def _fault(error: DivergedError) -> str:
    return f"not finite at step {error.step}: try a smaller --rate"
