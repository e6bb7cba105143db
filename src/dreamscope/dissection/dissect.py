"""Dissect: which channels carry a class, and which only look as if they did?"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import cached_property

import torch
from torch import Tensor

from dreamscope import folds, photos
from dreamscope.dissection.aims import AIMS, Aim, AnswerAim, ReadoutAim
from dreamscope.dissection.first_order import Channels, effects
from dreamscope.dissection.greedy import Chosen, Harm, joint
from dreamscope.dissection.photo_set import PhotoSet, drawn
from dreamscope.dissection.scores import ChannelScores
from dreamscope.dissection.single_ablation import single
from dreamscope.dissection.statistics import rank_auc, standardized_difference
from dreamscope.errors import DreamscopeError, ensure_one_of
from dreamscope.exploration.unit_layers import unit_layers
from dreamscope.models import labels as class_names
from dreamscope.models.addresses import resolve
from dreamscope.models.blocks import features
from dreamscope.models.classifier import Classifier
from dreamscope.models.labels import truth_of
from dreamscope.optimize.precision import prepared
from dreamscope.photos import Photo, Source, Stream
from dreamscope.progress import Callback, reported
from dreamscope.recipes import Recipe

MOST_TARGETS = 256
MOST_CONTROLS = 512
"""Photos that a set is chosen on; of more, so many are drawn, so that memory and time have a bound."""
SINGLE_TARGETS = 16


class Search:
    """Looks for the channels that carry a class, on one or several sets of photos of it against the same controls.

    The controls are read, and run through the intact network, once for all of them.

    Parameters
    ----------
    model
        The classifier.
    class_index
        The class.
    layers
        Whose channels.
    controls
        Photos of other things.
    methods
        Names in `METHODS`; the first ranks.
    aim
        What ``joint`` is to take away, a name in `AIMS`: ``answer``, or ``readout`` at the features that the network's
        last weights read.
    until_enough
        Let ``joint`` stop where its aim is reached, in place of ranking more channels.
    seed
        Of the draw among many photos, of the pairs of classes in `Harm`, and of the split in `ReadoutAim`.
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
        aim: str = AIMS[0],
        until_enough: bool = False,
        seed: int = 0,
        callback: Callback | None = None,
    ) -> None:
        ensure_one_of(aim, AIMS, "aim")
        self._read_at = _read_behind(model, layers) if aim == "readout" else None
        seen_at = [*layers, *([self._read_at] if self._read_at else [])]
        self.model, _ = prepared(model, seen_at, max(model.input_size), "float32")
        self.class_index = class_index
        self.until_enough = until_enough
        self.channels = Channels.of(self.model, layers)
        self._methods = methods
        self._seed = seed
        self.controls = self._set("controls", controls, MOST_CONTROLS if "joint" in methods else 0, callback)

    def _set(self, what: str, given: Sequence[Photo], most: int, callback: Callback | None) -> PhotoSet:
        return PhotoSet(self.model, self.channels.layers, what, given, most=most, seed=self._seed, callback=callback)

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
        of_class = self._set("targets", targets, MOST_TARGETS, callback)
        found = {method: METHODS[method](self, of_class, callback) for method in self._methods}
        first = found[self._methods[0]]
        mine, others = of_class.responses, self.controls.responses
        unreadable = {**of_class.unreadable, **self.controls.unreadable}
        return ChannelScores(
            layers=dict(zip(self.channels.layers, self.channels.widths, strict=True)),
            class_index=self.class_index,
            label=self.model.label(self.class_index),
            scores={name: each.scores if isinstance(each, Chosen) else each for name, each in found.items()},
            numbers={
                "target_mean": mine.mean,
                "control_mean": others.mean,
                "difference": standardized_difference(mine, others),
                "auc": rank_auc(mine, others),
            },
            enough=first.enough if isinstance(first, Chosen) else None,
            counts={"targets": mine.count, "controls": others.count},
            unreadable={path.name: reason for path, reason in unreadable.items()},
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


def frequency(_search: Search, targets: PhotoSet, _callback: Callback | None) -> Tensor:
    """Return the share of the class's photos in which a channel is among its layer's five loudest.

    The rule of the write-ups that cut channels out by hand: by L2 norm, whatever other photos do.
    """
    return targets.responses.loud


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

DEFAULT_METHODS = ("joint", "contrast", "attribution", "frequency")


def dissect(
    model: Classifier,
    targets: Source | Sequence[Source | Photo],
    controls: Source | Sequence[Source | Photo],
    *,
    class_name: str | int | None = None,
    layers: str | Sequence[str] | None = None,
    from_layer: str | None = None,
    method: str | Sequence[str] = DEFAULT_METHODS,
    seed: int = 0,
    callback: Callback | None = None,
    progress: bool = False,
    recipe: bool = True,
) -> ChannelScores:
    """Rank the channels of a network by how much they carry a class.

    Parameters
    ----------
    model
        The classifier.
    targets, controls
        Photos of the class and of other things: folders, photos or labels files, see `dreamscope.photos.find`.
        Controls that are labelled as the class are skipped, and so are targets that are labelled otherwise.
    class_name
        The class's name or index; the targets' label, or else what most targets are taken for, if not given.
    layers
        Layer names or globs; the layers of `unit_layers` if not given.
    from_layer
        In place of `layers`: those of `unit_layers` from this layer on.
    method
        One or several names in `METHODS`; the first ranks. ``joint`` chooses a set together, the others score channels
        one by one: ``contrast``, ``attribution``, ``frequency``, ``single`` (measured, slow, resumable).
    seed
        Seed of all random numbers.
    callback
        ``callback(stage, done, total)``.
    progress
        Draw a bar.
    recipe
        Keep what the scores can be made again with.

    Returns
    -------
    ChannelScores

    Raises
    ------
    DreamscopeError
        No photos, fewer than two of a set that can be read, no such class, layer or method.
    """
    arguments = locals()
    methods = chosen_methods(method)
    found_targets, found_controls = photos.find(targets), photos.find(controls)
    class_index = class_of(model, found_targets, class_name)
    found_targets = of_class(model, found_targets, class_index)
    found_controls = others(model, found_controls, found_targets, class_index)
    names = chosen_layers(model, layers, from_layer)
    made = None
    if recipe:
        made = recipe_of(
            arguments, found_targets, found_controls, class_index=class_index, layers=names, methods=methods
        )
    with reported(callback, progress=progress) as callback_:
        search = Search(model, class_index, names, found_controls, methods, seed=seed, callback=callback_)
        return search.run(found_targets, recipe=made, callback=callback_)


def recipe_of(
    arguments: dict[str, object],
    targets: Sequence[Photo],
    controls: Sequence[Photo],
    *,
    class_index: int,
    layers: Sequence[str],
    methods: Sequence[str],
) -> Recipe:
    """Return the recipe of scores, from the arguments of `dissect` or of a function that has them too."""
    return Recipe.of_call(
        dissect,
        arguments,
        inputs={"targets": photos.reference(targets), "controls": photos.reference(controls)},
        resolved={"class_name": class_index, "layers": list(layers), "from_layer": None, "method": list(methods)},
    )


def chosen_methods(method: str | Sequence[str]) -> list[str]:
    """Return the names of methods, each once; raise if there is none or one that there isn't."""
    methods = list(dict.fromkeys([method] if isinstance(method, str) else method))
    for each in methods:
        ensure_one_of(each, METHODS, "method")
    if not methods:
        raise DreamscopeError(f"no method given; there are {', '.join(METHODS)}")
    return methods


def class_of(model: Classifier, targets: Sequence[Photo], class_name: str | int | None) -> int:
    """Return the index of the class: as named, as the targets are labelled, or what most of them are taken for."""
    if class_name is not None:
        return class_names.index_of(class_name, model.labels, model=model.name)
    truths = {truth_of(photo, model.labels) for photo in targets}
    if len(truths) == 1 and (only := truths.pop()) is not None:
        return only
    with torch.no_grad():
        few = Stream(drawn(targets, SINGLE_TARGETS, 0), model.prepared)
        found = torch.cat([model.logits(images).argmax(1) for _, images in few])
    return int(found.mode().values)


def of_class(model: Classifier, given: Sequence[Photo], class_index: int) -> list[Photo]:
    """Return the photos of the class: where some are labelled as it, those that are not labelled otherwise."""
    truths = [truth_of(photo, model.labels) for photo in given]
    if class_index not in truths:
        return list(given)
    return [photo for photo, truth in zip(given, truths, strict=True) if truth in (class_index, None)]


def others(model: Classifier, given: Sequence[Photo], targets: Sequence[Photo], class_index: int) -> list[Photo]:
    """Return the photos that are neither among the targets nor labelled as their class."""
    left = [p for p in folds.without(given, targets) if truth_of(p, model.labels) != class_index]
    if not left:
        raise DreamscopeError(
            f"all other photos were used for finding, or are labelled '{model.label(class_index)}'; give others"
        )
    return left


def chosen_layers(model: Classifier, layers: str | Sequence[str] | None, from_layer: str | None) -> list[str]:
    """Return the layers to rank, by glob or by default."""
    if layers is None:
        return unit_layers(model, from_layer)
    if from_layer is not None:
        raise DreamscopeError(
            "layers and from_layer exclude each other: the first names layers, the second the default ones from one on"
        )
    globs = [layers] if isinstance(layers, str) else layers
    return list(dict.fromkeys(address.layer for address in resolve(globs, model)))
