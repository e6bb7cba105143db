"""The page of a map: photos in feature space, to zoom into."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from PIL import Image

from dreamscope import images
from dreamscope.exploration.embedding import Embedding
from dreamscope.figures import embedding_map
from dreamscope.pages import environment
from dreamscope.pages.environment import percent


def write(embedding: Embedding, path: str | Path) -> Path:
    """Write a map as one ``.html`` to zoom into; it fetches nothing and holds no folders.

    Raises
    ------
    DreamscopeError
        If `path` is no ``.html`` or can't be written.
    """
    environment.ensure_page(path)
    some = bool(embedding.features.count)
    text = environment.render(
        "map",
        script="map.js",
        title=embedding_map.title(embedding),
        axes="" if embedding.axes is None else f"Axes: {embedding.axes[0]}; {embedding.axes[1]}.",
        map=drawn(embedding),
        explanation=f"{embedding_map.explained(embedding.features)}."
        if some
        else "No two photos have the same label, so neighbours can't agree with labels.",
        rows=_rows(embedding) if some else [],
        recipe_json=embedding.recipe.to_json(indent=2) if embedding.recipe else "",
    )
    return environment.write(text, path)


def drawn(embedding: Embedding) -> dict[str, Any]:
    """Return what the script draws: points, what their colours may mean, and the colour of all others."""
    groups = []
    for by in embedding_map.GROUPS:
        counts = embedding_map.counted(embedding, by)
        keys = [
            {"label": name, "color": color, "count": counts[name]}
            for name, color in embedding_map.colors(embedding, by).items()
        ]
        if counts:
            groups.append({"name": by, "keys": keys})
    return {"points": _points(embedding), "groups": groups, "others": embedding_map.OTHERS}


def _points(embedding: Embedding) -> list[dict[str, Any]]:
    found = []
    for point, small, near in zip(embedding.points, embedding.thumbnails, embedding.near.tolist(), strict=True):
        taken = point.prediction
        found.append(
            {
                "x": point.x,
                "y": point.y,
                "file": point.photo.path.name,
                "label": point.label,
                "answer": None if taken is None else taken.label,
                "taken": None if taken is None else f"{taken.label} {percent(taken.probability, 1)}",
                "near": near,
                "src": images.data_uri(Image.fromarray(small.permute(1, 2, 0).numpy()), quality=80),
            }
        )
    return found


def _rows(embedding: Embedding) -> list[list[object]]:
    """Return how far neighbours agree with labels: all together, then label by label."""
    features, plane = embedding.features, embedding.plane
    rows: list[list[object]] = [["all of these", features.count, percent(features.overall), percent(plane.overall)]]
    rows += [
        [label, embedding.counts[label], percent(share), percent(plane.labels[label])]
        for label, share in features.labels.items()
    ]
    return rows
