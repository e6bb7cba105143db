"""Trials: one edit beside others - what each does to the answer, to everything else, and to what can still be read.

Others are the intact network, the class's output deleted, random channels and directions, the `frequency` rule: what
is said of an edit means nothing without them.
"""

from __future__ import annotations

import time
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace

import torch

from dreamscope.dissection import intervals
from dreamscope.dissection.arms import (
    CHOSEN,
    DELETED,
    FREQUENCY,
    INTACT,
    RANDOM_CHANNELS,
    RANDOM_DIRECTIONS,
    Arm,
    Look,
    Name,
)
from dreamscope.dissection.evaluation import lost, recall
from dreamscope.dissection.intervals import Estimate
from dreamscope.dissection.predictions import Measured, PhotoPrediction
from dreamscope.dissection.readout import Readout, Split, readout
from dreamscope.engines.base import Engine
from dreamscope.engines.photo_parts import in_parts
from dreamscope.errors import DreamscopeError
from dreamscope.folds import Fold
from dreamscope.models.classifier import Classifier
from dreamscope.models.edit_base import Edit
from dreamscope.photos import Photo, by_name
from dreamscope.progress import Callback


@dataclass(frozen=True)
class Trial:
    """What one edit did, with 95 % intervals.

    Attributes
    ----------
    name : str
        ``intact``, ``chosen``, ``output deleted``, ``random channels``, ``random directions`` or ``frequency``.
    count : int
        The number of channels or directions; the mean where folds have different ones.
    recall : Estimate
        The share of the class's photos taken for it; of several random draws the mean, and where 95 % of them lie.
    robust : Estimate or None
        The same over mild changes of these photos, see `dreamscope.dissection.views`; ``None`` for what the edit is
        only compared with.
    loss : Estimate
        Top-1 points lost on everything else, as `Evaluation.loss`.
    readouts : Mapping of str to Readout
        Layer -> what a fresh linear probe can tell there.
    counts : tuple of int
        The number in each fold, if they differ.
    """

    name: str
    count: int
    recall: Estimate
    robust: Estimate | None
    loss: Estimate
    readouts: Mapping[str, Readout]
    counts: tuple[int, ...] = ()

    @property
    def number(self) -> str:
        """The number of channels or directions as text: ``12``, or ``10 to 14`` in folds that differ."""
        return f"{min(self.counts)} to {max(self.counts)}" if self.counts else str(self.count)

    @property
    def title(self) -> str:
        """What it is, with its number where that says something: ``12 random channels``."""
        if self.name not in (RANDOM_CHANNELS, RANDOM_DIRECTIONS):
            return self.name
        return f"{self.number} {self.name.removesuffix('s') if self.number == '1' else self.name}"


