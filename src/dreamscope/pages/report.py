"""Report: one page about a blinding that needs nothing beside it, and its numbers as JSON."""

from __future__ import annotations

import json
import math
from collections.abc import Sequence
from html import escape
from pathlib import Path
from typing import Any

from torch import Tensor

from dreamscope import files, images
from dreamscope.dissection.blind import Blinding
from dreamscope.dissection.evaluation import Evaluation
from dreamscope.dissection.intervals import Estimate, share
from dreamscope.errors import DreamscopeError
from dreamscope.figures import plots

MOST_PHOTOS = 60
FEW = 30  # with fewer photos of the class the page says how little that is
_TAKEN = 12
_SIDE = 160  # pixels of a thumbnail: twice what is shown, for sharp screens

# Nothing is fetched and nothing runs, whatever a label or a file is called: browsers keep to this policy.
_META = """<meta charset="utf-8"><meta name="viewport" content="width=device-width, initial-scale=1">
<meta http-equiv="Content-Security-Policy" content="default-src 'none'; img-src data:; style-src 'unsafe-inline'">"""
_STYLE = """
:root { color-scheme: light dark; --ink: #1b1f24; --line: #d9dde2; --paper: #fff; }
@media (prefers-color-scheme: dark) { :root { --ink: #e4e7ea; --line: #363c43; --paper: #15181b; } }
body { margin: 0 auto; max-width: 62rem; padding: 2rem 1.25rem 4rem; background: var(--paper); color: var(--ink);
  font: 1rem/1.5 system-ui, -apple-system, "Segoe UI", Roboto, sans-serif; overflow-wrap: break-word; }
h1 { font-size: clamp(1.3rem, 3.5vw, 1.9rem); line-height: 1.3; font-weight: 400; margin: 0 0 1rem; }
h2 { font-size: 1.15rem; margin: 2.5rem 0 .5rem; } p { max-width: 44rem; margin: .5rem 0; }
.wide { overflow-x: auto; } svg { width: 100%; min-width: 34rem; max-width: 48rem; height: auto; display: block; }
table { border-collapse: collapse; font-variant-numeric: tabular-nums; }
th, td { padding: .3rem 1.2rem .3rem 0; text-align: right; border-bottom: 1px solid var(--line); white-space: nowrap; }
th { font-size: .875rem; vertical-align: bottom; white-space: normal; } .left { text-align: left; }
td.left { white-space: normal; max-width: 22rem; } td.left:not(:has(img)) { min-width: 8.5rem; }
td img { display: block; max-width: 80px; max-height: 80px; border-radius: 3px; }
.bar { display: block; height: .7rem; border-radius: 2px; background: #2477d4; } summary { cursor: pointer; }
pre { font: .875rem/1.45 ui-monospace, Menlo, Consolas, monospace; overflow-x: auto; }
"""


class _Html(str):
    """A text that is HTML already; every other text is escaped where it enters the page."""


def write(blinding: Blinding, path: str | Path) -> Path:
    """Write a page about a blinding (``.html``) and beside it its numbers (``.json``), whole or not at all.

    Raises
    ------
    DreamscopeError
        If `path` is no ``.html``, or one of the two can't be written.
    """
    path = Path(path)
    if path.suffix.lower() != ".html":
        raise DreamscopeError(f"can't write '{path}': a report is a .html, with a .json of the same name beside it")
    beside = path.with_suffix(".json")
    files.ensure_writable(beside)
    text = _page(blinding, content := as_dict(blinding))
    with files.written_whole(path) as page, files.written_whole(beside) as numbers:
        # A file name may hold bytes that are no text.
        page.write_text(text, "utf-8", errors="xmlcharrefreplace")
        numbers.write_text(json.dumps(content, indent=1, allow_nan=False) + "\n", "utf-8")
    return path


def as_dict(blinding: Blinding) -> dict[str, Any]:
    """Return all numbers of a blinding as plain values for JSON; of photos their file names, of folders nothing."""
    r, scores = blinding.result, blinding.scores
    recipe = None if blinding.recipe is None else json.loads(blinding.recipe.to_json())
    same = ("label", "folds", "counts", "curve", "curve_frequency", "random", "frequency")
    content = {
        **{name: getattr(blinding, name) for name in same},
        "verdict": blinding.verdict(),
        "class_index": scores.class_index,
        "model": blinding.model.name,
        "method": scores.method,
        "result": _estimates(r),
        "on_controls": None if blinding.on_controls is None else _estimates(blinding.on_controls),
        "taken_for": [{"label": label, "count": count} for label, count in r.taken_for],
        "worst": r.worst,
        "photos": [{"file": row.path.name, **vars(row)} for row in r.photos],
        "removed": [
            {"address": str(e.address), "score": e.score, "difference": e.difference, "auc": e.auc}
            for e in blinding.removed
        ],
        "agreement": [{"methods": pair, "spearman": value} for pair, value in scores.agreement().items()],
        "unreadable": blinding.unreadable,
        "recipe": recipe,
    }
    return {name: _plain(value) for name, value in content.items()}


