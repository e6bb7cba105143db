from __future__ import annotations

import io
from pathlib import Path

import numpy as np
import pytest
import torch
from nets import hooks_on
from PIL import Image
from torch import Tensor, nn

from dreamscope.errors import DreamscopeError
from dreamscope.exploration.activations import activations
from dreamscope.models.classifier import Classifier
from dreamscope.models.wrapping import wrap
from dreamscope.objectives.excite import select
from dreamscope.probes import probe
from dreamscope.recipes import Recipe


class Paper(nn.Module):
    """Channels that are the red of the photo, minus twice its green, and nothing; then a layer that is silent."""

    def __init__(self) -> None:
        super().__init__()
        self.conv = nn.Conv2d(3, 3, 1, bias=False)
        self.dead = nn.Threshold(1e9, 0)
        self.pool = nn.AdaptiveAvgPool2d(1)
        self.flat = nn.Flatten()
        with torch.no_grad():
            self.conv.weight.copy_(torch.tensor([[1.0, 0, 0], [0, -2, 0], [0, 0, 0]]).view(3, 3, 1, 1))

    def forward(self, x: Tensor) -> Tensor:
        x = self.conv(x)
        return self.flat(self.pool(x + self.dead(x)))


@pytest.fixture
def paper() -> Classifier:
    return wrap(Paper(), name="paper", input_size=8)


@pytest.fixture
def photo() -> Tensor:
    """Black but for one red pixel and two green ones."""
    image = torch.zeros((1, 3, 8, 8))
    image[0, 0, 2, 5] = 1.0
    image[0, 1, 6, 1] = 1.0
    image[0, 1, 7, 1] = 0.5
    return image


def test_shares_strengths_and_places_are_known_on_paper(paper: Classifier, photo: Tensor) -> None:
    found = activations(paper, photo, "conv")
    (green, red) = found.layers["conv"]
    # Energies 4 + 1 and 1; the channel that is zero is not among the loudest.
    assert (str(green.address), str(red.address)) == ("conv:1", "conv:0")
    assert (green.share, red.share) == pytest.approx((5 / 6, 1 / 6))
    assert (green.strength, red.strength) == pytest.approx(((5 / 64) ** 0.5, (1 / 64) ** 0.5))
    assert (green.peak, green.position, red.peak, red.position) == (-2.0, (6, 1), 1.0, (2, 5))
    assert str(green.strongest) == "conv:1@6,1"
    assert green.map is not None
    assert torch.equal(green.map, -2 * photo[0, 1])
    assert torch.equal(found.image, photo)
    assert hooks_on(paper.module) == 0


def test_given_channels_and_how_many(paper: Classifier, photo: Tensor) -> None:
    assert [str(each.address) for each in activations(paper, photo, "conv", top=1).layers["conv"]] == ["conv:1"]
    given = activations(paper, photo, ["conv:2", "conv:0"], top=1).layers["conv"]
    assert [(each.address.channels, each.share) for each in given] == [((0,), pytest.approx(1 / 6)), ((2,), 0.0)]


def test_vectors_and_silent_layers(paper: Classifier, photo: Tensor) -> None:
    found = activations(paper, photo, ["flat", "dead"]).layers
    assert list(found) == ["dead", "flat"]  # as they run
    assert found["dead"] == ()
    first, second = found["flat"]
    assert (first.map, first.position, str(first.strongest)) == (None, None, "flat:1")
    assert (first.peak, second.peak) == pytest.approx((-3 / 64, 1 / 64))
    assert (first.share, second.share) == pytest.approx((0.9, 0.1))
    dead = activations(paper, photo, "dead:1").layers["dead"]
    assert [(each.share, each.strength, each.peak) for each in dead] == [(0, 0, 0)]


def test_of_layers_that_run_several_times_the_last_time_counts(residual: Classifier, image: Tensor) -> None:
    assert residual.layers["layer1.0.relu"].calls == 2
    ready = residual.prepared(image)
    with torch.no_grad(), probe(residual, "layer1.0") as seen:
        expected = seen(ready)["layer1.0"][0]
    (first, *_) = activations(residual, image, "layer1.0.relu").layers["layer1.0.relu"]
    assert first.map is not None
    assert first.address.channels is not None
    assert torch.equal(first.map, expected[first.address.channels[0]])