class Trials:
    """Measures edits beside each other on the same photos; folds are put together.

    First every fold is added, then all are measured: so each photo is read once, and runs through the intact network
    once, for all folds that it is measured in.

    Parameters
    ----------
    model
        The classifier, unedited.
    class_index
        The class.
    layers
        Where a fresh probe reads every edit.
    before
        Layers before those where it reads the intact network, too.
    seed
        Of the halves that the photos are cut into for the probes.
    engine
        Where many photos are gone through, see `dreamscope.engines.photo_parts`; in this process if not given.

    Attributes
    ----------
    unreadable : dict
        Photos that were skipped, by file name, and why.
    """

    def __init__(
        self,
        model: Classifier,
        class_index: int,
        layers: Sequence[str],
        before: Sequence[str] = (),
        *,
        seed: int = 0,
        engine: Engine | None = None,
    ) -> None:
        self.unreadable: dict[str, str] = {}
        self._model = model
        self._class = class_index
        self._layers = list(layers)
        self._before = [name for name in before if name not in layers]
        self._seed = seed
        self._engine = engine
        self._folds: list[tuple[Fold, Sequence[Photo], list[Arm]]] = []
        self._sizes: dict[Name, list[int]] = {}
        self._targets: dict[Name, list[Measured]] = {}
        self._rest: dict[Name, list[Measured]] = {}
        self._views: dict[Name, dict[Photo, list[bool]]] = {}

    def add(self, targets: Fold, controls: Sequence[Photo], edits: Mapping[Name, Sequence[Edit]]) -> None:
        """Add a fold: photos of the class, of everything else to measure on, and the edits, by name.

        ``chosen``, ``frequency`` and the first of random draws are read by probes in every fold. Others are measured on
        everything else only in the first fold with the same controls: more is not worth the time.
        """
        arms = []
        for name, given in edits.items():
            reads = name in (CHOSEN, FREQUENCY) or (name[0] in (RANDOM_CHANNELS, RANDOM_DIRECTIONS) and not name[1])
            arms.append(Arm(name, self._model, given, self._layers, reads))
            self._sizes.setdefault(name, []).append(_size(given))
        arms.append(Arm(INTACT, self._model, (), self._layers, reads=True))
        self._sizes.setdefault(INTACT, []).append(0)
        self._folds.append((targets, controls, arms))

    def measure(
        self, rest: Sequence[Photo] | None = None, *, deadline: float | None = None, callback: Callback | None = None
    ) -> None:
        """Measure all folds.

        Parameters
        ----------
        rest
            Photos of everything else, in place of the controls, which are left to the probes.
        deadline
            When to be done, on `time.monotonic`'s clock: more random draws than one, and doses, are measured only as
            far as there is time.
        callback
            ``callback(stage, done, total)``.

        Raises
        ------
        DreamscopeError
            If none of the photos of the class can be read, or none of the rest.
        """
        began = time.monotonic()
        jobs = self._jobs(rest)
        if deadline is None:
            self._run(jobs, rest, callback)
        else:
            first = [(what, photos, [arm for arm in arms if arm.reads]) for what, photos, arms in jobs]
            self._run(first, rest, callback)
            spent = time.monotonic() - began
            each = spent / max(1, sum(len(arms) for _, _, arms in first))
            left = max(0, int((deadline - time.monotonic()) / each / max(1, len(jobs))))
            extra = {arm.name for _, _, arms in jobs for arm in arms if not arm.reads}
            # Random draws before doses.
            wanted = sorted(extra, key=lambda name: ("dose" in name[0], name[1], name[0]))[:left]
            again = [(what, photos, [arm for arm in arms if arm.name in wanted]) for what, photos, arms in jobs]
            if wanted:
                self._run(again, rest, callback)
        if not self._targets.get(CHOSEN):
            reason = next(iter(self.unreadable.values()), "there are none")
            raise DreamscopeError(f"none of the photos of the class to measure on can be read: {reason}")
        if not self._rest.get(CHOSEN):
            reason = next(iter(self.unreadable.values()), "there are none")
            raise DreamscopeError(f"none of the photos of other things to measure on can be read: {reason}")

    def _jobs(self, rest: Sequence[Photo] | None) -> list[tuple[str, Sequence[Photo], list[Arm]]]:
        """Return what is to run on which photos."""
        jobs: list[tuple[str, Sequence[Photo], list[Arm]]] = []
        first: dict[int, list[Arm]] = {}
        for targets, controls, arms in self._folds:
            jobs += [("measure", targets.measure, arms), ("probe", targets.probe, [a for a in arms if a.reads])]
            known = first.setdefault(id(controls), [])
            # The intact network runs once for all folds with these controls.
            known += [arm for arm in arms if not known or (arm.name != INTACT and arm.reads)]
        named = {id(controls): controls for _, controls, _ in self._folds}
        jobs += [("controls", named[key], arms) for key, arms in first.items()]
        if rest is not None:
            chosen = [arm for _, _, arms in self._folds for arm in arms if arm.name == CHOSEN]
            jobs.append(("rest", rest, [*chosen, *(arm for arm in self._folds[0][2] if arm.name != CHOSEN)]))
        return jobs

    def _run(
        self,
        jobs: Sequence[tuple[str, Sequence[Photo], list[Arm]]],
        rest: Sequence[Photo] | None,
        callback: Callback | None,
    ) -> None:
        total, done = sum(len(photos) for _, photos, _ in jobs), 0
        for what, photos, arms in jobs:
            behind = None if callback is None else _behind(callback, done, total)
            self._pass(what, photos, arms, apart=rest is not None, callback=behind)
            done += len(photos)

    def _pass(
        self, what: str, photos: Sequence[Photo], arms: Sequence[Arm], *, apart: bool, callback: Callback | None
    ) -> None:
        where = {"measure": self._targets, "rest": self._rest, "controls": None if apart else self._rest}.get(what)
        look = Look(self._model, arms, self._before, self._class, what, answers=where is not None)
        for part in in_parts(look, photos, self._engine, what="measuring", callback=callback):
            for arm, measured, features in zip(arms, part.measured, part.features, strict=True):
                if where is not None:
                    where.setdefault(arm.name, []).extend(measured)
                kept = arm.features.setdefault(what, {}) if features else {}
                for layer, values in features.items():
                    kept.setdefault(layer, []).extend(values)
            for name, hits in part.views.items():
                for photo, each in hits.items():
                    self._views.setdefault(name, {}).setdefault(photo, []).extend(each)
            self.unreadable |= by_name(part.unreadable)

    def measured(self, name: Name) -> tuple[list[Measured], list[Measured]]:
        """Return what photos of the class, and of everything else, were taken for; a photo again for each fold."""
        return self._targets[name], self._rest[name]

    def names(self, kind: str) -> list[Name]:
        """Return the edits of a kind, in order."""
        return sorted(name for name in self._rest if name[0] == kind)

    def size(self, name: Name) -> int | None:
        """Return the number of channels or directions; ``None`` where folds have different ones."""
        sizes = set(self._sizes[name])
        return sizes.pop() if len(sizes) == 1 else None

    def table(self, callback: Callback | None = None) -> tuple[Trial, ...]:
        """Return all that was measured, the intact network first and the chosen edit last."""
        intact = self._trial(INTACT, [INTACT], {}, callback)
        deleted = [(photo, _without(found, self._class)) for photo, found in self._rest[INTACT]]
        nothing = intervals.share([0.0] * len({photo for photo, _ in self._targets[INTACT]}))
        found = [
            intact,
            Trial(DELETED, 1, nothing, nothing, lost(self._rest[INTACT], deleted), intact.readouts),
        ]
        for kind in (RANDOM_CHANNELS, RANDOM_DIRECTIONS, FREQUENCY[0], CHOSEN[0]):
            if names := self.names(kind):
                found.append(self._trial(names[0], names, intact.readouts, callback))
        return tuple(found)

    def _trial(
        self, first: Name, names: Sequence[Name], before: Mapping[str, Readout], callback: Callback | None
    ) -> Trial:
        recalls = [recall(self._targets[name], self._class) for name in names]
        losses = [lost(self._rest[INTACT], self._rest[name]) for name in names]
        if len(names) > 1:
            recalls = [intervals.spread([each.value for each in recalls])]
            losses = [intervals.spread([each.value for each in losses])]
        sizes = self._sizes[first]
        return Trial(
            first[0],
            round(sum(sizes) / len(sizes)),
            recalls[0],
            self._robust(first),
            losses[0],
            {**self._unchanged(first, before), **self._readouts(first, callback)},
            tuple(sizes) if len(set(sizes)) > 1 else (),
        )

    def _unchanged(self, name: Name, before: Mapping[str, Readout]) -> dict[str, Readout]:
        """Return what is read before the first layer that is edited: as of the intact network."""
        order = list(self._model.layers)
        edited = [
            order.index(edit.address.layer)
            for _, _, arms in self._folds
            for arm in arms
            if arm.name == name
            for edit in arm.model.edits
        ]
        first = min(edited, default=len(order))
        return {layer: found for layer, found in before.items() if order.index(layer) < first}

    def _robust(self, name: Name) -> Estimate | None:
        if name not in self._views:
            return None
        return intervals.share([sum(hits) / len(hits) for hits in self._views[name].values()])

    def _readouts(self, name: Name, callback: Callback | None) -> dict[str, Readout]:
        arms = [arm for _, _, all_ in self._folds for arm in all_ if arm.name == name]
        layers = [*self._before, *self._layers] if name == INTACT else self._layers
        # The intact network ran once for all folds with the same controls.
        shared = {
            id(controls): arm.features["controls"]
            for _, controls, all_ in self._folds
            for arm in all_
            if arm.name == name and "controls" in arm.features
        }
        splits: dict[str, list[Split]] = {layer: [] for layer in layers}
        for arm, (_, controls, _) in zip(arms, self._folds, strict=True):
            of_controls = arm.features.get("controls") or shared.get(id(controls))
            if of_controls is None or "measure" not in arm.features:
                continue
            for layer in layers:
                trained = arm.features.get("probe", {}).get(layer)
                splits[layer].append(
                    Split(
                        torch.cat(arm.features["measure"][layer]),
                        None if trained is None else torch.cat(trained),
                        torch.cat(of_controls[layer]),
                    )
                )
        counts = (
            len({photo for photo, _ in self._targets[name]}),
            len({photo for _, controls, _ in self._folds for photo in controls}),
        )
        found = {}
        for number, (layer, parts) in enumerate(splits.items(), 1):
            if (one := readout(layer, parts, counts=counts, seed=self._seed)) is not None:
                found[layer] = one
            if callback is not None:
                callback(f"training probes ({name[0]})", number, len(splits))
        return found


def _behind(callback: Callback, before: int, total: int) -> Callback:
    """Return what says how much is done of all jobs, of which so much was done before."""
    return lambda stage, done, _: callback(stage, before + done, total)


def _size(edits: Iterable[Edit]) -> int:
    """Return the number of channels or directions that edits take away."""
    return sum(getattr(edit, "count", 0) or len(edit.address.channels or ()) for edit in edits)


def _without(found: PhotoPrediction, class_index: int) -> PhotoPrediction:
    """Return what a photo is taken for when the class can't be said."""
    top = tuple(each for each in found.top if each != class_index)
    return replace(found, top=top, of_class=0.0)
