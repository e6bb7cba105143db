"""Dose film: a blinding as a film, dose after dose."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from fractions import Fraction
from functools import lru_cache, reduce
from pathlib import Path
from textwrap import fill
from typing import Any

import numpy as np
import torch
from torch import Tensor

from dreamscope import images
from dreamscope.dissection.blinding import Blinding
from dreamscope.dissection.dose_response import Course, Stage
from dreamscope.errors import DreamscopeError
from dreamscope.figures import plots, style
from dreamscope.figures.lettering import TEXT, shortened
from dreamscope.film import editing
from dreamscope.film import writer as films
from dreamscope.film.editing import Frames
from dreamscope.film.writer import Film
from dreamscope.images import Size
from dreamscope.progress import Callback

SIZE = Size(1280, 720)
MOST_PHOTOS = 12

_HOLD, _CHOSEN, _END, _FADE = 1.2, 2.6, 2.0, 0.4
"""Seconds that a dose stays, that the chosen one and the last one stay, and in which one becomes the next."""

_DPI = 100
_LEFT, _TOP, _RIGHT, _BOTTOM = 32, 94, 772, 712  # pixels: where the photos are
_CHARTS = (836, 1252)  # pixels: from where to where the charts go
_LINE, _FAINT = "#d3d8de", "#68707a"


@dataclass(frozen=True)
class _Shown:
    """A photo of the class: its place among those measured on, and what is drawn, as it is seen and as it is not."""

    place: int
    left: int
    top: int
    width: int
    seen: np.ndarray[Any, Any]
    blind: np.ndarray[Any, Any]


def film(
    blinding: Blinding,
    path: str | Path,
    *,
    fps: str | float | Fraction = 24,
    callback: Callback | None = None,
) -> Film:
    """Film a network going blind: what it takes photos of the class for, the more is taken away.

    Beside the photos, recall and points lost are drawn up to the dose that is shown. The chosen dose stays longer. Of
    more than `MOST_PHOTOS` photos, some are shown that were recognised before, as far as there are any.

    Parameters
    ----------
    blinding
        What is shown; it needs its course. Its photos are read again; one that is no longer there stays gray.
    path
        ``.mp4``, ``.webm`` or ``.gif``, written whole or not at all, with the recipe inside.
    fps
        Frames a second.
    callback
        Called after each frame.

    Raises
    ------
    DreamscopeError
        If the blinding has no course; see also `film.write`.
    """
    course = _course(blinding)
    fps = films.rate(fps, path)
    shown = _photos(blinding)
    # Two fade into each other; those before are not shown again (except in a GIF, whose frames are drawn twice).
    draw = lru_cache(maxsize=2)(lambda number: _drawn(blinding, shown, number))
    frames = _frames(course.stages, draw, fps)
    return films.write(
        frames, path, fps=fps, note=blinding.recipe.to_json() if blinding.recipe else "", callback=callback
    )


def _course(blinding: Blinding) -> Course:
    return plots.course_of(blinding, "film")


def _frames(stages: Sequence[Stage], draw: Callable[[int], Tensor], fps: Fraction) -> Frames:
    fade, last = round(_FADE * fps), len(stages) - 1

    def still(number: int) -> Frames:
        seconds = _END if number == last else _HOLD
        seconds = max(seconds, _CHOSEN) if stages[number].chosen else seconds
        # It also fades in and out.
        fades = fade * ((number > 0) + (number < last))
        return Frames(max(1, round(seconds * fps)) + fades, lambda _: draw(number))

    return reduce(lambda before, after: editing.crossfade(before, after, fade), map(still, range(len(stages))))


def _photos(blinding: Blinding) -> list[_Shown]:
    before = _course(blinding).stages[0].predictions
    places = _picked([prediction.top[0] == blinding.class_index for prediction in before], MOST_PHOTOS)
    columns = next(columns for most, columns in ((1, 1), (4, 2), (9, 3), (MOST_PHOTOS, 4)) if len(places) <= most)
    rows = -(-len(places) // columns)
    across, down = (_RIGHT - _LEFT) // columns, (_BOTTOM - _TOP) // rows
    # Under it, its label and a bar.
    side = min(across - 20, down - 60)
    shown = []
    for number, place in enumerate(places):
        picture = _square(blinding.result.photos[place].path, side)
        faded = 0.5 * images.gray(picture).expand(-1, 3, -1, -1) + 0.5
        left, top = _LEFT + number % columns * across, _TOP + number // columns * down
        shown.append(_Shown(place, left, top, max(side, across - 12), _pixels(picture), _pixels(faded)))
    return shown


def _picked(seen: Sequence[bool], most: int) -> list[int]:
    """Return so many places at most, spread over all; those of photos that were seen come before others."""
    picked: list[int] = []
    for wanted in (True, False):
        there = [place for place, each in enumerate(seen) if each is wanted]
        count = min(most - len(picked), len(there))
        picked += [there[number * len(there) // count] for number in range(count)]
    return sorted(picked)


def _square(path: Path, side: int) -> Tensor:
    """Return the middle of a photo."""
    try:
        photo = images.read(path)
    except DreamscopeError:
        return torch.full((1, 3, side, side), 0.8)
    size = images.size_of(photo)
    edge = min(size.width, size.height)
    top, left = (size.height - edge) // 2, (size.width - edge) // 2
    return images.resize(photo[..., top : top + edge, left : left + edge], Size(side, side)).clamp(0, 1)


def _pixels(image: Tensor) -> np.ndarray[Any, Any]:
    return np.asarray(images.to_pil(image))


def _drawn(blinding: Blinding, shown: Sequence[_Shown], number: int) -> Tensor:
    """Draw one stage as an image."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg

    settings: dict[str, Any] = {
        "figure.constrained_layout.use": False,
        "font.size": _points(14),
        "axes.titlesize": _points(14),
        "figure.dpi": _DPI,
    }
    with style.canvas(SIZE.width / _DPI, SIZE.height / _DPI, **settings) as figure:
        page = figure.add_axes((0, 0, 1, 1), xlim=(0, SIZE.width), ylim=(SIZE.height, 0))
        page.set_axis_off()
        _head(page, blinding, len(shown))
        for each in shown:
            _photo(page, blinding, each, number)
        _numbers(page, blinding, number)
        _charts(figure, blinding, number)
        canvas = FigureCanvasAgg(figure)
        canvas.draw()
        return images.read(np.asarray(canvas.buffer_rgba())[..., :3].copy())


