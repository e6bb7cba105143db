"""Dissect: which channels carry a class, and which only look as if they did?"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import torch
from torch import Tensor

from dreamscope import __version__, photos
from dreamscope.dissection.first_order import Channels, effects
from dreamscope.dissection.greedy import joint
from dreamscope.dissection.scores import ChannelScores
from dreamscope.dissection.single_ablation import drop
from dreamscope.dissection.statistics import Responses, rank_auc, respond, standardized_difference
from dreamscope.errors import DreamscopeError, ensure_one_of
from dreamscope.exploration.unit_layers import unit_layers
from dreamscope.models import labels as class_names
from dreamscope.models.addresses import resolve
from dreamscope.models.classifier import Classifier
from dreamscope.models.labels import truth_of
from dreamscope.optimize.precision import prepared
from dreamscope.photos import Photo, Source, Stream
from dreamscope.recipes import Recipe

BATCH = 32

Report = Callable[[str, int, int], None]
"""Called with what is being done, how much of it is done, and of how much."""


@dataclass
class Study:
    """What the methods work with: a network, photos of a class and of others, and what is known of them so far."""

    model: Classifier
    class_index: int
    channels: Channels
    targets: Sequence[Photo]
    controls: Sequence[Photo]
    seed: int
    report: Report
    unreadable: dict[Path, str] = field(default_factory=dict)
    of_targets: Responses | None = None
    of_controls: Responses | None = None
    enough: int | None = None

    def passes(self, photos_: Sequence[Photo], what: str) -> Iterator[Tensor]:
        """Yield batches of images, reporting and noting what can't be read."""
        stream = Stream(photos_, self.model.prepared, batch=BATCH)
        done = 0
        for named, pictures in stream:
            yield pictures
            done += len(named)
            self.report(what, done, len(photos_))
        self.unreadable.update(stream.unreadable)

    def pictures(self, photos_: Sequence[Photo], most: int, what: str) -> Tensor:
        """Return so many of the photos at once, prepared, (N, 3, H, W)."""
        return torch.cat(list(self.passes(_some(photos_, most, self.seed), f"reading {what}")))


def frequency(study: Study) -> Tensor:
    """Count in how many of the class's photos a channel is among its layer's five loudest.

    The rule of the write-ups that cut channels out by hand: by L2 norm, whatever other photos do.
    """
    assert study.of_targets is not None
    return study.of_targets.loud


def contrast(study: Study) -> Tensor:
    """Return the standardised difference between the class's photos and the controls (Cohen's d).

    The question of network dissection (Bau et al. 2020, "Understanding the role of individual units"), with
    controls in place of segmentations.
    """
    assert study.of_targets is not None
    assert study.of_controls is not None
    return standardized_difference(study.of_targets, study.of_controls)


def attribution(study: Study) -> Tensor:
    """Return gradient of the class score times (activation minus its mean over controls), averaged over targets.

    First-order effect of the channel on the class (Molchanov et al. 2017; Nanda 2023, "Attribution patching").
    """
    assert study.of_controls is not None
    total = torch.zeros(len(study.channels.removed))
    count = 0
    for pictures in study.passes(study.targets, "attribution"):
        found = effects(study.model, study.channels, pictures, lambda answers: answers[:, study.class_index])
        total -= (found.changes + study.of_controls.mean * found.slopes).sum(0)
        count += len(pictures)
    return total / count


def jointly(study: Study) -> Tensor:
    """Choose a set together, for the most of the class at the least harm to the controls; see `joint`."""
    assert study.of_controls is not None
    chosen = joint(
        study.model,
        study.channels,
        study.pictures(study.targets, MOST_TARGETS, "targets"),
        study.pictures(study.controls, MOST_CONTROLS, "controls"),
        study.class_index,
        responses=(study.of_controls.mean.square() + study.of_controls.deviation.square()).sqrt(),
        seed=study.seed,
        report=lambda done, total: study.report("choosing channels together", done, total),
    )
    study.enough = chosen.enough
    return chosen.scores


def dropped(study: Study) -> Tensor:
    """Measure what the class loses when each channel alone is taken away; see `drop`."""
    return drop(
        study.model,
        study.channels,
        study.pictures(study.targets, DROP_TARGETS, "targets"),
        study.class_index,
        report=lambda done, total: study.report("dropping channels one by one", done, total),
    )


METHODS: dict[str, Callable[[Study], Tensor]] = {
    "joint": jointly,
    "contrast": contrast,
    "attribution": attribution,
    "frequency": frequency,
    "drop": dropped,
}
"""The methods by name; the first is recommended."""

DEFAULT_METHODS = ("joint", "contrast", "attribution", "frequency")
MOST_TARGETS = 256
MOST_CONTROLS = 512
"""Photos that a set is chosen on; of more, so many are drawn, so that memory and time have a bound."""
DROP_TARGETS = 16


