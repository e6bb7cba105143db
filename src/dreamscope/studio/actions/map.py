"""The page ``map``: how many photos lie by what the network sees in them."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from dreamscope.errors import DreamscopeError
from dreamscope.exploration import embedding as technique
from dreamscope.exploration.embedding import Embedding
from dreamscope.figures import embedding_map
from dreamscope.models.classifier import Classifier
from dreamscope.pages import map_page
from dreamscope.pages.environment import percent
from dreamscope.photos import Photo
from dreamscope.studio.actions.dream import preview_layers
from dreamscope.studio.given import Given
from dreamscope.studio.jobs import Job
from dreamscope.studio.state import Studio

MOST_PHOTOS = 400
METHODS = ("tsne", "pca")


def facts(model: Classifier, _: Mapping[str, str]) -> dict[str, Any]:
    """Return what the page knows when it is opened."""
    return {"layers": preview_layers(model), "most": MOST_PHOTOS}


def run(studio: Studio, job: Job, *, given: Given) -> dict[str, Any]:
    """Lay photos out; the embedding stays in the visit, to be downloaded."""
    pictures = given.pictures("pictures", most=MOST_PHOTOS)
    labels = given.texts("labels", most=MOST_PHOTOS)
    if labels and len(labels) != len(pictures):
        raise DreamscopeError("each picture has a label, or none has")
    photos = [
        Photo(Path(picture), label[:80] or None)
        for picture, label in zip(pictures, labels or [""] * len(pictures), strict=True)
    ]
    layers = given.addresses("at", studio.model)
    found = technique.map(
        studio.model,
        photos,
        layers[0] if layers else None,
        method=given.choice("method", METHODS, METHODS[0]),
        callback=job.progress,
    )
    job.visit.state["map"] = found
    drawn = map_page.drawn(found)
    for point, own in zip(drawn["points"], found.points, strict=True):
        # The folder of a picture is its name in the visit.
        point["large"] = f"/pictures/{own.photo.path.parent.name}?side=384"
    return {
        **drawn,
        "layer": found.layer,
        "agreement": _agreement(found),
        "unreadable": len(found.unreadable),
        "axes": list(found.axes or []),
    }


def download(_: Studio, job: Job, *, given: Given) -> dict[str, Any]:
    """Write the map of this visit as a page that needs nothing beside it, or as a picture."""
    found = job.visit.state.get("map")
    if not isinstance(found, Embedding):
        raise DreamscopeError("there is no map in this visit yet")
    by = given.choice("by", embedding_map.GROUPS, embedding_map.GROUPS[0])
    if given.choice("as", ("page", "picture"), "page") == "page":
        kept = job.visit.keep("map.html", lambda path: map_page.write(found, path))
    else:
        kept = job.visit.keep("map.png", lambda path: embedding_map.picture(found, path, by=by))
    return {"name": kept.name, "title": kept.title}


def _agreement(found: Embedding) -> str:
    if not found.features.count:
        return ""
    return (
        f"{percent(found.features.overall)} of the photos have the label of most of their {found.features.k} nearest "
        f"neighbours in the features; on the map it is {percent(found.plane.overall)}."
    )
