from __future__ import annotations

import pytest
import torch
from torch import Tensor

from dreamscope.attribution.gradients import Guided, Saliency
from dreamscope.attribution.result import Explanation, TargetValue
from dreamscope.figures import gradient_panels
from dreamscope.figures.attribution_plots import drawn, overlay


def made(values: Tensor, method: type[Guided | Saliency] = Guided) -> Explanation:
    target = TargetValue("a:1@2,3", "a:1@2,3", 4.0, is_class=False)
    return Explanation(method(), torch.full_like(values, 0.2), values, (target,))


@pytest.fixture
def whole() -> Explanation:
    return made(torch.randn((1, 3, 40, 40), generator=torch.Generator().manual_seed(0)))


@pytest.fixture
def small() -> Explanation:
    """A gradient in 6 rows and 4 columns of 40."""
    values = torch.zeros(1, 3, 40, 40)
    values[..., 30:36, 2:6] = 1.0
    return made(values)


def test_a_gradient_is_one_picture(whole: Explanation) -> None:
    (panel,) = gradient_panels.of(whole)
    assert torch.equal(panel.image, whole.picture)
    assert gradient_panels.small_part(whole) is None
    assert gradient_panels.of(made(whole.values, Saliency)) == []


def test_a_small_part_is_cut_out_beside_its_patch(small: Explanation) -> None:
    assert gradient_panels.small_part(small) == (30, 1, 6, 6)
    patch, picture = gradient_panels.of(small)
    assert bool((patch.image == 0.2).all())
    assert patch.note == "6x6 pixels"
    assert picture.image.shape == (1, 3, 6, 6)
    assert bool((picture.image[..., 1:5] == 1).all())
    # Few pixels stay pixels.
    assert set(picture.at_width(120).unique().tolist()) == {0.5, 1.0}
    assert gradient_panels.small_part(made(0 * small.values)) is None


def test_a_part_at_the_edge_stays_inside() -> None:
    values = torch.zeros(1, 3, 30, 60)
    values[..., 0, 59] = 1
    top, left, height, width = gradient_panels.small_part(made(values))
    assert (top, left + width) == (0, 60)
    assert (height, width) == (1, 2)


def test_both_are_drawn_for_one_method(whole: Explanation, small: Explanation) -> None:
    alone = overlay(made(whole.values, Saliency))
    assert drawn([whole]).shape[3] - alone.shape[3] == 410
    assert drawn([small]).shape[3] - alone.shape[3] == 820
    picture = drawn([small])[0, :, 40:440, -400:-20]
    # The middle of the part is white, its sides are gray.
    assert picture[:, 150:250, 150:250].mean() > 0.95
    assert picture[:, 150:250, 5:40].mean() == pytest.approx(0.5, abs=0.02)


def test_in_a_sheet_it_is_a_cell_of_its_own(whole: Explanation, small: Explanation) -> None:
    plain = made(whole.values, Saliency)
    two, four, five = (drawn(each) for each in ([plain, plain], [plain, whole], [plain, small]))
    # Three cells, four, and five in two rows.
    assert four.shape[3] > two.shape[3]
    assert five.shape[2] > four.shape[2]


def test_a_small_part_is_outlined_on_the_map(small: Explanation) -> None:
    with_outline = overlay(small, title=False)
    without = overlay(made(small.values, Saliency), title=False)
    changed = (with_outline - without).abs().amax((0, 1)) > 0.1
    rows, columns = (changed[:410, :410].any(axis).nonzero().flatten() for axis in (1, 0))
    # Ten pixels for one, ten before the first: rows 30 to 36, columns 1 to 7.
    assert [int(rows.min()), int(rows.max())] == pytest.approx([310, 370], abs=4)
    assert [int(columns.min()), int(columns.max())] == pytest.approx([20, 80], abs=4)
