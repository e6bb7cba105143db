"""The page ``blind``, for good: the class is taken away, and what that did is measured on photos kept out of it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from dreamscope.dissection.blind import blind as technique
from dreamscope.dissection.blinding import Blinding
from dreamscope.dissection.dose_response import Dose
from dreamscope.dissection.finder import UNITS
from dreamscope.dissection.intervals import Estimate
from dreamscope.errors import DreamscopeError, Interrupted
from dreamscope.figures import plots
from dreamscope.models import weight_export
from dreamscope.pages import imagined, report, report_tables, report_text
from dreamscope.pages.imagined import Pair, Picture
from dreamscope.studio.actions.blind import photos_of
from dreamscope.studio.given import Given
from dreamscope.studio.jobs import Job
from dreamscope.studio.pictures import safe_stem, uri
from dreamscope.studio.state import Studio
from dreamscope.studio.visits import Kept

_SIDE = 480
_DRAWN = 12
"""Removed channels and directions that the report shows as pictures: each takes about a second."""


def run(studio: Studio, job: Job, *, given: Given) -> dict[str, Any]:
    """Take the class away for good, measure that, and show what the network imagines; stopped late, keep the rest."""
    targets, controls = photos_of(given)
    found = technique(
        studio.model,
        targets,
        controls,
        class_name=given.text("class_name") or None,
        units=given.choice("units", UNITS, UNITS[0]),
        curve=given.flag("curve", default=True),
        callback=job.progress,
    )
    job.event("measured", **_measured(found))
    stem = safe_stem(f"{studio.model.name}-blind-to-{found.label}")
    files: dict[str, Kept] = {}
    refused = ""
    try:
        files["weights"] = job.visit.keep(
            f"{stem}.safetensors", lambda path: weight_export.export(found.model, path), kind="weights"
        )
    except DreamscopeError as error:
        refused = str(error)
    if found.scores is not None:
        files["scores"] = job.visit.keep(f"{stem}-scores.json", found.scores.save, kind="scores")
    pairs: Sequence[Pair] = []
    pictures = _DRAWN
    try:
        pairs = imagined.imagined(found, callback=job.progress)
        job.event("imagined", pairs=[_pair(each) for each in pairs])
        files["report"] = _report(job, found, stem, pairs, pictures)
    except (KeyboardInterrupt, Interrupted):
        # What was measured is worth a report without its pictures.
        files["report"] = _report(job, found, stem, pairs, 0)
    beside = files["report"].path.with_suffix(".json")
    files["numbers"] = job.visit.keep(beside.name, lambda path: path.write_bytes(beside.read_bytes()), kind="numbers")
    return {
        "files": {name: {"name": kept.name, "title": kept.title} for name, kept in files.items()},
        "refused": refused,
        "stopped": job.stopped,
    }


def _report(job: Job, found: Blinding, stem: str, pairs: Sequence[Pair], pictures: int) -> Kept:
    callback = job.progress if pictures else None
    return job.visit.keep(
        f"{stem}.html",
        lambda path: report.write(found, path, pictures=pictures, pairs=pairs, callback=callback),
        kind="report",
    )


def _measured(found: Blinding) -> dict[str, Any]:
    """Return the verdict in words, and the numbers behind it."""
    result = found.result
    return {
        "opening": found.opening(),
        "lay": report_text.lay(found),
        "verdict": found.verdict(),
        "meaning": report_text.meaning(found.label),
        "label": found.label,
        "taken": report_text.taken(found),
        "few": len(result.photos) < report_text.FEW,
        "figures": report_tables.figures(found),
        "loss_name": result.loss_name(),
        "trials": [
            {**row, "cells": [{"value": cell.value, "interval": cell.interval} for cell in row["cells"]]}
            for row in report_tables.trials(found)
        ],
        "curve": None if found.course is None else _curve(found),
    }


def _curve(found: Blinding) -> dict[str, Any]:
    """Return the numbers of the plot that `plots.dose_curve` draws."""
    course = plots.course_of(found, "draw")
    random = plots.random_of(found)
    return {
        "unit": course.unit,
        "chosen": plots.chosen_amount(course),
        "loss_name": found.result.loss_name(" on the rest", counted=False),
        "doses": [_dose(each) for each in plots.doses_from_nothing(found)],
        "frequency": [_dose(each) for each in course.frequency],
        "random": {"name": random.title, **_dose(Dose(plots.random_amount(found), random.recall, random.loss))},
    }


def _dose(dose: Dose) -> dict[str, Any]:
    return {
        "amount": dose.amount,
        "recall": [100 * each for each in _numbers(dose.recall)],
        "loss": _numbers(dose.loss),
    }


def _numbers(estimate: Estimate) -> list[float]:
    return [estimate.value, estimate.low, estimate.high]


def _pair(pair: Pair) -> dict[str, Any]:
    return {"kind": pair.kind, "before": _picture(pair.before), "after": _picture(pair.after)}


def _picture(picture: Picture | None) -> dict[str, Any] | None:
    if picture is None:
        return None
    return {"image": uri(picture.image, side=_SIDE), "label": picture.label, "sure": picture.probability}
