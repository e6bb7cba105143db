"""One edit beside others: dose and response, the `frequency` rule, random channels - over one or several folds."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch

from dreamscope.dissection import intervals
from dreamscope.dissection.evaluation import Evaluation, PhotoPrediction, compare, lost, predict, recall
from dreamscope.dissection.intervals import Estimate
from dreamscope.dissection.scores import ChannelScores, ablations
from dreamscope.errors import DreamscopeError
from dreamscope.models.classifier import Classifier
from dreamscope.photos import Photo
from dreamscope.progress import Callback

DOSES = (1, 2, 4, 8, 16, 32, 64, 128, 256)

_AT_ONCE = 16
"""Photos in one pass."""


@dataclass(frozen=True)
class Dose:
    """What removing so many channels does: the class's recall, and top-1 points lost on everything else."""

    channels: int
    recall: Estimate
    loss: Estimate


@dataclass(frozen=True)
class Stage:
    """What the class's photos are taken for without so many channels.

    Attributes
    ----------
    channels : int
        The number of channels removed; 0 before.
    predictions : tuple of PhotoPrediction
        Of the photos that were measured on, in the order of `Evaluation.photos`.
    chosen : bool
        Whether this is the choice that was measured.
    """

    channels: int
    predictions: tuple[PhotoPrediction, ...]
    chosen: bool = False


Name = tuple[str, int]
"""Names a choice of channels: a method and a number of channels, ``random`` and the number of a draw, ..."""

_NOTHING = ("nothing", 0)
_CHOSEN = ("chosen", 0)
_AS_MANY = ("as many by frequency", 0)


