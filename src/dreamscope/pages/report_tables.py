"""The tables of a report: rows of text, each number with its interval."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from dreamscope.dissection.blinding import Blinding
from dreamscope.dissection.intervals import Estimate, share
from dreamscope.dissection.trials import CHOSEN, DELETED, FREQUENCY, INTACT, RANDOM_CHANNELS, RANDOM_DIRECTIONS, Trial
from dreamscope.pages import environment
from dreamscope.pages.environment import decimal, percent

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
    rows = [
        (
            "recognised (recall)",
            _from_to(r.recall_before, r.recall_after),
            f"of {r.recall_after.count} photos of {blinding.label}; now {_interval(r.recall_after, percent)}",
        )
    ]
    if intact.robust is not None and chosen.robust is not None:
        rows.append(
            (
                "robust recall",
                _from_to(intact.robust, chosen.robust),
                f"mirrored, cropped, brighter, darker or blurred; now {_interval(chosen.robust, percent)}",
            )
        )
    features = design.read_at[-1]
    if features in chosen.readouts:
        before, after = (trial.readouts[features].recall() for trial in (intact, chosen))
        rows.append(
            ("found by a fresh probe", _from_to(before, after), f"at 1% false alarms; now {_interval(after, percent)}")
        )
    cost = f"{r.loss.count} photos; {_interval(r.loss, decimal)}"
    rows.append((r.loss_name(" on everything else"), decimal(r.loss.value), cost))
    rows.append(_taken(blinding))
    return [{"name": name, "value": value, "note": note} for name, value, note in rows]


def _from_to(before: Estimate, after: Estimate) -> str:
    return f"{percent(before.value)} → {percent(after.value)}"


def _interval(estimate: Estimate, show: Callable[[float], str]) -> str:
    return f"{show(estimate.low)} to {show(estimate.high)}"


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
    features = blinding.design.read_at[-1]
    rows = []
    for trial in blinding.trials:
        readout = trial.readouts.get(features)
        rows.append(
            {
                "name": _name(trial),
                "mine": trial.name == CHOSEN[0],
                "cells": [
                    _share(trial.recall),
                    _share(trial.robust),
                    Cell("0.00") if trial.name == INTACT[0] else _number(trial.loss),
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
        RANDOM_CHANNELS: f"{trial.count} random channels",
        RANDOM_DIRECTIONS: f"{trial.count} random directions",
        FREQUENCY[0]: f"{trial.count} channels by the frequency rule",
        CHOSEN[0]: "this edit",
    }.get(trial.name, trial.name)


def _share(estimate: Estimate | None) -> Cell:
    if estimate is None:
        return Cell("–")
    return Cell(percent(estimate.value, 1), f"{decimal(100 * estimate.low, 1)} to {percent(estimate.high, 1)}")


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
    rows = [
        (f"confidence in {label} on its photos", r.confidence_before, r.confidence_after),
        ("right on everything else (top-1)", r.top1_before, r.top1_after),
        ("right among the first five (top-5)", r.top5_before, r.top5_after),
        ("answers changed on everything else", None, r.changed),
    ]
    return [
        {
            "name": name,
            "mine": False,
            "cells": [Cell("") if before is None else _share(before), _share(after), Cell(str(after.count))],
        }
        for name, before, after in rows
    ]


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


def removed(blinding: Blinding) -> dict[str, list[dict[str, Any]]]:
    """Return the channels and the directions that were taken away."""
    rows = [
        {
            "has_patch": each.patch is not None,
            "image": None if each.patch is None else environment.picture(each.patch, longest=_PATCH_SIDE),
            "address": str(each.address),
            "number": each.number,
            "score": f"{each.score:.3g}",
            "difference": decimal(each.difference),
            "auc": decimal(each.auc),
        }
        for each in blinding.removed
    ]
    return {
        "channels": [row for row in rows if row["number"] is None],
        "directions": [row for row in rows if row["number"] is not None],
    }
