from __future__ import annotations

from pathlib import Path

import pytest
import torch

from dreamscope import images
from dreamscope.augmentation.masks import ensure, foreground, mask_for, spot
from dreamscope.errors import DreamscopeError
from dreamscope.photos import Photo


def scan() -> tuple[torch.Tensor, torch.Tensor]:
    """A bright disc with a dark hole, on a faint, noisy background; and where the disc is."""
    rows, columns = torch.meshgrid(torch.arange(64.0), torch.arange(80.0), indexing="ij")
    distance = ((rows - 30) ** 2 + (columns - 45) ** 2).sqrt()
    picture = 0.02 * torch.rand((64, 80), generator=torch.Generator().manual_seed(0))
    picture[distance < 22] = 0.6
    picture[distance < 6] = 0.01
    return picture.expand(1, 3, -1, -1).contiguous(), distance < 22


def test_the_foreground_has_no_holes() -> None:
    picture, disc = scan()
    assert ((foreground(picture)[0, 0] > 0.5) == disc).float().mean() > 0.98


def test_a_flat_picture_is_all_foreground() -> None:
    assert foreground(torch.full((1, 3, 8, 8), 0.3)).min() == 1


def test_spots_lie_inside_and_differ() -> None:
    picture, disc = scan()
    generator = torch.Generator().manual_seed(0)
    spots = [spot(picture, generator)[0, 0] for _ in range(8)]
    for each in spots:
        assert each.max() > 0.9
        assert (each > 0.5)[~disc].float().mean() < 0.01
        assert 0.01 < (each > 0.5).float().mean() < 0.25
    assert len({tuple((each > 0.5).nonzero().float().mean(0).tolist()) for each in spots}) > 4
    again = [spot(picture, torch.Generator().manual_seed(0)) for _ in range(2)]
    assert torch.equal(*again)


def test_files_and_folders(tmp_path: Path) -> None:
    picture, _ = scan()
    half = torch.zeros(1, 3, 32, 40)
    half[..., 20:] = 1
    (tmp_path / "masks").mkdir()
    images.write(half, tmp_path / "masks" / "a.png")
    photo, generator = Photo(tmp_path / "a.jpg"), torch.Generator()
    for given in (tmp_path / "masks", tmp_path / "masks" / "a.png"):
        found = mask_for(ensure(given), photo, picture, generator)
        assert found is not None
        assert found.shape == (1, 1, 64, 80)
        assert found[..., :38].max() < 0.1
        assert found[..., 42:].min() > 0.9
    with pytest.raises(DreamscopeError, match="no mask for 'b"):
        mask_for(ensure(tmp_path / "masks"), Photo(tmp_path / "b.jpg"), picture, generator)
    with pytest.raises(DreamscopeError, match="no such mask: 'spots'"):
        ensure("spots")
    assert mask_for(ensure(None), photo, picture, generator) is None
