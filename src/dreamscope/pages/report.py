"""The report of a blinding: one page about it that needs nothing beside it, and its numbers as JSON."""

from __future__ import annotations

import json
import math
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from markupsafe import Markup
from torch import Tensor

from dreamscope import files
from dreamscope.dissection.blind import Blinding
from dreamscope.dissection.evaluation import Evaluation
from dreamscope.dissection.intervals import Estimate, share
from dreamscope.figures import plots, style
from dreamscope.pages import environment
from dreamscope.pages.environment import decimal, percent

MOST_PHOTOS = 60
"""Photos of the class that are shown."""
FEW = 30
"""With fewer photos of the class the page says how little that is."""

_MOST_LABELS = 12
_SIDE = 320  # pixels of a photo, and of a patch: twice what is shown, for sharp screens
_PATCH_SIDE = 160


def write(blinding: Blinding, path: str | Path) -> Path:
    """Write a page about a blinding (``.html``) and beside it its numbers (``.json``), whole or not at all.

    Raises
    ------
    DreamscopeError
        If `path` is no ``.html``, or one of the two can't be written.
    """
    path = environment.ensure_page(path)
    beside = files.ensure_writable(path.with_suffix(".json"))
    content = as_dict(blinding)
    text = _page(blinding, content)
    with files.written_whole(beside) as numbers:
        numbers.write_text(json.dumps(content, indent=1, allow_nan=False) + "\n", "utf-8")
        # Before the numbers are in their place: both or none.
        environment.write(text, path)
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


def _estimates(result: Evaluation) -> dict[str, Estimate | int]:
    return {name: value for name, value in vars(result).items() if isinstance(value, Estimate | int)}


def _plain(value: Any) -> Any:
    """Return numbers, texts, lists and dictionaries: no paths, no pictures, ``None`` for what is not finite."""
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    if isinstance(value, dict):
        return {name: _plain(each) for name, each in value.items() if not isinstance(each, Path | Tensor)}
    if isinstance(value, list | tuple):
        return [_plain(each) for each in value]
    return value if value is None or isinstance(value, str | int) else _plain(vars(value))


def _page(blinding: Blinding, numbers: dict[str, Any]) -> str:
    opening, _, verdict = blinding.verdict().partition(": ")
    # The curve takes its paper and ink from the page.
    curve = plots.dose_curve(blinding).replace(style.PAPER, "none").replace(style.INK, "currentColor")
    return environment.render(
        "report",
        opening=opening,
        verdict=verdict[:1].upper() + verdict[1:],
        label=blinding.label,
        model=blinding.model.name,
        method=blinding.scores.method,
        figures=_figures(blinding),
        measured=_measured(blinding),
        summary=_summary(blinding),
        curve=Markup(curve),
        taken_for=_taken_for(blinding.result.taken_for, len(blinding.result.photos)),
        worst=_worst(blinding),
        photos=_photos(blinding),
        more_photos=max(0, len(blinding.result.photos) - MOST_PHOTOS),
        removed=_removed(blinding),
        unreadable=numbers["unreadable"],
        recipe_json=json.dumps(numbers["recipe"], indent=2) if numbers["recipe"] else "",
        numbers=numbers,
    )


def _figures(blinding: Blinding) -> list[dict[str, str]]:
    """Return the numbers that matter most."""
    r, random = blinding.result, blinding.random
    rows = (
        (
            f"recall of {blinding.label}",
            f"{percent(r.recall_before.value)} \u2192 {percent(r.recall_after.value)}",
            f"{r.recall_after.count} photos; {percent(random.recall.value)} with as many random channels",
        ),
        (
            r.loss_name(" on everything else"),
            decimal(r.loss.value),
            f"{r.loss.count} photos; {decimal(random.loss.value)} with as many random channels",
        ),
        (
            "channels removed",
            str(len(blinding.removed)),
            f"in {blinding.model.name}; method: {blinding.scores.method}",
        ),
    )
    return [{"name": name, "value": value, "note": note} for name, value, note in rows]


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
    return said + "Intervals are 95% intervals."


def _summary(blinding: Blinding) -> list[list[str]]:
    def row(name: str, before: Estimate | None, after: Estimate, what: str = "") -> list[str]:
        def show(value: float) -> str:
            return decimal(value) if what == "loss" else percent(value, 1)

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
        row(r.loss_name(" on everything else"), None, r.loss, "loss"),
        row("predictions changed on everything else", None, r.changed),
    ]
    if (controls := blinding.on_controls) is not None:
        rows.append(row("top-1 on the controls", controls.top1_before, controls.top1_after))
        rows.append(row("top-5 on the controls", controls.top5_before, controls.top5_after))
    return rows


def _interval(hits: float, count: int) -> str:
    found = share([place < round(hits) for place in range(count)])
    return f"{percent(found.low, 1)} to {percent(found.high, 1)}"


def _taken_for(labels: Sequence[tuple[str, int]], count: int) -> list[dict[str, Any]]:
    rows: list[dict[str, Any]] = [
        {"label": label, "count": n, "interval": _interval(n, count), "share": n / labels[0][1]}
        for label, n in labels[:_MOST_LABELS]
    ]
    if rest := labels[_MOST_LABELS:]:
        rows.append({"label": f"{len(rest)} others", "count": sum(n for _, n in rest), "interval": "", "share": None})
    return rows


def _worst(blinding: Blinding) -> list[list[str]]:
    return [
        [
            *(e.label, str(e.count), str(e.right_before), f"{e.right_after:g}"),
            *(_interval(e.right_after, e.count), percent(e.confidence_lost, 1)),
        ]
        for e in blinding.result.worst
        if e.right_after < e.right_before or e.confidence_lost > 0
    ]


def _photos(blinding: Blinding) -> list[dict[str, Any]]:
    return [
        {
            "image": environment.picture(row.path, longest=_SIDE),
            "file": row.path.name,
            "before": f"{row.before} {percent(row.confidence_before, 1)}",
            "after": f"{row.after} {percent(row.confidence_after, 1)}",
            "seen": row.still,
        }
        for row in blinding.result.photos[:MOST_PHOTOS]
    ]


def _removed(blinding: Blinding) -> list[dict[str, Any]]:
    return [
        {
            "has_patch": each.patch is not None,
            "image": None if each.patch is None else environment.picture(each.patch, longest=_PATCH_SIDE),
            "address": str(each.address),
            "score": f"{each.score:.3g}",
            "difference": decimal(each.difference),
            "auc": decimal(each.auc),
        }
        for each in blinding.removed
    ]
