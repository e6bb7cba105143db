"""One edit beside others: dose and response, the `frequency` rule, random channels - gathered turn by turn."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import torch

from dreamscope.dissection import intervals
from dreamscope.dissection.evaluation import Answer, Evaluation, answers, compare, lost, recall
from dreamscope.dissection.intervals import Estimate
from dreamscope.dissection.scores import ChannelScores, ablations
from dreamscope.models.classifier import Classifier
from dreamscope.photos import Photo

DOSES = (1, 2, 4, 8, 16, 32, 64, 128, 256)

_AT_ONCE = 16
"""Photos in one pass."""


@dataclass(frozen=True)
class Dose:
    """What so many channels do: the class's recall, and top-1 points lost on everything else."""

    channels: int
    recall: Estimate
    loss: Estimate


@dataclass(frozen=True)
class Stage:
    """What the class's photos are taken for without so many channels.

    Attributes
    ----------
    channels : int
        How many are gone; 0 before.
    answers : tuple of Answer
        To the photos that were measured on, in the order of `Evaluation.photos`.
    chosen : bool
        Whether this is the choice that was measured.
    """

    channels: int
    answers: tuple[Answer, ...]
    chosen: bool = False


Told = list[Answer]

_NOTHING = ("nothing", 0)
"""The name of the choice to take nothing away."""
_CHOSEN = ("chosen", 0)
_AS_MANY = ("as many by frequency", 0)


class Comparison:
    """Measures one choice of channels beside others on the same photos; several turns are put together.

    Parameters
    ----------
    model
        The classifier, unedited.
    class_index
        The class.
    how
        See `Ablation`.
    draws
        Random sets.
    seed
        Of the draws.
    report
        Called with what is being done, how much, of how much.
    """

    def __init__(
        self,
        model: Classifier,
        class_index: int,
        *,
        how: str,
        draws: int,
        seed: int,
        report: Callable[[str, int, int], None],
    ) -> None:
        self.unreadable: dict[str, str] = {}
        self._model = model
        self._class = class_index
        self._how = how
        self._draws = draws
        self._generator = torch.Generator().manual_seed(seed)
        self._report = report
        self._photos: list[Photo] = []
        self._turns = 0
        self._varied = False
        # Name of a choice -> the answers to the class's photos and to everything else, all turns in a row.
        self._told: dict[tuple[str, int], tuple[Told, Told]] = {}
        self._sizes: dict[tuple[str, int], int] = {}

    def add(self, scores: ChannelScores, top: int, targets: Sequence[Photo], rest: Sequence[Photo]) -> None:
        """Measure one turn: the `top` channels of `scores` on photos that they were not found on."""
        choices = {_NOTHING: list[int](), **self._choices(scores, top)}
        models = {
            name: self._model.edited(ablations(scores, places, self._how)) if places else self._model
            for name, places in choices.items()
        }
        # In later turns everything else is the same; only of the choice itself is its mean over turns worth the time.
        always = (_NOTHING, _CHOSEN)
        asked = {name: model for name, model in models.items() if not self._turns or name in always}
        total = len(models) * len(targets) + len(asked) * len(rest)
        done = 0

        def count(more: int) -> None:
            nonlocal done
            done += more
            self._report("measuring", done, total)

        of_targets = answers([*models.values()], targets, self._class, batch=_AT_ONCE, report=count)
        of_rest = answers([*asked.values()], rest, self._class, batch=_AT_ONCE, report=count)
        self._turns += 1
        self._photos += of_targets.photos
        self.unreadable |= {**of_targets.unreadable, **of_rest.unreadable}
        # Turns that chose different numbers have no one dose in common.
        self._varied |= self._sizes.get(_CHOSEN, len(choices[_CHOSEN])) != len(choices[_CHOSEN])
        self._sizes |= {name: len(places) for name, places in choices.items()}
        for name, mine in zip(models, of_targets.answers, strict=True):
            self._told.setdefault(name, ([], []))[0].extend(mine)
        for name, others in zip(asked, of_rest.answers, strict=True):
            self._told[name][1].extend(others)

    def _choices(self, scores: ChannelScores, top: int) -> dict[tuple[str, int], list[int]]:
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

    def result(self, model: Classifier) -> Evaluation:
        """Return the choice itself, before and after."""
        before, after = self._told[_NOTHING], self._told[_CHOSEN]
        return compare(
            (before[0], after[0]),
            (before[1], after[1]),
            self._photos,
            class_index=self._class,
            model=model,
            turns=self._turns,
        )

    def curve(self, method: str, chosen: tuple[str, int]) -> tuple[Dose, ...]:
        """Return dose and response by one method; `chosen` is the choice that stands among its doses."""
        return tuple(self._dose(name) for name in self._along(method, chosen))

    def curves(self, method: str) -> tuple[tuple[Dose, ...], tuple[Dose, ...]]:
        """Return dose and response by the method of the choice, and by the ``frequency`` rule, if it was scored."""
        mine = self.curve(method, _CHOSEN)
        return mine, self.curve("frequency", _AS_MANY) if _AS_MANY in self._told else ()

    def course(self, method: str) -> tuple[Stage, ...]:
        """Return the answers to the class's photos before, and at each dose of the curve by one method."""
        return tuple(
            Stage(self._sizes[name], tuple(self._told[name][0]), name == _CHOSEN)
            for name in (_NOTHING, *self._along(method, _CHOSEN))
        )

    def _along(self, method: str, chosen: tuple[str, int]) -> list[tuple[str, int]]:
        """Return the names of one method's doses, from few channels to many; of two that are alike, `chosen`."""
        names = [*(name for name in self._told if name[0] == method), *([] if self._varied else [chosen])]
        # A turn that found few channels has no large doses: those say nothing of its photos.
        whole = [name for name in names if len(self._told[name][0]) == len(self._photos)]
        doses = {self._sizes[name]: name for name in whole}
        return [doses[size] for size in sorted(doses)]

    def as_many(self) -> Dose | None:
        """Return the ``frequency`` rule with as many channels as were chosen, if it was scored."""
        return self._dose(_AS_MANY) if _AS_MANY in self._told else None

    def random(self) -> Dose:
        """Return the random sets: means, and where 95 % of the draws lie."""
        doses = [self._dose(("random", draw)) for draw in range(self._draws)]
        return Dose(
            doses[0].channels,
            intervals.spread([dose.recall.value for dose in doses]),
            intervals.spread([dose.loss.value for dose in doses]),
        )

    def _dose(self, name: tuple[str, int]) -> Dose:
        mine, others = self._told[name]
        before = self._told[_NOTHING][1]
        turns = self._turns * len(others) // len(before)
        return Dose(self._sizes[name], recall(mine, self._class), lost(before[: len(others)], others, turns))