class Comparison:
    """Measures one choice of channels beside others on the same photos; several folds are put together.

    First every fold is added, then all are measured: so each photo is read once, and run through the intact network
    once, whatever the number of folds.

    Parameters
    ----------
    model
        The classifier, unedited.
    class_index
        The class.
    how
        See `Ablation`.
    draws
        The number of random sets.
    seed
        Of the draws.

    Attributes
    ----------
    unreadable : dict
        Photos that were skipped, by file name, and why.
    """

    def __init__(self, model: Classifier, class_index: int, *, how: str, draws: int, seed: int) -> None:
        self.unreadable: dict[str, str] = {}
        self._model = model
        self._class = class_index
        self._how = how
        self._draws = draws
        self._generator = torch.Generator().manual_seed(seed)
        self._folds: list[tuple[dict[Name, Classifier], Sequence[Photo]]] = []
        self._sizes: dict[Name, int] = {}
        self._varied = False
        self._photos: list[Photo] = []
        # What is predicted of the class's photos, and of everything else: all folds in a row. A choice other than the
        # chosen one is measured on everything else in the first fold only: more is not worth the time.
        self._targets: dict[Name, list[PhotoPrediction]] = {}
        self._rest: dict[Name, list[PhotoPrediction]] = {}

    def add(self, scores: ChannelScores, top: int, targets: Sequence[Photo]) -> None:
        """Add a fold: the `top` channels of `scores`, and photos of the class that they were not found on."""
        choices = {_NOTHING: list[int](), **self._choices(scores, top)}
        # Folds that chose different numbers have no one dose in common.
        self._varied |= self._sizes.get(_CHOSEN, len(choices[_CHOSEN])) != len(choices[_CHOSEN])
        self._sizes |= {name: len(places) for name, places in choices.items()}
        models = {
            name: self._model.edited(ablations(scores, places, self._how)) if places else self._model
            for name, places in choices.items()
        }
        self._folds.append((models, targets))

    def measure(self, rest: Sequence[Photo], callback: Callback | None = None) -> None:
        """Measure the folds on their photos of the class, and on everything else.

        Raises
        ------
        DreamscopeError
            If none of the photos of the class can be read, or none of the rest.
        """
        on_rest = list(self._folds[0][0].items()) + [(_CHOSEN, models[_CHOSEN]) for models, _ in self._folds[1:]]
        total = sum(len(models) * len(targets) for models, targets in self._folds) + len(on_rest) * len(rest)
        done = 0

        def count(more: int) -> None:
            nonlocal done
            done += more
            if callback is not None:
                callback("measuring", done, total)

        for models, targets in self._folds:
            # Where a fold is a single photo, that one may be unreadable.
            found = predict([*models.values()], targets, self._class, batch=_AT_ONCE, needs=0, callback=count)
            self._photos += found.photos
            self.unreadable |= found.unreadable
            for name, mine in zip(models, found.by_model, strict=True):
                self._targets.setdefault(name, []).extend(mine)
        if not self._photos:
            reason = next(iter(self.unreadable.values()))
            raise DreamscopeError(f"none of the photos of the class to measure on can be read: {reason}")
        found = predict([model for _, model in on_rest], rest, self._class, batch=_AT_ONCE, callback=count)
        self.unreadable |= found.unreadable
        for (name, _), mine in zip(on_rest, found.by_model, strict=True):
            self._rest.setdefault(name, []).extend(mine)

    def _choices(self, scores: ChannelScores, top: int) -> dict[Name, list[int]]:
        chosen = scores.ranking()[:top]
        found = {_CHOSEN: chosen.tolist()}
        if "frequency" in scores.scores:
            found[_AS_MANY] = scores.ranking("frequency").tolist()[:top]
        for method in (name for name in scores.scores if name in (scores.method, "frequency")):
            order = scores.ranking(method).tolist()
            found |= {(method, dose): order[:dose] for dose in DOSES if dose <= len(order)}
        for draw in range(self._draws):
            found["random", draw] = self._like(scores, chosen)
        return found

    def _like(self, scores: ChannelScores, chosen: torch.Tensor) -> list[int]:
        """Draw as many channels of each layer as were chosen there."""
        drawn: list[int] = []
        start = 0
        for width in scores.layers.values():
            count = int(((chosen >= start) & (chosen < start + width)).sum())
            drawn += (torch.randperm(width, generator=self._generator)[:count] + start).tolist()
            start += width
        return drawn

    def result(self) -> Evaluation:
        """Return the choice itself, before and after."""
        folds = len(self._folds)
        return compare(
            (self._targets[_NOTHING], self._targets[_CHOSEN]),
            (self._rest[_NOTHING] * folds, self._rest[_CHOSEN]),
            self._photos,
            class_index=self._class,
            model=self._model,
            folds=folds,
        )

    def curves(self, method: str) -> tuple[tuple[Dose, ...], tuple[Dose, ...]]:
        """Return dose and response by the method of the choice, and by the ``frequency`` rule, if it was scored."""
        mine = self._curve(method, _CHOSEN)
        return mine, self._curve("frequency", _AS_MANY) if _AS_MANY in self._targets else ()

    def _curve(self, method: str, chosen: Name) -> tuple[Dose, ...]:
        return tuple(self._dose(name) for name in self._along(method, chosen))

    def course(self, method: str) -> tuple[Stage, ...]:
        """Return what the class's photos are taken for before, and at each dose of the curve by one method."""
        return tuple(
            Stage(self._sizes[name], tuple(self._targets[name]), name == _CHOSEN)
            for name in (_NOTHING, *self._along(method, _CHOSEN))
        )

    def _along(self, method: str, chosen: Name) -> list[Name]:
        """Return the names of one method's doses, from few channels to many; of two that are alike, `chosen`."""
        names = [*(name for name in self._targets if name[0] == method), *([] if self._varied else [chosen])]
        # A fold that found few channels has no large doses: those say nothing of its photos.
        whole = [name for name in names if name in self._rest and len(self._targets[name]) == len(self._photos)]
        doses = {self._sizes[name]: name for name in whole}
        return [doses[size] for size in sorted(doses)]

    def as_many(self) -> Dose | None:
        """Return the ``frequency`` rule with as many channels as were chosen, if it was scored."""
        return self._dose(_AS_MANY) if _AS_MANY in self._targets else None

    def random(self) -> Dose:
        """Return the random sets: means, and where 95 % of the draws lie."""
        doses = [self._dose(("random", draw)) for draw in range(self._draws)]
        return Dose(
            doses[0].channels,
            intervals.spread([dose.recall.value for dose in doses]),
            intervals.spread([dose.loss.value for dose in doses]),
        )

    def _dose(self, name: Name) -> Dose:
        before, after = self._rest[_NOTHING], self._rest[name]
        folds = len(after) // len(before)
        return Dose(self._sizes[name], recall(self._targets[name], self._class), lost(before * folds, after, folds))
