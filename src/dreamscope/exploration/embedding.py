"""Map: how do photos lie in feature space, drawn in two dimensions - and do neighbours agree with labels?"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from dreamscope import images
from dreamscope.engines.base import Engine
from dreamscope.engines.photo_parts import Streamed, in_parts, opened, placed
from dreamscope.errors import DreamscopeError, ensure_one_of
from dreamscope.exploration.knn import NEIGHBOURS, Agreement, agreement, nearest
from dreamscope.exploration.patches import channels_of
from dreamscope.exploration.projections import METHODS
from dreamscope.models.addresses import Address
from dreamscope.models.classifier import Classifier, Prediction
from dreamscope.models.labels import truth_of
from dreamscope.optimize.precision import prepared
from dreamscope.photos import Photo, Source, by_name, ensure_readable, find, reference
from dreamscope.probes import LOGITS, means, probe
from dreamscope.progress import Callback, reported
from dreamscope.recipes import Recipe

THUMBNAIL = 64
"""Side of a thumbnail, in pixels."""

_SHOWN = 640  # pixels of the side of the picture that a notebook shows

_FEWEST = 4


@dataclass(frozen=True)
class Point:
    """One photo on the map.

    Attributes
    ----------
    photo : Photo
        The file.
    label : str or None
        Its label, if known: the model's name for the class, or the label as it was given.
    prediction : Prediction or None
        The class that the model predicts; ``None`` if the model has no classes.
    x, y : float
        Its position on the map.
    """

    photo: Photo
    label: str | None
    prediction: Prediction | None
    x: float
    y: float


@dataclass(frozen=True)
class Embedding:
    """Photos in two dimensions.

    Attributes
    ----------
    points : tuple of Point
        In the order in which they were given.
    thumbnails : Tensor
        uint8 (photos, 3, 64, 64): the prepared images, made small.
    axes : (str, str) or None
        What x and y are; ``None`` if only distances to near neighbours mean anything.
    features, plane : Agreement
        Agreement of neighbours in the layer's features, and on the map.
    counts : Mapping of str to int
        Label -> number of photos, the most frequent first.
    layer : str
        The layer of the features.
    method : str
        One of `METHODS`.
    unreadable : Mapping of str to str
        Photos skipped because they can't be read, by file name, and why.
    recipe : Recipe or None
        Enough to make it again; ``None`` if none was wanted.
    near : Tensor
        int64 (photos, neighbours): for each photo those nearest to it in the layer's features, the nearest first.
    """

    points: tuple[Point, ...]
    thumbnails: Tensor
    axes: tuple[str, str] | None
    features: Agreement
    plane: Agreement
    counts: Mapping[str, int]
    layer: str
    method: str
    unreadable: Mapping[str, str]
    recipe: Recipe | None
    near: Tensor

    def to_dict(self) -> dict[str, Any]:
        """Return everything but the thumbnails as plain values for JSON; paths as they were given."""
        points = [
            {
                "file": str(point.photo.path),
                "label": point.label,
                "taken_for": None if point.prediction is None else point.prediction.label,
                "confidence": None if point.prediction is None else point.prediction.probability,
                "x": point.x,
                "y": point.y,
            }
            for point in self.points
        ]
        return {
            "layer": self.layer,
            "method": self.method,
            "neighbours": self.features.k,
            "judged": self.features.count,
            "features": _plain(self.features),
            "plane": _plain(self.plane),
            "points": points,
            "unreadable": dict(self.unreadable),
            "recipe": None if self.recipe is None else self.recipe.to_dict(),
        }

    def _repr_png_(self) -> bytes:
        """Return the thumbnails where the photos lie."""
        places = torch.tensor([(point.x, -point.y) for point in self.points])
        low, high = places.amin(0), places.amax(0)
        # About as large as they can be without hiding each other, were they spread evenly.
        side = max(8, min(THUMBNAIL, int(_SHOWN / math.sqrt(len(places)) / 2)))
        small = F.interpolate(self.thumbnails.float() / 255, (side, side), mode="bilinear", antialias=True)
        canvas = torch.ones(3, _SHOWN, _SHOWN)
        corners = ((places - low) / (high - low).amax().clamp_min(1e-9) * (_SHOWN - side)).round().int()
        for (left, top), thumbnail in zip(corners.tolist(), small, strict=True):
            canvas[:, top : top + side, left : left + side] = thumbnail
        return images.png(canvas[None])


def map(
    model: Classifier,
    photos: Source | Sequence[Source | Photo],
    at: str | Address | None = None,
    *,
    method: str = "tsne",
    neighbours: int = NEIGHBOURS,
    seed: int = 0,
    engine: str | Engine | None = None,
    callback: Callback | None = None,
    progress: bool = False,
    recipe: bool = True,
) -> Embedding:
    """Lay photos out in two dimensions by the features of a layer.

    Parameters
    ----------
    model
        The classifier.
    photos
        Folders, photos or labels files, see `dreamscope.photos.find`; those that can't be read are skipped and
        reported.
    at
        The layer, or some of its channels; the layer before the logits if not given. A feature is a channel's mean
        over positions.
    method
        One of `METHODS`; ``umap`` needs the package umap-learn.
    neighbours
        Number of nearest neighbours whose labels are compared with a photo's own.
    seed
        Seed of ``tsne`` and ``umap``.
    engine
        Where photos are gone through, side by side in parts of them: ``local``, ``ray`` and so on, see
        `dreamscope.engines.choose.engine`; in this process if not given.
    callback
        Called with what is being done, how much of it is done, and of how much.
    progress
        Show a bar.
    recipe
        Keep a recipe.

    Returns
    -------
    Embedding

    Raises
    ------
    DreamscopeError
        If fewer than four photos can be read, there is no such layer or method, umap-learn is not installed, or the
        features are not finite or the same for all photos.
    """
    arguments = locals()
    ensure_one_of(method, METHODS, "method")
    if method == "umap" and find_spec("umap") is None:
        raise DreamscopeError("umap is not installed: pip install umap-learn (tsne and pca need nothing more)")
    if neighbours < 1:
        raise DreamscopeError(f"neighbours is 1 or more, not {neighbours}")
    given = find(photos)
    address = Address(before_logits(model)) if at is None else _one(model, at)
    made = None
    if recipe:
        made = Recipe.of_call(map, arguments, inputs={"photos": reference(given)}, resolved={"at": str(address)})
    fast, _ = prepared(model, [address.layer], max(model.input_size), "float32")
    look = _Look(fast, address.layer, has_classes(model))
    unreadable: dict[Path, str] = {}
    with reported(callback, progress=progress) as report, opened(engine) as where:
        parts: list[_Part] = []
        for part in in_parts(look, given, where, callback=report):
            parts.append(part)
            unreadable |= part.unreadable
        ensure_readable(len(given), unreadable, _FEWEST)
        seen = [photo for part in parts for photo in part.seen]
        features = [each for part in parts for each in part.features]
        matrix = torch.cat(features)[:, list(address.channels or range(features[0].shape[1]))].double().numpy()
        if not np.isfinite(matrix).all():
            raise DreamscopeError(f"the features of '{address.layer}' are not all finite numbers; give another layer")
        if not np.ptp(matrix, axis=0).any():
            raise DreamscopeError(f"the features at '{address}' are the same for all photos; give other channels")
        if report is not None:
            report(method, 0, 1)
        plane, axes = METHODS[method](matrix, seed)
    labels = [_label(photo, model) for photo in seen]
    predictions = [each for part in parts for each in part.predictions]
    return Embedding(
        points=tuple(
            Point(photo, label, prediction, float(x), float(y))
            for photo, label, prediction, (x, y) in zip(seen, labels, predictions, plane, strict=True)
        ),
        thumbnails=torch.cat([each for part in parts for each in part.thumbnails]),
        axes=axes,
        features=agreement(matrix, labels, neighbours),
        plane=agreement(plane, labels, neighbours),
        counts=dict(Counter(label for label in labels if label is not None).most_common()),
        layer=address.layer,
        method=method,
        unreadable=by_name(unreadable),
        recipe=made,
        near=torch.from_numpy(nearest(matrix, neighbours)),
    )


@dataclass(frozen=True)
class _Part:
    """What the network makes of some photos, in batches."""

    seen: list[Photo]
    features: list[Tensor]
    thumbnails: list[Tensor]
    predictions: list[Prediction | None]
    unreadable: Mapping[Path, str]


@dataclass(frozen=True)
class _Look:
    """Looks at photos at a layer."""

    fast: Classifier
    layer: str
    classifies: bool

    def __call__(self) -> Callable[[Streamed], _Part]:
        """Begin to work."""
        return replace(self, fast=placed(self.fast))._go

    @torch.no_grad()
    def _go(self, streamed: Streamed) -> _Part:
        stream = streamed(self.fast)
        part = _Part([], [], [], [], stream.unreadable)
        wanted = [self.layer, *([LOGITS] if self.classifies else [])]
        with probe(self.fast, wanted, keep=means) as recorded:
            for named, pictures in stream:
                found = recorded(pictures)
                part.features.append(found[self.layer].cpu())
                part.predictions.extend(
                    _predictions(self.fast, found[LOGITS]) if self.classifies else [None] * len(named)
                )
                part.thumbnails.append(_small(pictures))
                part.seen.extend(named)
        return part


def before_logits(model: Classifier) -> str:
    """Return the layer that the class scores are computed from; of a network without classes, its last layer.

    Raises
    ------
    DreamscopeError
        If there is nothing before the logits.
    """
    names = list(model.layers)
    if not has_classes(model):
        return names[-1]
    parts = {name: model.module.get_submodule(name) for name in names}
    weighted = [name for name in names if isinstance(parts[name], nn.Linear | nn.Conv2d)]
    before = names[: names.index(weighted[-1])] if weighted else []
    if not before:
        raise DreamscopeError(f"{model.name} has no layer before its logits; give one with at")
    return before[-1]


def has_classes(model: Classifier) -> bool:
    """Return whether a network puts out class scores."""
    try:
        with torch.no_grad():
            model.logits(torch.rand((1, 3, *model.input_size), generator=torch.Generator().manual_seed(0)))
    except DreamscopeError:
        return False
    return True


def _one(model: Classifier, at: str | Address) -> Address:
    found = channels_of(model, [at])
    if len(found) > 1:
        raise DreamscopeError(f"'{at}' is {len(found)} layers; give one, such as {found[-1].layer}")
    return found[0]


def _predictions(model: Classifier, logits: Tensor) -> list[Prediction]:
    best = logits.softmax(1).max(1)
    return [
        Prediction(index, model.label(index), probability)
        for index, probability in zip(best.indices.tolist(), best.values.tolist(), strict=True)
    ]


def _small(pictures: Tensor) -> Tensor:
    side = (THUMBNAIL, THUMBNAIL)
    small = F.interpolate(pictures, side, mode="bilinear", antialias=True)
    return small.clamp(0, 1).mul(255).round().to(torch.uint8).cpu()


def _plain(found: Agreement) -> dict[str, Any]:
    # JSON knows no NaN.
    overall = found.overall if found.count else None
    return {"overall": overall, "labels": dict(found.labels)}


def _label(photo: Photo, model: Classifier) -> str | None:
    truth = truth_of(photo, model.labels)
    return photo.label if truth is None else model.label(truth)
