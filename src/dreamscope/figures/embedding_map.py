"""Scatter: a map of photos as a picture, and as one page to zoom into that needs nothing beside it."""

from __future__ import annotations

import io
import json
import math
from base64 import b64encode
from collections.abc import Mapping, Sequence
from hashlib import sha256
from html import escape
from pathlib import Path
from textwrap import shorten
from typing import Any

import numpy as np
from PIL import Image

from dreamscope import files, images
from dreamscope.errors import DreamscopeError
from dreamscope.exploration.embedding import Embedding
from dreamscope.exploration.knn import Agreement

INK, PAPER = "#1b1f24", "#ffffff"
COLORS = (
    *("#2477d4", "#d0640f", "#1a8f5a", "#c2397a", "#7a52c7", "#a98600", "#0f8fa3", "#8a5a3c", "#d43a3a", "#5f7f1f"),
)
"""Of the labels with the most photos; all others share one gray."""
OTHERS = "#80868e"

_ACROSS = (12, 36)  # thumbnails that would stand side by side over the longer side of the picture: few photos, many


def colors(embedding: Embedding) -> Mapping[str, str]:
    """Return the colours of the labels that have one: those with the most photos, of two or more."""
    frequent = [label for label, count in embedding.counts.items() if count > 1]
    return dict(zip(frequent, COLORS, strict=False))


def picture(embedding: Embedding, path: str | Path) -> Path:
    """Draw a map: thumbnails framed in their label's colour; where there is no room for one, a dot.

    Raises
    ------
    DreamscopeError
        If `path` is no ``.png``, ``.jpg`` or ``.webp`` or can't be written.
    """
    from matplotlib import style
    from matplotlib.figure import Figure
    from matplotlib.patches import Rectangle

    path = Path(path)
    images.ensure_format(path)
    files.ensure_writable(path)
    places = np.array([(point.x, point.y) for point in embedding.points])
    side = max(np.ptp(places, axis=0).max(), 1e-9) / min(max(2 * math.sqrt(len(places)), _ACROSS[0]), _ACROSS[1])
    chosen, told = colors(embedding), [point.label for point in embedding.points]
    paints = [chosen.get(label or "", OTHERS) for label in told]
    with style.context(["default", {"font.family": "DejaVu Sans", "font.size": 10, "text.color": INK}]):
        low, high = places.min(0) - side, places.max(0) + side
        wide, tall = np.clip((high - low) / (high - low).max(), 0.5, 1)
        # What stands above and below takes about an inch.
        figure = Figure(figsize=(13 * wide + 0.3, 13 * tall + 1), layout="constrained", facecolor=PAPER)
        axes = figure.subplots()
        # The rarest first, or a few of one label would vanish under many of another; those without a colour last.
        order = sorted(range(len(told)), key=lambda number: _rarity(embedding, chosen, told[number]))
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
        axes.scatter(places[rest, 0], places[rest, 1], s=14, c=dots, edgecolors=PAPER, linewidths=0.4, zorder=4)
        axes.set(xlim=(low[0], high[0]), ylim=(low[1], high[1]), aspect="equal", xticks=[], yticks=[])
        axes.spines[:].set_edgecolor(OTHERS)
        if embedding.axes is not None:
            axes.set(xlabel=embedding.axes[0], ylabel=embedding.axes[1])
        _legend(figure, embedding, chosen)
        figure.suptitle(_title(embedding), x=0.01, ha="left", fontsize=13, fontweight="bold", parse_math=False)
        held = io.BytesIO()
        figure.savefig(held, format="png", dpi=130)
    note = None if embedding.recipe is None else embedding.recipe.to_json()
    return images.write(images.read(Image.open(held)), path, note=note)


def page(embedding: Embedding, path: str | Path) -> Path:
    """Write a map as one ``.html`` to zoom into; it fetches nothing and holds no folders.

    Raises
    ------
    DreamscopeError
        If `path` is no ``.html`` or can't be written.
    """
    path = Path(path)
    if path.suffix.lower() != ".html":
        raise DreamscopeError(f"a map to zoom into is a .html, not '{path.name}'")
    text = _html(embedding)
    with files.written_whole(path) as temporary:
        # A file name may hold bytes that are no text.
        temporary.write_text(text, "utf-8", errors="xmlcharrefreplace")
    return path