def _estimates(result: Evaluation) -> dict[str, Estimate]:
    return {name: value for name, value in vars(result).items() if isinstance(value, Estimate)}


def _plain(value: Any) -> Any:
    """Return numbers, texts, lists and dictionaries: no paths, no pictures, ``None`` for what is not finite."""
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    if isinstance(value, dict):
        return {name: _plain(each) for name, each in value.items() if not isinstance(each, Path | Tensor)}
    if isinstance(value, list | tuple):
        return [_plain(each) for each in value]
    return value if value is None or isinstance(value, str | int) else _plain(vars(value))


def _page(blinding: Blinding, told: dict[str, Any]) -> str:
    opening, _, rest = blinding.verdict().partition(": ")
    label = blinding.label
    # The curve takes its paper and ink from the page.
    curve = plots.dose_curve(blinding).replace(plots.PAPER, "none").replace(plots.INK, "currentColor")
    unreadable = _table(["file", "reason"], [list(each) for each in told["unreadable"].items()], left=2)
    recipe = escape(json.dumps(told["recipe"], indent=2))
    sections = {
        "Before and after": _summary(blinding),
        "Fewer and more channels": f'<div class="wide">{curve}</div>',
        f"Other classes that photos of {label} are taken for now": _taken_for(
            blinding.result.taken_for, len(blinding.result.photos)
        ),
        "Classes that suffer most": _worst(blinding),
        f"The photos of {label}": _photos(blinding),
        "The channels taken away": _removed(blinding),
        "Photos that could not be read": unreadable if told["unreadable"] else "",
        "Recipe": f"<details><summary>Every parameter</summary><pre>{recipe}</pre></details>" if told["recipe"] else "",
    }
    # No text in it can end the element or open another.
    embedded = json.dumps(told, allow_nan=False).replace("<", "\\u003c")
    return (
        f'<!DOCTYPE html>\n<html lang="en">\n<head>\n{_META}\n'
        f"<title>{escape(opening)} ({escape(blinding.model.name)})</title>\n<style>{_STYLE}</style>\n</head>\n<body>\n"
        f"<h1><strong>{escape(opening)}</strong>{escape(f': {rest}' if rest else '')}</h1>\n"
        f"<p>{escape(_measured(blinding))}</p>\n"
        + "".join(f"<h2>{escape(title)}</h2>\n{content}\n" for title, content in sections.items() if content)
        + f'<script type="application/json" id="dreamscope">{embedded}</script>\n</body>\n</html>\n'
    )


def _percent(value: float) -> str:
    return f"{_points(100 * value, 1)}%"


def _points(value: float, digits: int = 2) -> str:
    # Adding 0 makes -0 plain; a real minus sign is as wide as a digit.
    return f"{round(value, digits) + 0.0:.{digits}f}".replace("-", "\u2212")


def _measured(blinding: Blinding) -> str:
    """Say what was measured on what."""
    result, counts, label, folds = blinding.result, blinding.counts, blinding.label, blinding.folds
    count = result.recall_after.count
    said = f"Measured in {blinding.model.name} on {count} photos of {label} and {result.loss.count} of other things. "
    if folds > 1:
        said += f"The photos of {label} were split into {folds} folds: channels were found on all but one of them and "
        said += "measured on that one; the channels listed here were then found on all of them. "
    elif counts["targets to find on"]:
        said += f"The channels were found on other photos: {counts['targets to find on']} of {label} and "
        said += f"{counts['controls to find on']} of other things. "
    if count < FEW:
        said += f"{count} photos are few: one more or less moves recall by {100 / count:.0f} points. "
    return said + "Intervals are 95 % intervals."


