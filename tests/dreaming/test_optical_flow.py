from __future__ import annotations

import filmed
import pytest
import torch

from dreamscope.dreaming.optical_flow import flow, motion, warped
from dreamscope.dreaming.zoom import moved


@pytest.mark.parametrize(("across", "down"), [(0, 0), (3, 0), (0, -2), (5, 4)])
def test_the_flow_of_a_pan(across: int, down: int) -> None:
    wide = filmed.photo(120, 160)
    start = wide[..., 10:110, 10:150]
    # The view moves right and down: what it shows moves left and up.
    end = wide[..., 10 + down : 110 + down, 10 + across : 150 + across]
    found = flow(start, end)
    assert found.shape == (1, 2, 100, 140)
    inner = found[..., 10:-10, 10:-10]
    error = (inner - torch.tensor([-across, -down]).view(1, 2, 1, 1)).norm(dim=1)
    assert error.median() < 0.1
    assert error.mean() < 0.4


def test_the_flow_of_a_small_picture() -> None:
    wide = filmed.photo(24, 40)
    found = flow(wide[..., :20, :32], wide[..., :20, 1:33])
    assert found.shape == (1, 2, 20, 32)
    assert found[:, 0].median().item() == pytest.approx(-1, abs=0.2)
    tiny = filmed.photo(8, 9)
    assert flow(tiny, tiny).abs().max() < 0.1


def test_the_flow_of_a_zoom() -> None:
    photo = filmed.photo(128, 160)
    found = flow(moved(photo, zoom=1.05), photo)
    # Towards the middle, the more the further out.
    across = torch.arange(160) - 79.5
    error = found[0, 0, 64, 20:-20] - (across / 1.05 - across)[20:-20]
    assert error.abs().mean() < 0.3


def test_a_picture_moves_along() -> None:
    wide = filmed.photo(64, 100)
    start, end = wide[..., 10:90], wide[..., 13:93]
    back = torch.zeros(1, 2, 64, 80)
    back[:, 0] = 3
    assert (warped(start, back)[..., :-4] - end[..., :-4]).abs().max() < 1e-5
    half = back / 2
    ramp = torch.linspace(0, 1, 80).expand(1, 1, 64, 80)
    assert (warped(ramp, half)[..., 5:-5] - (ramp + 1.5 / 79)[..., 5:-5]).abs().max() < 1e-3


def test_what_comes_into_sight_was_not_seen() -> None:
    """A block moves over a still background: where it was, the background comes into sight."""
    ground = filmed.photo(96, 128)
    block = filmed.photo(60, 80).flip(3)[..., 10:50, 10:50]
    earlier, later = ground.clone(), ground.clone()
    earlier[..., 30:70, 30:70] = block
    later[..., 30:70, 42:82] = block
    found = motion(earlier, later)
    assert not found.cut
    assert found.seen[..., 32:68, 31:40].mean() < 0.3
    assert found.seen[..., 35:65, 50:75].mean() > 0.9
    assert found.seen[..., :, 95:].mean() > 0.95
    # What lay over the block lies over it still; where nothing was seen, nothing is carried.
    mark = torch.zeros(1, 3, 96, 128)
    mark[..., 45:55, 45:55] = 1
    carried = found.carry(mark)
    assert carried[..., 47:53, 59:65].mean() > 0.9
    assert carried[..., 47:53, 45:50].mean() < 0.1
    assert carried[found.seen.expand_as(carried) == 0].abs().max() == 0


def test_what_comes_in_at_the_edge_was_not_seen() -> None:
    wide = filmed.photo(96, 140)
    found = motion(wide[..., :128], wide[..., 8:136])
    assert found.seen[..., -6:].mean() < 0.1
    assert found.seen[..., 10:-16].mean() > 0.9


def test_a_cut_is_told_from_motion() -> None:
    photo = filmed.photo(96, 128)
    other = photo.flip(2, 3).roll(40, 3)
    assert motion(photo, other).cut
    assert motion(photo, torch.full_like(photo, 0.1)).cut
    assert not motion(photo, moved(photo, zoom=1.1, pan=(0.05, 0.02))).cut
    assert not motion(photo, (photo * 0.95).clamp(0, 1)).cut


def test_the_same_again() -> None:
    wide = filmed.photo(96, 140)
    first, again = (motion(wide[..., :128], wide[..., 5:133]) for _ in range(2))
    assert first.flow.equal(again.flow)
    assert first.seen.equal(again.seen)
