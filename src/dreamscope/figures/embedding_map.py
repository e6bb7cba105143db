"""The picture of a map: photos as thumbnails where they lie in feature space."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path
from textwrap import shorten
from typing import Any

import numpy as np

from dreamscope import files, images
from dreamscope.errors import ensure_one_of
from dreamscope.exploration.embedding import Embedding
from dreamscope.exploration.knn import Agreement
from dreamscope.figures import style
from dreamscope.recipes import note_of

COLORS = (
    *("#2477d4", "#d0640f", "#1a8f5a", "#c2397a", "#7a52c7", "#a98600", "#0f8fa3", "#8a5a3c", "#d43a3a", "#5f7f1f"),
)
"""Of the labels with the most photos; all others share one gray."""
OTHERS = "#80868e"

_ACROSS = (12, 36)  # thumbnails that would stand side by side over the longer side of the picture: few photos, many


GROUPS = ("label", "answer")
"""What colours may mean: what is on the photos, if that is known, or what the network takes them for."""


def named(embedding: Embedding, by: str = GROUPS[0]) -> list[str | None]:
    """Return each photo's label or answer, ``None`` where there is none."""
    ensure_one_of(by, GROUPS, "meaning of colours")
    if by == "label":
        return [point.label for point in embedding.points]
    return [None if point.prediction is None else point.prediction.label for point in embedding.points]


def counted(embedding: Embedding, by: str = GROUPS[0]) -> Mapping[str, int]:
    """Return how many photos have each label or answer, the most frequent first."""
    if by == "label":
        return embedding.counts
    return dict(Counter(name for name in named(embedding, by) if name is not None).most_common())


def colors(embedding: Embedding, by: str = GROUPS[0]) -> Mapping[str, str]:
    """Return the colours of the labels or answers that have one: those with the most photos, of two or more."""
    frequent = [name for name, count in counted(embedding, by).items() if count > 1]
    return dict(zip(frequent, COLORS, strict=False))


def picture(embedding: Embedding, path: str | Path, *, by: str = GROUPS[0]) -> Path:
    """Draw a map: thumbnails in the colour of their label, or `by` their answer; where there is no room for one, a dot.

    Raises
    ------
    DreamscopeError
        If `path` is no ``.png``, ``.jpg`` or ``.webp`` or can't be written.
    """
    from matplotlib.patches import Rectangle

    path = Path(path)
    images.ensure_format(path)
    files.ensure_writable(path)
    places = np.array([(point.x, point.y) for point in embedding.points])
    side = max(np.ptp(places, axis=0).max(), 1e-9) / min(max(2 * math.sqrt(len(places)), _ACROSS[0]), _ACROSS[1])
    chosen, counts, labels = colors(embedding, by), counted(embedding, by), named(embedding, by)
    paints = [chosen.get(label or "", OTHERS) for label in labels]
    low, high = places.min(0) - side, places.max(0) + side
    wide, tall = np.clip((high - low) / (high - low).max(), 0.5, 1)
    # What stands above and below takes about an inch.
    settings: dict[str, Any] = {"font.size": 10, "figure.constrained_layout.use": True, "figure.facecolor": style.PAPER}
    with style.canvas(13 * wide + 0.3, 13 * tall + 1, plain=True, **settings) as figure:
        axes = figure.subplots()
        # The rarest first, or a few of one label would vanish under many of another; those without a colour last.
        order = sorted(range(len(labels)), key=lambda number: _rarity(counts, chosen, labels[number]))
        shown = _with_room(places, order, side)
        for number in shown:
            (x, y), half = places[number], side / 2
            pixels = embedding.thumbnails[number].permute(1, 2, 0).numpy()
            axes.imshow(pixels, extent=(x - half, x + half, y - half, y + half), zorder=2)
            axes.add_patch(
                Rectangle((x - half, y - half), side, side, fill=False, edgecolor=paints[number], lw=1.6, zorder=3)
            )
        rest = sorted({*range(len(places))} - {*shown})
        dots = [paints[number] for number in rest]
        axes.scatter(places[rest, 0], places[rest, 1], s=14, c=dots, edgecolors=style.PAPER, linewidths=0.4, zorder=4)
        axes.set(xlim=(low[0], high[0]), ylim=(low[1], high[1]), aspect="equal", xticks=[], yticks=[])
        axes.spines[:].set_edgecolor(OTHERS)
        if embedding.axes is not None:
            axes.set(xlabel=embedding.axes[0], ylabel=embedding.axes[1])
        _legend(figure, counts, chosen, len(labels))
        figure.suptitle(title(embedding), x=0.01, ha="left", fontsize=13, fontweight="bold", parse_math=False)
        image = style.drawn(figure, 130)
    return images.write(image, path, note=note_of(embedding.recipe))


def _rarity(counts: Mapping[str, int], chosen: Mapping[str, str], label: str | None) -> float:
    return counts[label] if label is not None and label in chosen else math.inf


def _with_room(places: np.ndarray[Any, Any], order: Sequence[int], side: float) -> list[int]:
    """Return the photos, asked in that order, whose thumbnails can be shown without hiding most of one another."""
    occupied: dict[tuple[int, int], list[int]] = {}
    shown = []
    for number in order:
        column, row = (math.floor(value / side) for value in places[number])
        near = [
            other
            for right in (-1, 0, 1)
            for up in (-1, 0, 1)
            for other in occupied.get((column + right, row + up), [])
            if np.abs(places[other] - places[number]).max() < 0.7 * side
        ]
        if not near:
            occupied.setdefault((column, row), []).append(number)
            shown.append(number)
    return shown


def _legend(figure: Any, counts: Mapping[str, int], chosen: Mapping[str, str], total: int) -> None:
    from matplotlib.lines import Line2D

    rows = [(shorten(label, 40, placeholder=" ..."), paint, counts[label]) for label, paint in chosen.items()]
    rest = total - sum(count for _, _, count in rows)
    if rest:
        rows.append(("others" if rows else "photos", OTHERS, rest))
    handles = [
        # A dollar sign would start a formula.
        Line2D([], [], marker="o", linestyle="", color=paint, label=f"{name} ({count})".replace("$", r"\$"))
        for name, paint, count in rows
    ]
    figure.legend(handles=handles, loc="outside lower left", ncols=6, frameon=False, columnspacing=1.4)


def title(embedding: Embedding) -> str:
    """Return one line about a map."""
    name = "a network" if embedding.recipe is None else embedding.recipe.model.get("name", "a network")
    return f"{len(embedding.points)} photos at {embedding.layer} of {name}, by {embedding.method}"


def explained(agreement: Agreement) -> str:
    """Say what the shares mean."""
    return (
        f"Photos whose label is that of most of their {agreement.k} nearest neighbours "
        f"({agreement.count} photos that share their label with another)"
    )
