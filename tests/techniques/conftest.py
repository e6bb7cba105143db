from __future__ import annotations

from pathlib import Path

import colours
import pytest
from nets import Planted

from dreamscope.models.classifier import Classifier
from dreamscope.models.wrapping import wrap


@pytest.fixture
def planted() -> Classifier:
    """Classes green, blue and red; red is carried by ``act:8`` alone."""
    return wrap(Planted(), input_size=16, labels=list(colours.COLOURS))


@pytest.fixture
def coloured(tmp_path: Path) -> Path:
    """A folder of 24 photos of each colour, in subfolders of that name."""
    colours.draw(tmp_path / "photos", 24)
    return tmp_path / "photos"
