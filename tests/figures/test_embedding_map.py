from __future__ import annotations

import io
import json
import re
import shutil
import subprocess
from base64 import b64decode, b64encode
from dataclasses import replace
from hashlib import sha256
from pathlib import Path

import numpy as np
import pytest
import torch
from htmlpages import Page
from PIL import Image

from dreamscope.errors import DreamscopeError
from dreamscope.exploration.embedding import Embedding, Point
from dreamscope.exploration.knn import Agreement
from dreamscope.figures import embedding_map
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
    )


def test_the_page_needs_nothing_beside_it_and_runs_only_its_own_script(tmp_path: Path) -> None:
    text = embedding_map.page(made(), tmp_path / "map.html").read_text("utf-8")
    page = Page(text)
    assert page.references == []
    assert not re.search(r"https?:|url\(|@import", text)
    assert page.tags.count("script") == 2
    assert "alert(1)</script>" not in text
    assert FOLDER not in text
    (script,) = re.findall(r"<script>(.*?)</script>", text, flags=re.DOTALL)
    (policy,) = re.findall(r'Content-Security-Policy" content="([^"]*)"', text)
    assert "default-src 'none'" in policy
    assert f"'sha256-{b64encode(sha256(script.encode()).digest()).decode()}'" in policy
    assert "innerHTML" not in script
    assert "document.write" not in script


def test_the_points_are_all_there(tmp_path: Path) -> None:
    embedding = made()
    text = embedding_map.page(embedding, tmp_path / "map.html").read_text("utf-8")
    (data,) = re.findall(r'<script type="application/json" id="points">(.*?)</script>', text, flags=re.DOTALL)
    points = json.loads(data)
    assert [(p["x"], p["y"], p["label"]) for p in points] == [(p.x, p.y, p.label) for p in embedding.points]
    assert [p["file"] for p in points] == [p.photo.path.name for p in embedding.points]
    assert points[0]["taken"] == f"{NASTY} 50.0%"
    assert [p["color"] for p in points] == [embedding_map.COLORS[0]] * 4 + [embedding_map.OTHERS] * 4
    for point, shade in zip(points, embedding.thumbnails[:, 0, 0, 0].tolist(), strict=True):
        kind, _, content = point["src"].partition(",")
        assert kind == "data:image/jpeg;base64"
        assert abs(int(np.asarray(Image.open(io.BytesIO(b64decode(content))))[30, 30, 0]) - shade) < 4


def test_the_shares_are_told(tmp_path: Path) -> None:
    page = Page(embedding_map.page(made(), tmp_path / "map.html").read_text("utf-8"))
    assert page.texts["td"] == f"all of these475 %50 %{NASTY}475 %50 %"
    alone = replace(made(), features=Agreement(3, 0, float("nan"), {}))
    assert "No two photos have the same label" in embedding_map.page(alone, tmp_path / "map.html").read_text("utf-8")


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
    assert embedding_map.page(same, tmp_path / "map.html").stat().st_size > 1000


@pytest.mark.parametrize(("write", "name"), [(embedding_map.picture, "map.gif"), (embedding_map.page, "map.htm")])
def test_refusals(tmp_path: Path, write: object, name: str) -> None:
    with pytest.raises(DreamscopeError, match=rf"'[^']*{name}'"):
        write(made(), tmp_path / name)
    with pytest.raises(DreamscopeError, match="there is no folder"):
        write(made(), tmp_path / "nowhere" / f"map{'.png' if write is embedding_map.picture else '.html'}")
    assert list(tmp_path.iterdir()) == []


@pytest.mark.skipif(shutil.which("node") is None, reason="no JavaScript engine here")
def test_the_script_can_be_read() -> None:
    subprocess.run(["node", "--check", Path(embedding_map.__file__).with_suffix(".js")], check=True)
