from __future__ import annotations

from pathlib import Path

import pytest
import torch

from dreamscope import images, photos
from dreamscope.dissection.photo_set import PhotoSet
from dreamscope.errors import DreamscopeError
from dreamscope.models.classifier import Classifier


@pytest.fixture
def greens(coloured: Path) -> list[photos.Photo]:
    return photos.find(coloured / "green")


def read(some: list[photos.Photo]) -> torch.Tensor:
    return torch.cat([images.read(photo.path) for photo in some])


def test_all_are_kept_in_order_if_they_are_few(planted: Classifier, greens: list[photos.Photo]) -> None:
    found = PhotoSet(planted, ["act"], "controls", greens, most=24)
    assert torch.equal(found.images, read(greens))
    assert torch.equal(found.logits, planted.logits(found.images))
    assert found.responses.count == 24
    assert torch.equal(torch.cat(list(found.batches("again"))), found.images)
    # Some of them are those that a draw among all would have given.
    assert torch.equal(found.some(5), read(photos.shuffled(greens, 0)[:5]))


def test_of_many_some_are_drawn_and_the_others_read_again(planted: Classifier, greens: list[photos.Photo]) -> None:
    stages: list[tuple[str, int, int]] = []
    found = PhotoSet(planted, ["act"], "controls", greens, most=6, seed=1, callback=lambda *now: stages.append(now))
    assert torch.equal(found.images, read(photos.shuffled(greens, 1)[:6]))
    assert torch.allclose(found.logits, planted.logits(found.images))
    assert found.responses.count == 24
    assert torch.equal(torch.cat(list(found.batches("again"))), read(greens))
    assert torch.equal(found.some(3), found.images[:3])
    assert stages == [("controls", 24, 24)]


def test_what_cannot_be_read_is_skipped(planted: Classifier, greens: list[photos.Photo]) -> None:
    greens[1].path.write_bytes(b"")
    found = PhotoSet(planted, ["act"], "controls", greens, most=24)
    assert list(found.unreadable) == [greens[1].path]
    assert torch.equal(found.images, read([greens[0], *greens[2:]]))
    with pytest.raises(DreamscopeError, match="1 readable photo of the controls"):
        PhotoSet(planted, ["act"], "controls", greens[:2], most=24)
