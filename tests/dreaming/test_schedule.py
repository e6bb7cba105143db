from __future__ import annotations

from fractions import Fraction

import pytest

from dreamscope.dreaming.schedule import Schedule, Speeds
from dreamscope.errors import DreamscopeError
from dreamscope.models.addresses import Address
from dreamscope.models.classifier import Classifier


def test_from_one_to_the_next(vgg: Classifier) -> None:
    plan = Schedule.parse("1s:features.0:2 3s:2*features.3+features.4:0-3 4:0", vgg)
    assert str(plan) == "1s:features.0:2 3s:2*features.3+features.4:0-3 4s:features.0"
    assert Schedule.parse(str(plan), vgg) == plan
    assert [str(address) for address in plan.addresses] == [
        "features.0:2", "2*features.3", "features.4:0-3", "features.0",
    ]  # fmt: skip

    def at(time: float) -> dict[str, float]:
        found = plan.at(Fraction(time), (1.0, 10.0, 1.0))
        return {str(Address(a.layer, a.channels)): a.weight for a in found}

    assert at(0) == at(1) == {"features.0:2": 1}
    # The second entry's gradients are ten times as large: its weights are a tenth.
    assert at(1.5) == pytest.approx({"features.0:2": 0.75, "features.3": 0.05, "features.4:0-3": 0.025})
    assert at(3) == pytest.approx({"features.3": 0.2, "features.4:0-3": 0.1})
    assert at(3.5) == pytest.approx({"features.3": 0.1, "features.4:0-3": 0.05, "features.0": 0.5})
    assert at(4) == at(100) == {"features.0": 1}


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "the schedule is empty; expected SECONDSs:ADDRESS"),
        ("features.0", "'features.0' is no entry of a schedule"),
        ("-1s:features.0", "is no entry"),
        ("0s:", "is no entry"),
        ("0s:feature.0", "did you mean 'features.0'"),
        ("2s:features.0 1s:features.3", "the times of a schedule rise: 1s comes after 2s"),
        ("0s:features.0 0s:features.3", "rise"),
    ],
)
def test_refused(vgg: Classifier, text: str, message: str) -> None:
    with pytest.raises(DreamscopeError, match=message):
        Schedule.parse(text, vgg)


def test_speeds() -> None:
    speeds = Speeds.parse("1s:2 3s:8 4:0.5")
    assert str(speeds) == "1s:2 3s:8 4s:0.5"
    assert Speeds.parse(str(speeds)) == speeds
    # By equal factors: halfway from 2 to 8 lies 4.
    assert [speeds.at(Fraction(time)) for time in (0, 1, 2, 3, 4, 9)] == pytest.approx([2, 2, 4, 8, 0.5, 0.5])
    assert Speeds.parse(1.3).at(Fraction(7)) == Speeds.parse("1.3").at(Fraction(0)) == 1.3


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("fast", "'fast' is no speed of a zoom; expected a factor, such as 1.3, or SECONDSs:FACTOR"),
        ("0s:1.3 5s:", "'5s:' is no speed"),
        ("soon:2", "'soon:2' is no speed"),
        ("2s:1 1s:2", "the times of a schedule rise"),
    ],
)
def test_speeds_refused(text: str, message: str) -> None:
    with pytest.raises(DreamscopeError, match=message):
        Speeds.parse(text)
