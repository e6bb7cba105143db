from __future__ import annotations

import pytest
import torch
from nets import Copied, Planted, hooks_on, seeded
from torch import Tensor, nn
from torchvision import models as torchvision

from dreamscope.dissection.sites import Site, from_depth, readable_layers, sites
from dreamscope.errors import DreamscopeError
from dreamscope.models.classifier import Classifier
from dreamscope.models.edits import Ablation
from dreamscope.models.weight_export import bake
from dreamscope.models.wrapping import wrap
from dreamscope.probes import means, probe


def untrained(name: str, side: int) -> Classifier:
    torch.manual_seed(0)
    options = {"init_weights": False} if name == "inception_v3" else {}
    return wrap(getattr(torchvision, name)(weights=None, **options), input_size=side)


class Adding(nn.Module):
    """Each block adds what a norm puts out, and does nothing after that; the first changes it once more."""

    class Block(nn.Module):
        def __init__(self, last: nn.Module) -> None:
            super().__init__()
            self.conv, self.norm, self.last = nn.Conv2d(4, 4, 3, padding=1), nn.BatchNorm2d(4), last

        def forward(self, x: Tensor) -> Tensor:
            return self.last(x + self.norm(self.conv(x)))

    def __init__(self) -> None:
        super().__init__()
        self.stem = nn.Conv2d(3, 4, 1)
        self.blocks = nn.Sequential(*(self.Block(last) for last in (nn.ReLU(), *(nn.Identity() for _ in range(3)))))
        self.act = nn.ReLU()
        self.head = nn.Linear(4, 3)

    def forward(self, x: Tensor) -> Tensor:
        return self.head(self.act(self.blocks(self.stem(x))).mean((2, 3)))


@pytest.mark.embedded
def test_where_lite0_is_erased(lite0: Classifier) -> None:
    assert sites(lite0) == [
        Site("blocks.5.3.bn3", "blocks.5.3"),
        Site("blocks.6.0.bn3", "blocks.6.0"),
        Site("global_pool", "global_pool"),
    ]
    deeper = sites(lite0, "blocks.5")
    assert [site.block for site in deeper] == [f"blocks.5.{number}" for number in range(4)] + [
        "blocks.6.0",
        "global_pool",
    ]
    assert all(site.layer == f"{site.block}.bn3" for site in deeper[:-1])
    assert [site.block for site in sites(lite0, "global_pool")] == ["global_pool"]
    # From within a block: that block is not read before its end.
    assert sites(lite0, "blocks.6.0.conv_pw")[0].block == "blocks.6.0"
    assert hooks_on(lite0.module) == 0


@pytest.mark.parametrize(
    ("name", "side", "expected"),
    [
        ("squeezenet1_1", 64, ["features.10", "features.11", "features.12"]),
        # A ReLU follows the sum, so that the edit is after it.
        ("resnet18", 64, ["layer3.1", "layer4.0", "avgpool"]),
        ("inception_v3", 128, ["Mixed_7a", "Mixed_7b", "avgpool"]),
    ],
)
def test_of_torchvision(name: str, side: int, expected: list[str]) -> None:
    model = untrained(name, side)
    found = sites(model)
    assert [site.block for site in found] == expected
    assert [site.layer for site in found] == expected
    # No two tell the same.
    names = readable_layers(model)
    with torch.no_grad(), probe(model, names, keep=means) as seen:
        read = seen(torch.rand((4, 3, side, side), generator=torch.Generator().manual_seed(3)))
    for place, one in enumerate(names):
        for other in names[place + 1 :]:
            same = read[one].shape == read[other].shape and torch.allclose(read[one], read[other], rtol=1e-3)
            assert not same, (one, other)
    assert hooks_on(model.module) == 0


def test_the_edit_is_where_weights_can_hold_it() -> None:
    model = wrap(seeded(Adding()), input_size=16)
    found = sites(model, "blocks.0")
    assert found == [
        Site("blocks.0", "blocks.0"),
        *(Site(f"blocks.{number}.norm", f"blocks.{number}") for number in (1, 2, 3)),
        Site("act", "act"),
    ]
    for site in found[1:]:
        assert bake(model.edited(Ablation(f"{site.layer}:1", "scale:0.5")))


def test_where_there_are_features_only() -> None:
    for net, layer in ((Planted, "act"), (Copied, "pool")):
        assert sites(wrap(net(), input_size=16)) == [Site(layer, layer)]


def test_edits_play_no_part(residual: Classifier) -> None:
    assert sites(residual.edited(Ablation("layer1.1"))) == sites(residual)


def test_depths_that_cannot_be(residual: Classifier) -> None:
    assert from_depth(residual, "layer1.1", readable_layers(residual)) == ["layer1.1"]
    assert from_depth(residual, "layer1", readable_layers(residual)) == ["layer1.0", "layer1.1"]
    with pytest.raises(DreamscopeError, match=r"no layer 'layer2'.*did you mean 'layer1'"):
        sites(residual, "layer2")
    with pytest.raises(DreamscopeError, match=r"nothing of .* can be read from 'fc' on; the last is 'layer1\.1'"):
        sites(residual, "fc")
