"""Readout: can a fresh linear probe still tell a class from other things, by what a layer puts out?

An edit may keep a network from saying a class while all that it knew of the class is still there to be read.

References
----------
G. Alain and Y. Bengio, "Understanding intermediate layers using linear classifier probes" (2016).
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor

from dreamscope import photos, recipes
from dreamscope.dissection import intervals
from dreamscope.dissection.intervals import Estimate
from dreamscope.dissection.tables import html_table
from dreamscope.errors import DreamscopeError
from dreamscope.models.addresses import Address, resolve
from dreamscope.models.classifier import Classifier
from dreamscope.optimize.precision import prepared
from dreamscope.photos import Photo, Source, Stream
from dreamscope.probes import means, probe
from dreamscope.progress import Callback, reported
from dreamscope.recipes import Recipe

FEWEST = 4
"""Photos of each kind: with fewer, no strength could be chosen on those that a probe learns from."""

_STRENGTHS = tuple(10.0**power for power in range(-4, 1))
_FIXED = 1e-2
"""The strength where photos are too few to choose one."""
_FOLDS = 3
_ROUNDING = 1e-7
"""Deviations of a feature that are no more, as a share of the largest number of all, are rounding."""
_BATCH = 32


@dataclass(frozen=True)
class Readout:
    """How well linear probes tell photos of a class from others, on photos that they did not learn from.

    Attributes
    ----------
    layer : str
        Whose features the probes read: a channel's mean over positions is a feature.
    positives, negatives : tuple of float
        The log-odds of the class that a probe gave each photo of the class, and each of the others.
    folds : int
        The number of probes, each of which learnt from the other folds.
    unreadable : dict
        Photos that were skipped, by file name, and why.
    recipe : Recipe or None
        Enough to make it again.
    counts : tuple of int or None
        The numbers of photos of the class and of others, where several probes scored the same.
    """

    layer: str
    positives: tuple[float, ...]
    negatives: tuple[float, ...]
    folds: int
    unreadable: dict[str, str]
    recipe: Recipe | None
    counts: tuple[int, int] | None = None

    @property
    def auc(self) -> float:
        """The chance that a photo of the class scores higher than another: 0.5 if nothing can be read, 1 if all."""
        return self.area().value

    def area(self) -> Estimate:
        """Return `auc` with its interval."""
        return intervals.auc(self.positives, self.negatives, self.counts)

    @property
    def accuracy(self) -> float:
        """The share of photos told apart rightly, photos of the class and others counting the same."""
        right = (np.mean([score > 0 for score in self.positives]), np.mean([score <= 0 for score in self.negatives]))
        return float(np.mean(right))

    def recall(self, false_alarms: float = 0.01) -> Estimate:
        """Return the share of the class's photos that are found where `false_alarms` of the others are taken for it."""
        allowed = int(false_alarms * len(self.negatives))
        limit = sorted(self.negatives, reverse=True)[allowed] if allowed < len(self.negatives) else float("-inf")
        found = sum(score > limit for score in self.positives) / len(self.positives)
        # Scoring a photo again says nothing new about others.
        return intervals.share([found] * (self.counts[0] if self.counts else len(self.positives)))

    def _repr_html_(self) -> str:
        positives, negatives = self.counts or (len(self.positives), len(self.negatives))
        title = f"{positives} photos of the class and {negatives} others, read at {self.layer}"
        rows: list[list[object]] = [
            ["area under the curve", f"{self.auc:.3f}"],
            ["accuracy", f"{self.accuracy:.3f}"],
            ["recall at 1 % false alarms", self.recall()],
        ]
        return html_table(title, ["", "a fresh linear probe"], rows)