def _head(page: Any, blinding: Blinding, count: int) -> None:
    name, total = blinding.model.name, len(blinding.result.photos)
    what = f"Photos of {blinding.label}"
    _text(page, _LEFT, 44, _cut(what, _RIGHT - _LEFT, 22, bold=True), 22, weight="bold")
    some = f"{count} of {total}: " if count < total else ""
    heading = f"{some}what {name} takes them for, and how sure it is"
    _text(page, _LEFT, 71, _cut(heading, _RIGHT - 220 - _LEFT, 14), 14, color=_FAINT)
    for x, seen, text in ((_RIGHT - 190, True, "still seen"), (_RIGHT - 78, False, "blind")):
        _mark(page, x, 66, seen=seen)
        _text(page, x + 14, 71, text, 14)


def _photo(page: Any, blinding: Blinding, each: _Shown, number: int) -> None:
    from matplotlib.patches import Rectangle

    prediction = _course(blinding).stages[number].predictions[each.place]
    seen = prediction.top[0] == blinding.class_index
    color = style.FOUND if seen else style.RANDOM
    picture = each.seen if seen else each.blind
    side = len(picture)
    page.imshow(picture, extent=(each.left, each.left + side, each.top + side, each.top), interpolation="nearest")
    below = each.top + side
    _mark(page, each.left + 6, below + 16, seen=seen)
    label = _cut(blinding.model.label(prediction.top[0]), each.width - 18, 14)
    _text(page, each.left + 18, below + 21, label, 14)
    bar = side - 44
    page.add_patch(Rectangle((each.left, below + 31), bar, 6, facecolor=_LINE, linewidth=0))
    page.add_patch(Rectangle((each.left, below + 31), bar * prediction.confidence, 6, facecolor=color, linewidth=0))
    _text(page, each.left + side, below + 39, f"{prediction.confidence:.0%}", 13, ha="right")


def _numbers(page: Any, blinding: Blinding, number: int) -> None:
    """Say in large letters what the charts show now."""
    course, dose = _course(blinding), plots.doses_from_nothing(blinding)[number]
    stage = course.stages[number]
    what = course.unit.removeprefix("% ")
    if what.startswith("channels") and stage.amount == 1:
        what = what.replace("channels", "channel")
    hits, lost = round(dose.recall.value * dose.recall.count), blinding.result.loss_name(counted=False)
    shown = (
        (plots.amount_of(course, stage.amount), fill(what, 20), style.INK),
        (f"{dose.recall.value:.0%}", f"recall: {hits} of {dose.recall.count}", style.FOUND),
        (
            f"{round(dose.loss.value, 1) + 0.0:.1f}".replace("-", "\u2212"),
            fill(lost, 24, max_lines=2, placeholder=" ..."),
            style.INK,
        ),
    )
    left, right = _CHARTS[0] - 40, _CHARTS[1]
    for place, (value, text, color) in enumerate(shown):
        x = left + place * (right - left) / 3
        _text(page, x, 72, value, 42, weight="bold", color=color)
        _text(page, x, 85, text, 13, va="top")
    if stage.chosen:
        # The name below the number has one line, or two.
        chosen = ("the chosen number", 115) if plots.counts_channels(course) else ("as chosen", 131)
        _text(page, left, chosen[1], chosen[0], 13, weight="bold", color=style.FOUND)