def _summary(blinding: Blinding) -> str:
    def row(name: str, before: Estimate | None, after: Estimate, what: str = "") -> list[str]:
        show = _points if what == "loss" else _percent
        doses = [getattr(dose, what) if what and dose else None for dose in (blinding.random, blinding.frequency)]
        beside = [f"{show(each.value)} ({show(each.low)} to {show(each.high)})" if each else "" for each in doses]
        interval = f"{show(after.low)} to {show(after.high)}"
        return [name, show(before.value) if before else "", show(after.value), interval, *beside]

    r, label = blinding.result, blinding.label
    rows = [
        row(f"recall: photos of {label} taken for it", r.recall_before, r.recall_after, "recall"),
        row(f"confidence in {label} on them", r.confidence_before, r.confidence_after),
        row("top-1 on everything else", r.top1_before, r.top1_after),
        row("top-5 on everything else", r.top5_before, r.top5_after),
        row("top-1 lost on everything else (points)", None, r.loss, "loss"),
        row("answers that changed on everything else", None, r.changed),
    ]
    if (controls := blinding.on_controls) is not None:
        rows.append(row("top-1 on the controls", controls.top1_before, controls.top1_after))
        rows.append(row("top-5 on the controls", controls.top5_before, controls.top5_after))
    head = ["", "before", "after", "95 % interval", "as many random channels", "as many by frequency rule"]
    note = "The last two columns have only recall and loss; of the random draws, 95 % lie in the range in brackets."
    return _table(head, rows) + f"<p>{note}</p>"


def _interval(hits: float, count: int) -> str:
    found = share([place < round(hits) for place in range(count)])
    return f"{_percent(found.low)} to {_percent(found.high)}"


def _taken_for(taken: Sequence[tuple[str, int]], count: int) -> str:
    bars = [_Html(f'<span class="bar" style="width:{12 * n / taken[0][1]:.2f}rem"></span>') for _, n in taken[:_TAKEN]]
    rows = [[label, str(n), _interval(n, count), bar] for (label, n), bar in zip(taken, bars, strict=False)]
    if len(taken) > _TAKEN:
        rows.append([f"{len(taken) - _TAKEN} others", str(sum(n for _, n in taken[_TAKEN:])), "", ""])
    return _table(["taken for", "photos", "95 % interval", ""], rows)


def _worst(blinding: Blinding) -> str:
    rows = [
        [
            *(e.label, str(e.count), str(e.right_before), f"{e.right_after:g}"),
            *(_interval(e.right_after, e.count), _percent(e.confidence_lost)),
        ]
        for e in blinding.result.worst
        if e.right_after < e.right_before or e.confidence_lost > 0
    ]
    return _table(["class", "photos", "right before", "right after", "95 % interval", "confidence lost"], rows)


def _photos(blinding: Blinding) -> str:
    photos, rows = blinding.result.photos, []
    for row in photos[:MOST_PHOTOS]:
        answers = [f"{row.before} {_percent(row.confidence_before)}", f"{row.after} {_percent(row.confidence_after)}"]
        mark = "\u25cf still seen" if row.still else "\u25cb blind"
        rows.append([_thumbnail(row.path, row.path.name), row.path.name, *answers, mark])
    some = f"<p>The first {MOST_PHOTOS} of {len(photos)}.</p>" if len(photos) > MOST_PHOTOS else ""
    return some + _table(["photo", "file", "before", "after", "now"], rows, left=5)


def _removed(blinding: Blinding) -> str:
    rows = []
    for each in blinding.removed:
        patch = "" if each.patch is None else _thumbnail(each.patch, f"what excites {each.address}")
        rows.append([patch, str(each.address), f"{each.score:.3g}", _points(each.difference), _points(each.auc)])
    score = f"score ({blinding.scores.method})"
    return _table(["best patch", "channel", score, "standardised difference", "AUC"], rows, left=2)


def _table(head: Sequence[str], rows: Sequence[Sequence[str]], left: int = 1) -> str:
    def line(kind: str, cells: Sequence[str]) -> str:
        told = [each if isinstance(each, _Html) else escape(each) for each in cells]
        marks = [' class="left"' if column < left else "" for column in range(len(told))]
        return "<tr>" + "".join(f"<{kind}{m}>{t}</{kind}>" for m, t in zip(marks, told, strict=True)) + "</tr>\n"

    if not rows:
        return "<p>None.</p>"
    return f'<div class="wide"><table>\n{line("th", head)}{"".join(line("td", row) for row in rows)}</table></div>'


def _thumbnail(source: Path | Tensor, name: str) -> _Html:
    """Return a small picture as an element."""
    try:
        picture = images.to_pil(images.read(source))
    except DreamscopeError:
        return _Html("gone")
    picture.thumbnail((_SIDE, _SIDE))
    return _Html(f'<img alt="{escape(name)}" src="{images.data_uri(picture, quality=82)}">')
