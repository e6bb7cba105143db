from __future__ import annotations

import math

import pytest

from dreamscope.dreaming import presets
from dreamscope.dreaming.presets import DEFAULT_PRESET, PRESETS, Settings
from dreamscope.errors import DreamscopeError


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


def test_a_preset_with_other_numbers() -> None:
    assert presets.settings("classic") == PRESETS["classic"]
    # None is what was not said; 0 was.
    found = presets.settings("classic", steps=3, jitter=0, loss=None, precision="float32")
    assert found == Settings(loss="mean_square", steps=3, jitter=0, precision="float32")


@pytest.mark.parametrize(
    ("preset", "given", "message"),
    [
        ("clasic", {}, "no preset 'clasic'; .* did you mean 'classic'"),
        ("rich", {"octaves": 0}, "octaves lies between 1 and 100, not at 0"),
        ("plain", {"filter": "mean"}, "the filter 'mean' needs a rate"),
    ],
)
def test_no_such_settings(preset: str, given: dict[str, object], message: str) -> None:
    with pytest.raises(DreamscopeError, match=message):
        presets.settings(preset, **given)
