from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
import torch
from nets import Linear

from dreamscope import images
from dreamscope.exploration.exemplar_index import Exemplars, Ranked
from dreamscope.exploration.filters import Filters
from dreamscope.exploration.patches import Window
from dreamscope.figures import exemplar_sheets
from dreamscope.models.addresses import Address
from dreamscope.models.wrapping import wrap
from dreamscope.photos import Photo
from dreamscope.recipes import Recipe

RECIPE = Recipe("exemplars", {"name": "small"}, {}, {}, "0")
SHADES = (0.2, 0.5, 0.8)


@pytest.fixture
def found(tmp_path: Path) -> Exemplars:
    """Three flat photos; channel 0 is excited by all of them, channel 1 by none."""
    photos = tuple(
        Photo(images.write(torch.full((1, 3, 16, 16), shade), tmp_path / f"{shade}.png")) for shade in SHADES
    )
    ranked = Ranked(
        torch.tensor([[3.0, 2, 1], [0, 0, 0]]), torch.tensor([[2, 1, 0], [0, 1, 2]]), torch.zeros((2, 3)).long()
    )
    window = Window((16, 16), (1, 1), (0, 0), (1, 1))
    return Exemplars(photos, {"conv": ranked}, {"conv": ranked}, {"conv": window}, (16, 16), 3, {}, RECIPE, {})


def amount(sheet: torch.Tensor, shade: float) -> int:
    return int(((sheet - shade).abs().amax(1) < 0.01).sum())


def test_a_row_for_each_channel(found: Exemplars) -> None:
    model = wrap(Linear(), input_size=16)
    rows = [(Address("conv", (channel,)), False) for channel in (0, 1)]
    sheet, gone = exemplar_sheets.of_exemplars(found, model, rows)
    side = exemplar_sheets.BESIDE_OTHERS
    assert gone == 0
    assert all(amount(sheet, round(shade * 255) / 255) >= side * side for shade in SHADES)
    # In their order, the most exciting first.
    columns = [int(((sheet - round(s * 255) / 255).abs().amax(1)[0] < 0.01).sum(0).argmax()) for s in (0.8, 0.5, 0.2)]
    assert columns == sorted(columns)
    only, _ = exemplar_sheets.of_exemplars(found, model, rows[:1], top=1)
    assert amount(only, 0.8) >= side * side
    assert amount(only, 0.2) < 500


def test_photos_that_are_gone_are_counted(found: Exemplars) -> None:
    found.photos[0].path.unlink()
    model = wrap(Linear(), input_size=16)
    rows = [(Address("conv", (0,)), low) for low in (False, True)]
    sheet, gone = exemplar_sheets.of_exemplars(found, model, rows, alone=True)
    assert gone == 2
    assert amount(sheet, 0.8) >= 2 * exemplar_sheets.ALONE**2


def test_filters() -> None:
    weights = torch.tensor([1.0, -1, 0]).view(3, 1, 1, 1).expand(3, 1, 3, 3)
    sheet = exemplar_sheets.of_filters(
        Filters("conv", (0, 1, 2), weights, "signed", replace(RECIPE, command="filters"))
    )
    assert all(amount(sheet, value) >= exemplar_sheets.FILTER**2 for value in (0.0, 128 / 255, 1.0))
