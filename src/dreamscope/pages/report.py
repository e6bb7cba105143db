"""The report of a blinding: one page about it that needs nothing beside it, and its numbers as JSON."""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any

from torch import Tensor

from dreamscope import files
from dreamscope.dissection.blinding import Blinding
from dreamscope.dissection.intervals import Estimate
from dreamscope.dissection.predictions import Row
from dreamscope.dissection.trials import Trial
from dreamscope.errors import DreamscopeError
from dreamscope.figures import plots
from dreamscope.pages import environment, photo_rows, report_tables, report_text
from dreamscope.pages.environment import percent
from dreamscope.pages.imagined import MOST_REMOVED, Pair, Picture, imagined, removed_pictures
from dreamscope.progress import Callback
from dreamscope.visualization.result import Visualization

MOST_PHOTOS = 60
"""Photos of the class that are shown; of more there is a table."""
MOST_CONTROLS = 20
"""Photos of everything else that are shown; of more there is a table."""

_SIDE = 320  # pixels of a photo: twice what is shown, for sharp screens
_LONG = 24  # A longer list of numbers is not shown on the page; the JSON holds it.


def write(
    blinding: Blinding,
    path: str | Path,
    *,
    pictures: int = MOST_REMOVED,
    pairs: Sequence[Pair] | None = None,
    callback: Callback | None = None,
) -> Path:
    """Write a page about a blinding (``.html``) and beside it its numbers (``.json``), whole or not at all.

    Parameters
    ----------
    blinding
        What it is about.
    path
        Ends in ``.html``.
    pictures
        Show what excites at most so many of the removed channels and directions, and what the network imagines before
        and after. 0 leaves out both: they take some seconds, and about one more for each channel.
    pairs
        What the network imagines before and after, where that was made already, see `imagined`.
    callback
        ``callback(stage, done, total)`` while they are made.

    Raises
    ------
    DreamscopeError
        If `path` is no ``.html``, or one of the two can't be written; if `pictures` is less than 0.
    """
    if pictures < 0:
        raise DreamscopeError(f"pictures is a number, 0 or more, not {pictures}")
    path = environment.ensure_page(path)
    beside = files.ensure_writable(path.with_suffix(".json"))
    content = as_dict(blinding)
    if pairs is None:
        pairs = imagined(blinding, callback=callback) if pictures else []
    drawn = removed_pictures(blinding, pictures, callback=callback) if pictures else []
    text = _page(blinding, content, pairs, drawn)
    with files.written_whole(beside) as numbers:
        numbers.write_text(json.dumps(content, indent=1, allow_nan=False) + "\n", "utf-8")
        # Before the numbers are in their place: both or none.
        environment.write(text, path)
    return path


def as_dict(blinding: Blinding) -> dict[str, Any]:
    """Return all numbers of a blinding as plain values for JSON; of photos their file names, of folders nothing.

    Under ``edits`` are the edits themselves, as `Edit.from_dict` and ``--directions`` read them.
    """
    r, course, scores = blinding.result, blinding.course, blinding.scores
    content = {
        "label": blinding.label,
        "class_index": blinding.class_index,
        "model": blinding.model.name,
        "opening": blinding.opening(),
        "verdict": blinding.verdict(),
        "design": blinding.design,
        "result": {name: value for name, value in vars(r).items() if isinstance(value, Estimate | int)},
        "trials": [_trial(each) for each in blinding.trials],
        "course": course and {"unit": course.unit, "doses": course.doses, "frequency": course.frequency},
        "taken_for": [{"label": label, "count": count} for label, count in r.taken_for],
        "worst": r.worst,
        "photos": [{"file": row.path.name, **vars(row)} for row in r.photos],
        "controls": [{"file": row.path.name, **vars(row)} for row in r.controls],
        "removed": [{**vars(each), "address": str(each.address)} for each in blinding.removed],
        "agreement": [
            {"methods": pair, "spearman": value} for pair, value in (scores.agreement() if scores else {}).items()
        ],
        "unreadable": blinding.unreadable,
        "edits": [edit.to_dict() for edit in blinding.model.edits],
        "recipe": None if blinding.recipe is None else json.loads(blinding.recipe.to_json()),
    }
    return {name: _plain(value) for name, value in content.items()}


def _trial(trial: Trial) -> dict[str, Any]:
    read = {
        layer: {
            "recall_at_1_percent": readout.recall(),
            "auc": readout.area(),
            "positives": len(readout.positives),
            "negatives": len(readout.negatives),
            "probes": readout.folds,
        }
        for layer, readout in trial.readouts.items()
    }
    return {**vars(trial), "readouts": read}