def _rarity(embedding: Embedding, chosen: Mapping[str, str], label: str | None) -> float:
    return embedding.counts[label] if label is not None and label in chosen else math.inf


def _with_room(places: np.ndarray[Any, Any], order: Sequence[int], side: float) -> list[int]:
    """Return the photos, asked in that order, whose thumbnails can be shown without hiding most of one another."""
    taken: dict[tuple[int, int], list[int]] = {}
    shown = []
    for number in order:
        column, row = (math.floor(value / side) for value in places[number])
        near = [
            other
            for right in (-1, 0, 1)
            for up in (-1, 0, 1)
            for other in taken.get((column + right, row + up), [])
            if np.abs(places[other] - places[number]).max() < 0.7 * side
        ]
        if not near:
            taken.setdefault((column, row), []).append(number)
            shown.append(number)
    return shown


def _legend(figure: Any, embedding: Embedding, chosen: Mapping[str, str]) -> None:
    from matplotlib.lines import Line2D

    rows = [(shorten(label, 40, placeholder=" ..."), paint, embedding.counts[label]) for label, paint in chosen.items()]
    rest = len(embedding.points) - sum(count for _, _, count in rows)
    if rest:
        rows.append(("others" if rows else "photos", OTHERS, rest))
    handles = [
        # A dollar sign would start a formula.
        Line2D([], [], marker="o", linestyle="", color=paint, label=f"{name} ({count})".replace("$", r"\$"))
        for name, paint, count in rows
    ]
    figure.legend(handles=handles, loc="outside lower left", ncols=6, frameon=False, columnspacing=1.4)


def _title(embedding: Embedding) -> str:
    name = "a network" if embedding.recipe is None else embedding.recipe.model.get("name", "a network")
    return f"{len(embedding.points)} photos at {embedding.layer} of {name}, by {embedding.method}"


def _html(embedding: Embedding) -> str:
    chosen = colors(embedding)
    points = []
    for point, small in zip(embedding.points, embedding.thumbnails, strict=True):
        taken = point.prediction
        points.append(
            {
                "x": point.x,
                "y": point.y,
                "file": point.photo.path.name,
                "label": point.label,
                "taken": None if taken is None else f"{taken.label} {100 * taken.probability:.1f}%",
                "color": chosen.get(point.label or "", OTHERS),
                "src": _thumbnail(small.permute(1, 2, 0).numpy()),
            }
        )
    # No text in it can end the element or open another.
    data = json.dumps(points, allow_nan=False).replace("<", "\\u003c")
    script = Path(__file__).with_suffix(".js").read_text("utf-8")
    # Only this script runs, whatever a label or a file is called: browsers keep to this policy.
    digest = b64encode(sha256(script.encode()).digest()).decode()
    policy = f"default-src 'none'; img-src data:; style-src 'unsafe-inline'; script-src 'sha256-{digest}'"
    title = escape(_title(embedding))
    axes = "" if embedding.axes is None else f"<p>{escape(f'{embedding.axes[0]}; {embedding.axes[1]}')}</p>"
    return (
        '<!DOCTYPE html>\n<html lang="en">\n<head>\n<meta charset="utf-8">'
        '<meta name="viewport" content="width=device-width, initial-scale=1">\n'
        f'<meta http-equiv="Content-Security-Policy" content="{policy}">\n'
        f"<title>{title}</title>\n<style>{_STYLE}</style>\n</head>\n<body>\n<h1>{title}</h1>\n"
        '<div id="map"><canvas tabindex="0" aria-label="The map: scroll or + and - to zoom, drag or arrow keys to '
        'move, 0 for all of it"></canvas><div id="tip" hidden><img alt=""><span></span></div></div>\n'
        f"{_keys(embedding, chosen)}{axes}{_told(embedding)}\n"
        "<details><summary>Every parameter</summary>"
        f"<pre>{escape(embedding.recipe.to_json(indent=2) if embedding.recipe else '')}</pre></details>\n"
        f'<script type="application/json" id="points">{data}</script>\n<script>{script}</script>\n</body>\n</html>\n'
    )