def _charts(figure: Any, blinding: Blinding, number: int) -> None:
    course, doses = _course(blinding), plots.doses_from_nothing(blinding)
    channels, chosen = plots.counts_channels(course), plots.chosen_amount(course)
    left, right = (x / SIZE.width for x in _CHARTS)
    upper, lower = (
        figure.add_axes((left, 1 - bottom / SIZE.height, right - left, (bottom - top) / SIZE.height))
        for top, bottom in ((208, 402), (470, 656))
    )
    found = "channels found" if channels else "directions found"
    for axes, what in ((upper, "recall"), (lower, "loss")):
        plots.curve(axes, doses, what, color=_LINE)
        plots.bar(axes, blinding, what)
        plots.curve(axes, doses[: number + 1], what, color=style.FOUND, label=found)
        axes.plot(*axes.lines[-1].get_xydata()[-1:].T, "o", color=style.FOUND, markersize=9, zorder=3.5)
        if chosen is not None:
            axes.axvline(chosen, color=style.INK, linewidth=0.8, zorder=1)
        axes.grid(axis="y")
        if channels:
            _doubling(axes, [*(dose.amount for dose in doses), plots.random_amount(blinding)])
        else:
            axes.set(xlim=(-4, 106), xticks=range(0, 101, 20))
    upper.set(ylim=(-4, 104), yticks=range(0, 101, 25))
    # A tenth of a point is not to look like a cliff.
    lower.set_ylim(min(-0.1, lower.get_ylim()[0]), max(2, lower.get_ylim()[1]))
    lower.set_xlabel(course.unit)
    recall = _cut(f"Recall of {blinding.label} (%)", _CHARTS[1] - _CHARTS[0], 14)
    lost = blinding.result.loss_name(" on everything else", counted=False)
    upper.set_title(recall, pad=20, parse_math=False)
    lower.set_title(fill(lost[0].upper() + lost[1:], 50), pad=4)
    if chosen is not None:
        # At the right edge it would be cut off.
        side = "right" if chosen > 0.6 * doses[-1].amount else "center"
        weight = "bold" if course.stages[number].chosen else "normal"
        text = f"chosen: {plots.amount_of(course, chosen)}"
        upper.text(chosen, 107, text, ha=side, fontsize=_points(13), weight=weight)
    handles, labels = upper.get_legend_handles_labels()
    place = {"loc": "upper left", "bbox_to_anchor": ((_CHARTS[0] - 46) / SIZE.width, 1 - 128 / SIZE.height)}
    figure.legend(handles, labels, ncols=2, fontsize=_points(13), columnspacing=1.6, **place)


def _doubling(axes: Any, counts: Sequence[int]) -> None:
    """Make x logarithmic, but for 0, which lies as far from 1 as that from 2."""
    axes.set_xscale("symlog", base=2, linthresh=1, linscale=0.5)
    axes.set_xlim(-0.4, max(counts) * 1.25)
    powers = [count for count in sorted(set(counts)) if count & (count - 1) == 0]
    axes.set_xticks(powers, [str(count) for count in powers])
    axes.minorticks_off()


def _mark(page: Any, x: float, y: float, *, seen: bool) -> None:
    """Draw a filled circle for what is seen and a hollow one for what is not, which needs no colours."""
    fill, edge = (style.FOUND, style.FOUND) if seen else ("none", style.RANDOM)
    page.plot([x], [y], "o", markersize=_points(11), markerfacecolor=fill, markeredgecolor=edge, markeredgewidth=1.6)


def _text(page: Any, x: float, y: float, text: str, size: float, **settings: Any) -> None:
    page.text(x, y, text, fontsize=_points(size), parse_math=False, **settings)


def _cut(text: str, width: float, size: float, *, bold: bool = False) -> str:
    # Letters are drawn a little wider than they are measured.
    return shortened(text, int(0.96 * width * TEXT / size), bold=bold)


def _points(pixels: float) -> float:
    return pixels * 72 / _DPI
