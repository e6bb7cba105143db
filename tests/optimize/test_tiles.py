from __future__ import annotations

from itertools import pairwise

import pytest
import torch
from torch import Tensor
from torch.nn import functional as F

from dreamscope import images
from dreamscope.dreaming.dream import dream
from dreamscope.errors import DreamscopeError
from dreamscope.images import Size
from dreamscope.models.addresses import resolve
from dreamscope.models.classifier import Classifier
from dreamscope.objectives import LOSSES, Excite, Follow, Gathered
from dreamscope.optimize import tiles
from dreamscope.optimize.ascent import Ascent
from dreamscope.optimize.gradient_filters import unit_mean
from dreamscope.optimize.parameterizations import Pixel
from dreamscope.optimize.transforms import Shift
from dreamscope.optimize.update_rules import GradientStep
from dreamscope.probes import probe

PICTURE = torch.rand((2, 3, 88, 120), generator=torch.Generator().manual_seed(0))


def whole(model: Classifier, objective: Gathered, picture: Tensor) -> tuple[Tensor, Tensor]:
    leaf = picture.clone().requires_grad_()
    with probe(model, objective.layers) as seen:
        values = objective(seen(leaf))
    return torch.autograd.grad(values.sum(), leaf)[0], values.detach()


def tiled(model: Classifier, objective: Gathered, picture: Tensor, side: int, seed: int = 0) -> tuple[Tensor, Tensor]:
    with probe(model, objective.layers) as seen:
        return tiles.gradient(seen, picture, objective, side, torch.Generator().manual_seed(seed))


@pytest.mark.parametrize("loss", LOSSES)
@pytest.mark.parametrize("seed", [0, 1, 2])
def test_with_a_margin_that_reaches_far_enough_tiles_are_exact(vgg: Classifier, loss: str, seed: int) -> None:
    objective = Excite(tuple(resolve(["features.3:1-5"], vgg)), loss)
    ours, theirs = tiled(vgg, objective, PICTURE, 24, seed), whole(vgg, objective, PICTURE)
    for mine, expected in zip(ours, theirs, strict=True):
        assert torch.allclose(mine, expected, rtol=1e-4, atol=1e-6 * float(expected.abs().max()))


@pytest.mark.parametrize("loss", LOSSES)
def test_several_addresses(vgg: Classifier, loss: str) -> None:
    objective = Excite(tuple(resolve(["features.0:2", "-0.5*features.3", "2*features.2"], vgg)), loss)
    ours, theirs = tiled(vgg, objective, PICTURE, 32), whole(vgg, objective, PICTURE)
    for mine, expected in zip(ours, theirs, strict=True):
        assert torch.allclose(mine, expected, rtol=1e-4, atol=1e-6 * float(expected.abs().max()))


def test_a_guide(vgg: Classifier) -> None:
    guide = torch.randn((1, 12, 30), generator=torch.Generator().manual_seed(1))
    objective = Follow(tuple(resolve(["features.3"], vgg)), (guide,))
    ours, theirs = tiled(vgg, objective, PICTURE, 24), whole(vgg, objective, PICTURE)
    assert torch.allclose(ours[0], theirs[0], atol=1e-5 * float(theirs[0].abs().max()))
    assert torch.allclose(ours[1], theirs[1], rtol=1e-5)


def test_sizes_that_no_stride_divides(vgg: Classifier) -> None:
    objective = Excite(tuple(resolve(["features.5"], vgg)), "mean_square")
    picture = PICTURE[..., :87, :101]
    ours, theirs = tiled(vgg, objective, picture, 20), whole(vgg, objective, picture)
    assert F.cosine_similarity(ours[0].flatten(), theirs[0].flatten(), dim=0) > 0.999
    assert torch.allclose(ours[1], theirs[1], rtol=0.01)


def test_the_grid_is_elsewhere_each_time() -> None:
    edges = [tuple(part.first for part in tiles._parts(400, 64, 16, offset)) for offset in (0, 16, 48)]
    assert len(set(edges)) == 3
    for offset in (0, 16, 48):
        parts = list(tiles._parts(400, 64, 16, offset))
        assert parts[0].first == 0
        assert parts[-1].last == 400
        assert all(a.last == b.first for a, b in pairwise(parts))
        assert [part.at_the_end for part in parts] == [False] * (len(parts) - 1) + [True]


