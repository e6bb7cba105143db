from __future__ import annotations

import os
import sys
from pathlib import Path

import pytest

if "PYTEST_XDIST_WORKER" in os.environ:
    # As many workers as cores: threads of each, of NumPy's or of a command's, would only wait for those of the others.
    os.environ.update(dict.fromkeys(("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"), "1"))

import torch

sys.path.insert(0, str(Path(__file__).parent))

import colours
from browsers import accessible, browser
from nets import Planted, Residual, Tokens, Vgg, seeded

from dreamscope.models.classifier import Classifier
from dreamscope.models.registry import load
from dreamscope.models.wrapping import wrap

# Of the whole session: there can be one browser in a process.
__all__ = ["accessible", "browser"]

SHARED = Path(__file__).parents[2] / "shared"


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    absent = pytest.mark.skip(reason=f"no photos and weights beside the project ({SHARED.name}/)")
    for item in items:
        if "shared" in item.keywords and not (SHARED / "photos").is_dir():
            item.add_marker(absent)


@pytest.fixture(autouse=True)
def own_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """What one test measures is not for another, nor for the user."""
    monkeypatch.setenv("DREAMSCOPE_CACHE", str(tmp_path / "cache"))


@pytest.fixture
def vgg() -> Classifier:
    return wrap(seeded(Vgg()), input_size=32, labels=list("abcde"))


@pytest.fixture
def residual() -> Classifier:
    torch.manual_seed(0)
    return wrap(Residual(), input_size=32)


@pytest.fixture
def tokens() -> Classifier:
    return wrap(seeded(Tokens()), input_size=32)


@pytest.fixture
def image() -> torch.Tensor:
    return torch.rand((1, 3, 40, 48), generator=torch.Generator().manual_seed(1))


@pytest.fixture(scope="session")
def lite0() -> Classifier:
    return load("efficientnet_lite0")


@pytest.fixture(scope="session")
def vgg19() -> Classifier:
    return load("oxford_vgg19")


@pytest.fixture
def shared() -> Path:
    return SHARED


@pytest.fixture
def planted() -> Classifier:
    """Classes green, blue and red; red is carried by ``act:8`` alone."""
    return wrap(Planted(), input_size=16, labels=list(colours.COLOURS))


@pytest.fixture
def coloured(tmp_path: Path) -> Path:
    """A folder of 24 photos of each colour, in subfolders of that name."""
    colours.draw(tmp_path / "photos", 24)
    return tmp_path / "photos"
