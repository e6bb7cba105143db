"""Plots: dose and response of a blinding, where the class can still be read, and which channels rank highest."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from textwrap import fill, shorten
from typing import Any

from dreamscope.dissection.arms import FREQUENCY, RANDOM_CHANNELS, RANDOM_DIRECTIONS
from dreamscope.dissection.blinding import UNREADABLE, Blinding
from dreamscope.dissection.dose_response import Course, Dose
from dreamscope.dissection.intervals import Estimate
from dreamscope.dissection.scores import ChannelScores
from dreamscope.dissection.trials import Trial
from dreamscope.errors import DreamscopeError
from dreamscope.figures import style

_MOST_NAMES, _LONGEST_NAME = 20, 20
"""Layers that have room for their names below a plot, and letters of such a name."""


def dose_curve(blinding: Blinding) -> str:
    """Draw how the class's recall falls and what everything else loses, the more is taken away.

    Returns
    -------
    str
        SVG, without references to anything outside itself: the channels or directions found, the ``frequency`` rule
        where it has a course, and as many random ones, with 95% intervals.

    Raises
    ------
    DreamscopeError
        If the blinding has no course.
    """
    course = course_of(blinding, "draw")
    channels, method = counts_channels(course), blinding.design.method
    found = f"channels found ({method})" if channels else "directions found"
    # Nothing has no place on a logarithmic axis.
    doses = course.doses if channels else doses_from_nothing(blinding)
    with style.canvas(7.2, 5.4) as figure:
        upper, lower = figure.subplots(2, 1, sharex=True, height_ratios=[1.15, 1])
        for axes, what in ((upper, "recall"), (lower, "loss")):
            curve(axes, doses, what, label=found, color=style.FOUND)
            if course.frequency and method != "frequency":
                curve(axes, course.frequency, what, label="frequency rule", color=style.COMPARED, linestyle="--")
            bar(axes, blinding, what)
            axes.grid(axis="y")
        upper.set(ylim=(-4, 104), yticks=range(0, 101, 25), ylabel="recall of the class (%)")
        if (chosen := chosen_amount(course)) is not None:
            for axes in (upper, lower):
                axes.axvline(chosen, color=style.INK, linewidth=0.8, zorder=1)
            upper.text(chosen, 107, f"chosen: {amount_of(course, chosen)}", ha="center", va="bottom")
        lower.axhline(0, color=style.INK, linewidth=0.8)
        lower.set(ylabel=fill(blinding.result.loss_name(" on the rest", counted=False), 34), xlabel=course.unit)
        # A tenth of a point is not to look like a cliff.
        lower.set_ylim(min(-0.1, lower.get_ylim()[0]), max(2, lower.get_ylim()[1]))
        if channels:
            _doubling(lower, [*(dose.amount for dose in (*doses, *course.frequency)), random_amount(blinding)])
        else:
            lower.set(xlim=(-5, 108), xticks=range(0, 101, 20))
        figure.legend(*upper.get_legend_handles_labels(), loc="outside upper left", ncols=3, columnspacing=1.6)
        figure.align_ylabels()
        return style.svg(figure)


def readout_curve(blinding: Blinding) -> str:
    """Draw how much of the class a fresh linear probe finds at 1% false alarms, layer by layer.

    Lines of edits start where they leave that of the intact network.

    Returns
    -------
    str
        SVG, without references to anything outside itself: the intact network, the edit, as many random channels or
        directions and the ``frequency`` rule, with 95% intervals, and how little counts as unreadable.

    Raises
    ------
    DreamscopeError
        If there are no readouts, as where photos were too few to train probes on.
    """
    layers = list(blinding.intact.readouts)
    if not layers:
        raise DreamscopeError("this blinding has no readouts to draw: photos were too few to train probes on")
    with style.canvas(7.2, 4) as figure:
        axes = figure.subplots()
        for number, (trial, settings) in enumerate(_compared(blinding)):
            # At a single layer there are no lines to tell apart: side by side.
            shift = 0.1 * (number - 1.5) if len(layers) == 1 else 0.0
            _readouts(axes, trial, blinding.intact, shift, **settings)
        _unreadable(axes, blinding, layers)
        axes.set(ylim=(-4, 104), yticks=range(0, 101, 25), xlim=(-0.5, len(layers) - 0.5))
        axes.set_ylabel("found by a fresh probe\nat 1% false alarms (%)")
        axes.grid(axis="y")
        _named(axes, layers)
        figure.legend(*axes.get_legend_handles_labels(), loc="outside upper left", ncols=2, columnspacing=1.6)
        return style.svg(figure)


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


def course_of(blinding: Blinding, purpose: str) -> Course:
    """Return the course; raise a `DreamscopeError` that there is none to ``draw``, or to ``film``."""
    if blinding.course is None:
        raise DreamscopeError(f"this blinding has no course to {purpose}; make it with curve=True")
    return blinding.course


def counts_channels(course: Course) -> bool:
    """Return whether doses are numbers of channels, and not percent."""
    return not course.unit.startswith("%")


def chosen_amount(course: Course) -> int | None:
    """Return the dose of the choice; ``None`` where folds chose different ones."""
    return next((stage.amount for stage in course.stages if stage.chosen), None)


def amount_of(course: Course, amount: int) -> str:
    """Return a dose as people write it, such as ``"16"`` or ``"40%"``."""
    return str(amount) if counts_channels(course) else f"{amount}%"


def doses_from_nothing(blinding: Blinding) -> list[Dose]:
    """Return the doses of a course, from the intact network on."""
    nothing = Estimate(0.0, 0.0, 0.0, blinding.result.loss.count)
    return [Dose(0, blinding.result.recall_before, nothing), *course_of(blinding, "draw").doses]


def curve(axes: Any, doses: Sequence[Dose], what: str, **settings: Any) -> None:
    """Draw what doses did, with 95% intervals: the class's ``recall`` in percent, or the ``loss`` in points."""
    doses = sorted(doses, key=lambda dose: dose.amount)
    _line(axes, [dose.amount for dose in doses], [_numbers(getattr(dose, what), what) for dose in doses], **settings)


