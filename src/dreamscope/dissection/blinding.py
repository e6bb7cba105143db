"""Blinding: a network from which a class was taken away, and the proof."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from torch import Tensor

from dreamscope.dissection.arms import CHOSEN, INTACT, RANDOM_CHANNELS, RANDOM_DIRECTIONS
from dreamscope.dissection.dose_response import Course
from dreamscope.dissection.evaluation import Evaluation
from dreamscope.dissection.intervals import Estimate
from dreamscope.dissection.scores import ChannelScores
from dreamscope.dissection.shares import are_few, loss_interval, loss_text, lost, share_interval, share_text, shared
from dreamscope.dissection.tables import html_table
from dreamscope.dissection.trials import Trial
from dreamscope.models.addresses import Address
from dreamscope.models.classifier import Classifier
from dreamscope.recipes import Recipe

GONE = 0.05
"""The share of the class's photos that may still be taken for it where the answer counts as gone."""
UNREADABLE = 0.1
"""The share that a fresh probe may still find, at 1 % false alarms, where the class counts as unreadable."""
READABLE = 0.3
"""The share that it must find in the intact network, or its failing afterwards proves nothing."""
ENOUGH = 3
"""The number of photos that must have been recognised before, or their loss proves little."""


@dataclass(frozen=True)
class Removed:
    """One channel or one direction that was taken away.

    Attributes
    ----------
    address : Address
        The channel, or the layer of the direction.
    number : int or None
        Of the direction among those at its layer; ``None`` for a channel.
    score, difference, auc : float
        Of a channel: its score by the method; its standardised difference and rank AUC, class against controls.
    patch : Tensor or None
        (1, 3, h, w): what excites it most in the class's photos, as much of the picture as it can see.
    """

    address: Address
    number: int | None
    score: float
    difference: float
    auc: float
    patch: Tensor | None


@dataclass(frozen=True)
class Design:
    """How a blinding was found and measured.

    Attributes
    ----------
    units, aim : str
        Names in `UNITS` and `AIMS`.
    method : str
        How channels were chosen, or ``erasure``.
    read_at : tuple of str
        The layers where the class is not to be readable; the features last.
    folds : int
        The number of edits that were found on some photos and measured on others.
    counts : Mapping of str to int
        The number of photos of each kind and use, in each fold.
    agreement : float or None
        How much the edits of the folds have in common, 0 to 1: the share of channels, or the overlap of directions.
    """

    units: str
    aim: str
    method: str
    read_at: tuple[str, ...]
    folds: int
    counts: Mapping[str, int]
    agreement: float | None


