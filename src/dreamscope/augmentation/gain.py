"""Gain: what hallucinated positives are worth, beside the photos as they are and other ways to make more of them."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from dreamscope import files
from dreamscope.augmentation.arms import ARMS, PEERS
from dreamscope.augmentation.trial import Score
from dreamscope.dissection import intervals
from dreamscope.dissection.intervals import Estimate
from dreamscope.dissection.tables import html_table
from dreamscope.errors import DreamscopeError
from dreamscope.recipes import Recipe

BEST = "standard + hallucinated"
"""The arm that the others are compared with."""

METRICS: Mapping[str, Callable[[Score], float]] = {
    "AUC": lambda score: score.auc,
    "recall at 95 % specificity": lambda score: score.recall,
}


@dataclass(frozen=True)
class Gain:
    """What each arm reached, draw by draw.

    Attributes
    ----------
    scores : dict
        Number of positives -> arm -> a `Score` for each draw; draw i of all arms has the same positives.
    layer : str
        Whose features heads learnt from.
    measured : (int, int)
        Photos with the thing, and without it, that were measured on.
    negatives : int
        Photos without it that were learnt from.
    seconds : float
        How long it took.
    recipe : Recipe or None
        Enough to make it again.
    """

    scores: dict[int, dict[str, list[Score]]]
    layer: str
    measured: tuple[int, int]
    negatives: int
    seconds: float
    recipe: Recipe | None

    def reached(self, count: int, arm: str, metric: str = "AUC") -> Estimate:
        """Return the mean over draws of `count` positives, with the interval over draws."""
        return intervals.mean([METRICS[metric](score) for score in self.scores[count][arm]])

    def best_peer(self, count: int, metric: str = "AUC") -> str:
        """Return which of the ways without dreams has the highest mean: it is chosen in favour of those."""
        return max(PEERS, key=lambda arm: self.reached(count, arm, metric).value)

    def difference(self, count: int, arm: str = BEST, than: str | None = None, metric: str = "AUC") -> Estimate:
        """Return by how much an arm is better than another, draw by draw; than the best peer if none is given.

        The interval is over draws of positives; the photos that are measured on are the same in all of them.
        """
        than = self.best_peer(count, metric) if than is None else than
        pairs = zip(self.scores[count][arm], self.scores[count][than], strict=True)
        return intervals.mean([METRICS[metric](one) - METRICS[metric](other) for one, other in pairs])

    def rows(self, metric: str = "AUC") -> list[list[str]]:
        """Return the table: for each number of positives what each arm reached, and by how much dreams are better."""
        found = []
        for count in self.scores:
            cells = [f"{self.reached(count, arm, metric).value:.3f}" for arm in ARMS]
            gained = self.difference(count, metric=metric)
            better = f"{gained.value:+.3f} ({gained.low:+.3f} to {gained.high:+.3f})"
            found.append([str(count), *cells, f"{better} than {self.best_peer(count, metric)}"])
        return found

    @property
    def columns(self) -> list[str]:
        """The heads of the table's columns."""
        return ["positives", *ARMS, f"{BEST}, against the best without dreams"]

    def to_dict(self) -> dict[str, Any]:
        """Return all of it as plain values."""
        return {
            "layer": self.layer,
            "measured": list(self.measured),
            "negatives": self.negatives,
            "seconds": round(self.seconds, 1),
            "draws": {
                str(count): {arm: [asdict(score) for score in scores] for arm, scores in arms.items()}
                for count, arms in self.scores.items()
            },
            "tables": {metric: [self.columns, *self.rows(metric)] for metric in METRICS},
            "recipe": None if self.recipe is None else self.recipe.to_dict(),
        }

    def save(self, path: str | Path) -> Path:
        """Write all of it as ``.json``; a page is written by `dreamscope.pages.gain_page`.

        Raises
        ------
        DreamscopeError
            If `path` has another suffix or can't be written.
        """
        path = Path(path)
        if path.suffix.lower() != ".json":
            raise DreamscopeError(f"can't write '{path}': a gain is written as .json, or as a page with --measure")
        with files.written_whole(path) as temporary:
            temporary.write_text(json.dumps(self.to_dict(), indent=1) + "\n", "utf-8")
        return path

    def _repr_html_(self) -> str:
        return html_table(f"{self.about}: AUC", self.columns, self.rows())

    @property
    def about(self) -> str:
        """What was measured, in a line."""
        draws = len(next(iter(next(iter(self.scores.values())).values())))
        with_it, without = self.measured
        return (
            f"{draws} draw{'s' * (draws != 1)} of few positives and {self.negatives} photos without the thing; "
            f"measured on {with_it} and {without} others, by {self.layer}"
        )


def gathered(found: Mapping[tuple[int, int], dict[str, Score]], counts: Sequence[int]) -> dict[int, dict[str, Any]]:
    """Return scores by number of positives and arm, the draws in their order."""
    return {
        count: {arm: [found[key][arm] for key in sorted(found) if key[0] == count] for arm in ARMS} for count in counts
    }
