from __future__ import annotations

import pytest
import torch
from torch import Tensor

from dreamscope.errors import DreamscopeError
from dreamscope.exploration.activations import Activations, ChannelActivation, activations
from dreamscope.figures import activation_sheets
from dreamscope.figures.contact_sheets import GAP, Cell
from dreamscope.models.addresses import Address
from dreamscope.models.classifier import Classifier


@pytest.fixture
def cells(monkeypatch: pytest.MonkeyPatch) -> list[Cell]:
    """What is laid out by the sheets that a test draws."""
    listed: list[Cell] = []
    lay_out = activation_sheets.sheet

    def noting(given: list[Cell], **settings: object) -> Tensor:
        listed.extend(given)
        return lay_out(given, **settings)

    monkeypatch.setattr(activation_sheets, "sheet", noting)
    return listed


def channel(layer: str, number: int, grid: Tensor | None, peak: float) -> ChannelActivation:
    place = None if grid is None else divmod(int(grid.abs().argmax()), grid.shape[1])
    return ChannelActivation(Address(layer, (number,)), 0.125, 1.0, peak, place, grid)


def test_a_row_for_each_layer(vgg: Classifier, image: Tensor, cells: list[Cell]) -> None:
    spot = torch.zeros((4, 4))
    spot[1, 2] = 2100.0
    found = Activations(
        vgg.prepared(image),
        {
            "features.1": (channel("features.1", 3, spot, 2100.0), channel("features.1", 0, spot * 0, 0.0)),
            "features.4": (channel("features.4", 7, -spot, -2100.0),),
            "features.5": (),
            "classifier": (channel("classifier", 1, None, 0.5),),
        },
        None,
    )
    drawn = activation_sheets.drawn(found, vgg)
    assert drawn.shape[-1] == 3 * (160 + GAP) + GAP
    labels = [(each.label, each.note) for each in cells if each.label]
    assert labels == [
        ("features.1", "8 channels, 32x32"),
        ("features.1:3", "12.5%, 2100 @1,2"),
        ("features.1:0", "silent"),
        ("features.4", "12 channels, 16x16"),
        ("features.4:7", "12.5%, -2100 @1,2"),
        ("features.5", "12 channels, 8x8"),
        ("silent", ""),
        ("classifier", "5 channels"),
        ("classifier:1", "12.5%, 0.5"),
    ]
    _, hot, silent, _, cold = (each.image for each in cells[:5])
    assert hot is not None
    assert silent is not None
    assert cold is not None
    # Light where it is strong, blue where it is below 0, and a photo in gray where it is silent.
    at, away = (slice(50, 70), slice(90, 110)), (slice(120, 160), slice(0, 40))
    assert hot[0, 0][at].mean() > 0.8
    assert cold[0, 2][at].mean() > cold[0, 0][at].mean() + 0.2
    assert (silent[0, 0] - silent[0, 2])[away].abs().max() < 0.05


def test_long_addresses_are_readable_and_a_flat_map_is_everywhere(
    vgg: Classifier, image: Tensor, cells: list[Cell]
) -> None:
    found = activations(vgg, image, "features.1:0")
    (one,) = found.layers["features.1"]
    name = "a.layer.of.a.very.long.name"
    long = ChannelActivation(Address(name, (100,)), 0.1, 1.0, 3.0, (0, 0), torch.full((2, 2), 3.0))
    vgg.layers[name] = vgg.layers["features.1"]
    drawn = activation_sheets.drawn(Activations(found.image, {name: (long,), "features.1": (one,)}, None), vgg)
    assert drawn.shape[-1] > 2 * 208
    assert cells[1].note == "10%, 3 everywhere"


def test_too_many_layers(vgg: Classifier, image: Tensor) -> None:
    many = Activations(image, {f"layer{number}": () for number in range(65)}, None)
    with pytest.raises(DreamscopeError, match="65 layers are too many for a sheet, 64 at most"):
        activation_sheets.drawn(many, vgg)