def linear_probe(
    model: Classifier,
    layer: str | Address,
    positives: Source | Sequence[Source | Photo] | Tensor,
    negatives: Source | Sequence[Source | Photo] | Tensor,
    *,
    folds: int = 5,
    seed: int = 0,
    callback: Callback | None = None,
    progress: bool = False,
    recipe: bool = True,
) -> Readout:
    """Measure how well a class can be read off a layer by a fresh linear probe.

    The probe is a logistic regression on standardised features; the strength of its penalty is chosen by
    cross-validation inside the photos that it learns from. Each photo is scored by a probe that did not learn from it;
    photos that an edit was found on should not be among them.

    Parameters
    ----------
    model
        The classifier, edited or not.
    layer
        A layer, perhaps some of its channels.
    positives, negatives
        Photos of the class and of other things, see `dreamscope.photos.find`; or images (N, 3, H, W) in [0, 1].
    folds
        The number of parts, each scored by a probe that learnt from the others; fewer where photos are few.
    seed
        Seed of the split.
    callback
        ``callback(stage, done, total)``.
    progress
        Draw a bar.
    recipe
        Keep what the result can be made again with.

    Returns
    -------
    Readout

    Raises
    ------
    DreamscopeError
        No such layer, or several; fewer than two folds; fewer than four of either can be read.
    """
    arguments = locals()
    addresses = resolve([layer], model)
    if len(addresses) != 1 or addresses[0].position is not None:
        raise DreamscopeError(f"'{layer}' is not one layer; a linear probe reads the channels of one, at all positions")
    if folds < 2:
        raise DreamscopeError(f"folds are 2 or more, not {folds}: some to learn from, one to measure on")
    (address,) = addresses
    sets = {
        name: given if isinstance(given, Tensor) else photos.find(given)
        for name, given in (("positives", positives), ("negatives", negatives))
    }
    made = None
    if recipe:
        inputs: dict[str, Any] = {
            name: recipes.reference(given) if isinstance(given, Tensor) else photos.reference(given)
            for name, given in sets.items()
        }
        made = Recipe.of_call(linear_probe, arguments, inputs=inputs, resolved={"layer": str(address)})
    fast, _ = prepared(model, [address.layer], max(model.input_size), "float32")
    unreadable: dict[str, str] = {}
    with reported(callback, progress=progress) as callback_:
        mine, others = (
            _features(fast, address, name, _batches(fast, given, name, unreadable, callback_))
            for name, given in sets.items()
        )
        count = min(folds, len(mine), len(others))
        scores = _scores(mine, others, count, seed, callback_)
    return Readout(address.layer, tuple(scores[: len(mine)]), tuple(scores[len(mine) :]), count, unreadable, made)


@dataclass(frozen=True)
class Split:
    """Features of photos that an edit was not found on, for probes to learn from and to be measured on.

    Attributes
    ----------
    measured : Tensor
        (N, features): photos of the class that are measured on.
    trained : Tensor or None
        (N, features): photos of the class that probes learn from; where there are none, two halves of `measured` take
        turns.
    others : Tensor
        (N, features): photos of everything else, of which two halves take turns.
    """

    measured: Tensor
    trained: Tensor | None
    others: Tensor


def readout(
    layer: str, splits: Sequence[Split], *, counts: tuple[int, int] | None = None, seed: int = 0
) -> Readout | None:
    """Return what fresh linear probes can tell on photos that neither they nor the edit have seen.

    Parameters
    ----------
    layer
        Where the features come from.
    splits
        One for each edit, if there are several (folds). Log-odds of all probes are put together.
    counts
        The numbers of photos of the class and of others, if some are in several splits or were scored by several
        probes.
    seed
        Of the halves.

    Returns
    -------
    Readout or None
        ``None`` where there are too few photos for halves.
    """
    positives: list[float] = []
    negatives: list[float] = []
    probes = 0
    for split in splits:
        mine, others = _halves(split.measured, seed), _halves(split.others, seed)
        if not len(others[0]) or (split.trained is None and not len(mine[0])):
            continue
        for turn in (0, 1):
            learnt_from = mine[turn] if split.trained is None else split.trained
            measured_on = mine[1 - turn] if split.trained is None else split.measured
            search = _fitted(learnt_from.double().numpy(), others[turn].double().numpy(), seed)
            positives += search.decision_function(measured_on.double().numpy()).tolist()
            negatives += search.decision_function(others[1 - turn].double().numpy()).tolist()
            probes += 1
    if not probes:
        return None
    if counts is not None:
        counts = min(counts[0], len(positives)), min(counts[1], len(negatives))
    return Readout(layer, tuple(positives), tuple(negatives), probes, {}, None, counts)


