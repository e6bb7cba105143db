from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from embeddings import made
from PIL import Image

from dreamscope.errors import DreamscopeError
from dreamscope.figures import embedding_map


def test_labels_with_most_photos_have_colours() -> None:
    counts = {f"label {n}": 20 - n for n in range(15)} | {"alone": 1}
    chosen = embedding_map.colors(replace(made(), counts=counts))
    assert list(chosen) == [f"label {n}" for n in range(10)]
    assert len(set(chosen.values())) == 10
    assert embedding_map.OTHERS not in chosen.values()


def near(pixels: np.ndarray, color: tuple[int, ...]) -> int:
    return int((np.abs(pixels.astype(int) - color).max(2) < 12).sum())


def test_the_picture_shows_thumbnails_framed_in_their_colours(tmp_path: Path) -> None:
    embedding = made()
    pixels = np.asarray(Image.open(embedding_map.picture(embedding, tmp_path / "map.png")).convert("RGB"))
    blue = tuple(int(embedding_map.COLORS[0][i : i + 2], 16) for i in (1, 3, 5))
    assert near(pixels, blue) > 300
    shades = embedding.thumbnails[:, 0, 0, 0].tolist()
    seen = [near(pixels, (shade,) * 3) for shade in shades]
    # The fourth lies under the first and becomes a dot; all others have room.
    assert [count > 1000 for count in seen] == [True, True, True, False, True, True, True, True]


def test_the_rarest_label_is_not_hidden_by_the_most_frequent() -> None:
    places = np.array([[0.0, 0], [0.1, 0], [0.2, 0], [9, 9]])
    assert embedding_map._with_room(places, [2, 0, 1, 3], 1.0) == [2, 3]


def test_one_place_for_all(tmp_path: Path) -> None:
    embedding = made()
    same = replace(embedding, points=tuple(replace(point, x=1.0, y=1.0) for point in embedding.points))
    assert Image.open(embedding_map.picture(same, tmp_path / "map.png")).width > 400


def test_refusals(tmp_path: Path) -> None:
    with pytest.raises(DreamscopeError, match=r"a picture ends in \.png"):
        embedding_map.picture(made(), tmp_path / "map.pdf")
    with pytest.raises(DreamscopeError, match="there is no folder"):
        embedding_map.picture(made(), tmp_path / "nowhere" / "map.png")
    assert list(tmp_path.iterdir()) == []
