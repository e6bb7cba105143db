from __future__ import annotations

import math

import pytest

from dreamscope.errors import DreamscopeError
from dreamscope.techniques.presets import DEFAULT_PRESET, PRESETS, Settings


def test_the_presets_that_are_promised() -> None:
    assert DEFAULT_PRESET == "rich"
    classic = PRESETS["classic"]
    assert (classic.octaves, classic.octave_scale, classic.steps, classic.jitter, classic.filter) == (
        4,
        1.4,
        10,
        32,
        "mean",
    )
    plain = PRESETS["plain"]
    assert (plain.octaves, plain.jitter, plain.filter, plain.natural, plain.loss) == (1, 0, "none", 0, "norm")


@pytest.mark.parametrize(
    "bad",
    [
        {"steps": -1},
        {"octaves": 0},
        {"octave_scale": 1},
        {"octave_scale": math.nan},
        {"jitter": -1},
        {"natural": 1.5},
        {"natural": math.nan},
        {"rate": math.nan},
        {"rate": None},
    ],
)
def test_senseless_settings(bad: dict[str, float]) -> None:
    with pytest.raises(DreamscopeError):
        Settings(**bad)  # type: ignore[arg-type]
