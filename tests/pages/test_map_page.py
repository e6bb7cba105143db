from __future__ import annotations

import io
import json
import re
import shutil
import subprocess
from base64 import b64decode, b64encode
from dataclasses import replace
from hashlib import sha256
from importlib import resources
from pathlib import Path

import numpy as np
import pytest
from embeddings import FOLDER, NASTY, made
from htmlpages import Page
from PIL import Image

from dreamscope.errors import DreamscopeError
from dreamscope.exploration.knn import Agreement
from dreamscope.figures import embedding_map
from dreamscope.pages import map_page


def test_the_page_needs_nothing_beside_it_and_runs_only_its_own_script(tmp_path: Path) -> None:
    text = map_page.write(made(), tmp_path / "map.html").read_text("utf-8")
    page = Page(text)
    assert page.references == []
    assert not re.search(r"https?:|url\(|@import", text)
    assert page.tags.count("script") == 2
    assert "alert(1)</script>" not in text
    assert FOLDER not in text
    (script,) = re.findall(r'<script type="module">(.*?)</script>', text, flags=re.DOTALL)
    (policy,) = re.findall(r'Content-Security-Policy" content="([^"]*)"', text)
    assert "default-src 'none'" in policy
    assert f"'sha256-{b64encode(sha256(script.encode()).digest()).decode()}'" in policy
    assert "innerHTML" not in script
    assert "document.write" not in script


def test_the_points_are_all_there(tmp_path: Path) -> None:
    embedding = made()
    text = map_page.write(embedding, tmp_path / "map.html").read_text("utf-8")
    (data,) = re.findall(r'<script type="application/json" id="points">(.*?)</script>', text, flags=re.DOTALL)
    drawn = json.loads(data)
    points = drawn["points"]
    assert [(p["x"], p["y"], p["label"]) for p in points] == [(p.x, p.y, p.label) for p in embedding.points]
    assert [p["file"] for p in points] == [p.photo.path.name for p in embedding.points]
    assert points[0]["taken"] == f"{NASTY} 50.0%"
    assert [p["near"] for p in points] == embedding.near.tolist()
    assert drawn["others"] == embedding_map.OTHERS
    first = embedding_map.COLORS[0]
    assert drawn["groups"] == [
        {"name": "label", "keys": [{"label": NASTY, "color": first, "count": 4}]},
        {"name": "answer", "keys": [{"label": NASTY, "color": first, "count": 8}]},
    ]
    for point, shade in zip(points, embedding.thumbnails[:, 0, 0, 0].tolist(), strict=True):
        kind, _, content = point["src"].partition(",")
        assert kind == "data:image/jpeg;base64"
        assert abs(int(np.asarray(Image.open(io.BytesIO(b64decode(content))))[30, 30, 0]) - shade) < 4


def test_the_shares_are_shown(tmp_path: Path) -> None:
    page = Page(map_page.write(made(), tmp_path / "map.html").read_text("utf-8"))
    assert page.texts["td"] == f"all of these475%50%{NASTY}475%50%"
    alone = replace(made(), features=Agreement(3, 0, float("nan"), {}))
    assert "No two photos have the same label" in map_page.write(alone, tmp_path / "map.html").read_text("utf-8")


def test_one_place_for_all(tmp_path: Path) -> None:
    embedding = made()
    same = replace(embedding, points=tuple(replace(point, x=1.0, y=1.0) for point in embedding.points))
    assert map_page.write(same, tmp_path / "map.html").stat().st_size > 1000


def test_without_a_recipe(tmp_path: Path) -> None:
    text = map_page.write(replace(made(), recipe=None), tmp_path / "map.html").read_text("utf-8")
    assert "details" not in Page(text).tags


def test_refusals(tmp_path: Path) -> None:
    with pytest.raises(DreamscopeError, match=r"map\.htm'.* ends in \.html"):
        map_page.write(made(), tmp_path / "map.htm")
    with pytest.raises(DreamscopeError, match="there is no folder"):
        map_page.write(made(), tmp_path / "nowhere" / "map.html")
    assert list(tmp_path.iterdir()) == []


@pytest.mark.skipif(shutil.which("node") is None, reason="no JavaScript engine here")
def test_the_script_can_be_read() -> None:
    with resources.as_file(resources.files("dreamscope.pages") / "static" / "map.js") as path:
        subprocess.run(["node", "--check", path], check=True)
