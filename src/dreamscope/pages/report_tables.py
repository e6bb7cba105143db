"""The tables of a report: rows of text, each number with its interval."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from dreamscope.dissection.arms import CHOSEN, DELETED, FREQUENCY, INTACT
from dreamscope.dissection.blinding import Blinding
from dreamscope.dissection.evaluation import Evaluation
from dreamscope.dissection.intervals import Estimate, share
from dreamscope.dissection.shares import are_few, loss_interval, loss_text, share_interval, share_text
from dreamscope.dissection.trials import Trial
from dreamscope.pages import environment
from dreamscope.pages.environment import decimal, percent
from dreamscope.visualization.result import Visualization

_MOST_LABELS = 12
_PATCH_SIDE = 160  # pixels: twice what is shown, for sharp screens


@dataclass(frozen=True)
class Cell:
    """A number, and its interval below it."""

    value: str
    interval: str = ""


def figures(blinding: Blinding) -> list[dict[str, str]]:
    """Return the numbers that matter most."""
    r, design, intact, chosen = blinding.result, blinding.design, blinding.intact, blinding.chosen
    of = "" if are_few(r.recall_after.count) else f"of {r.recall_after.count} "
    note = f"{of}photos of {blinding.label}; {_now(r.recall_after)}"
    rows = [("recognised (recall)", _from_to(r.recall_before, r.recall_after), note)]
    if intact.robust is not None and chosen.robust is not None:
        rows.append(
            (
                "robust recall",
                _from_to(intact.robust, chosen.robust),
                f"mirrored, cropped, brighter, darker or blurred; {_now(chosen.robust)}",
            )
        )
    features = design.read_at[-1]
    if features in chosen.readouts:
        before, after = (trial.readouts[features].recall() for trial in (intact, chosen))
        note = f"at 1% false alarms; {_now(after)}"
        rows.append(("found by a fresh probe", _from_to(before, after), note))
    rows.append(_cost(r))
    rows.append(_taken(blinding))
    return [{"name": name, "value": value, "note": note} for name, value, note in rows]


def _cost(result: Evaluation) -> tuple[str, str, str]:
    few, of = are_few(result.loss.count), f"of {result.loss.count} photos; "
    if not result.labelled:
        interval = share_interval(result.changed)
        value = share_text(result.changed.value, result.changed.count)
        return "answers changed on everything else", value, _now(result.changed) if few else of + interval
    lost = _loss(result.loss, result.loss.count)
    note = f"among many it may be {lost.interval}" if few else of + lost.interval
    return result.loss_name(" on everything else"), lost.value, note


def _now(estimate: Estimate) -> str:
    return f"{'among many it may be' if are_few(estimate.count) else 'now'} {share_interval(estimate)}"


def _from_to(before: Estimate, after: Estimate) -> str:
    first = share_text(before.value, before.count)
    # "5 → 0 of 5"
    first = first.partition(" of ")[0] if before.count == after.count else first
    return f"{first} → {share_text(after.value, after.count)}"


def _taken(blinding: Blinding) -> tuple[str, str, str]:
    erased = sum(each.number is not None for each in blinding.removed)
    channels = len(blinding.removed) - erased
    layers = len({each.address.layer for each in blinding.removed})
    name = " and ".join(
        each for each, count in (("channels removed", channels), ("directions erased", erased)) if count
    )
    value = " + ".join(str(count) for count in (channels, erased) if count)
    where = f"at {layers} layer{'s' * (layers != 1)} of {blinding.model.name}"
    return name or "channels or directions removed", value or "0", where


def trials(blinding: Blinding) -> list[dict[str, Any]]:
    """Return one row for each trial: its name, and whether it is the edit itself."""
    r, features = blinding.result, blinding.design.read_at[-1]
    rows = []
    for trial in blinding.trials:
        readout = trial.readouts.get(features)
        # An estimate from several draws counts those, not photos.
        rows.append(
            {
                "name": _name(trial),
                "mine": trial.name == CHOSEN[0],
                "cells": [
                    _share(trial.recall, r.recall_after.count),
                    _share(trial.robust),
                    Cell(loss_text(0, r.loss.count)) if trial.name == INTACT[0] else _loss(trial.loss, r.loss.count),
                    _share(None if readout is None else readout.recall()),
                    _number(None if readout is None else readout.area(), 3),
                ],
            }
        )
    return rows


def _name(trial: Trial) -> str:
    return {
        INTACT[0]: "as it was",
        DELETED: "the class's output deleted",
        FREQUENCY[0]: f"{trial.number} channel{'s' * (trial.number != '1')} by the frequency rule",
        CHOSEN[0]: "this edit",
    }.get(trial.name, trial.title)


def _share(estimate: Estimate | None, count: int | None = None) -> Cell:
    if estimate is None:
        return Cell("–")
    number = estimate.count if count is None else count
    interval = share_interval(estimate, 1)
    # With 10 photos and more both are in percent.
    interval = interval if are_few(number) else interval.replace("%", "", 1)
    return Cell(share_text(estimate.value, number, 1), interval)


def _loss(estimate: Estimate, count: int) -> Cell:
    return Cell(
        *(text.replace("-", "\u2212") for text in (loss_text(estimate.value, count), loss_interval(estimate, count)))
    )


def _number(estimate: Estimate | None, digits: int = 2) -> Cell:
    if estimate is None:
        return Cell("–")
    return Cell(decimal(estimate.value, digits), f"{decimal(estimate.low, digits)} to {decimal(estimate.high, digits)}")


def readouts(blinding: Blinding) -> tuple[list[str], list[dict[str, Any]]]:
    """Return the names of the trials, and for each layer the share found, with its interval, and the area."""
    shown = [trial for trial in blinding.trials if trial.readouts and trial.name != DELETED]
    rows = []
    for layer in blinding.intact.readouts:
        cells = []
        for trial in shown:
            readout = trial.readouts.get(layer)
            found, area = (None, None) if readout is None else (readout.recall(), readout.area())
            cell = _share(found)
            cells.append(Cell(cell.value, cell.interval and f"{cell.interval}, area {_number(area, 3).value}"))
        rows.append({"name": layer, "mine": layer in blinding.design.read_at, "cells": cells})
    return [_name(trial) for trial in shown], rows


def answers(blinding: Blinding) -> list[dict[str, Any]]:
    """Return what was said before and after, beyond recall and loss."""
    r, label = blinding.result, blinding.label
    rows: list[tuple[str, Estimate | None, Estimate, Callable[[Estimate], Cell]]] = [
        (f"confidence in {label} on its photos", r.confidence_before, r.confidence_after, _confidence),
        ("right on everything else (top-1)", r.top1_before, r.top1_after, _share),
        ("right among the first five (top-5)", r.top5_before, r.top5_after, _share),
        ("answers changed on everything else", None, r.changed, _share),
    ]
    return [
        {
            "name": name,
            "mine": False,
            "cells": [Cell("") if before is None else show(before), show(after), Cell(str(after.count))],
        }
        for name, before, after, show in rows
    ]


def _confidence(estimate: Estimate) -> Cell:
    # A mean of probabilities is no count.
    return _share(estimate, 0)


def splits(blinding: Blinding) -> list[list[str]]:
    """Return how many photos served what purpose."""
    counts, folds = blinding.design.counts, blinding.design.folds
    each = " in each fold" if folds > 1 else ""
    halves = "halves of the measured ones"

    def to(purpose: str) -> str:
        count = counts[purpose]
        return f"{count}{each}" if count else "none"

    return [
        [
            f"photos of {blinding.label}",
            to("targets to find on"),
            to("targets to train probes on") if counts["targets to train probes on"] else halves,
            str(counts["targets to measure on"]),
        ],
        ["photos of other things", to("controls to find on"), halves, str(counts["others to measure on"])],
    ]


def _wilson(hits: float, count: int) -> str:
    found = share([place < round(hits) for place in range(count)])
    return f"{percent(found.low, 1)} to {percent(found.high, 1)}"


def taken_for(labels: Sequence[tuple[str, int]], count: int) -> list[dict[str, Any]]:
    """Return what photos of the class are taken for now, each with its share of the most frequent one."""
    rows: list[dict[str, Any]] = [
        {"label": label, "count": n, "interval": _wilson(n, count), "share": n / labels[0][1]}
        for label, n in labels[:_MOST_LABELS]
    ]
    if rest := labels[_MOST_LABELS:]:
        rows.append({"label": f"{len(rest)} others", "count": sum(n for _, n in rest), "interval": "", "share": None})
    return rows


def worst(blinding: Blinding) -> list[list[str]]:
    """Return the classes that lost most."""
    return [
        [
            *(e.label, str(e.count), str(e.right_before), f"{e.right_after:g}"),
            *(_wilson(e.right_after, e.count), percent(e.confidence_lost, 1)),
        ]
        for e in blinding.result.worst
        if e.right_after < e.right_before or e.confidence_lost > 0
    ]


def removed(blinding: Blinding, pictures: Sequence[Visualization] = ()) -> dict[str, list[dict[str, Any]]]:
    """Return the channels and the directions that were taken away, the first of them with what excites them."""
    rows = [
        {
            "has_patch": each.patch is not None,
            "image": None if each.patch is None else environment.picture(each.patch, longest=_PATCH_SIDE),
            "drawn": None if picture is None else environment.picture(picture.image, quality=88),
            # Along a direction 0 is the mean of photos of other things.
            "silent": picture is not None and (picture.silent or (each.number is not None and picture.reached <= 0)),
            "address": str(each.address),
            "number": each.number,
            "score": f"{each.score:.3g}",
            "difference": decimal(each.difference),
            "auc": decimal(each.auc),
        }
        for each, picture in zip(blinding.removed, [*pictures, *[None] * len(blinding.removed)], strict=False)
    ]
    return {
        "channels": [row for row in rows if row["number"] is None],
        "directions": [row for row in rows if row["number"] is not None],
    }
