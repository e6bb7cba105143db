"""The page ``blind``, by hand: which class it is, the channels that carry it, and what is recognised without some."""

from __future__ import annotations

import secrets
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from dreamscope import images
from dreamscope.dissection.classify import classify
from dreamscope.dissection.dissect import dissect
from dreamscope.dissection.evaluation import Evaluation, compare
from dreamscope.dissection.greedy import with_spare
from dreamscope.dissection.predictions import PhotoPrediction
from dreamscope.dissection.scores import ChannelScores
from dreamscope.dissection.search import METHODS
from dreamscope.dissection.shares import FEW_PHOTOS, share_interval
from dreamscope.dissection.what_if import WhatIf
from dreamscope.errors import DreamscopeError
from dreamscope.exploration.exemplars import exemplars
from dreamscope.models import weight_export
from dreamscope.models.ablation import Ablation
from dreamscope.models.addresses import Address
from dreamscope.models.classifier import Classifier
from dreamscope.pages.report_text import FEW
from dreamscope.photos import Photo
from dreamscope.studio.given import Given
from dreamscope.studio.jobs import Job
from dreamscope.studio.pictures import safe_stem, uri
from dreamscope.studio.state import Studio
from dreamscope.studio.visits import Visit
from dreamscope.visualization.visualize import visualize

MOST_PHOTOS = 200
"""Of each kind."""
FEWEST = 3
"""Of each kind: to find on some and measure on others."""
MOST_CHANNELS = 48
"""Channels that are shown to be switched on and off."""

_FINDING: Mapping[str, str] = {
    "joint": "chosen together (best)",
    "contrast": "louder on the class (quick)",
    "attribution": "moving its score (quick)",
    "frequency": "often the loudest (quick)",
    "single": "each switched off alone (slow)",
}
"""The methods of `dissect` in plain words."""

_PATCHES, _PATCH_SIDE, _SMALLEST_PATCH = 3, 112, 48
_SUGGESTED = 10
# As small and as short as shows what a channel is about: somebody waits.
_IMAGINED: dict[str, Any] = {"size": 192, "steps": 96, "precision": "float32"}


@dataclass
class Tryout:
    """What one visitor found and plays with.

    Attributes
    ----------
    name : str
        Tells it from what was found before or after it.
    scores : ChannelScores
        What carries the class.
    channels : tuple of Address
        Those that are shown.
    what_if : WhatIf
        The photos: first those of the class, then the others.
    targets : int
        The number of photos of the class.
    pictures : dict
        What excites a channel, by its address: names of pictures of the visit.
    """

    name: str
    scores: ChannelScores
    channels: tuple[Address, ...]
    what_if: WhatIf
    targets: int
    pictures: dict[str, str] = field(default_factory=dict)

    def edits(self, off: Collection[str]) -> list[Ablation]:
        """Return what switches channels off, an edit for each layer; raise if one is none of those shown."""
        unknown = set(off) - set(map(str, self.channels))
        if unknown:
            raise DreamscopeError(f"'{min(unknown)}' is none of the channels that were found")
        by_layer: dict[str, list[int]] = {}
        for address in self.channels:
            if str(address) in off:
                by_layer.setdefault(address.layer, []).extend(address.channels or ())
        return [Ablation(Address(layer, tuple(sorted(each)))) for layer, each in by_layer.items()]


def facts(_: Classifier, __: Mapping[str, str]) -> dict[str, Any]:
    """Return what the page knows when it is opened."""
    return {
        "methods": {name: _FINDING[name] for name in METHODS},
        "fewest": FEWEST,
        "most": MOST_PHOTOS,
        "few": FEW_PHOTOS,
        "enough": FEW,
    }


def photos_of(given: Given) -> tuple[list[Path], list[Path]]:
    """Return the photos of the class and of other things; raise a `DreamscopeError` if there are too few."""
    targets, controls = (given.pictures(name, most=MOST_PHOTOS) for name in ("targets", "controls"))
    for found, what in ((targets, "the class"), (controls, "other things")):
        if len(found) < FEWEST:
            raise DreamscopeError(f"at least {FEWEST} photos of {what} are needed, better 20, not {len(found)}")
    return targets, controls


def guess(studio: Studio, job: Job, *, given: Given) -> dict[str, Any]:
    """Say what most photos of the class are taken for."""
    found = given.pictures("targets", most=MOST_PHOTOS)
    seen = classify(studio.model, found, top=1, recipe=False, callback=job.progress)
    labels = studio.model.labels
    classes = {answer.predicted.label: answer.predicted.index for answer in seen.answers}
    return {
        "count": len(seen.answers),
        "classes": [
            # Two classes of one name are told apart by their numbers.
            {"name": label if labels.count(label) == 1 else str(classes[label]), "label": label, "count": count}
            for label, count in seen.frequent[:4]
        ],
        "unreadable": dict(seen.unreadable),
    }