def bar(axes: Any, blinding: Blinding, what: str) -> None:
    """Draw what as many random channels or directions did, where the choice is, with the 95% interval.

    Of several draws, that is where 95% of them lie.
    """
    trial = random_of(blinding)
    value, low, high = _numbers(getattr(trial, what), what)
    around = [[max(0.0, value - low)], [max(0.0, high - value)]]
    settings = {"fmt": "D", "color": style.RANDOM, "capsize": 4, "markersize": 5, "zorder": 4}
    axes.errorbar([random_amount(blinding)], [value], around, label=f"as many {trial.name}", **settings)


def random_amount(blinding: Blinding) -> int:
    """Return the dose where `bar` stands."""
    return random_of(blinding).count if counts_channels(course_of(blinding, "draw")) else 100


def random_of(blinding: Blinding) -> Trial:
    """Return the trial of as many random directions, or channels where no directions were erased."""
    name = RANDOM_CHANNELS if blinding.design.units == "channels" else RANDOM_DIRECTIONS
    return next(trial for trial in blinding.trials if trial.name == name)


def _line(axes: Any, x: Sequence[float], numbers: Sequence[tuple[float, float, float]], **settings: Any) -> None:
    """Draw values in a line, and a band between their lows and highs."""
    values, lows, highs = zip(*numbers, strict=True) if numbers else ((), (), ())
    axes.plot(x, values, **{"marker": "o", "markersize": 3.5, "linewidth": 1.8, "zorder": 3} | settings)
    # A band as wide as one dose could not be seen.
    axes.fill_between(x, lows, highs, color=settings["color"], alpha=0.16, linewidth=4 if len(x) == 1 else 0)


def _numbers(estimate: Estimate, what: str) -> tuple[float, float, float]:
    scale = 100 if what == "recall" else 1
    return scale * estimate.value, scale * estimate.low, scale * estimate.high


def _compared(blinding: Blinding) -> list[tuple[Trial, dict[str, Any]]]:
    """Return the trials whose readouts are drawn, and how."""
    units = "channels and directions" if blinding.design.units == "both" else blinding.design.units
    random = random_of(blinding)
    bold = {"linewidth": 3.2, "markersize": 6, "zorder": 3.5}
    found: list[tuple[Trial, dict[str, Any]]] = [
        (blinding.intact, {"label": "intact network", "color": style.INK}),
        (blinding.chosen, {"label": f"{units} found", "color": style.FOUND, **bold}),
        (random, {"label": f"as many {random.name}", "color": style.RANDOM}),
    ]
    if blinding.design.method != FREQUENCY[0]:
        rule = {"color": style.COMPARED, "linestyle": "--"}
        frequent = [trial for trial in blinding.trials if trial.name == FREQUENCY[0]]
        found += [(trial, {"label": f"frequency rule ({trial.count} channels)", **rule}) for trial in frequent]
    return found


def _readouts(axes: Any, trial: Trial, intact: Trial, shift: float, **settings: Any) -> None:
    """Draw what can be read off each layer, from the last one on up to which all is as in the intact network."""
    layers = list(intact.readouts)
    x = [place for place, layer in enumerate(layers) if layer in trial.readouts]
    same = [trial.readouts[layers[place]] == intact.readouts[layers[place]] for place in x]
    if trial is not intact:
        x = x[max(0, [*same, False].index(False) - 1) :]
    numbers = [_numbers(trial.readouts[layers[place]].recall(), "recall") for place in x]
    if numbers:
        _line(axes, [place + shift for place in x], numbers, **settings)


def _unreadable(axes: Any, blinding: Blinding, layers: Sequence[str]) -> None:
    """Mark how little counts as unreadable, and where the verdict looks."""
    axes.axhline(100 * UNREADABLE, color=style.INK, linewidth=1, linestyle=":", zorder=2)
    right = axes.get_yaxis_transform()
    axes.text(1.015, 100 * UNREADABLE, f"unreadable:\n{UNREADABLE:.0%} or less", transform=right, va="center")
    first = next((place for place, layer in enumerate(layers) if layer in blinding.design.read_at), None)
    if first is not None:
        axes.axvspan(first - 0.5, len(layers) - 0.5, color=style.FOUND, alpha=0.08, linewidth=0, zorder=0)
        late = first > len(layers) / 2
        x, side = (len(layers) - 0.5, "right") if late else (first - 0.5, "left")
        where = "here" if first == len(layers) - 1 else "from here on"
        axes.text(x, 106, f"blind if unreadable {where}", ha=side, va="bottom")


def _named(axes: Any, layers: Sequence[str]) -> None:
    """Write the layers' names below, as many as there is room for."""
    step = -(-len(layers) // _MOST_NAMES)
    # The last one always.
    shown = range((len(layers) - 1) % step, len(layers), step)
    names = [layers[place] for place in shown]
    names = [name if len(name) <= _LONGEST_NAME else f"...{name[3 - _LONGEST_NAME :]}" for name in names]
    if max(map(len, names)) * len(names) > 66:
        axes.set_xticks(shown, names, rotation=45, ha="right", rotation_mode="anchor", fontsize=8.5)
    else:
        axes.set_xticks(shown, names)


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