def dissect(
    model: Classifier,
    targets: Source | Sequence[Source | Photo],
    controls: Source | Sequence[Source | Photo],
    *,
    class_: str | int | None = None,
    layers: Sequence[str] | None = None,
    start: str | None = None,
    methods: Sequence[str] = DEFAULT_METHODS,
    seed: int = 0,
    report: Report | None = None,
) -> ChannelScores:
    """Rank the channels of a network by how much they carry a class.

    Parameters
    ----------
    model
        The classifier.
    targets, controls
        Photos of the class and of other things: folders, photos or labels files, see `dreamscope.photos.find`.
        Controls that are labelled as the class are left out, and so are targets that are labelled otherwise.
    class_
        Its name or index; the targets' label, or else what most targets are taken for, if not given.
    layers
        Layer names or globs; the layers of `unit_layers` if not given.
    start
        Of these, only from this layer on.
    methods
        Names in `METHODS`; the first ranks. ``joint`` chooses a set together, the others score one by one:
        ``contrast``, ``attribution``, ``frequency``, ``drop`` (measured, slow, resumable).
    seed
        Of the draw among many photos.
    report
        Called with what is being done, how much, of how much.

    Returns
    -------
    ChannelScores

    Raises
    ------
    DreamscopeError
        No photos, fewer than two of a set that can be read, no such class, layer or method.
    """
    for method in methods:
        ensure_one_of(method, METHODS, "method")
    if not methods:
        raise DreamscopeError(f"no method given; there are {', '.join(METHODS)}")
    found_targets, found_controls = photos.find(targets), photos.find(controls)
    class_index = class_of(model, found_targets, class_)
    found_targets = of_class(model, found_targets, class_index)
    found_controls = others(model, found_controls, found_targets, class_index)
    names = chosen_layers(model, layers, start)
    fast, _ = prepared(model, names, max(model.input_size), "float32")
    study = Study(
        fast,
        class_index,
        Channels.of(fast, names),
        found_targets,
        found_controls,
        seed,
        report or (lambda *_: None),
    )
    study.of_controls = respond(fast, names, study.passes(found_controls, "controls"))
    study.of_targets = respond(fast, names, study.passes(found_targets, "targets"))
    enough(study.of_targets, study.of_controls)
    scores = {method: METHODS[method](study) for method in methods}
    return ChannelScores(
        layers=dict(zip(study.channels.layers, study.channels.widths, strict=True)),
        class_index=class_index,
        label=model.label(class_index),
        scores=scores,
        numbers={
            "target_mean": study.of_targets.mean,
            "control_mean": study.of_controls.mean,
            "difference": standardized_difference(study.of_targets, study.of_controls),
            "auc": rank_auc(study.of_targets, study.of_controls),
        },
        enough=study.enough if methods[0] == "joint" else None,
        counts={"targets": study.of_targets.count, "controls": study.of_controls.count},
        unreadable={path.name: reason for path, reason in study.unreadable.items()},
        recipe=Recipe(
            version=__version__,
            command="dissect",
            model=model.source,
            inputs={"targets": photos.reference(found_targets), "controls": photos.reference(found_controls)},
            parameters={
                "class": class_index,
                "layers": names,
                "methods": list(methods),
                "seed": seed,
            },
        ),
    )


def class_of(model: Classifier, targets: Sequence[Photo], class_: str | int | None) -> int:
    """Return the class that is meant: as named, as the targets are labelled, or as most of them are taken."""
    if class_ is not None:
        return class_names.index_of(class_, model.labels, model=model.name)
    truths = {truth_of(photo, model.labels) for photo in targets}
    if len(truths) == 1 and (only := truths.pop()) is not None:
        return only
    with torch.no_grad():
        few = Stream(_some(targets, DROP_TARGETS, 0), model.prepared)
        found = torch.cat([model.logits(pictures).argmax(1) for _, pictures in few])
    return int(found.mode().values)


def of_class(model: Classifier, photos_: Sequence[Photo], class_index: int) -> list[Photo]:
    """Return the photos of the class: where some are labelled as it, those that are not labelled otherwise."""
    truths = [truth_of(photo, model.labels) for photo in photos_]
    if class_index not in truths:
        return list(photos_)
    return [photo for photo, truth in zip(photos_, truths, strict=True) if truth in (class_index, None)]


def others(model: Classifier, photos_: Sequence[Photo], targets: Sequence[Photo], class_index: int) -> list[Photo]:
    """Return the photos that are neither among the targets nor labelled as their class."""
    same = {photo.path.absolute() for photo in targets}
    kept = [p for p in photos_ if p.path.absolute() not in same and truth_of(p, model.labels) != class_index]
    if not kept:
        raise DreamscopeError(
            f"all other photos were looked at already, or labelled '{model.label(class_index)}'; give others"
        )
    return kept


def chosen_layers(model: Classifier, layers: Sequence[str] | None, start: str | None) -> list[str]:
    """Return the layers to rank, by glob or by default."""
    if layers is None:
        return unit_layers(model, start)
    return list(dict.fromkeys(address.layer for address in resolve(layers, model)))


def enough(targets: Responses, controls: Responses) -> None:
    """Raise if there are too few photos for a comparison."""
    for what, responses in (("targets", targets), ("controls", controls)):
        if responses.count < 2:
            raise DreamscopeError(f"{responses.count} readable photo of the {what}; at least 2 are needed to compare")


def _some(photos_: Sequence[Photo], most: int, seed: int) -> Sequence[Photo]:
    return photos_ if len(photos_) <= most else photos.shuffled(photos_, seed)[:most]