def find(studio: Studio, job: Job, *, given: Given) -> dict[str, Any]:
    """Find the channels that carry the class, and make ready to switch them off one by one."""
    targets, controls = photos_of(given)
    model = studio.model
    # What was found before is worth its memory no longer.
    job.visit.state.pop("blind", None)
    scores = dissect(
        model,
        targets,
        controls,
        class_name=given.text("class_name") or None,
        method=given.choice("method", METHODS, next(iter(METHODS))),
        until_enough=True,
        callback=job.progress,
    )
    channels = tuple(scores.address(place) for place in scores.ranking()[:MOST_CHANNELS].tolist())
    if not channels:
        raise DreamscopeError(f"no channel carries '{scores.label}' by {scores.method}; do the photos show it?")
    layers = list(dict.fromkeys(address.layer for address in channels))
    strongest = exemplars(model, targets, layers, top=_PATCHES, recipe=False, callback=job.progress)
    patches = strongest.patches(model, channels, smallest=_SMALLEST_PATCH)
    photos = [Photo(path) for path in (*targets, *controls)]
    what_if = WhatIf(model, photos, layers, class_index=scores.class_index, callback=job.progress)
    count = sum(photo.path in targets for photo in what_if.photos)
    tryout = Tryout(secrets.token_urlsafe(6), scores, channels, what_if, count)
    job.visit.state["blind"] = tryout
    kept = job.visit.keep(f"{safe_stem(scores.label)}-scores.json", scores.save, kind="scores")
    rows = scores.shown()
    return {
        "tryout": tryout.name,
        "label": scores.label,
        "method": scores.method,
        "enough": scores.enough,
        "suggested": min(len(channels), with_spare(scores.enough, count) if scores.enough else _SUGGESTED),
        "channels": [
            {
                "address": str(address),
                "patches": [uri(patch, side=_PATCH_SIDE) for patch in patch_row if patch is not None],
                **{name: float(values[place]) for name, values in rows.items()},
            }
            for address, place, patch_row in zip(channels, scores.ranking().tolist(), patches, strict=False)
        ],
        "scores": {"name": kept.name, "title": kept.title},
        "photos": [path.parent.name for path in (photo.path for photo in what_if.photos)],
        "targets": count,
        "unreadable": what_if.unreadable,
        **_answers(model, tryout, what_if.intact),
    }


def what_if(studio: Studio, job: Job, *, given: Given) -> dict[str, Any]:
    """Say what each photo is taken for without the channels that are switched off."""
    tryout = tryout_of(job.visit, given)
    edits = tryout.edits(given.texts("off", most=MOST_CHANNELS))
    found = tryout.what_if.predictions(edits, callback=lambda *_: job.check())
    return {"off": len(given.texts("off", most=MOST_CHANNELS)), **_answers(studio.model, tryout, found)}


def imagine(studio: Studio, job: Job, *, given: Given) -> dict[str, Any]:
    """Make a picture from noise that excites one of the channels."""
    tryout = tryout_of(job.visit, given)
    address = given.text("channel")
    tryout.edits([address])
    if address not in tryout.pictures:
        made = visualize(studio.model, address, recipe=False, callback=job.step, **_IMAGINED)[0]
        title = f"{safe_stem(address)}.png"
        tryout.pictures[address] = job.visit.keep(
            title, lambda path: images.write(made.image, path), kind="channel"
        ).name
    return {"name": tryout.pictures[address]}


def weights(studio: Studio, job: Job, *, given: Given) -> dict[str, Any]:
    """Write the weights of the network without the channels that are switched off."""
    tryout = tryout_of(job.visit, given)
    edited = studio.model.edited(tryout.edits(given.texts("off", most=MOST_CHANNELS)))
    title = f"{safe_stem(f'{studio.model.name}-without-{tryout.scores.label}')}.safetensors"
    kept = job.visit.keep(title, lambda path: weight_export.export(edited, path), kind="weights")
    return {"name": kept.name, "title": kept.title}


def tryout_of(visit: Visit, given: Given) -> Tryout:
    """Return what a page plays with; raise a `DreamscopeError` if that is gone."""
    found = visit.state.get("blind")
    if not isinstance(found, Tryout) or found.name != given.text("tryout"):
        raise DreamscopeError("these channels were looked for in another window, or too long ago; find them again")
    return found


def _answers(model: Classifier, tryout: Tryout, found: Sequence[PhotoPrediction]) -> dict[str, Any]:
    """Return what photos are taken for, one by one, and what that means for the class and for other things."""
    index, count = tryout.scores.class_index, tryout.targets
    before, after = (list(zip(tryout.what_if.photos, each, strict=True)) for each in (tryout.what_if.intact, found))
    result = compare((before[:count], after[:count]), (before[count:], after[count:]), class_index=index, model=model)
    return {
        "answers": [
            {"label": model.label(each.top[0]), "sure": each.confidence, "of_class": each.of_class,
             "is_class": each.top[0] == index}
            for each in found
        ],
        **_summary(result),
    }  # fmt: skip


def _summary(result: Evaluation) -> dict[str, Any]:
    before, after, changed = result.recall_before, result.recall_after, result.changed
    return {
        "recognised": {
            "counts": [round(each.value * each.count) for each in (before, after)],
            "of": after.count,
            "interval": share_interval(after),
        },
        "changed": {
            "count": round(changed.value * changed.count),
            "of": changed.count,
            "interval": share_interval(changed),
        },
    }
