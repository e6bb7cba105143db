from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
import torch
from blindings import made

from dreamscope.dissection.blinding import Blinding
from dreamscope.errors import DreamscopeError
from dreamscope.pages import imagined as pictures
from dreamscope.pages.imagined import imagined


@pytest.fixture
def blinding(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Blinding:
    """One whose first photo was not recognised before, and whose second was."""
    monkeypatch.setattr(pictures, "STEPS", 3)
    monkeypatch.setattr(pictures, "_OCTAVE_STEPS", 2)
    found = made(tmp_path)
    first, *rest = found.result.photos
    photos = (replace(first, before="b"), *(replace(each, before=found.label) for each in rest))
    return replace(found, result=replace(found.result, photos=photos))


def test_both_networks_make_the_same_things(blinding: Blinding) -> None:
    told: list[tuple[str, int, int]] = []
    image, dream = imagined(blinding, callback=lambda *each: told.append(each))
    assert (image.kind, image.photo) == ("class image", None)
    assert (dream.kind, dream.photo) == ("dream", blinding.result.photos[1].path)
    assert told == [
        *((f"imagining (picture {picture} of 4)", step, 3) for picture in (1, 2) for step in (1, 2, 3)),
        *((f"imagining (picture {picture} of 4)", step, 2) for picture in (3, 4) for step in (1, 2)),
    ]
    for pair, size in ((image, (32, 32)), (dream, (40, 48))):
        assert pair.before is not None
        assert pair.after is not None
        assert pair.before.image.shape == pair.after.image.shape == (1, 3, *size)
        assert not torch.equal(pair.before.image, pair.after.image)
        assert 0 < pair.before.probability <= 1
        assert pair.before.label in blinding.model.labels


def test_without_edits_both_make_the_same_picture(blinding: Blinding) -> None:
    same = replace(blinding, model=blinding.model.with_module(blinding.model.module, edits=()))
    for pair in imagined(same):
        assert pair.before is not None
        assert pair.after is not None
        assert torch.equal(pair.before.image, pair.after.image)


def test_nothing_is_left_in_the_network(blinding: Blinding) -> None:
    edits = blinding.model.edits
    imagined(blinding)
    assert blinding.model.edits == edits
    assert not any(part._forward_hooks or part._forward_pre_hooks for part in blinding.model.module.modules())


def test_no_dream_where_no_photo_was_recognised_or_none_is_left(blinding: Blinding) -> None:
    for row in blinding.result.photos[1:]:
        row.path.unlink()
    assert [each.kind for each in imagined(blinding)] == ["class image"]


def test_what_can_not_be_made_is_left_out(blinding: Blinding, monkeypatch: pytest.MonkeyPatch) -> None:
    def refused(*_: object, **__: object) -> None:
        raise DreamscopeError("pictures of one size only")

    monkeypatch.setattr(pictures, "dream", refused)
    assert [each.kind for each in imagined(blinding)] == ["class image"]
    monkeypatch.setattr(pictures, "visualize", refused)
    assert imagined(blinding) == []


def test_pictures_of_what_was_removed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pictures, "_LARGE", (24, 3))
    found = made(tmp_path)
    told: list[tuple[str, int, int]] = []
    drawn = pictures.removed_pictures(found, callback=lambda *each: told.append(each))
    assert [each.image.shape for each in drawn] == [(1, 3, 24, 24)] * 3
    assert [each.name for each in drawn] == [
        *(str(each.address) for each in found.removed[:2]),
        "features.5.direction:0",
    ]
    assert told == [("visualizing what was removed", step, 3) for step in (1, 2, 3)]
    # In the intact network: where a channel is removed, nothing excites it.
    assert all(each.reached > 0 for each in drawn[:2])
    (first,) = pictures.removed_pictures(found, 1)
    assert torch.allclose(first.image, drawn[0].image, atol=1e-4)
    assert not any(part._forward_hooks or part._forward_pre_hooks for part in found.model.module.modules())
    assert pictures.removed_pictures(found, 0) == []


def test_many_are_drawn_small(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pictures, "_SMALL", (16, 2))
    monkeypatch.setattr(pictures, "_FEW_REMOVED", 2)
    assert {each.image.shape[-1] for each in pictures.removed_pictures(made(tmp_path))} == {16}
