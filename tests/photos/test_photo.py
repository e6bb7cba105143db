from __future__ import annotations

from pathlib import Path

from dreamscope import photos


def test_a_reference_holds_no_folders(folder: Path) -> None:
    kept = photos.reference(photos.find(folder / "a"))
    assert {*kept} == {"count", "sha256"}
    (folder / "a").rename(folder / "elsewhere")
    assert photos.reference(photos.find(folder / "elsewhere")) == kept
    assert photos.reference(photos.find(folder / "b")) != kept