def test_of_tokens_the_maps_are_of_patches(tokens: Classifier, image: Tensor) -> None:
    found = activations(tokens, image, ["mlp", "attention"], top=16).layers
    with torch.no_grad(), probe(tokens, ["mlp", "attention"]) as seen:
        seen(tokens.prepared(image))
        for name, channels in found.items():
            assert sum(each.share for each in channels) == pytest.approx(1)
            for each in channels:
                # Without the class token, and where an address finds it.
                assert each.map is not None
                assert each.map.shape == (4, 4)
                assert float(select(seen, each.strongest)) == each.peak
                assert abs(each.peak) == float(each.map.abs().max())
            energy = seen[name].square().sum((0, 2))
            assert [each.address.channels for each in channels] == [(i,) for i in energy.argsort(descending=True)]


def test_the_blocks_by_default(vgg: Classifier, image: Tensor) -> None:
    found = activations(vgg, image)
    assert list(found.layers) == ["features.1", "features.4"]
    assert found.recipe is not None
    again = activations(vgg, image, found.recipe.parameters["at"], top=found.recipe.parameters["top"])
    assert [str(each.address) for each in again.layers["features.4"]] == [
        str(each.address) for each in found.layers["features.4"]
    ]
    flat = wrap(nn.Sequential(nn.Flatten(), nn.Linear(192, 3)), input_size=8)
    assert list(activations(flat, torch.rand((1, 3, 8, 8)), recipe=False).layers) == ["0", "1"]


def test_arrays_with_the_recipe(paper: Classifier, photo: Tensor, tmp_path: Path) -> None:
    found = activations(paper, photo, ["conv", "dead", "flat"])
    with np.load(found.save(tmp_path / "a.npz")) as held:
        assert np.array_equal(held["image"], photo[0].permute(1, 2, 0).numpy())
        assert held["conv"].shape == (2, 8, 8)
        assert held["conv_channels"].tolist() == held["flat_channels"].tolist() == [1, 0]
        assert held["conv_shares"].tolist() == pytest.approx([5 / 6, 1 / 6])
        assert held["flat"].tolist() == pytest.approx([-3 / 64, 1 / 64])
        assert held["dead"].size == held["dead_shares"].size == 0
        assert Recipe.from_json(str(held["recipe"])).parameters == {"at": ["conv", "dead", "flat"], "top": 8}
    with pytest.raises(DreamscopeError, match=r"arrays go into a \.npz"):
        found.save(tmp_path / "a.npy")


def test_it_shows_itself_in_a_notebook(paper: Classifier, photo: Tensor) -> None:
    drawn = Image.open(io.BytesIO(activations(paper, photo, ["conv", "dead", "flat"])._repr_png_()))
    assert drawn.size == (3 * 96, 3 * 96)


class Windows(nn.Module):
    """As windowed attention does: the four quarters of a photo along the batch."""

    def __init__(self) -> None:
        super().__init__()
        self.conv = nn.Conv2d(3, 2, 1)

    def forward(self, x: Tensor) -> Tensor:
        quarters = x.unfold(2, 4, 4).unfold(3, 4, 4).permute(0, 2, 3, 1, 4, 5).reshape(-1, 3, 4, 4)
        return self.conv(quarters).mean((2, 3)).view(len(x), -1)


def test_refusals(paper: Classifier, photo: Tensor) -> None:
    for at, message in (
        ("cnv", "no layer 'cnv' in paper; did you mean 'conv'"),
        ("conv:3", "channel 3 is out of range"),
        ("conv@1,1", "has a position or a weight"),
        ("2*conv", "has a position or a weight"),
    ):
        with pytest.raises(DreamscopeError, match=message.replace("*", ".")):
            activations(paper, photo, at)
    with pytest.raises(DreamscopeError, match="top is the number of channels of each layer, 1 or more, not 0"):
        activations(paper, photo, top=0)
    with pytest.raises(DreamscopeError, match="one photo is looked through at a time, not 2"):
        activations(paper, photo.expand(2, -1, -1, -1))
    with pytest.raises(DreamscopeError, match="'conv' works on 4 windows of a photo one by one"):
        activations(wrap(Windows(), input_size=8), photo, "conv")
    assert hooks_on(paper.module) == 0


@pytest.mark.embedded
def test_the_embedded_models(lite0: Classifier, vgg19: Classifier) -> None:
    found = activations(lite0, "sample:flower", top=2)
    assert len(found.layers) == 16
    assert all(0 < each.share < 1 for channels in found.layers.values() for each in channels)
    (loudest, _) = activations(vgg19, "sample:flower", "33", top=2).layers["features.33"]
    # The dahlia is in the middle; the corners are dark.
    assert loudest.position is not None
    assert all(3 < place < 10 for place in loudest.position)
