"""Blind: take a class away from a network, and measure on other photos what was lost and what was not."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import asdict, replace
from math import nan
from typing import Unpack

import torch

from dreamscope import folds, photos
from dreamscope.dissection.aims import AIMS
from dreamscope.dissection.arms import CHOSEN, INTACT
from dreamscope.dissection.blinding import Blinding, Design, Removed
from dreamscope.dissection.dissect import (
    chosen_layers,
    chosen_methods,
    class_of,
    of_class,
    others,
    recipe_of,
)
from dreamscope.dissection.dose_response import course
from dreamscope.dissection.evaluation import compare
from dreamscope.dissection.finder import UNITS, Approach, Finder
from dreamscope.dissection.frequency import Frequency, FrequencySettings
from dreamscope.dissection.overlap import agreement
from dreamscope.dissection.scores import ChannelScores
from dreamscope.dissection.search import METHODS
from dreamscope.dissection.sites import readable_layers, sites
from dreamscope.dissection.trials import Trials
from dreamscope.engines.base import Engine
from dreamscope.engines.photo_parts import opened
from dreamscope.errors import DreamscopeError
from dreamscope.exploration.exemplars import exemplars
from dreamscope.folds import Fold
from dreamscope.models.classifier import Classifier
from dreamscope.models.directions import directions_of
from dreamscope.models.edit_base import Edit
from dreamscope.models.erase import Erase
from dreamscope.optimize.precision import prepared
from dreamscope.photos import Photo, Source
from dreamscope.progress import Callback, reported
from dreamscope.recipes import Recipe

DRAWS = 3
"""Random sets of channels, and of directions, to compare the result with."""
FOLDS = 2
PATCH = 48
"""Pixels: a smaller patch of a photo shows nothing in a report."""

_SPARE = 0.25
"""The share of a budget that is left for probes and the search for patches."""


def blind(
    model: Classifier,
    targets: Source | Sequence[Source | Photo],
    controls: Source | Sequence[Source | Photo],
    *,
    measure: Source | Sequence[Source | Photo] | None = None,
    rest: Source | Sequence[Source | Photo] | None = None,
    class_name: str | int | None = None,
    units: str | None = None,
    aim: str | None = None,
    depth: str | None = None,
    scores: ChannelScores | None = None,
    layers: str | Sequence[str] | None = None,
    from_layer: str | None = None,
    method: str | Sequence[str] | None = None,
    top: int | None = None,
    how: str = "zero",
    folds: int = FOLDS,
    draws: int = DRAWS,
    curve: bool = False,
    budget: float | None = None,
    seed: int = 0,
    engine: str | Engine | None = None,
    callback: Callback | None = None,
    progress: bool = False,
    recipe: bool = True,
    **rule: Unpack[FrequencySettings],
) -> Blinding:
    """Take a class away from a network, and measure what was lost.

    What is taken away is found on one part of the photos; fresh probes are trained on another, and everything is
    measured on a third. The parts take turns, and what is taken away in the end is found on all of them.

    Parameters
    ----------
    model
        The classifier; it stays as it is.
    targets
        Photos of the class. Fewer than 20 are split into more folds, so that each is measured on once.
    controls
        Photos of other things.
    measure
        Photos of the class to measure on; then the targets are for finding and for training probes.
    rest
        Photos of everything else to measure on, in place of the controls.
    class_name
        The class; see `dissect`.
    units
        ``directions`` (see `dreamscope.dissection.erasure`), ``channels``, or ``both``: first channels until the class
        is no longer recognised, then directions. If not given, ``channels`` where a method or `scores` is given, else
        ``directions``.
    aim
        ``readout``: until a fresh linear probe finds the class no more; ``answer``: until the network says it no more.
        If not given, ``answer`` for channels, of which most would have to go for the other, else ``readout``.
    depth
        The layer from which on the class is not to be readable; with directions only. The last two blocks and the
        features if not given.
    scores
        Channels found before; then none are searched for, and the photos they were found on should not be given.
    layers, from_layer
        See `dissect`.
    method
        See `dissect`; the first of several chooses the channels, ``joint`` if none is given.
    top
        The number of channels; if not given, all that a rule names, or as many as it took on the photos they were
        found on, where the method knows (``joint`` does), more where these were few, and no more than `TOP`.
    how
        ``zero``, ``mean``, ``noise``, ``gaussian``, ``randomize`` or ``scale:X``, see `Ablation`; channels are searched
        for with ``zero``.
    folds
        The number of parts of the photos that take turns.
    draws
        The number of random sets of channels, and of directions, to compare with.
    curve
        Measure fewer channels and more of them, too, or directions erased in part.
    budget
        Seconds that it should take altogether: fewer random sets are drawn, and no curve, where there is no time.
    seed
        Seed of all random numbers.
    engine
        Where many photos are gone through, see `dissect`.
    callback
        ``callback(stage, done, total)``.
    progress
        Draw a bar.
    recipe
        Keep what the result can be made again with.
    rule
        Of the method ``frequency``, with which every choice is compared: ``loudest``, ``at_least`` and ``per_layer``,
        see `Frequency`. `at_least` is said of all targets: of a part of them as large a share is asked.

    Raises
    ------
    DreamscopeError
        See `dissect`; also if nothing is left to measure on.
    """
    arguments = locals()
    began = time.monotonic()
    methods = chosen_methods(method or next(iter(METHODS)))
    units = "channels" if scores is not None else units or (UNITS[0] if method is None else "channels")
    aim = aim or AIMS[units != "channels"]
    _ensure_sensible(model, budget, scores, rule)
    approach = Approach(units, aim, depth, tuple(methods), top, how, curve, draws)
    found_targets = photos.find(targets)
    given = scores.class_index if scores is not None and class_name is None else class_name
    class_index = class_of(model, found_targets, given)
    found_targets = of_class(model, found_targets, class_index)
    frequency = Frequency(**rule, of=len(found_targets))
    approach = replace(approach, rule=frequency)
    found_controls = others(model, photos.find(controls), found_targets, class_index)
    measured = None if measure is None else of_class(model, photos.find(measure), class_index)
    parts = _parts(found_targets, found_controls, measured, folds, seed, searched=scores is None)
    # A photo that was used for the search proves nothing any more.
    apart = None if rest is None else others(model, photos.find(rest), [*found_targets, *found_controls], class_index)
    names = list(scores.layers) if scores is not None else chosen_layers(model, layers, from_layer)
    readable = readable_layers(model)
    where = sites(model, depth, readable)
    if units != "channels" and aim == "answer":
        where = where[-1:]
    read_at = tuple(site.block for site in where if depth is not None or site is where[-1])
    made = None
    if recipe:
        made = Recipe.of_call(
            blind,
            arguments,
            inputs={
                "targets": photos.reference(found_targets),
                "controls": photos.reference(found_controls),
                "measure": None if measured is None else photos.reference(measured),
                "rest": None if apart is None else photos.reference(apart),
                "scores": None if scores is None or scores.recipe is None else asdict(scores.recipe),
            },
            resolved={
                "class_name": class_index,
                "units": units,
                "aim": aim,
                "layers": names,
                "from_layer": None,
                "method": methods[0] if scores is None else scores.method,
                **frequency.settings(),
            },
        )
    early = _early(model, readable)
    looked_at = [*names, *early, *(name for site in where for name in (site.layer, site.block))]
    # Random weights are put in place of a layer's own, which a faster form may not have any more.
    fast = model if how.startswith("randomize") else prepared(model, looked_at, max(model.input_size), "float32")[0]
    with reported(callback, progress=progress) as callback_, opened(engine) as worked:
        every_control = list(dict.fromkeys(photo for _, controls_ in parts for photo in controls_.find))
        finder = Finder(
            fast,
            class_index,
            approach,
            layers=names,
            sites=where,
            targets=found_targets,
            controls=every_control,
            scores=scores,
            seed=seed,
            engine=worked,
            callback=callback_,
        )
        trials = Trials(fast, class_index, [site.block for site in where], early, seed=seed, engine=worked)
        chosen: list[Sequence[Edit]] = []
        for number, (targets_, controls_) in enumerate(parts, 1):
            found = finder.run(targets_.find, controls_.find, callback=_in_fold(callback_, number, len(parts)))
            chosen.append(found.edits[CHOSEN])
            trials.add(targets_, controls_.measure, found.edits)
        if len(parts) > 1 and scores is None:
            kept = None
            if recipe and approach.of_channels:
                kept = recipe_of(
                    {**arguments, "until_enough": not curve and top is None},
                    found_targets,
                    every_control,
                    class_index=class_index,
                    layers=names,
                    methods=methods,
                    rule=frequency,
                )
            # What is taken away in the end is found on all of them; its effect was measured fold by fold.
            found = finder.run(found_targets, every_control, recipe=kept, callback=_in_fold(callback_, 0, len(parts)))
        deadline = None if budget is None else began + budget - _SPARE * budget
        trials.measure(apart, deadline=deadline, callback=callback_)
        table = trials.table(callback_)
    edits = found.edits[CHOSEN]
    targets_before, rest_before = trials.measured(INTACT)
    targets_after, rest_after = trials.measured(CHOSEN)
    return Blinding(
        model=model.edited(edits),
        result=compare(
            (targets_before, targets_after), (rest_before, rest_after), class_index=class_index, model=model
        ),
        trials=table,
        course=course(trials, class_index, directions=approach.of_directions) if curve else None,
        removed=(
            *(_channels(found.scores, finder.count(found.scores), model, found_targets) if found.scores else ()),
            *_directions([edit for edit in edits if isinstance(edit, Erase)], model, found_targets),
        ),
        scores=found.scores,
        design=Design(
            units=units,
            aim=aim,
            method=found.scores.method if found.scores else "erasure",
            read_at=read_at,
            folds=len(parts),
            counts=_counts(parts, apart),
            agreement=agreement(chosen),
        ),
        class_index=class_index,
        unreadable={**finder.unreadable, **trials.unreadable},
        recipe=made and made.but(removed=[str(edit.address) for edit in edits]),
    )


def _ensure_sensible(
    model: Classifier, budget: float | None, scores: ChannelScores | None, rule: FrequencySettings
) -> None:
    if budget is not None and budget <= 0:
        raise DreamscopeError(f"the budget is a time in seconds, more than 0, not {budget}")
    if scores is not None and rule:
        raise DreamscopeError(f"{', '.join(rule)}: this is for a search, and the scores say which channels")
    if scores is not None:
        scores.check(model, "the scores file")


def _early(model: Classifier, readable: Sequence[str]) -> list[str]:
    """Return where the intact network is read: all but the first third, which sees edges and colours."""
    order = list(model.layers)
    return [name for name in readable if order.index(name) >= len(order) // 3]


def _in_fold(callback: Callback | None, number: int, count: int) -> Callback | None:
    if callback is None or count == 1:
        return callback
    which = f"fold {number} of {count}" if number else "all photos"
    return lambda stage, done, total: callback(f"{stage} ({which})", done, total)


def _parts(
    targets: Sequence[Photo],
    controls: Sequence[Photo],
    measured: Sequence[Photo] | None,
    count: int,
    seed: int,
    *,
    searched: bool,
) -> list[tuple[Fold, Fold]]:
    """Return what to find on, to train probes on and to measure on: photos of the class, and others, for each fold."""
    if not searched:
        held = targets if measured is None else folds.without(measured, targets)
        return [(Fold([], [] if measured is None else targets, held), Fold([], [], controls))]
    mine = folds.folds(targets, count, seed) if measured is None else folds.folds_apart(targets, measured, count, seed)
    of_others = folds.k_folds(controls, min(count, len(mine)), seed)
    return [(fold, of_others[number % len(of_others)]) for number, fold in enumerate(mine)]


def _counts(parts: Sequence[tuple[Fold, Fold]], rest: Sequence[Photo] | None) -> dict[str, int]:
    mine, of_others = parts[0]
    return {
        "targets to find on": len(mine.find),
        "targets to train probes on": len(mine.probe),
        "targets to measure on": len({photo for fold, _ in parts for photo in fold.measure}),
        "controls to find on": len(of_others.find),
        "others to measure on": len(
            rest if rest is not None else {photo for _, fold in parts for photo in fold.measure}
        ),
    }


def _channels(scores: ChannelScores, count: int, model: Classifier, targets: Sequence[Photo]) -> list[Removed]:
    places = scores.ranking()[:count].tolist()
    addresses = [scores.address(place) for place in places]
    strongest = exemplars(model, targets, list(scores.layers), top=1, recipe=False)
    patches = [row[0] if row else None for row in strongest.patches(model, addresses, smallest=PATCH)]
    unknown = torch.full_like(scores.scores[scores.method], nan)
    told = (scores.numbers.get(name, unknown) for name in ("difference", "auc"))
    measured = (scores.scores[scores.method], *told)
    found = []
    for place, address, patch in zip(places, addresses, patches, strict=True):
        score, difference, auc = (float(each[place]) for each in measured)
        found.append(Removed(address, None, score, difference, auc, patch))
    return found


def _directions(edits: Sequence[Erase], model: Classifier, targets: Sequence[Photo]) -> list[Removed]:
    if not edits:
        return []
    strongest = exemplars(model, targets, directions=edits, top=1, recipe=False)
    names = list(directions_of(model, edits))
    patches = [row[0] if row else None for row in strongest.patches(model, names, smallest=PATCH)]
    numbered = [(edit.address, number) for edit in edits for number in range(edit.count)]
    return [Removed(*each, nan, nan, nan, patch) for each, patch in zip(numbered, patches, strict=True)]
