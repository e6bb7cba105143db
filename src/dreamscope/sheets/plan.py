"""Plan: which dreams a sheet shows side by side. Imports no torch, so that ``--help`` can read it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from dreamscope.dreaming.presets import DEFAULT_PRESET
from dreamscope.errors import DreamscopeError, ensure_one_of
from dreamscope.models.addresses import Address, resolve
from dreamscope.optimize.ingredients import values_of
from dreamscope.sheets.axes import LISTED, OVER, Asked, Axis, Place, axis, numbers_of, setting_of
from dreamscope.sheets.weight_sets import Weights, proportional

if TYPE_CHECKING:
    from dreamscope.images import Picture
    from dreamscope.models.classifier import Classifier
    from dreamscope.objectives.targets import Given

MOST = 400
"""Cells of one sheet at most: nobody would look at more."""

MOST_COLUMNS = 12
"""Two ways with more columns than this, and than rows, are turned: a page is read downwards."""

_WHERE = ("layers", "channels", "weights")
"""What says where a dream climbs."""


@dataclass(frozen=True)
class Cell:
    """One dream of a sheet.

    Attributes
    ----------
    label, note : str
        What it is called, and a second, fainter line.
    model : Classifier
        The network that dreams.
    image : Picture
        What is dreamt on, as `dreamscope.images.read` takes it, or the name of an initial image.
    settings : Mapping
        All other arguments of `dreamscope.dreaming.dream.dream`, every number spelt out.
    """

    label: str
    note: str
    model: Classifier
    image: Picture
    settings: Mapping[str, Any]


@dataclass(frozen=True)
class Plan:
    """What a sheet shows.

    Attributes
    ----------
    axes : tuple of Axis
        What differs: one axis, or the rows and the columns.
    cells : tuple of Cell
        In reading order, row after row.
    remarks : tuple of str
        What a person who looks at it should know.
    """

    axes: tuple[Axis, ...]
    cells: tuple[Cell, ...]
    remarks: tuple[str, ...] = ()

    @property
    def kinds(self) -> tuple[str, ...]:
        """What differs: one or two of `OVER`."""
        return tuple(each.over for each in self.axes)


def plan(
    over: str | Sequence[str],
    models: Sequence[Classifier],
    pictures: Sequence[Picture],
    *,
    at: Given | Sequence[str | Address] | None = None,
    sets: Weights | None = None,
    values: Sequence[str | int] | Mapping[str, Sequence[str | int]] | None = None,
    **settings: Any,
) -> Plan:
    """Say what the cells of a sheet are.

    Parameters
    ----------
    over
        One of `OVER`, or two: rows and columns. More than `MOST_COLUMNS` columns, and than rows, change places with
        these.
    models
        One; several over ``models``.
    pictures
        One; several over ``photos``.
    at
        Addresses. Over ``layers`` each is one cell (the network's blocks if none are given, see
        `dreamscope.exploration.blocks`; of layers that a glob names and that put out the same, one); over ``channels``
        each of their channels is. Over what names no layers also an objective of your own, as in `dream`.
    sets
        Over ``weights``: what the addresses are weighted with, see `dreamscope.sheets.weight_sets.weights`.
    values
        Over ``steps`` and ``octaves``: which numbers; over ``presets`` and ``losses``: which names. By kind where two
        of these differ, ``{"steps": [5, 10], "octaves": [1, 2]}``. Over ``layers`` and ``channels``: which channels of
        each layer, ``{"channels": ["0-7"]}``.
    settings
        All other arguments of `dreamscope.dreaming.dream.dream`, the same for all cells.

    Raises
    ------
    DreamscopeError
        If an argument is invalid.
    """
    kinds = (over,) if isinstance(over, str) else tuple(over)
    at = [at] if isinstance(at, str | Address) else at
    texts, own = (at, None) if at is None or isinstance(at, Sequence) else (None, at)
    _ensure_kinds(kinds, settings, own)
    for count, kind, what in ((len(models), "models", "model"), (len(pictures), "photos", "picture")):
        if count != 1 and (count == 0 or kind not in kinds):
            raise DreamscopeError(f"a sheet over {_and(kinds)} is of one {what}, not {count}; see --over {kind}")
    if "weights" in kinds and not (texts and sets):
        raise DreamscopeError("a sheet over weights needs layers (--at) and sets of weights for them (--weights-set)")
    if sets and "weights" not in kinds:
        raise DreamscopeError(f"a sheet over {_and(kinds)} takes no sets of weights; see --over weights")
    asked = Asked(kinds, models, pictures, texts, sets or {}, _values(kinds, values), settings, own)
    axes = [axis(kind, asked) for kind in kinds]
    rows, columns = axes[0].places, axes[1].places if len(axes) > 1 else ()
    count = len(rows) * len(columns) if columns else len(rows)
    if count > MOST:
        hint = "name fewer with --at or --values" if columns else "narrow it down with --at"
        raise DreamscopeError(f"that would be {count} cells; a sheet has at most {MOST}: {hint}")
    if len(columns) > max(MOST_COLUMNS, len(rows)):
        axes.reverse()
        rows, columns = columns, rows
    cells = [_cell(asked, [row, column]) for row in rows for column in columns] or [_cell(asked, [row]) for row in rows]
    return _remarked(Plan(tuple(axes), tuple(cells)), asked.sets)


def _ensure_kinds(kinds: Sequence[str], settings: Mapping[str, Any], own: object) -> None:
    if not 1 <= len(kinds) <= 2:
        raise DreamscopeError(f"a sheet differs one way or two, not {len(kinds)}: --over layers --over steps")
    for kind in kinds:
        ensure_one_of(kind, OVER, "kind of sheet")
        varied = setting_of(kind)
        if varied in settings:
            raise DreamscopeError(f"a sheet over {kind} takes them from --values; leave --{varied} out")
    if len(set(kinds)) < len(kinds):
        raise DreamscopeError(f"both ways of the sheet are over {kinds[0]}; name two kinds, or one")
    where = [kind for kind in kinds if kind in _WHERE]
    if "weights" in where and len(where) > 1:
        raise DreamscopeError(
            f"a sheet over {_and(where)} says twice what is dreamt of: a weight counts only among several layers"
        )
    if own is not None and where:
        raise DreamscopeError(f"a sheet over {_and(where)} needs addresses, not an objective of your own")


def _values(
    kinds: Sequence[str], values: Sequence[str | int] | Mapping[str, Sequence[str | int]] | None
) -> Mapping[str, Sequence[str | int]]:
    """Return the values by kind."""
    may = [kind for kind in kinds if kind in LISTED]
    may += ["channels"] if set(kinds) == {"layers", "channels"} else []
    if not values:
        return {}
    if isinstance(values, Mapping):
        for kind in values:
            if kind not in may:
                raise DreamscopeError(f"a sheet over {_and(kinds)} takes no values of {kind}{_that_do(may)}")
        return values
    if not may:
        raise DreamscopeError(f"a sheet over {_and(kinds)} takes no values; those over {', '.join(LISTED)} do")
    if len(may) > 1:
        raise DreamscopeError(f"values of {_and(may)}? Say which: --values {may[0]}=V,V,... --values {may[1]}=V,V,...")
    return {may[0]: values}


def _that_do(may: Sequence[str]) -> str:
    return f"; of {_and(may)} it does" if may else f"; those over {', '.join(LISTED)} do"


def _cell(asked: Asked, places: Sequence[Place]) -> Cell:
    changed = {name: value for place in places for name, value in place.changed.items()}
    model, image = changed.pop("model", asked.models[0]), changed.pop("image", asked.pictures[0])
    named, channel = changed.pop("at", asked.at), changed.pop("channel", None)
    where: Any = asked.own
    if where is None:
        # What the first model calls them; another one must have them too.
        addresses = resolve(named, model)
        if channel is not None:
            addresses = resolve([replace(each, channels=(channel,)) for each in addresses], model)
        where = [str(each) for each in addresses]
    label = ", ".join(place.label for place in places)
    note = "; ".join(place.note for place in places if place.note)
    return Cell(label, note, model, image, _spelt_out(where, {**asked.settings, **changed}))


def _spelt_out(at: Any, settings: Mapping[str, Any]) -> dict[str, Any]:
    chosen = numbers_of(settings)
    preset = settings.get("preset", DEFAULT_PRESET)
    if not isinstance(preset, str):
        # Settings of one's own have no name; all their values are spelt out, and only `plain` takes no rate.
        preset = "plain" if chosen.rate is None else DEFAULT_PRESET
    return {
        "seed": 0,
        "keep_color": False,
        **settings,
        **values_of(chosen),
        "preset": preset,
        "at": at,
    }


def _remarked(made: Plan, sets: Weights) -> Plan:
    """Let sets of weights that only differ in a common factor share a picture, where steps are normalised; say so.

    Dreamt each by itself they would differ in their rounding, which a hundred steps can blow up into another animal.
    """
    twins = proportional(sets)
    normalized = [_is_normalized(cell.settings) for cell in made.cells]
    if not twins or not any(normalized):
        return made
    rows = made.kinds[0] == "weights"
    columns = len(made.axes[1].places) if len(made.axes) > 1 else 1
    names = list(sets)
    cells = []
    for number, (cell, same) in enumerate(zip(made.cells, normalized, strict=True)):
        place = number // columns if rows else number % columns
        twin = twins.get(names[place])
        if not same or twin is None:
            cells.append(cell)
            continue
        back = place - names.index(twin[1])
        at = made.cells[number - back * (columns if rows else 1)].settings["at"]
        cells.append(replace(cell, note=f"{cell.note}; same as {twin[1]}", settings={**cell.settings, "at": at}))
    which = "; ".join(
        f"'{name}' is {f'{factor:g} times' if factor != 1 else 'the same as'} '{other}'"
        for name, (factor, other) in twins.items()
    )
    steps = "Steps are normalised, so" if all(normalized) else "Where steps are normalised,"
    remark = (
        f"{which}. {steps} a common factor of all weights changes nothing: one picture stands for both. "
        "--preset plain --rate R takes steps as long as the gradient is, so that they differ."
    )
    return replace(made, cells=tuple(cells), remarks=(remark,))


def _is_normalized(settings: Mapping[str, Any]) -> bool:
    """Return whether a dream's steps are as long whatever the objective is multiplied by."""
    bare = settings["filter"] == "none" and settings["rate"] is not None
    # A penalty has a size of its own, and what another optimizer makes of a gradient is its own affair.
    return not (
        bare or settings["penalty"] or settings["optimizer"] or settings["parameterization"] not in ("pixel", "gray")
    )


def _and(words: Sequence[str]) -> str:
    return " and ".join(words)
