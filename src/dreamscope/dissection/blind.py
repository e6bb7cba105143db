"""Blind: remove the channels of a class, and measure on other photos what was lost and what was not."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass

from torch import Tensor

from dreamscope import photos
from dreamscope.dissection.dissect import (
    METHODS,
    Search,
    chosen_layers,
    chosen_methods,
    class_of,
    of_class,
    others,
    recipe_of,
)
from dreamscope.dissection.dose_response import Comparison, Dose, Stage
from dreamscope.dissection.evaluation import Evaluation, evaluate
from dreamscope.dissection.scores import ChannelScores, ablations, addresses
from dreamscope.dissection.tables import html_table
from dreamscope.errors import DreamscopeError
from dreamscope.exploration.exemplars import exemplars
from dreamscope.models.addresses import Address
from dreamscope.models.classifier import Classifier
from dreamscope.models.edits import Ablation
from dreamscope.optimize.precision import prepared
from dreamscope.photos import Photo, Source
from dreamscope.progress import Callback, reported
from dreamscope.recipes import Recipe

DRAWS = 20
"""Random sets of the same layers and number, to compare the result with."""
TOP = 50
"""The most channels that are removed unless a number is given."""
PATCH = 48
"""Pixels: a smaller patch of a photo shows nothing in a report."""


@dataclass(frozen=True)
class Removed:
    """One channel that was removed.

    Attributes
    ----------
    address : Address
        The channel.
    score, difference, auc : float
        Its score by the method; its standardised difference and rank AUC, class against controls.
    patch : Tensor or None
        (1, 3, h, w): what excites it most in the class's photos, as much of the picture as it can see.
    """

    address: Address
    score: float
    difference: float
    auc: float
    patch: Tensor | None


@dataclass(frozen=True)
class Blinding:
    """A network blinded to a class, and the proof.

    Attributes
    ----------
    model : Classifier
        The edited one; with `edits`.
    result : Evaluation
        Before and after, on photos that were not used for finding.
    on_controls : Evaluation or None
        The same on controls that were not used for finding, where everything else was another set of photos.
    curve, curve_frequency : tuple of Dose
        Dose and response, for the channels found and for the ``frequency`` rule.
    course : tuple of Stage
        The same photo by photo: what the photos in `result` were taken for before, and at each dose of `curve`.
    frequency : Dose or None
        The ``frequency`` rule with as many channels.
    random : Dose
        Random channels of the same layers and number: the mean, and where 95 % of the draws lie.
    removed : tuple of Removed
        The channels, the strongest first.
    scores : ChannelScores
        What they were chosen by (on all photos, where there were folds).
    folds : int
        The number of folds; 1 where one part of the photos was for finding and the other for measuring.
    counts : dict
        The number of photos of each kind and use.
    unreadable : dict
        Photos that were skipped, by file name, and why.
    recipe : Recipe or None
        Enough to make it again.
    """

    model: Classifier
    result: Evaluation
    on_controls: Evaluation | None
    curve: tuple[Dose, ...]
    curve_frequency: tuple[Dose, ...]
    course: tuple[Stage, ...]
    frequency: Dose | None
    random: Dose
    removed: tuple[Removed, ...]
    scores: ChannelScores
    folds: int
    counts: dict[str, int]
    unreadable: dict[str, str]
    recipe: Recipe | None

    @property
    def label(self) -> str:
        """The class."""
        return self.scores.label

    def verdict(self) -> str:
        """Return the result in one sentence."""
        r = self.result
        blind = r.recall_after.value <= 0.05
        cheap = r.loss.value <= 1
        opening = (
            f"Blind to {self.label}"
            if blind
            else f"Not blind to {self.label}"
            if r.recall_after.value > r.recall_before.value / 2
            else f"Nearly blind to {self.label}"
        )
        cost = "at little cost" if cheap else "at a cost"
        return (
            f"{opening}, {cost}: without {len(self.removed)} channels recall falls from {r.recall_before.value:.0%} to "
            f"{r.recall_after.value:.0%} (95% interval {r.recall_after.low:.0%} to {r.recall_after.high:.0%}, "
            f"{r.recall_after.count} photos); {r.loss_name(' on everything else')}: {r.loss.value + 0.0:.2f} "
            f"({r.loss.low:.2f} to {r.loss.high:.2f}, {r.loss.count} photos); "
            f"as many random channels leave {self.random.recall.value:.0%} and cost {self.random.loss.value:.2f}."
        )

    def _repr_html_(self) -> str:
        rows = [
            [f"{self.random.channels} random channels", self.random.recall, self.random.loss],
            *([dose.channels, dose.recall, dose.loss] for dose in self.curve),
        ]
        return html_table(self.verdict(), ["channels removed", "recall", self.result.loss_name()], rows)


def blind(
    model: Classifier,
    targets: Source | Sequence[Source | Photo],
    controls: Source | Sequence[Source | Photo],
    *,
    measure: Source | Sequence[Source | Photo] | None = None,
    rest: Source | Sequence[Source | Photo] | None = None,
    class_name: str | int | None = None,
    scores: ChannelScores | None = None,
    layers: str | Sequence[str] | None = None,
    from_layer: str | None = None,
    method: str | Sequence[str] = next(iter(METHODS)),
    top: int | None = None,
    how: str = "zero",
    draws: int = DRAWS,
    seed: int = 0,
    callback: Callback | None = None,
    progress: bool = False,
    recipe: bool = True,
) -> Blinding:
    """Remove the channels that carry a class, and measure what was lost.

    Channels are found on one part of the photos, and everything is measured on the other. Each control and each photo
    of the rest is read once, and run through the intact network once, whatever the number of folds.

    Parameters
    ----------
    model
        The classifier; it stays as it is.
    targets
        Photos of the class: half for finding, half for measuring. Fewer than 20 are split into folds instead, so that
        each is measured on once.
    controls
        Photos of other things: half for finding, half for measuring.
    measure
        Photos of the class to measure on; then all targets are for finding.
    rest
        Labelled photos of everything else to measure on, beside the half of the controls.
    class_name
        The class; see `dissect`.
    scores
        Channels found before; then nothing is searched, and the photos they were found on should not be given.
    layers, from_layer
        See `dissect`.
    method
        See `dissect`; the first of several chooses the channels.
    top
        The number of channels; if not given, as many as it took until the class was no longer recognised on the
        photos they were found on, where the method knows (``joint`` does), more where these were few, and no more
        than `TOP`.
    how
        ``zero``, ``mean``, ``noise`` or ``scale:X``, see `Ablation`; channels are searched for with ``zero``.
    draws
        The number of random sets to compare with.
    seed
        Seed of all random numbers.
    callback
        ``callback(stage, done, total)``.
    progress
        Draw a bar.
    recipe
        Keep what the result can be made again with.

    Raises
    ------
    DreamscopeError
        See `dissect`; also if nothing is left to measure on.
    """
    arguments = locals()
    if draws < 1 or (top is not None and top < 1):
        raise DreamscopeError(f"top and draws are 1 or more, not {top} and {draws}")
    Ablation("any", how)
    methods = chosen_methods([*([method] if isinstance(method, str) else method), "frequency"])
    found_targets = photos.find(targets)
    given = scores.class_index if scores is not None and class_name is None else class_name
    class_index = class_of(model, found_targets, given)
    found_targets = of_class(model, found_targets, class_index)
    found_controls = others(model, photos.find(controls), found_targets, class_index)
    measured = None if measure is None else of_class(model, photos.find(measure), class_index)
    folds = _folds(found_targets, measured, seed, searched=scores is None)
    find_on, apart = ([], found_controls) if scores is not None else photos.halves(found_controls, seed)
    # A photo that was used for the search proves nothing any more.
    used = [*found_targets, *found_controls]
    measure_on = apart if rest is None else others(model, photos.find(rest), used, class_index)
    if scores is not None:
        scores.check(model, "the scores file")
    names = list(scores.layers) if scores is not None else chosen_layers(model, layers, from_layer)
    made = None
    if recipe:
        made = Recipe.of_call(
            blind,
            arguments,
            inputs={
                "targets": photos.reference(found_targets),
                "controls": photos.reference(found_controls),
                "measure": None if measured is None else photos.reference(measured),
                "rest": None if rest is None else photos.reference(measure_on),
                "scores": None if scores is None or scores.recipe is None else asdict(scores.recipe),
            },
            resolved={
                "class_name": class_index,
                "layers": names,
                "from_layer": None,
                "method": methods[0] if scores is None else scores.method,
                "folds": [
                    [[photo.path.name for photo in part] for part in (fold.find, fold.measure)] for fold in folds
                ],
                "measured_on": [photo.path.name for photo in measure_on],
            },
        )
    with reported(callback, progress=progress) as callback_:
        search = None
        if scores is None:
            search = Search(model, class_index, names, find_on, methods, seed=seed, callback=callback_)

        def found_on(find_targets: Sequence[Photo], fold: int) -> ChannelScores:
            if search is None:
                assert scores is not None
                found = scores
            else:
                kept = None
                if recipe:
                    kept = recipe_of(
                        arguments, find_targets, find_on, class_index=class_index, layers=names, methods=methods
                    )
                found = search.run(find_targets, recipe=kept, callback=_in_fold(callback_, fold, len(folds)))
            if not len(found.ranking()):
                raise DreamscopeError(f"no channel carries '{found.label}' by {found.method}; do the photos show it?")
            return found

        fast = prepared(model, names, max(model.input_size), "float32")[0] if search is None else search.model
        comparison = Comparison(fast, class_index, how=how, draws=draws, seed=seed)
        for number, fold in enumerate(folds, 1):
            found = found_on(fold.find, number)
            comparison.add(found, _count(found, top), fold.measure)
        if len(folds) > 1:
            # What is removed in the end is found on all of them; its effect was measured fold by fold.
            found = found_on(found_targets, 0)
        comparison.measure(measure_on, callback_)
    places = found.ranking()[: _count(found, top)].tolist()
    curve, curve_frequency = comparison.curves(found.method)
    edits = ablations(found, places, how)
    return Blinding(
        model=model.edited(edits),
        result=comparison.result(),
        on_controls=None if rest is None else evaluate(fast, fast.edited(edits), [], apart, class_index=class_index),
        curve=curve,
        curve_frequency=curve_frequency,
        course=comparison.course(found.method),
        frequency=comparison.as_many(),
        random=comparison.random(),
        removed=_removed(found, places, model, found_targets),
        scores=found,
        folds=len(folds),
        counts={
            "targets to find on": len(folds[0].find) if scores is None else 0,
            "targets to measure on": sum(len(fold.measure) for fold in folds),
            "controls to find on": len(find_on),
            "others to measure on": len(measure_on),
        },
        unreadable={**found.unreadable, **comparison.unreadable},
        recipe=made and made.but(removed=[str(address) for address in addresses(found, places)]),
    )


def _in_fold(callback: Callback | None, number: int, count: int) -> Callback | None:
    if callback is None or count == 1:
        return callback
    which = f"fold {number} of {count}" if number else "all photos"
    return lambda stage, done, total: callback(f"{stage} ({which})", done, total)


def _count(found: ChannelScores, top: int | None) -> int:
    if top is not None:
        return top
    if found.enough is None:
        return TOP
    # What was enough for few photos is not yet enough for others: with four, twice as many channels.
    return min(round(found.enough * (1 + 4 / found.counts["targets"])), TOP)


def _folds(
    targets: Sequence[Photo], measured: Sequence[Photo] | None, seed: int, *, searched: bool
) -> Sequence[photos.Fold]:
    """Return what to find channels on and what to measure them on, once or in folds."""
    if measured is not None:
        apart = photos.without(measured, targets)
        if not apart:
            raise DreamscopeError("the photos to measure on are the ones that channels are found on; give others")
        return [photos.Fold(targets, [], apart)]
    if not searched:
        return [photos.Fold([], [], targets)]
    return [photos.Fold([*fold.probe, *fold.find], [], fold.measure) for fold in photos.folds(targets, 1, seed)]


def _removed(
    found: ChannelScores, places: Sequence[int], model: Classifier, targets: Sequence[Photo]
) -> tuple[Removed, ...]:
    channels = [found.address(place) for place in places]
    strongest = exemplars(model, targets, list(found.layers), top=1)
    patches = [row[0] if row else None for row in strongest.patches(model, channels, smallest=PATCH)]
    ranked = found.scores[found.method]
    return tuple(
        Removed(
            found.address(place),
            float(ranked[place]),
            float(found.numbers["difference"][place]),
            float(found.numbers["auc"][place]),
            patch,
        )
        for place, patch in zip(places, patches, strict=True)
    )