def _keys(embedding: Embedding, chosen: Mapping[str, str]) -> str:
    keys = [
        f'<button type="button" data-label="{escape(label)}"><i style="background:{paint}"></i>{escape(label)} '
        f"({embedding.counts[label]})</button>"
        for label, paint in chosen.items()
    ]
    find = '<input type="search" placeholder="find a label or a file" aria-label="find a label or a file" />'
    return f'<div id="keys">{find}{"".join(keys)}</div>\n'


def _told(embedding: Embedding) -> str:
    """Return how far neighbours agree with labels, as a table."""
    if not embedding.features.count:
        return "<p>No two photos have the same label, so neighbours can't agree with labels.</p>"

    def row(name: str, count: int, feature: float, plane: float) -> str:
        shares = "".join(f"<td>{100 * share:.0f} %</td>" for share in (feature, plane))
        return f"<tr><td>{escape(name)}</td><td>{count}</td>{shares}</tr>"

    features, plane = embedding.features, embedding.plane
    rows = [row("all of these", features.count, features.overall, plane.overall)]
    rows += [row(name, embedding.counts[name], features.labels[name], plane.labels[name]) for name in features.labels]
    return (
        f"<p>{escape(explained(features))}</p>\n<table><tr><th>label</th><th>photos</th><th>in the features</th>"
        f"<th>on the map</th></tr>{''.join(rows)}</table>"
    )


def explained(agreement: Agreement) -> str:
    """Say what the shares mean."""
    return (
        f"Photos whose label is that of most of their {agreement.k} nearest neighbours "
        f"({agreement.count} photos that share their label with another)"
    )


def _thumbnail(pixels: np.ndarray[Any, Any]) -> str:
    from PIL import Image

    return images.data_uri(Image.fromarray(pixels), quality=80)


_STYLE = """
:root { color-scheme: light dark; --ink: #1b1f24; --line: #d9dde2; --paper: #fff; }
@media (prefers-color-scheme: dark) { :root { --ink: #e4e7ea; --line: #363c43; --paper: #15181b; } }
body { margin: 0; padding: 1rem 1.25rem 3rem; background: var(--paper); color: var(--ink);
  font: 1rem/1.5 system-ui, -apple-system, "Segoe UI", Roboto, sans-serif; overflow-wrap: break-word; }
h1 { font-size: 1.15rem; margin: 0 0 .75rem; }
#map { position: relative; height: min(78vh, 60rem); border: 1px solid var(--line); border-radius: 4px;
  overflow: hidden; }
canvas { width: 100%; height: 100%; display: block; cursor: grab; touch-action: none; }
#tip { position: absolute; pointer-events: none; background: var(--paper); border: 1px solid var(--line);
  border-radius: 4px; padding: .4rem; font-size: .875rem; line-height: 1.35; white-space: pre-line; max-width: 16rem; }
#tip[hidden] { display: none; } #tip img { display: block; width: 128px; height: 128px; margin-bottom: .3rem; }
#keys { display: flex; flex-wrap: wrap; gap: .4rem; margin: .75rem 0; }
#keys button, #keys input { font: inherit; font-size: .875rem; padding: .15rem .6rem; color: inherit;
  background: none; border: 1px solid var(--line); border-radius: 4px; }
#keys button[aria-pressed=true] { border-color: var(--ink); }
#keys i { display: inline-block; width: .7rem; height: .7rem; border-radius: 50%; margin-right: .4rem; }
table { border-collapse: collapse; font-variant-numeric: tabular-nums; }
th, td { padding: .25rem 1.2rem .25rem 0; text-align: right; border-bottom: 1px solid var(--line); }
th:first-child, td:first-child { text-align: left; } summary { cursor: pointer; margin-top: 1rem; }
pre { font: .875rem/1.45 ui-monospace, Menlo, Consolas, monospace; overflow-x: auto; }
"""
