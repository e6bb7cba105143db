from __future__ import annotations

import pytest
import torch
from nets import Functional, Residual, Tokens, Vgg, hooks_on
from torch import Tensor, nn

from dreamscope.errors import DreamscopeError
from dreamscope.models.layers import survey
from dreamscope.models.wrapping import wrap
from dreamscope.optimize.precision import prepared
from dreamscope.probes import probe

PICTURE = torch.rand((1, 3, 64, 64), generator=torch.Generator().manual_seed(0))


def field_by_nan(module: nn.Module, layer: str, side: int = 64) -> tuple[int, int]:
    """Measure a receptive field: which input columns and rows make the middle output NaN?"""
    seen: dict[str, Tensor] = {}
    handle = module.get_submodule(layer).register_forward_hook(lambda *args: seen.update(out=args[2].clone()))
    extents = []
    try:
        for axis in (2, 3):
            touched = []
            for index in range(side):
                picture = torch.rand(1, 3, side, side, dtype=torch.float64)
                picture.select(axis, index).fill_(float("nan"))
                module(picture)
                middle = seen["out"][0, :, seen["out"].shape[2] // 2, seen["out"].shape[3] // 2]
                touched.append(bool(middle.isnan().any()))
            extents.append(sum(touched))
    finally:
        handle.remove()
    return (extents[0], extents[1])


class Odd(nn.Module):
    """One-sided padding, unequal kernels, branches, a gate of the whole picture."""

    def __init__(self) -> None:
        super().__init__()
        self.wide = nn.Conv2d(3, 4, (1, 7), padding=(0, 3))
        self.tall = nn.Conv2d(3, 4, (3, 1), padding=(1, 0))
        self.joined = nn.Conv2d(8, 4, 2, stride=2)
        self.gate = nn.Conv2d(4, 4, 1)
        self.out = nn.Identity()
        self.gated = nn.Identity()

    def forward(self, x: Tensor) -> Tensor:
        x = torch.cat([self.wide(x), self.tall(x)], 1)
        x = self.out(self.joined(nn.functional.pad(x, (1, 0, 1, 0))))
        return self.gated(x * self.gate(x.mean((2, 3), keepdim=True)).sigmoid())


@pytest.mark.parametrize(
    ("make", "layer"),
    [
        (Vgg, "features.0"),
        (Vgg, "features.2"),
        (Vgg, "features.5"),
        (Residual, "layer1.0"),
        (Residual, "layer1.1.bn2"),
        (Functional, "a"),
        (Functional, "b"),
        (Odd, "wide"),
        (Odd, "out"),
    ],
)
def test_receptive_field_is_what_a_nan_reaches(make: type[nn.Module], layer: str) -> None:
    module = make().eval()
    assert survey(module, PICTURE)[layer].receptive_field == field_by_nan(module.double(), layer)


def test_numbers_on_paper() -> None:
    layers = survey(Vgg().eval(), PICTURE)
    assert layers["features.3"].receptive_field == (8, 8)
    assert layers["features.3"].stride == (2, 2)
    assert layers["features.5"].grid == (16, 16)
    assert layers["features.5"].channels == 12
    assert layers["classifier"].grid == ()
    assert layers["classifier"].receptive_field is None


def test_a_gate_over_the_whole_picture_makes_the_field_whole() -> None:
    layers = survey(Odd().eval(), PICTURE)
    assert layers["out"].receptive_field == (4, 8)
    assert layers["gated"].receptive_field is None
    assert layers["gated"].stride == (2, 2)


def test_functional_calls_count() -> None:
    # conv 5/2, pool 3/2, conv 3 dilated by 2: 5 + 2*2, + 4*4
    assert survey(Functional().eval(), PICTURE)["b"].receptive_field == (25, 25)


def test_reuse_is_counted() -> None:
    layers = survey(Residual().eval(), PICTURE)
    assert layers["layer1.0.relu"].calls == 2
    assert layers["layer1.0.conv1"].calls == 1


def test_tokens_are_positions_and_features_channels() -> None:
    layers = survey(Tokens().eval(), PICTURE)
    assert (layers["patch"].channels, layers["patch"].grid) == (16, (8, 8))
    assert (layers["norm"].channels, layers["norm"].grid, layers["norm"].channel_axis) == (16, (65,), 2)
    assert layers["norm"].receptive_field == (8, 8)
    # A tuple: its first tensor counts.
    assert layers["attention"].grid == (65,)
    assert layers["attention"].receptive_field is None
    assert layers["mlp"].receptive_field is None


def test_channels_last_maps() -> None:
    class Last(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.conv = nn.Conv2d(3, 6, 4, stride=4)
            self.norm = nn.LayerNorm(6)
            self.mlp = nn.Linear(6, 10)

        def forward(self, x: Tensor) -> Tensor:
            return self.mlp(self.norm(self.conv(x).permute(0, 2, 3, 1)))

    layers = survey(Last().eval(), PICTURE)
    assert (layers["mlp"].channels, layers["mlp"].grid, layers["mlp"].channel_axis) == (10, (16, 16), 3)
    assert layers["mlp"].receptive_field == (4, 4)


def test_a_module_that_cannot_run_is_refused_and_left_clean() -> None:
    module = nn.Sequential(nn.Conv2d(3, 4, 3), nn.Linear(7, 7))
    with pytest.raises(DreamscopeError, match="can't run on a 64x64 picture"):
        survey(module, PICTURE)
    assert hooks_on(module) == 0


@pytest.mark.parametrize(
    ("name", "layer", "field"),
    # Published: Araujo, Norris and Sim, Distill 2019 (VGG-16 conv5_3: 196, pool5: 212), here its relatives.
    [("vgg16", "features.28", 196), ("vgg16", "features.30", 212), ("alexnet", "features.12", 195)],
)
def test_published_fields(name: str, layer: str, field: int) -> None:
    from torchvision import models

    with torch.device("meta"):
        features = models.get_model(name, weights=None).features
    module = nn.Sequential()
    module.add_module("features", features.to_empty(device="cpu"))
    assert survey(module.eval(), torch.rand(1, 3, 96, 96))[layer].receptive_field == (field, field)


class Last(nn.Module):
    """A map with its channels first, last and first again; the head takes maps of 6x8 only."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.conv = nn.Conv2d(3, channels, 4, stride=4)
        self.norm = nn.LayerNorm(channels)
        self.mlp = nn.Linear(channels, channels)
        self.first = nn.Identity()
        self.pool = nn.AdaptiveAvgPool2d(1)
        self.head = nn.Linear(6 * 8 * channels, 5)

    def forward(self, x: Tensor) -> Tensor:
        x = self.mlp(self.norm(self.conv(x).permute(0, 2, 3, 1)))
        x = self.first(x.permute(0, 3, 1, 2))
        return self.head(x.flatten(1)) + self.pool(x).mean()


# As many channels as rows, as columns, and as neither.
@pytest.mark.parametrize("channels", [6, 8, 7, 1, 48])
def test_a_fixed_size_that_is_no_square(channels: int) -> None:
    model = wrap(Last(channels), input_size=(24, 32))
    layers = model.layers
    for name, axis in (("conv", 1), ("norm", 3), ("mlp", 3), ("first", 1)):
        assert (layers[name].channels, layers[name].grid, layers[name].channel_axis) == (channels, (6, 8), axis)
        assert layers[name].stride == (4, 4)
    assert (layers["pool"].channels, layers["pool"].grid) == (channels, (1, 1))
    fast, _ = prepared(model, ["mlp"], 32)
    picture = torch.rand(2, 3, 24, 32)
    with probe(fast, "mlp") as seen, probe(model, "mlp") as plain:
        assert torch.allclose(seen(picture)["mlp"], plain(picture)["mlp"], atol=1e-5)
    assert model.classify(torch.rand(1, 3, 40, 40))