def test_an_ascent_in_tiles_ends_where_the_whole_one_does(vgg: Classifier, image: Tensor) -> None:
    objective = Excite(tuple(resolve(["features.3"], vgg)), "mean_square")

    def run(tile: int) -> Tensor:
        generator = torch.Generator().manual_seed(4)
        ascent = Ascent(GradientStep(0.01, unit_mean), transforms=[Shift(8)], tile=tile)
        return ascent(vgg, Pixel.of(image), objective, steps=6, generator=generator)

    assert (run(16) - run(0)).abs().mean() < 1e-4
    assert torch.equal(run(16), run(16))


def test_what_has_no_place_in_a_tile(vgg: Classifier) -> None:
    with pytest.raises(DreamscopeError, match="'classifier' is no map over the picture"):
        tiled(vgg, Excite(tuple(resolve(["classifier"], vgg))), PICTURE, 24)
    with pytest.raises(DreamscopeError, match="names one position"):
        tiled(vgg, Excite(tuple(resolve(["features.3@1,1"], vgg))), PICTURE, 24)


@pytest.mark.parametrize(
    ("text", "expected"), [("2GB", 2 * 10**9), ("1.5 gb", 15 * 10**8), ("512MiB", 2**29), (100, 100), ("7", 7)]
)
def test_sizes_of_memory(text: str | int, expected: int) -> None:
    assert tiles.bytes_of(text) == expected


@pytest.mark.parametrize("text", ["", "GB", "-1GB", "2XB", "two"])
def test_what_is_no_size_of_memory(text: str) -> None:
    with pytest.raises(DreamscopeError, match="no size of memory"):
        tiles.bytes_of(text)


def test_the_side_follows_from_the_budget(vgg: Classifier) -> None:
    layers, large = ["features.3"], Size(4096, 4096)
    assert tiles.side_for(vgg, layers, Size(300, 300), None) == 0
    assert tiles.side_for(vgg, layers, large, 10**12) == 0
    sides = [tiles.side_for(vgg, layers, large, gigabytes * 10**9) for gigabytes in (2, 3)]
    assert 128 <= sides[0] < sides[1]
    assert all(side % 2 == 0 for side in sides)
    # Two pictures at once, each in smaller parts.
    assert tiles.side_for(vgg, layers, large, 4 * 10**9, count=2) < tiles.side_for(vgg, layers, large, 4 * 10**9)
    with pytest.raises(DreamscopeError, match=r"does not fit into 0\.1 GB, not even in tiles; it takes 1\.4 GB"):
        tiles.side_for(vgg, layers, large, 10**8)


def test_a_dream_in_tiles(vgg: Classifier) -> None:
    photo = images.resize(images.read("sample:china"), Size(160, 120)).clamp(0, 1)
    options = {"at": "features.3", "preset": "classic", "steps": 3, "octaves": 2}
    plain = dream(vgg, photo, **options)  # type: ignore[arg-type]
    parts = dream(vgg, photo, tile=48, **options)  # type: ignore[arg-type]
    assert (plain.recipe.parameters["tile"], parts.recipe.parameters["tile"]) == (0, 48)
    assert (plain.image - parts.image).abs().mean() < 1e-3


@pytest.mark.embedded
@pytest.mark.parametrize(("name", "layer", "least"), [("lite0", "blocks.4.2", 0.9), ("vgg19", "features.28", 0.97)])
def test_real_networks_agree(name: str, layer: str, least: float, request: pytest.FixtureRequest) -> None:
    model = request.getfixturevalue(name)
    picture = images.resize(images.read("sample:china"), Size(320, 224)).clamp(0, 1)
    objective = Excite(tuple(resolve([layer], model)), "mean_square")
    ours, theirs = tiled(model, objective, picture, 160), whole(model, objective, picture)
    assert F.cosine_similarity(ours[0].flatten(), theirs[0].flatten(), dim=0) > least
    assert ours[1].item() == pytest.approx(theirs[1].item(), rel=0.1)
