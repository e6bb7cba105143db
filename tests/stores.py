"""Stores of small atlases, made in few steps, and what is in them."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

from dreamscope.engines.base import Here
from dreamscope.microscope import build as building
from dreamscope.microscope import photo_pass
from dreamscope.microscope.items import activation_atlas, channel_pictures, class_pictures, layer_pictures
from dreamscope.microscope.settings import Atlas
from dreamscope.photos import shards


def short(change: Callable[[Any, str, Any], None]) -> None:
    """Take few steps: what is made is looked at elsewhere."""
    change(channel_pictures, "STEPS", {"coarse": (2, 2), "fine": (3, 4)})
    change(layer_pictures, "_DREAM", {"size": 32, "octaves": 1, "steps": 1})
    change(layer_pictures, "_CARICATURE", {"size": 32, "steps": 2})
    change(class_pictures, "CARE", {"coarse": {"steps": 2, "share": 1.0}, "fine": {"steps": 3, "share": 1.0}})
    change(activation_atlas, "PICTURE", {**activation_atlas.PICTURE, "steps": 2, "size": 32})
    # Parts of a few photos, kept now and then.
    change(building, "shards", lambda sources, *_: shards(sources, 8))
    change(photo_pass, "CHECKPOINT", 3)


def builder(atlas: Atlas, site: Path, photos: Path) -> Callable[[], None]:
    """Return what builds such a store in another process."""

    def build() -> None:
        short(setattr)
        building.build(atlas, site, photos, engine=Here())

    return build


def content(site: Path) -> dict[str, bytes]:
    """Return all files of a folder, by their paths in it."""
    return {path.relative_to(site).as_posix(): path.read_bytes() for path in site.rglob("*") if path.is_file()}