def _plain(value: Any) -> Any:
    """Return numbers, texts, lists and dictionaries: no paths, no pictures, ``None`` for what is not finite."""
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    if isinstance(value, Mapping):
        return {name: _plain(each) for name, each in value.items() if not isinstance(each, Path | Tensor)}
    if isinstance(value, list | tuple):
        return [_plain(each) for each in value]
    return value if value is None or isinstance(value, str | int) else _plain(vars(value))


def _shortened(value: Any) -> Any:
    """Return plain values with long lists of numbers replaced by how many there are."""
    if isinstance(value, dict):
        return {name: _shortened(each) for name, each in value.items()}
    if not isinstance(value, list):
        return value
    if len(value) > _LONG and all(isinstance(each, float | int | list) for each in value):
        return f"{len(value)} numbers" if not isinstance(value[0], list) else f"{len(value)} x {len(value[0])} numbers"
    return [_shortened(each) for each in value]


def _page(blinding: Blinding, numbers: dict[str, Any], pairs: Sequence[Pair], drawn: Sequence[Visualization]) -> str:
    verdict = blinding.verdict().removeprefix(f"{blinding.opening()}: ")
    controls = photo_rows.controls(blinding, MOST_CONTROLS)
    targets = photo_rows.targets(blinding, MOST_PHOTOS)
    of_class = partial(photo_rows.of_class, label=blinding.label)
    recipe = numbers["recipe"]
    names, read = report_tables.readouts(blinding)
    return environment.render(
        "report",
        opening=blinding.opening(),
        lay=report_text.lay(blinding),
        meaning=report_text.meaning(blinding.label),
        verdict=verdict[:1].upper() + verdict[1:],
        label=blinding.label,
        model=blinding.model.name,
        design=blinding.design,
        figures=report_tables.figures(blinding),
        trials=report_tables.trials(blinding),
        loss_name=blinding.result.loss_name(),
        readout_curve=environment.plot(plots.readout_curve(blinding)) if read else "",
        where_readable=report_text.where_readable(blinding) if read else "",
        readout_names=names,
        readouts=read,
        pairs=[_pair(each) for each in pairs],
        answers=report_tables.answers(blinding),
        dose_curve="" if blinding.course is None else environment.plot(plots.dose_curve(blinding)),
        taken_for=report_tables.taken_for(blinding.result.taken_for, len(blinding.result.photos)),
        worst=report_tables.worst(blinding),
        photos=_shown(targets[:MOST_PHOTOS], of_class, lambda row: row.still),
        photo_rows=_rows(targets, MOST_PHOTOS, of_class),
        controls=_shown(controls[:MOST_CONTROLS], photo_rows.of_others, lambda row: not row.changed),
        control_rows=_rows(controls, MOST_CONTROLS, photo_rows.of_others),
        changed=photo_rows.changed(blinding),
        row_head=photo_rows.HEAD,
        taken=report_text.taken(blinding),
        removed=report_tables.removed(blinding, drawn),
        drawn=report_text.drawn(blinding, len(drawn)) if drawn else "",
        splits=report_tables.splits(blinding),
        measured=report_text.measured(blinding),
        unreadable=numbers["unreadable"],
        recipe_json=json.dumps(_shortened(recipe), indent=2) if recipe else "",
        numbers=numbers,
    )


def _pair(pair: Pair) -> dict[str, Any]:
    def shown(picture: Picture | None) -> dict[str, str | None]:
        if picture is None:
            return {"image": None, "seen": ""}
        seen = f"{picture.label} {percent(picture.probability)}"
        return {"image": environment.picture(picture.image), "seen": seen}

    return {
        "kind": pair.kind,
        "photo": None if pair.photo is None else environment.picture(pair.photo, longest=_SIDE),
        "before": shown(pair.before),
        "after": shown(pair.after),
    }


def _rows(rows: Sequence[Row], shown: int, state: Callable[[Row], str]) -> list[list[str]]:
    """Return a table of all photos, where not all are shown."""
    return photo_rows.cells(rows, state) if len(rows) > shown else []


def _shown(rows: Sequence[Row], state: Callable[[Row], str], kept: Callable[[Row], bool]) -> list[dict[str, Any]]:
    found = []
    for row in rows:
        before, after = photo_rows.answers(row)
        found.append(
            {
                "image": environment.picture(row.path, longest=_SIDE),
                "file": row.path.name,
                "before": f"before: {before}",
                "after": f"after: {after}",
                "kept": kept(row),
                "state": state(row),
            }
        )
    return found
