"""A map put together by hand."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import torch

from dreamscope.exploration.embedding import Embedding, Point
from dreamscope.exploration.knn import Agreement
from dreamscope.models.classifier import Prediction
from dreamscope.photos import Photo
from dreamscope.recipes import Recipe

FOLDER = "somebodys-own-folder"
NASTY = "</script><script>alert(1)</script><b>&\"$x$' crane"


def made(label: str = NASTY, others: int = 3) -> Embedding:
    """Four photos of one label in a corner, each of others alone elsewhere, and one that nothing is known of."""
    places = [(0, 0), (1, 0), (0, 1), (0.01, 0.01), *((10 + 3 * n, 10) for n in range(others)), (5, 5)]
    labels = [*[label] * 4, *(f"other {n}" for n in range(others)), None]
    points = tuple(
        Point(Photo(Path(FOLDER) / f"{n}{NASTY[:9].replace('/', '')}.png"), name, Prediction(0, label, 0.5), x, y)
        for n, (name, (x, y)) in enumerate(zip(labels, places, strict=True))
    )
    shades = torch.linspace(40, 220, len(points)).to(torch.uint8).view(-1, 1, 1, 1)
    agree = Agreement(3, 4, 0.75, {label: 0.75})
    return Embedding(
        points=points,
        thumbnails=shades.expand(-1, 3, 64, 64),
        axes=None,
        features=agree,
        plane=replace(agree, overall=0.5, labels={label: 0.5}),
        counts={label: 4, **{f"other {n}": 1 for n in range(others)}},
        layer="features.4",
        method="tsne",
        unreadable={},
        recipe=Recipe("map", {"name": "small"}, {}, {"k": 3}, "0"),
        near=torch.tensor([[(n + 1) % len(points), (n + 2) % len(points)] for n in range(len(points))]),
    )
