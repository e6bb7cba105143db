"""Scores of channels: what `dissect` finds and `blind` acts on, on disk as JSON."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from itertools import combinations
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from dreamscope import files
from dreamscope.dissection.frequency import Frequency
from dreamscope.dissection.statistics import places
from dreamscope.dissection.tables import html_table
from dreamscope.errors import DreamscopeError, did_you_mean
from dreamscope.models.addresses import Address
from dreamscope.models.classifier import Classifier
from dreamscope.recipes import Recipe

_FORM = 1
_SHOWN = 10


@dataclass(frozen=True)
class ChannelScores:
    """How much each channel carries a class, by one or several methods.

    Attributes
    ----------
    layers : Mapping of str to int
        Layer -> number of channels; all tensors below run over these, one layer after the other.
    class_index : int
        The class; -1 where the network has none.
    label : str
        Its name.
    scores : Mapping of str to Tensor
        Method -> (channels,), higher carries more; the first is the one that ranks.
    numbers : Mapping of str to Tensor
        What else was measured: ``target_mean``; ``times_loud`` and ``loudness``, see `Responses`; where there were
        controls, ``control_mean``, ``difference`` and ``auc``.
    counts : Mapping of str to int
        The numbers of ``targets`` and ``controls`` that were read.
    unreadable : Mapping of str to str
        Photos that were skipped, by file name, and why.
    recipe : Recipe or None
        Enough to make it again.
    enough : int or None
        The number of channels without which the class was no longer recognised on the photos they were found on;
        ``None`` if that is not known.
    rule : Frequency or None
        What ``frequency`` asked for; ``None`` if it is not among the methods.
    """

    layers: Mapping[str, int]
    class_index: int
    label: str
    scores: Mapping[str, Tensor]
    numbers: Mapping[str, Tensor]
    counts: Mapping[str, int]
    unreadable: Mapping[str, str]
    recipe: Recipe | None
    enough: int | None = None
    rule: Frequency | None = None

    @property
    def method(self) -> str:
        """The method that ranks."""
        return next(iter(self.scores))

    @property
    def chosen_by_rule(self) -> bool:
        """Whether a rule says which channels are to be removed: all that are ranked, however many."""
        return self.rule is not None and self.rule.chooses and self.method == "frequency"

    def ranking(self, method: str | None = None) -> Tensor:
        """Return the channels' places in the tensors, the highest score first, without those scored 0 or less.

        Of equally frequent channels the one that is louder, for its layer, comes first.
        """
        method = method or self.method
        if method not in self.scores:
            raise DreamscopeError(f"these scores have {', '.join(self.scores)}, no '{method}'")
        scores = self.scores[method]
        # Files written before have no loudness.
        ties = self.numbers.get("loudness") if method == "frequency" else None
        order = places(scores, torch.zeros_like(scores) if ties is None else ties)
        return order[scores[order] > 0]

    def address(self, place: int) -> Address:
        """Return the address of one channel."""
        for layer, count in self.layers.items():
            if place < count:
                return Address(layer, (place,))
            place -= count
        raise DreamscopeError(f"no channel number {place}")

    def agreement(self) -> dict[tuple[str, str], float]:
        """Return Spearman's rank correlation between each two methods, over all channels."""
        # Not only over channels that one of the two likes: that alone would set them against each other.
        return {
            (first, second): _spearman(self.scores[first], self.scores[second])
            for first, second in combinations(self.scores, 2)
        }

    def shown(self) -> dict[str, Tensor]:
        """Return what tables show of each channel: all scores and, where there were controls, how it tells them."""
        return {**self.scores, **{name: self.numbers[name] for name in ("difference", "auc") if name in self.numbers}}

    def photos(self) -> str:
        """Return how many photos these scores are of."""
        controls = self.counts.get("controls", 0)
        return f"{self.counts['targets']} photos" + (f" against {controls} controls" if controls else "")

    def _repr_html_(self) -> str:
        values = self.shown()
        rows = [
            [self.address(place), *(f"{float(each[place]):.3g}" for each in values.values())]
            for place in self.ranking()[:_SHOWN].tolist()
        ]
        return html_table(
            f"Channels that carry {self.label}, by {self.method} ({self.photos()})", ["channel", *values], rows
        )

    def save(self, path: str | Path) -> Path:
        """Write the scores as JSON, whole or not at all."""
        content = {
            "dreamscope_scores": _FORM,
            "class": {"index": self.class_index, "label": self.label},
            "layers": dict(self.layers),
            "scores": {name: _plain(values) for name, values in self.scores.items()},
            "numbers": {name: _plain(values) for name, values in self.numbers.items()},
            "counts": dict(self.counts),
            "enough": self.enough,
            "rule": None if self.rule is None else asdict(self.rule),
            "unreadable": dict(self.unreadable),
            "recipe": None if self.recipe is None else json.loads(self.recipe.to_json()),
        }
        with files.written_whole(path) as temporary:
            temporary.write_text(json.dumps(content), "utf-8")
        return Path(path)

    @classmethod
    def load(cls, path: str | Path, model: Classifier | None = None) -> ChannelScores:
        """Read what `save` wrote.

        Raises
        ------
        DreamscopeError
            If the file is missing, damaged, something else, or of a network other than `model`.
        """
        path = files.existing_file(path, "scores file")
        try:
            content: dict[str, Any] = json.loads(path.read_text("utf-8"))
            if content["dreamscope_scores"] != _FORM:
                raise DreamscopeError(f"scores file '{path}' was written by another version of dreamscope")
            total = sum(content["layers"].values())
            tensors = {
                part: {name: torch.tensor(values, dtype=torch.float32) for name, values in content[part].items()}
                for part in ("scores", "numbers")
            }
            if not tensors["scores"] or any(len(t) != total for part in tensors.values() for t in part.values()):
                raise ValueError("lengths differ")
            scores = cls(
                layers=content["layers"],
                class_index=int(content["class"]["index"]),
                label=str(content["class"]["label"]),
                counts=content["counts"],
                enough=content.get("enough"),
                rule=None if content.get("rule") is None else Frequency(**content["rule"]),
                unreadable=content["unreadable"],
                recipe=None if content["recipe"] is None else Recipe.from_json(json.dumps(content["recipe"])),
                **tensors,
            )
        except (ValueError, KeyError, TypeError, AttributeError) as error:
            raise DreamscopeError(f"'{path}' holds no channel scores; dreamscope dissect -o writes them") from error
        if model is not None:
            scores.check(model, str(path))
        return scores

    def check(self, model: Classifier, source: str) -> None:
        """Raise if the scores are of another network."""
        for layer, count in self.layers.items():
            if layer not in model.layers or model.layers[layer].channels != count:
                named = "another network" if self.recipe is None else self.recipe.model.get("name", "another network")
                raise DreamscopeError(
                    f"'{source}' is of {named}, not of {model.name}: no '{layer}' of {count} channels here"
                    + did_you_mean(layer, model.layers)
                )


def addresses(scores: ChannelScores, places: Sequence[int]) -> list[Address]:
    """Return the addresses of some channels, one for each layer."""
    by_layer: dict[str, list[int]] = {}
    for place in places:
        address = scores.address(place)
        by_layer.setdefault(address.layer, []).extend(address.channels or ())
    return [Address(layer, tuple(sorted(by_layer[layer]))) for layer in scores.layers if layer in by_layer]


def _plain(values: Tensor) -> list[float]:
    return [float(f"{value:.6g}") for value in values.tolist()]


def _spearman(a: Tensor, b: Tensor) -> float:
    from scipy.stats import spearmanr

    if len(a) < 3:
        return float("nan")
    correlation = spearmanr(a.numpy(), b.numpy()).statistic
    return float(np.asarray(correlation))
