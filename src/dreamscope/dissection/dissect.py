"""Dissect: which channels carry a class, and which only look as if they did?"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Unpack

import torch

from dreamscope import folds, photos
from dreamscope.dissection.frequency import Frequency, FrequencySettings
from dreamscope.dissection.photo_set import drawn
from dreamscope.dissection.scores import ChannelScores
from dreamscope.dissection.search import METHODS, NO_CLASS, NO_CONTROLS, SINGLE_TARGETS, Search
from dreamscope.engines.base import Engine
from dreamscope.engines.photo_parts import opened
from dreamscope.errors import DreamscopeError, ensure_one_of
from dreamscope.exploration.unit_layers import distinct_layers, unit_layers
from dreamscope.models import labels as class_names
from dreamscope.models.addresses import resolve
from dreamscope.models.classifier import Classifier
from dreamscope.models.labels import truth_of
from dreamscope.photos import Photo, Source, Stream
from dreamscope.progress import Callback, reported
from dreamscope.recipes import Recipe

DEFAULT_METHODS = ("joint", "contrast", "attribution", "frequency")


def dissect(
    model: Classifier,
    targets: Source | Sequence[Source | Photo],
    controls: Source | Sequence[Source | Photo] | None = None,
    *,
    class_name: str | int | None = None,
    layers: str | Sequence[str] | None = None,
    from_layer: str | None = None,
    method: str | Sequence[str] = DEFAULT_METHODS,
    until_enough: bool = False,
    seed: int = 0,
    engine: str | Engine | None = None,
    callback: Callback | None = None,
    progress: bool = False,
    recipe: bool = True,
    **rule: Unpack[FrequencySettings],
) -> ChannelScores:
    """Rank the channels of a network by how much they carry a class.

    Parameters
    ----------
    model
        The classifier.
    targets, controls
        Photos of the class and of other things: folders, photos or labels files, see `dreamscope.photos.find`.
        Controls that are labelled as the class are skipped, and so are targets that are labelled otherwise. Controls
        may be left out where ``frequency`` is the only method.
    class_name
        The class's name or index; the targets' label, or else what most targets are taken for, if not given. Of a
        network without classes, where ``frequency`` is the only method, any name.
    layers
        Layer names or globs; the layers of `unit_layers` if not given.
    from_layer
        In place of `layers`: those of `unit_layers` from this layer on.
    method
        One or several names in `METHODS`; the first ranks. ``joint`` chooses a set together, the others score channels
        one by one: ``contrast``, ``attribution``, ``frequency``, ``single`` (measured, slow, resumable).
    until_enough
        Let ``joint`` stop where the class is no longer recognised on these photos, and a little after, as `blind` does
        without a curve; else it ranks on, which takes several times as long.
    seed
        Seed of all random numbers.
    engine
        Where many photos are gone through, side by side in parts of them: ``local``, ``ray`` and so on, see
        `dreamscope.engines.choose.engine`; in this process if not given.
    callback
        ``callback(stage, done, total)``.
    progress
        Draw a bar.
    recipe
        Keep what the scores can be made again with.
    rule
        Of the method ``frequency``, see `Frequency`: ``loudest``, ``at_least`` and ``per_layer``. If not given, all
        channels are ranked by the share of photos on which they are among the five loudest of their layer.

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
    if rule and "frequency" not in methods:
        raise DreamscopeError(f"{', '.join(rule)}: this is for the method 'frequency'; add it")
    if controls is None and methods != ["frequency"]:
        raise DreamscopeError(NO_CONTROLS)
    found_targets = photos.find(targets)
    without = methods == ["frequency"] and not _has_classes(model)
    class_index = NO_CLASS if without else class_of(model, found_targets, class_name)
    found_targets = of_class(model, found_targets, class_index)
    found_controls = [] if controls is None else others(model, photos.find(controls), found_targets, class_index)
    wanted = Frequency(**rule, of=len(found_targets))
    names = chosen_layers(model, layers, from_layer)
    made = None
    if recipe:
        made = recipe_of(
            arguments,
            found_targets,
            found_controls,
            class_index=class_index,
            layers=names,
            methods=methods,
            rule=wanted,
        )
    with reported(callback, progress=progress) as callback_, opened(engine) as where:
        search = Search(
            model,
            class_index,
            names,
            found_controls,
            methods,
            rule=wanted,
            until_enough=until_enough,
            seed=seed,
            engine=where,
            callback=callback_,
        )
        scores = search.run(found_targets, recipe=made, callback=callback_)
    return replace(scores, label=str(class_name or "these photos")) if without else scores


def recipe_of(
    arguments: dict[str, object],
    targets: Sequence[Photo],
    controls: Sequence[Photo],
    *,
    class_index: int,
    layers: Sequence[str],
    methods: Sequence[str],
    rule: Frequency,
) -> Recipe:
    """Return the recipe of scores, from the arguments of `dissect` or of a function that has them too."""
    return Recipe.of_call(
        dissect,
        arguments,
        inputs={
            "targets": photos.reference(targets),
            "controls": photos.reference(controls) if controls else None,
        },
        resolved={
            "class_name": class_index,
            "layers": list(layers),
            "from_layer": None,
            "method": list(methods),
            **(rule.settings() if "frequency" in methods else {}),
        },
    )


def _has_classes(model: Classifier) -> bool:
    if model.labels:
        return True
    try:
        with torch.no_grad():
            model.logits(torch.rand((1, 3, *model.input_size), generator=torch.Generator().manual_seed(0)))
    except DreamscopeError:
        return False
    return True


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
        few = Stream(drawn(targets, SINGLE_TARGETS, 0), model)
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
    # A channel that is counted twice would be compared with two random ones.
    return distinct_layers(model, [address.layer for address in resolve(globs, model)])
