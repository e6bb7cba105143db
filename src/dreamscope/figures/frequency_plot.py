"""Frequency plot: how many channels of each layer are loud on how many photos, and which of them a rule picks."""

from __future__ import annotations

import math
from pathlib import Path
from textwrap import shorten
from typing import Any

import torch
from torch import Tensor

from dreamscope.dissection.frequency import Frequency
from dreamscope.dissection.scores import ChannelScores
from dreamscope.errors import DreamscopeError
from dreamscope.figures import style

_MOST_COLUMNS = 12
_MOST_NAMED = 10
"""Picked channels of a layer that are named, with as many more as there are."""
_HEADING = "picked"


def counts(scores: ChannelScores, path: str | Path) -> Path:
    """Draw for each layer how many channels are among its loudest on 1, 2, 3 ... photos or more.

    What the rule asks for is framed, and the channels that it picks are named beside, the most frequent first. Of many
    photos some numbers are drawn; `path` ends in one of `dreamscope.figures.style.FORMATS`.

    Raises
    ------
    DreamscopeError
        If `path` has no such ending or can't be written, or the scores hold no ``frequency``.
    """
    path = style.ensure_format(path)
    if scores.rule is None or "times_loud" not in scores.numbers or not scores.counts["targets"]:
        raise DreamscopeError(f"these scores ({scores.method}) hold no counts of the method 'frequency' to draw")
    rule, photos = scores.rule, scores.counts["targets"]
    columns = _columns(photos, rule.needed(photos))
    names = list(scores.layers)
    reached = [
        [int((times >= least).sum()) for least in columns]
        for times in scores.numbers["times_loud"].split(list(scores.layers.values()))
    ]
    picked = _picked(scores)
    # Inches: names, columns and what is picked each get what their letters need.
    name = "a network" if scores.recipe is None else scores.recipe.model.get("name", "a network")
    title = f"{shorten(scores.label, 40, placeholder=' ...')} in {name}"
    asked = _asked(rule, photos)
    left, middle, right = (
        0.4 + 0.08 * max(map(len, names)),
        0.42 * len(columns),
        0.5 + 0.08 * max(len(_HEADING), *map(len, picked)),
    )
    width, height = max(left + middle + right, 0.3 + 0.11 * len(title), 0.3 + 0.078 * len(asked)), 0.26 * len(names)
    with style.canvas(width, 1.7 + height) as figure:
        figure.set_layout_engine("none")
        tall = 1.7 + height
        axes = figure.add_axes((left / width, 0.75 / tall, middle / width, height / tall))
        _table(axes, reached, columns)
        axes.set_yticks(range(len(names)), names, fontsize=8.5)
        axes.set_xticks(range(len(columns)), [f"{least}+" if least < photos else str(least) for least in columns])
        axes.set_xlabel(f"on so many of {photos} photos")
        if rule.chooses:
            _frame(axes, columns.index(rule.needed(photos)), len(names))
        for row, text in enumerate(picked):
            axes.text(len(columns) - 0.3, row, text, va="center", ha="left", fontsize=8.5, color=style.FOUND)
        heading = _HEADING if rule.chooses else "the most frequent"
        axes.text(len(columns) - 0.3, -0.85, heading, va="center", ha="left", fontweight="bold", color=style.FOUND)
        at = {"x": 0.02, "ha": "left", "va": "top", "parse_math": False}
        figure.text(y=1 - 0.12 / tall, s=title, fontsize=12, fontweight="bold", **at)
        figure.text(y=1 - 0.42 / tall, s=asked, **at)
        return style.save(figure, path, dpi=150)


def _asked(rule: Frequency, photos: int) -> str:
    said = f"Channels among the {rule.loudest} loudest of their layer"
    if rule.chooses:
        said += f"; picked: on {rule.needed(photos)} or more of {photos} photos"
    return said + ("" if rule.per_layer is None else f", at most {rule.per_layer} a layer")


def _columns(photos: int, needed: int) -> list[int]:
    """Return the numbers of photos that are drawn, what the rule needs among them."""
    step = max(1, math.ceil(photos / _MOST_COLUMNS))
    return sorted({1, *range(step, photos + 1, step), min(needed, photos), photos})


def _picked(scores: ChannelScores) -> list[str]:
    """Return for each layer the channels that the rule leaves, the most frequent first, as text."""
    by_layer: dict[str, list[str]] = {name: [] for name in scores.layers}
    for place in scores.ranking("frequency").tolist():
        address = scores.address(place)
        by_layer[address.layer] += map(str, address.channels or ())
    found = []
    for channels in by_layer.values():
        more = len(channels) - _MOST_NAMED
        shown = ", ".join(channels[:_MOST_NAMED])
        found.append(f"{shown} and {more} more" if more > 0 else shown or "none")
    return found


def _table(axes: Any, reached: list[list[int]], columns: list[int]) -> None:
    values: Tensor = torch.tensor(reached, dtype=torch.float32)
    # By rank more than by size: one channel among many is what is looked for.
    axes.imshow(values.log1p().numpy(), cmap="Blues", vmin=0, vmax=1.5 * max(1.0, float(values.log1p().max())))
    axes.set_aspect("auto")
    for row, counts_ in enumerate(reached):
        for column, count in enumerate(counts_):
            axes.text(column, row, str(count) if count else "·", ha="center", va="center", fontsize=8.5)
    axes.set_xlim(-0.5, len(columns) - 0.5)
    axes.tick_params(length=0)
    axes.spines[:].set_visible(False)


def _frame(axes: Any, column: int, rows: int) -> None:
    from matplotlib.patches import Rectangle

    place = (column - 0.5, -0.5)
    axes.add_patch(Rectangle(place, 1, rows, fill=False, edgecolor=style.FOUND, linewidth=1.8, clip_on=False))
