"""Plots: dose and response of a blinding, and which channels rank highest."""

from __future__ import annotations

import io
import math
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from textwrap import fill, shorten
from typing import Any

from dreamscope.dissection.blind import Blinding
from dreamscope.dissection.dose_response import Dose
from dreamscope.dissection.intervals import Estimate
from dreamscope.dissection.scores import ChannelScores
from dreamscope.errors import DreamscopeError
from dreamscope.figures import style


def dose_curve(blinding: Blinding) -> str:
    """Draw how the class's recall falls and what everything else loses, the more channels are removed.

    Returns
    -------
    str
        SVG, without references to anything outside itself: the channels found, the ``frequency`` rule and
        random channels, with 95% intervals.
    """
    chosen, method = blinding.random.channels, blinding.scores.method
    with style.canvas(7.2, 5.4) as figure:
        upper, lower = figure.subplots(2, 1, sharex=True, height_ratios=[1.15, 1])
        for axes, what in ((upper, "recall"), (lower, "loss")):
            curve(axes, blinding.curve, what, label=f"channels found ({method})", color=style.FOUND)
            if method != "frequency":
                curve(
                    axes, blinding.curve_frequency, what, label="frequency rule", color=style.COMPARED, linestyle="--"
                )
            bar(axes, blinding.random, what)
            axes.axvline(chosen, color=style.INK, linewidth=0.8, zorder=1)
            axes.grid(axis="y")
        upper.set(ylim=(-4, 104), yticks=range(0, 101, 25), ylabel="recall of the class (%)")
        upper.text(chosen, 107, f"chosen: {chosen}", ha="center", va="bottom")
        lower.axhline(0, color=style.INK, linewidth=0.8)
        lower.set(ylabel=fill(blinding.result.loss_name(" on the rest"), 34), xlabel="channels removed")
        # A tenth of a point is not to look like a cliff.
        lower.set_ylim(min(-0.1, lower.get_ylim()[0]), max(2, lower.get_ylim()[1]))
        _doubling(lower, [dose.channels for dose in (*blinding.curve, *blinding.curve_frequency, blinding.random)])
        figure.legend(*upper.get_legend_handles_labels(), loc="outside upper left", ncols=3, columnspacing=1.6)
        figure.align_ylabels()
        text = io.StringIO()
        figure.savefig(text, format="svg", metadata=dict.fromkeys(("Creator", "Date", "Format", "Type")))
    # What stands before the element names a document type on the network.
    return text.getvalue()[text.getvalue().index("<svg") :]


def ranking(scores: ChannelScores, path: str | Path, top: int = 40) -> Path:
    """Draw the channels that rank highest, which layers they are in, and how far the methods agree.

    The `top` highest are drawn; `path` ends in one of `dreamscope.figures.style.FORMATS`.

    Raises
    ------
    DreamscopeError
        If `path` has no such ending or can't be written, `top` is under 1, or no channel scores above 0.
    """
    from matplotlib import colormaps

    path = style.ensure_format(path)
    if top < 1:
        raise DreamscopeError(f"a ranking is of 1 channel or more, not of {top}")
    places = scores.ranking()[:top].tolist()
    if not places:
        raise DreamscopeError(f"no channel scores above 0 by {scores.method}; there is nothing to draw")
    addresses = [scores.address(place) for place in places]
    held = Counter(address.layer for address in addresses)
    # Early layers dark, late ones light: the colour also says how deep.
    present = [layer for layer in scores.layers if layer in held]
    shade = colormaps["viridis"].resampled(len(present) + 1)
    colors = {layer: shade(number) for number, layer in enumerate(present)}
    # In heights of one bar; what is left over on the right stays empty.
    heights = [1.3 * len(present) + 3, 2.2 * len(scores.scores) + 3]
    rows = max(len(places) + 4, math.ceil(sum(heights)) + 1)
    with style.canvas(11, 0.7 + 0.2 * rows) as figure:
        left, right = figure.subfigures(1, 2, width_ratios=[1.45, 1])
        bars = left.subplots()
        values = [float(scores.scores[scores.method][place]) for place in places]
        _bars(bars, [str(address) for address in addresses], values, [colors[each.layer] for each in addresses])
        bars.set(ylim=(rows - 4.4, -0.6), title=f"The {len(places)} highest scores ({scores.method})")
        bars.grid(axis="x")
        layers, methods, empty = right.subplots(3, 1, height_ratios=[*heights, rows - sum(heights)])
        empty.set_axis_off()
        _bars(layers, present, [held[layer] for layer in present], list(colors.values()))
        layers.bar_label(layers.containers[0], padding=3)
        layers.set(xticks=[], title="How many of them each layer holds")
        layers.spines["bottom"].set_visible(False)
        layers.margins(x=0.12)
        _matrix(methods, list(scores.scores), scores.agreement())
        name = "a network" if scores.recipe is None else scores.recipe.model.get("name", "a network")
        title = f"Channels that carry {shorten(scores.label, 50, placeholder=' ...')} in {name}"
        figure.suptitle(title, x=0.01, ha="left", fontsize=13, fontweight="bold", parse_math=False)
        return style.save(figure, path, dpi=150)