def _halves(values: Tensor, seed: int) -> tuple[Tensor, Tensor]:
    order = torch.randperm(len(values), generator=torch.Generator().manual_seed(seed))
    return values[order[: len(values) // 2]], values[order[len(values) // 2 :]]


def _batches(
    model: Classifier,
    given: Tensor | Sequence[Photo],
    name: str,
    unreadable: dict[str, str],
    callback: Callback | None,
) -> Iterator[Tensor]:
    if isinstance(given, Tensor):
        yield from (model.prepared(part) for part in given.split(_BATCH))
        return
    stream, done = Stream(given, model, batch=_BATCH, needs=0), 0
    for _, images in stream:
        yield images
        done += len(images)
        if callback is not None:
            callback(name, done, len(given))
    unreadable |= stream.skipped


def _features(model: Classifier, address: Address, name: str, batches: Iterator[Tensor]) -> np.ndarray[Any, Any]:
    """Return (photos, channels): means over positions."""
    with torch.no_grad(), probe(model, [address.layer], keep=means) as seen:
        found = [seen(images)[address.layer].float().cpu() for images in batches]
    if (count := sum(map(len, found))) < FEWEST:
        raise DreamscopeError(f"{count} of the {name} can be read; a linear probe needs at least {FEWEST}")
    matrix = torch.cat(found)[:, list(address.channels or range(found[0].shape[1]))]
    if not bool(matrix.isfinite().all()):
        raise DreamscopeError(f"the features of '{address}' are not all finite numbers; give another layer")
    return matrix.double().numpy()


def _scores(
    positives: np.ndarray[Any, Any],
    negatives: np.ndarray[Any, Any],
    folds: int,
    seed: int,
    callback: Callback | None,
) -> list[float]:
    """Return the log-odds of all photos, each by a probe that did not learn from it."""
    from sklearn.model_selection import StratifiedKFold

    values = np.concatenate([positives, negatives])
    truth = np.repeat([1, 0], [len(positives), len(negatives)])
    scores = np.empty(len(values))
    split = StratifiedKFold(folds, shuffle=True, random_state=seed).split(values, truth)
    for number, (learnt_from, measured_on) in enumerate(split, 1):
        known, answers = values[learnt_from], truth[learnt_from]
        search = _fitted(known[answers == 1], known[answers == 0], seed)
        scores[measured_on] = search.decision_function(values[measured_on])
        if callback is not None:
            callback("training linear probes", number, folds)
    return scores.tolist()


def _fitted(positives: np.ndarray[Any, Any], negatives: np.ndarray[Any, Any], seed: int) -> Any:
    """Return a logistic regression on standardised features, its strength chosen by cross-validation."""
    from sklearn.linear_model import LogisticRegression
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import StandardScaler

    values = np.concatenate([positives, negatives])
    truth = np.repeat([1, 0], [len(positives), len(negatives)])
    scaler = StandardScaler().fit(values)
    # Made as large as the others, what an erasure leaves by rounding could be read.
    scaler.scale_[scaler.scale_ <= _ROUNDING * np.abs(values).max()] = 1
    few = min(len(positives), len(negatives)) < _FOLDS
    strength = _FIXED if few else _strength(scaler.transform(values), truth, seed)
    chosen = LogisticRegression(C=strength, class_weight="balanced", max_iter=1000)
    return make_pipeline(scaler, chosen.fit(scaler.transform(values), truth))


def _strength(values: np.ndarray[Any, Any], truth: np.ndarray[Any, Any], seed: int) -> float:
    """Return the strength with the least logarithmic loss on photos left out.

    Not by scikit-learn's GridSearchCV, which does the same in four times the time: each strength starts where the one
    before it ended.
    """
    from sklearn.linear_model import LogisticRegression
    from sklearn.model_selection import StratifiedKFold

    losses = np.zeros(len(_STRENGTHS))
    for learnt_from, measured_on in StratifiedKFold(_FOLDS, shuffle=True, random_state=seed).split(values, truth):
        model = LogisticRegression(class_weight="balanced", max_iter=1000, warm_start=True)
        for place, strength in enumerate(_STRENGTHS):
            model.set_params(C=strength).fit(values[learnt_from], truth[learnt_from])
            # As scikit-learn's log_loss, which takes longer than the fit where photos are few.
            against = np.where(truth[measured_on] == 1, -1, 1) * model.decision_function(values[measured_on])
            losses[place] += np.logaddexp(0, against).mean()
    return _STRENGTHS[int(losses.argmin())]
