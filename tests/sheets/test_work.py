from __future__ import annotations

import pytest
from nets import Vgg, seeded

from dreamscope.models.classifier import Classifier
from dreamscope.models.wrapping import wrap
from dreamscope.objectives import Objective
from dreamscope.sheets.plan import plan
from dreamscope.sheets.work import ELEMENT, PIXEL, work_of


@pytest.fixture
def model() -> Classifier:
    return wrap(seeded(Vgg()), input_size=32)


def work(model: Classifier, at: object, **settings: object) -> float:
    (cell,) = plan("photos", [model], ["gray"], at=at, preset="plain", steps=1, **settings).cells
    return work_of(cell)


def test_what_a_step_takes(model: Classifier) -> None:
    # For each pixel 8 filters of 3x3 in three colours; a ReLU only touches what they put out.
    assert work(model, ["features.0"]) == pytest.approx(PIXEL + 8 * 27 + 8 * ELEMENT)
    assert work(model, ["features.1"]) == pytest.approx(PIXEL + 8 * 27 + 16 * ELEMENT)
    # The deepest layer counts, and what holds it takes as long.
    assert work(model, ["features.1", "features.0"]) == work(model, ["features.1"])
    assert work(model, ["features"]) == work(model, ["features.5"])
    # The second convolution sees a quarter of the positions.
    added = work(model, ["features.3"]) - work(model, ["features.2"])
    assert added == pytest.approx((12 * 8 * 9 + 12 * ELEMENT) / 4)


def test_steps_and_octaves(model: Classifier) -> None:
    one = work(model, ["features.3"])
    assert work(model, ["features.3"], octaves=3, octave_scale=2.0) == pytest.approx((1 + 1 / 4 + 1 / 16) * one)
    steps = plan("steps", [model], ["gray"], at=["features.3"], values=[0, 1, 7], preset="plain").cells
    assert [work_of(cell) for cell in steps] == pytest.approx([0, one, 7 * one])


def test_an_own_objective_may_need_all(model: Classifier) -> None:
    own = Objective.of(lambda seen: seen["features.0"].mean((1, 2, 3)), layers="features.0")
    assert work(model, own) >= work(model, ["classifier"])
