from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch
from nets import hooks_on
from torch import Tensor

from dreamscope import images
from dreamscope.dreaming.dream import dream
from dreamscope.dreaming.octaves import Dreamer
from dreamscope.models.classifier import Classifier
from dreamscope.recipes import Recipe
from dreamscope.sheets import batching
from dreamscope.sheets.gallery import Gallery, gallery
from dreamscope.sheets.plan import plan

QUICK = {"preset": "rich", "steps": 2, "octaves": 2, "octave_scale": 1.2, "precision": "float32"}


@pytest.fixture
def photo(tmp_path: Path, image: Tensor) -> Path:
    return images.write(image, tmp_path / "photo.png")


@pytest.fixture
def batches(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """How many pictures were dreamt on at once, in order; runs of no steps left out."""
    seen: list[int] = []
    true = Dreamer.__call__

    def counted(self: Dreamer, picture: Tensor, *given: Any, **options: Any) -> Tensor:
        if self._settings.steps:
            seen.append(len(picture))
        return true(self, picture, *given, **options)

    monkeypatch.setattr(Dreamer, "__call__", counted)
    return seen


def channels(vgg: Classifier, photo: str | Path, folder: Path, **changed: object) -> Gallery:
    return gallery(plan("channels", [vgg], [photo], at=["features.3:0-4"], **{**QUICK, **changed}), folder=folder)


@pytest.mark.parametrize("changed", [{}, {"preset": "plain", "octaves": 1}, {"seed": 5, "size": 40}])
def test_channels_are_dreamt_on_at_once_and_as_each_alone(
    vgg: Classifier, photo: Path, tmp_path: Path, batches: list[int], changed: dict[str, object]
) -> None:
    if changed.get("preset") == "plain":
        changed = {**changed, "rate": None, "filter": "none", "loss": "norm", "jitter": 0, "natural": 0.0}
    found = channels(vgg, photo, tmp_path / "cells", **changed)
    assert batches == [5]
    for number, each in enumerate(found.cells):
        alone = dream(vgg, photo, f"features.3:{number}", **{**QUICK, **changed})  # type: ignore[arg-type]
        assert each.image is not None
        assert (each.image - alone.image).abs().max() < 2 / 255
        assert each.recipe == alone.recipe
        assert each.path is not None
        assert Recipe.read(each.path) == alone.recipe
    first, second = (each.image for each in found.cells[:2])
    assert first is not None
    assert second is not None
    assert not torch.equal(first, second)
    assert hooks_on(vgg.module) == 0


def test_a_drawn_start_is_the_same_for_all(vgg: Classifier, tmp_path: Path, batches: list[int]) -> None:
    found = channels(vgg, "clouds", tmp_path / "cells", size=32)
    assert batches == [5]
    alone = dream(vgg, "clouds", "features.3:2", size=32, **QUICK)  # type: ignore[arg-type]
    assert found.cells[2].image is not None
    assert (found.cells[2].image - alone.image).abs().max() < 2 / 255


def test_batches_have_a_bound(
    vgg: Classifier, photo: Path, tmp_path: Path, batches: list[int], monkeypatch: pytest.MonkeyPatch
) -> None:
    height, width = images.read(photo).shape[-2:]
    monkeypatch.setattr(batching, "BATCH_PIXELS", 2 * height * width)
    channels(vgg, photo, tmp_path / "cells")
    assert batches == [2, 2, 1]


def test_what_is_missing_comes_out_as_it_would_have(
    vgg: Classifier, photo: Path, tmp_path: Path, batches: list[int]
) -> None:
    found = channels(vgg, photo, tmp_path / "cells")
    paths = [each.path for each in found.cells if each.path is not None]
    before = [path.read_bytes() for path in paths]
    paths[1].unlink()
    kept = paths[0].stat().st_mtime_ns
    again = channels(vgg, photo, tmp_path / "cells")
    assert [each.fresh for each in again.cells] == [False, True, False, False, False]
    assert [path.read_bytes() for path in paths] == before
    assert paths[0].stat().st_mtime_ns == kept
    assert batches == [5, 5]


@pytest.mark.parametrize("given", [{"keep_color": True}, {"guide": "sample:flower"}, {"tile": 24}, {"memory": "1GB"}])
def test_some_stay_alone(
    vgg: Classifier, photo: Path, tmp_path: Path, batches: list[int], given: dict[str, object]
) -> None:
    channels(vgg, photo, tmp_path / "cells", **given)
    assert batches == [1] * 5


def test_other_layers_are_other_batches(vgg: Classifier, photo: Path, tmp_path: Path, batches: list[int]) -> None:
    at = ["features.3:0-1", "features.1:0-2"]
    gallery(plan("channels", [vgg], [photo], at=at, **QUICK), folder=tmp_path / "cells")
    assert batches == [2, 3]


def test_progress_grows_to_the_end(vgg: Classifier, photo: Path, tmp_path: Path) -> None:
    seen: list[tuple[int, int]] = []
    made = plan("channels", [vgg], [photo], at=["features.3:0-4"], **QUICK)
    gallery(made, folder=tmp_path / "cells", callback=lambda _what, done, total: seen.append((done, total)))
    assert {total for _, total in seen} == {5 * 4}
    assert [done for done, _ in seen] == sorted(done for done, _ in seen)
    assert seen[-1][0] == 20
    assert len({done for done, _ in seen}) > 3


def test_cells_of_their_own_are_not_read_to_be_grouped(
    vgg: Classifier, photo: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    made = plan("layers", [vgg], [photo], at=["features.1", "features.3"], **QUICK)
    monkeypatch.setattr(batching, "_begun", lambda _cell: pytest.fail("read"))
    assert all(each.fresh for each in gallery(made, folder=tmp_path / "cells").cells)
