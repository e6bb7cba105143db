"""Search: scores of channels by several methods, on one or several sets of photos of a class."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import cached_property

import torch
from torch import Tensor

from dreamscope.dissection.aims import AIMS, Aim, AnswerAim, ReadoutAim
from dreamscope.dissection.first_order import Channels, effects
from dreamscope.dissection.frequency import Frequency
from dreamscope.dissection.greedy import Chosen, Harm, joint
from dreamscope.dissection.photo_set import PhotoSet
from dreamscope.dissection.scores import ChannelScores
from dreamscope.dissection.single_ablation import single
from dreamscope.dissection.statistics import rank_auc, standardized_difference
from dreamscope.engines.base import Engine
from dreamscope.errors import DreamscopeError, ensure_one_of
from dreamscope.models.blocks import features
from dreamscope.models.classifier import Classifier
from dreamscope.optimize.precision import prepared
from dreamscope.photos import Photo, by_name
from dreamscope.progress import Callback
from dreamscope.recipes import Recipe

MOST_TARGETS = 256
MOST_CONTROLS = 512
"""Photos that a set is chosen on; of more, so many are drawn, so that memory and time have a bound."""
SINGLE_TARGETS = 16

NO_CLASS = -1
"""The index where the network has no classes; ``frequency`` asks for none."""

NO_CONTROLS = (
    "give photos of other things to compare with: --controls FOLDER; only --method frequency, alone, needs none"
)


class Search:
    """Looks for the channels that carry a class, on one or several sets of photos of it against the same controls.

    The controls are read, and run through the intact network, once for all of them. Only ``frequency`` does without.

    Parameters
    ----------
    model
        The classifier.
    class_index
        The class.
    layers
        Whose channels.
    controls
        Photos of other things; none where ``frequency`` is the only method.
    methods
        Names in `METHODS`; the first ranks.
    rule
        What ``frequency`` asks for.
    aim
        What ``joint`` is to take away, a name in `AIMS`: ``answer``, or ``readout`` at the features that the network's
        last weights read.
    until_enough
        Let ``joint`` stop where its aim is reached, in place of ranking more channels.
    seed
        Of the draw among many photos, of the pairs of classes in `Harm`, and of the split in `ReadoutAim`.
    engine
        Where many photos are gone through, see `PhotoSet`.
    callback
        ``callback(stage, done, total)``.

    Raises
    ------
    DreamscopeError
        If there is no such aim, the network has no classes, or nothing that is read depends on `layers`.
    """

    def __init__(
        self,
        model: Classifier,
        class_index: int,
        layers: Sequence[str],
        controls: Sequence[Photo],
        methods: Sequence[str],
        *,
        rule: Frequency | None = None,
        aim: str = AIMS[0],
        until_enough: bool = False,
        seed: int = 0,
        engine: Engine | None = None,
        callback: Callback | None = None,
    ) -> None:
        ensure_one_of(aim, AIMS, "aim")
        self._read_at = _read_behind(model, layers) if aim == "readout" else None
        seen_at = [*layers, *([self._read_at] if self._read_at else [])]
        self.model, _ = prepared(model, seen_at, max(model.input_size), "float32")
        self.class_index = class_index
        self.until_enough = until_enough
        self.channels = Channels.of(self.model, layers)
        self.rule = rule or Frequency()
        self._methods = methods
        self._seed = seed
        self._engine = engine
        self._controls = None
        if controls:
            self._controls = self._set("controls", controls, MOST_CONTROLS if "joint" in methods else 0, callback)

    def _set(self, what: str, given: Sequence[Photo], most: int, callback: Callback | None) -> PhotoSet:
        return PhotoSet(
            self.model,
            self.channels.layers,
            what,
            given,
            most=most,
            seed=self._seed,
            loudest=self.rule.loudest,
            engine=self._engine,
            callback=callback,
        )

    @property
    def controls(self) -> PhotoSet:
        """The photos of other things; raises a `DreamscopeError` if there are none."""
        if self._controls is None:
            raise DreamscopeError(NO_CONTROLS)
        return self._controls

    @cached_property
    def harm(self) -> Harm:
        """What removing channels would do to the controls."""
        known = self.controls.responses
        return Harm(
            self.model,
            self.controls.images,
            self.controls.logits,
            self.class_index,
            responses=(known.mean.square() + known.deviation.square()).sqrt(),
            seed=self._seed,
        )

    def aim(self, targets: PhotoSet) -> Aim:
        """Return what ``joint`` is to take away of photos of the class."""
        if self._read_at is None:
            return AnswerAim(self.model, targets.images, self.class_index)
        return ReadoutAim(self.model, targets.images, self.controls.images, self._read_at, seed=self._seed)

    def run(
        self, targets: Sequence[Photo], *, recipe: Recipe | None = None, callback: Callback | None = None
    ) -> ChannelScores:
        """Score all channels on photos of the class."""
        # Frequency is counted while they are read, and needs none of them again.
        again = any(method != "frequency" for method in self._methods)
        of_class = self._set("targets", targets, MOST_TARGETS if again else 0, callback)
        found = {method: METHODS[method](self, of_class, callback) for method in self._methods}
        first = found[self._methods[0]]
        mine = of_class.responses
        unreadable = dict(of_class.unreadable)
        numbers = {"target_mean": mine.mean, "times_loud": mine.times_loud, "loudness": mine.loudness}
        counts = {"targets": mine.count, "controls": 0}
        if self._controls is not None:
            others = self._controls.responses
            unreadable |= self._controls.unreadable
            counts["controls"] = others.count
            numbers["control_mean"] = others.mean
            numbers["difference"] = standardized_difference(mine, others)
            numbers["auc"] = rank_auc(mine, others)
        return ChannelScores(
            layers=dict(zip(self.channels.layers, self.channels.widths, strict=True)),
            class_index=self.class_index,
            label="" if self.class_index == NO_CLASS else self.model.label(self.class_index),
            scores={name: each.scores if isinstance(each, Chosen) else each for name, each in found.items()},
            numbers=numbers,
            enough=first.enough if isinstance(first, Chosen) else None,
            rule=self.rule if "frequency" in self._methods else None,
            counts=counts,
            unreadable=by_name(unreadable),
            recipe=recipe,
        )


def _read_behind(model: Classifier, layers: Sequence[str]) -> str:
    """Return the layer of the features, if any of `layers` comes before it."""
    read_at, order = features(model), list(model.layers)
    if all(order.index(name) > order.index(read_at) for name in layers):
        raise DreamscopeError(
            f"the features at '{read_at}', which a linear probe reads, don't depend on '{layers[0]}'; "
            "give earlier layers, or aim at the answer"
        )
    return read_at


def frequency(search: Search, targets: PhotoSet, _callback: Callback | None) -> Tensor:
    """Return the share of the class's photos in which a channel is among its layer's loudest, see `Frequency`."""
    return search.rule.scores(targets.responses, search.channels.widths)


def contrast(search: Search, targets: PhotoSet, _callback: Callback | None) -> Tensor:
    """Return the standardised difference between the class's photos and the controls (Cohen's d).

    The question of network dissection (Bau et al. 2020, "Understanding the role of individual units"), with
    controls in place of segmentations.
    """
    return standardized_difference(targets.responses, search.controls.responses)


def attribution(search: Search, targets: PhotoSet, callback: Callback | None) -> Tensor:
    """Return gradient of the class score times (activation minus its mean over controls), averaged over targets.

    First-order effect of the channel on the class (Molchanov et al. 2017; Nanda 2023, "Attribution patching").
    """
    total = torch.zeros(len(search.channels.removed))
    count = 0
    for images in targets.batches("attribution", callback):
        (found,) = effects(search.model, search.channels, images, lambda logits: logits[:, search.class_index])
        total -= (found.changes + search.controls.responses.mean * found.slopes).sum(0)
        count += len(images)
    return total / count


def jointly(search: Search, targets: PhotoSet, callback: Callback | None) -> Chosen:
    """Choose a set together, for the most of the class at the least harm to the controls; see `joint`."""
    aim = search.aim(targets)
    return joint(search.channels, aim, search.harm, until_enough=search.until_enough, callback=callback)


def singly(search: Search, targets: PhotoSet, callback: Callback | None) -> Tensor:
    """Measure what the class loses when each channel alone is removed; see `single`."""
    return single(search.model, search.channels, targets.some(SINGLE_TARGETS), search.class_index, callback=callback)


METHODS: dict[str, Callable[[Search, PhotoSet, Callback | None], Tensor | Chosen]] = {
    "joint": jointly,
    "contrast": contrast,
    "attribution": attribution,
    "frequency": frequency,
    "single": singly,
}
"""The methods by name; the first is recommended."""