def curve(axes: Any, doses: Sequence[Dose], what: str, **settings: Any) -> None:
    """Draw what doses did, with 95% intervals: the class's ``recall`` in percent, or the ``loss`` in points."""
    doses = sorted(doses, key=lambda dose: dose.channels)
    x = [dose.channels for dose in doses]
    values, lows, highs = zip(*(_numbers(dose, what) for dose in doses), strict=True) if doses else ((), (), ())
    axes.plot(x, values, marker="o", markersize=3.5, linewidth=1.8, zorder=3, **settings)
    axes.fill_between(x, lows, highs, color=settings["color"], alpha=0.16, linewidth=0)


def bar(axes: Any, dose: Dose, what: str) -> None:
    """Draw what random channels did, with the range of 95% of the draws."""
    value, low, high = _numbers(dose, what)
    around = [[max(0.0, value - low)], [max(0.0, high - value)]]
    settings = {"fmt": "D", "color": style.RANDOM, "capsize": 4, "markersize": 5, "zorder": 4}
    axes.errorbar([dose.channels], [value], around, label="random channels (95% of draws)", **settings)


def _numbers(dose: Dose, what: str) -> tuple[float, float, float]:
    estimate: Estimate = getattr(dose, what)
    scale = 100 if what == "recall" else 1
    return scale * estimate.value, scale * estimate.low, scale * estimate.high


def _doubling(axes: Any, counts: Sequence[int]) -> None:
    """Make x logarithmic, with the doses that are powers of 2 written as plain numbers."""
    axes.set_xscale("log", base=2)
    axes.set_xlim(min(counts) / 1.25, max(counts) * 1.25)
    powers = [count for count in sorted(set(counts)) if count & (count - 1) == 0] or [min(counts)]
    axes.set_xticks(powers, [str(count) for count in powers])
    axes.minorticks_off()


def _bars(axes: Any, names: Sequence[str], values: Sequence[float], colors: Sequence[Any]) -> None:
    axes.barh(range(len(names)), values, 0.74, color=colors)
    axes.set_yticks(range(len(names)), names, fontsize=8.5)
    axes.set_ylim(len(names) - 0.4, -0.6)
    axes.tick_params(axis="y", length=0)


def _matrix(axes: Any, names: Sequence[str], agreement: dict[tuple[str, str], float]) -> None:
    if len(names) < 2:
        axes.set_axis_off()
        return
    both = agreement | {(second, first): value for (first, second), value in agreement.items()}
    # A method agrees with itself, which is nothing to look at: those squares stay empty, as unknown ones do.
    table = [[both.get((row, column), math.nan) for column in names] for row in names]
    axes.imshow(table, cmap="RdBu", vmin=-1.4, vmax=1.4, aspect="auto")
    for row, values in enumerate(table):
        for column, value in enumerate(values):
            text = "" if row == column else "–" if math.isnan(value) else f"{value:.2f}".replace("-", "−")
            axes.text(column, row, text, ha="center", va="center")
    axes.set_xticks(range(len(names)), names, fontsize=8.5 if len(names) < 5 else 7)
    axes.set_yticks(range(len(names)), names, fontsize=8.5)
    axes.tick_params(length=0)
    axes.spines[:].set_visible(False)
    axes.set_title("How far the methods agree (Spearman)")