@dataclass(frozen=True)
class Blinding:
    """A network from which a class was taken away, and the proof.

    Attributes
    ----------
    model : Classifier
        The edited one; with `edits`.
    result : Evaluation
        Before and after, on photos that were not used for finding.
    trials : tuple of Trial
        The edit beside others: answer, cost, and what a fresh probe still reads, layer by layer.
    course : Course or None
        Dose and response, where it was asked for.
    removed : tuple of Removed
        The channels, the strongest first, and the directions in the order of their layers.
    scores : ChannelScores or None
        What channels were chosen by (on all photos, where there were folds).
    design : Design
        How it was found and measured.
    class_index : int
        The class.
    unreadable : dict
        Photos that were skipped, by file name, and why.
    recipe : Recipe or None
        Enough to make it again.
    """

    model: Classifier
    result: Evaluation
    trials: tuple[Trial, ...]
    course: Course | None
    removed: tuple[Removed, ...]
    scores: ChannelScores | None
    design: Design
    class_index: int
    unreadable: dict[str, str]
    recipe: Recipe | None

    @property
    def label(self) -> str:
        """The class."""
        return self.model.label(self.class_index)

    @property
    def chosen(self) -> Trial:
        """The trial of the edit itself."""
        return next(trial for trial in self.trials if trial.name == CHOSEN[0])

    @property
    def intact(self) -> Trial:
        """The trial of the network as it was."""
        return next(trial for trial in self.trials if trial.name == INTACT[0])

    def opening(self) -> str:
        """Return the verdict in a few words.

        *Blind* is a network that does not say the class any more, and in which a fresh probe does not find it; *mute*
        is one that only does not say it.
        """
        before, after, count = (*self._recalls(), self.result.recall_after.count)
        if after > max(GONE, before / 2):
            return f"Not blind to {self.label}"
        if (proof := self.proof()) != "enough":
            return f"{proof.capitalize()} proved about {self.label}"
        if after > GONE:
            said = f"Nearly mute about {self.label}"
        elif (state := self._unreadable()) is None:
            said = f"Mute about {self.label}; whether it is blind can't be told"
        else:
            said = f"Blind to {self.label}" if state else f"Mute about {self.label}, not blind"
        return f"{said}, as far as {count} photos tell" if are_few(count) else said

    def proof(self) -> str:
        """Return what the photos can prove about the class: ``nothing``, ``little`` or ``enough``.

        Nothing where none was recognised before; little where fewer than `ENOUGH` were, or so small a share that it may
        as well have been one that counts as gone.
        """
        before = self.result.recall_before
        if before.value == 0:
            return "nothing"
        return "little" if before.value * before.count < ENOUGH - 0.5 or before.low <= GONE else "enough"

    def _recalls(self) -> tuple[float, float]:
        return self.result.recall_before.value, self.result.recall_after.value

    def _unreadable(self) -> bool | None:
        """Return whether a fresh probe fails wherever it is to; ``None`` if it could not read the class before."""
        where = [name for name in self.design.read_at if name in self.chosen.readouts]
        if not where or self.intact.readouts[where[-1]].recall().value < READABLE:
            return None
        return all(self.chosen.readouts[name].recall().value <= UNREADABLE for name in where)

    def _unchanged(self) -> list[str]:
        """Return the layers before the edit, where the class is read as ever."""
        return [name for name, found in self.chosen.readouts.items() if found is self.intact.readouts.get(name)]

    def verdict(self) -> str:
        """Return the result in three sentences."""
        r, features = self.result, self.design.read_at[-1]
        said = f"{self.opening()}: {self._recall_said()}, and {r.loss_name(' on everything else')}: "
        said += f"{loss_text(r.loss.value, r.loss.count)} ({_measured(loss_interval(r.loss, r.loss.count), r.loss)})"
        random = [trial for trial in self.trials if trial.name in (RANDOM_CHANNELS, RANDOM_DIRECTIONS)]
        if random:
            said += "; " + " and ".join(
                f"{each.title} leave{'s' * (each.number == '1')} {share_text(each.recall.value, r.recall_after.count)} "
                f"and cost{'s' * (each.number == '1')} {loss_text(each.loss.value, r.loss.count)}"
                for each in random
            )
        said += ". "
        if features in self.chosen.readouts:
            before, after = (each.readouts[features].recall() for each in (self.intact, self.chosen))
            of_them = "" if are_few(after.count) else " of them"
            said += (
                f"A fresh linear probe on its features finds {share_text(after.value, after.count)}{of_them} at 1% "
                f"false alarms ({share_interval(after)}), of the intact network "
                f"{share_text(before.value, before.count)}"
            )
            # Before the first edit a layer is what it was.
            behind = [name for name in self.chosen.readouts if name not in self._unchanged() and name != features]
            if behind:
                worst = max(behind, key=lambda name: self.chosen.readouts[name].recall().value)
                said += f"; at {worst} it still finds {self._found(worst)}"
            if unchanged := self._unchanged():
                said += f", and before the edit, at {unchanged[-1]}, {self._found(unchanged[-1])}"
            said += "."
        return said

    def _found(self, layer: str) -> str:
        found = self.chosen.readouts[layer].recall()
        return share_text(found.value, found.count)

    def _recall_said(self) -> str:
        """Return what became of recall."""
        before, after, count = (*self._recalls(), self.result.recall_after.count)
        taken, now = self._taken(), share_text(after, count)
        if before == after == 0:
            return f"none of the {count} photos was recognised before, so none could be lost without {taken}"
        moved = "falls" if after < before else "rises" if after > before else "stays"
        said = f"without {taken} recall {moved} "
        said += f"at {now}" if moved == "stays" else f"from {share_text(before, count)} to {now}"
        said += f" ({_measured(share_interval(self.result.recall_after), self.result.recall_after)})"
        if self.proof() == "little":
            hits = round(before * count)
            said = f"only {hits} of {count} photos {'was' if hits == 1 else 'were'} recognised before; {said}"
        return said

    def _taken(self) -> str:
        """Return what was removed, and how much in the folds, if that was another number."""
        count = len(self.removed)
        if self.design.units == "both":
            said = f"{count} channels and directions"
        else:
            unit = "directions" if self.design.units == "directions" else "channels"
            said = f"{count} {unit if count != 1 else unit[:-1]}"
        return f"{said} ({self.chosen.number} in the folds)" if self.chosen.counts else said

    def _repr_html_(self) -> str:
        features = self.design.read_at[-1]
        rows = [
            [
                trial.name,
                trial.number,
                shared(trial.recall, self.result.recall_after.count),
                lost(trial.loss, self.result.loss.count),
                shared(trial.readouts[features].recall()) if features in trial.readouts else "",
            ]
            for trial in self.trials
        ]
        columns = ["", "channels or directions", "recall", self.result.loss_name(), "found by a fresh probe"]
        return html_table(self.verdict(), columns, rows)


def _measured(interval: str, estimate: Estimate) -> str:
    """Return an interval in words, and on how many photos it rests."""
    if are_few(estimate.count):
        return f"so few photos prove little: among many it may be {interval}"
    return f"95% interval {interval}, {estimate.count} photos"
