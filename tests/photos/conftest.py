from __future__ import annotations

from pathlib import Path

import pytest
from PIL import Image


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    for name in ("a/one.png", "a/two.jpg", "b/three.png", "four.png"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        Image.new("RGB", (16, 12), "red").save(tmp_path / name)
    (tmp_path / "notes.txt").write_text("no photo")
    return tmp_path
