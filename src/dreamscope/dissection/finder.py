"""Finder: what to take away of a class, found on some photos - channels, directions or both."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace

import torch
from torch import Tensor

from dreamscope.dissection.aims import AIMS
from dreamscope.dissection.arms import CHOSEN, FREQUENCY, RANDOM_CHANNELS, RANDOM_DIRECTIONS, Name
from dreamscope.dissection.dose_response import DOSES, PORTIONS, portion
from dreamscope.dissection.erasure import Eraser
from dreamscope.dissection.frequency import Frequency
from dreamscope.dissection.greedy import MOST, with_spare
from dreamscope.dissection.photo_set import PhotoSet, drawn
from dreamscope.dissection.removals import Removals
from dreamscope.dissection.scores import ChannelScores
from dreamscope.dissection.search import MOST_CONTROLS, MOST_TARGETS, Search
from dreamscope.dissection.sites import Site
from dreamscope.engines.base import Engine
from dreamscope.errors import DreamscopeError, ensure_one_of
from dreamscope.models.ablation import Ablation
from dreamscope.models.classifier import Classifier
from dreamscope.models.edit_base import Edit
from dreamscope.models.erase import Erase
from dreamscope.photos import Photo, Stream
from dreamscope.progress import Callback
from dreamscope.recipes import Recipe

UNITS = ("directions", "channels", "both")
TOP = 50
"""The most channels that are removed for the answer unless a number is given."""


@dataclass(frozen=True)
class Approach:
    """What is taken away, and how it is looked for.

    Attributes
    ----------
    units : str
        A name in `UNITS`.
    aim : str
        A name in `dreamscope.dissection.aims.AIMS`.
    depth : str or None
        The layer from which on the class is not to be readable.
    methods : tuple of str
        How channels are ranked, see `dissect`; the first chooses.
    top : int or None
        The number of channels.
    how : str
        How they are removed, see `Ablation`.
    curve : bool
        Whether more and fewer are measured, too.
    draws : int
        The number of random sets.
    rule : Frequency
        What ``frequency`` asks for.
    """

    units: str
    aim: str
    depth: str | None
    methods: tuple[str, ...]
    top: int | None
    how: str
    curve: bool
    draws: int
    rule: Frequency = field(default_factory=Frequency)

    def __post_init__(self) -> None:
        ensure_one_of(self.units, UNITS, "kind of units")
        ensure_one_of(self.aim, AIMS, "aim")
        if self.depth is not None and not self.of_directions:
            raise DreamscopeError("depth is for directions, erased at each block from there on; give other units")
        if self.draws < 1 or (self.top is not None and self.top < 1):
            raise DreamscopeError(f"top and draws are 1 or more, not {self.top} and {self.draws}")
        Ablation("any", self.how)
        if not self.of_channels and (self.top is not None or self.methods[0] != "joint" or self.how != "zero"):
            raise DreamscopeError("method, top and how are for channels; give the units 'channels' or 'both'")

    @property
    def of_channels(self) -> bool:
        """Whether channels are removed."""
        return self.units != "directions"

    @property
    def of_directions(self) -> bool:
        """Whether directions are erased."""
        return self.units != "channels"


@dataclass(frozen=True)
class Found:
    """What was found on some photos.

    Attributes
    ----------
    edits : Mapping of (str, int) to sequence of Edit
        The choice, under `CHOSEN`, and all that it is compared with.
    scores : ChannelScores or None
        What channels were chosen by.
    """

    edits: Mapping[Name, Sequence[Edit]]
    scores: ChannelScores | None


class Finder:
    """Looks for what to take away on several sets of photos, each of which is read once.

    Parameters
    ----------
    model
        The classifier, prepared for `layers` and `sites`.
    class_index
        The class.
    approach
        What is looked for.
    layers
        Whose channels.
    sites
        Where directions are erased.
    targets, controls
        All photos of the class and of other things that anything will be found on.
    scores
        Channels found before; then none are looked for.
    seed
        Of all random numbers.
    engine
        Where many photos are gone through, see `Search`.
    callback
        ``callback(stage, done, total)``.
    """

    def __init__(
        self,
        model: Classifier,
        class_index: int,
        approach: Approach,
        *,
        layers: Sequence[str],
        sites: Sequence[Site],
        targets: Sequence[Photo],
        controls: Sequence[Photo],
        scores: ChannelScores | None = None,
        seed: int = 0,
        engine: Engine | None = None,
        callback: Callback | None = None,
    ) -> None:
        self._model = model
        self._class = class_index
        self._approach = approach
        self._layers = list(layers)
        self._removed = Removals(model, layers, approach.how)
        self._scores = scores
        self._seed = seed
        self._engine = engine
        self._generator = torch.Generator().manual_seed(seed)
        self._searches: dict[tuple[Photo, ...], Search] = {}
        self._rows: dict[Photo, int] = {}
        self.unreadable: dict[str, str] = {}
        if approach.of_directions:
            mine = self._read("targets", drawn(targets, MOST_TARGETS, seed), callback)
            others = self._read("controls", drawn(controls, MOST_CONTROLS, seed), callback)
            before = self._removed.layers if approach.of_channels else ()
            self._eraser = Eraser(model, class_index, sites, mine, others, before=before, seed=seed)

    def _read(self, what: str, given: Sequence[Photo], callback: Callback | None) -> Tensor:
        """Return the images of photos, prepared, and remember which is which."""
        stream, found = Stream(given, self._model), []
        row = 0
        for named, images in stream:
            found.append(images)
            for photo in named:
                self._rows[photo] = row
                row += 1
            if callback is not None:
                callback(f"reading {what}", row, len(given))
        self.unreadable |= stream.skipped
        return torch.cat(found)

    def run(
        self,
        targets: Sequence[Photo],
        controls: Sequence[Photo],
        *,
        recipe: Recipe | None = None,
        callback: Callback | None = None,
    ) -> Found:
        """Find what to take away on photos of the class and of other things."""
        places: list[int] = []
        channels: list[Edit] = []
        scores = self._scores
        if self._approach.of_channels:
            scores = scores or self._searched(targets, controls, recipe, callback)
            self.unreadable |= scores.unreadable
            if not len(scores.ranking()):
                raise DreamscopeError(_nothing(scores))
            places = scores.ranking()[: self.count(scores)].tolist()
            channels = self._removed(scores, places)
        directions: list[Erase] = []
        random: list[list[Erase]] = []
        if self._approach.of_directions:
            directions, random = self._eraser.run(
                self._places(targets, "targets"),
                self._places(controls, "controls"),
                before=channels,
                draws=self._approach.draws,
                callback=callback,
            )
        found: dict[Name, Sequence[Edit]] = {CHOSEN: [*channels, *directions]}
        found |= {(RANDOM_DIRECTIONS, draw): edits for draw, edits in enumerate(random)}
        found |= self._by_channels(scores, targets, places)
        if self._approach.curve:
            found |= self._doses(scores, channels, directions)
        return Found(found, scores)

    def count(self, scores: ChannelScores) -> int:
        """Return the number of channels that are removed: as asked for, or as many as it took, see `with_spare`."""
        if self._approach.top is not None:
            return self._approach.top
        if scores.chosen_by_rule:
            return len(scores.ranking())
        if scores.enough is None:
            return TOP
        # A class is spread over many more channels than say it.
        most = TOP if self._approach.aim == "answer" else MOST
        return min(with_spare(scores.enough, scores.counts["targets"]), most)

    def _searched(
        self, targets: Sequence[Photo], controls: Sequence[Photo], recipe: Recipe | None, callback: Callback | None
    ) -> ChannelScores:
        key = tuple(controls)
        if key not in self._searches:
            self._searches[key] = Search(
                self._model,
                self._class,
                self._layers,
                controls,
                list(dict.fromkeys([*self._approach.methods, "frequency"])),
                rule=self._approach.rule,
                # Where directions follow, channels need not do it all.
                aim=self._approach.aim if self._approach.units == "channels" else "answer",
                until_enough=not self._approach.curve and self._approach.top is None,
                seed=self._seed,
                engine=self._engine,
                callback=callback,
            )
        return self._searches[key].run(targets, recipe=recipe, callback=callback)

    def _places(self, given: Sequence[Photo], what: str) -> Tensor:
        rows = [self._rows[photo] for photo in given if photo in self._rows]
        if not rows:
            raise DreamscopeError(f"none of the {what} to find directions on can be read; give more photos")
        return torch.tensor(rows)

    def _by_channels(
        self, scores: ChannelScores | None, targets: Sequence[Photo], chosen: Sequence[int]
    ) -> dict[Name, Sequence[Edit]]:
        """Return what the rule of the write-ups would remove, and random channels; `chosen` are those removed."""
        widths = [self._model.layers[name].channels for name in self._layers]
        layers = dict(zip(self._layers, widths, strict=True))
        count = len(chosen) or TOP
        found: dict[Name, Sequence[Edit]] = {}
        known = ChannelScores(layers, self._class, "", {}, {}, {}, {}, None) if scores is None else scores
        taken = Counter(known.address(place).layer for place in chosen)
        # Of one photo nothing is frequent.
        if "frequency" not in known.scores and len(targets) > 1:
            rule = self._approach.rule
            mine = PhotoSet(self._model, self._layers, "targets", targets, loudest=rule.loudest).responses
            known = replace(
                known,
                scores={**known.scores, "frequency": rule.scores(mine, widths)},
                numbers={**known.numbers, "loudness": mine.loudness},
                rule=rule,
            )
        if "frequency" in known.scores:
            frequent = known.ranking("frequency").tolist()
            # A rule says itself how many.
            chooses = known.rule is not None and known.rule.chooses
            found[FREQUENCY] = self._removed(known, frequent if chooses else frequent[:count])
        # Of what is not taken away one set is enough to compare with.
        for draw in range(self._approach.draws if chosen else 1):
            places = self._like(layers, taken) if chosen else self._permuted(sum(widths))[:count]
            found[RANDOM_CHANNELS, draw] = self._removed(known, places)
        return found

    def _like(self, layers: Mapping[str, int], taken: Mapping[str, int]) -> list[int]:
        """Draw as many channels of each layer as were taken there."""
        places: list[int] = []
        start = 0
        for name, width in layers.items():
            places += [start + place for place in self._permuted(width)[: taken.get(name, 0)]]
            start += width
        return places

    def _permuted(self, count: int) -> list[int]:
        return torch.randperm(count, generator=self._generator).tolist()

    def _doses(
        self, scores: ChannelScores | None, channels: Sequence[Edit], directions: Sequence[Erase]
    ) -> dict[Name, Sequence[Edit]]:
        if self._approach.of_directions:
            return {
                ("dose", percent): [*channels, *(portion(edit, percent) for edit in directions)] for percent in PORTIONS
            }
        assert scores is not None
        found: dict[Name, Sequence[Edit]] = {}
        for kind, method in (("dose", scores.method), ("frequency dose", "frequency")):
            if method in scores.scores:
                order = scores.ranking(method).tolist()
                doses = {dose: self._removed(scores, order[:dose]) for dose in DOSES}
                found |= {(kind, dose): edits for dose, edits in doses.items() if dose <= len(order)}
        return found


def _nothing(scores: ChannelScores) -> str:
    """Say why there are no channels."""
    if scores.chosen_by_rule:
        return f"no channel is {scores.rule}; ask for fewer photos, or count more of a layer as loud"
    return f"no channel carries '{scores.label}' by {scores.method}; do the photos show it?"
