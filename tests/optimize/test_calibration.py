from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from nets import Residual, Vgg, seeded
from torch import Tensor

from dreamscope import files
from dreamscope.models.classifier import Classifier
from dreamscope.models.wrapping import wrap
from dreamscope.optimize import calibration
from dreamscope.optimize.forms import Form
from dreamscope.optimize.precision import prepared

SPEEDS = {
    "float32/contiguous": 1.0,
    "float32/channels_last": 0.8,
    "bfloat16/contiguous": 0.6,
    "bfloat16/channels_last": 0.5,
    "mixed/contiguous": 0.7,
    "mixed/channels_last": 0.65,
}


@pytest.fixture
def measured(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Replace the clock: a network whose forms take as long as `SPEEDS` says, all with one gradient."""
    forms: list[str] = []

    def measure(model: Classifier, layers: list[str], side: int, repeats: int = 3) -> tuple[Tensor, float]:
        dtypes = {str(each.dtype).removeprefix("torch.") for each in model.module.parameters()}
        last = next(p for p in model.module.parameters() if p.dim() == 4).is_contiguous()
        form = f"{'mixed' if len(dtypes) > 1 else dtypes.pop()}/{'contiguous' if last else 'channels_last'}"
        forms.append(form)
        return torch.ones(1, 3, side, side), SPEEDS[form]

    monkeypatch.setattr(calibration, "_measure", measure)
    monkeypatch.setattr(calibration, "WORTH_MEASURING", 0)
    monkeypatch.setattr(torch.ops.mkldnn, "_is_mkldnn_bf16_supported", lambda: True)
    return forms


def test_the_fastest_that_agrees_is_taken_and_remembered(vgg: Classifier, measured: list[str]) -> None:
    fast, choice = prepared(vgg, ["features.3"], 512)
    assert str(choice.form) == "bfloat16/channels_last"
    assert fast.dtype == torch.bfloat16
    assert {row.form for row in choice.measured} == set(SPEEDS)
    assert all(row.cosine > 0.98 for row in choice.measured)
    count = len(measured)
    assert prepared(vgg, ["features.3"], 512)[1] == choice
    assert len(measured) == count
    prepared(vgg, ["features.0"], 512)
    assert len(measured) > count


def turned_in_bfloat16(measure: Callable[..., tuple[Tensor, float]]) -> Callable[..., tuple[Tensor, float]]:
    def turned(model: Classifier, layers: list[str], side: int, repeats: int = 3) -> tuple[Tensor, float]:
        gradient, seconds = measure(model, layers, side, repeats)
        return (-gradient if model.dtype == torch.bfloat16 else gradient), seconds

    return turned


@pytest.mark.parametrize(
    ("rise", "chosen"),
    # In 0.5 seconds a step, where float32 takes 0.8.
    [(0.95, "bfloat16/channels_last"), (0.92, "float32/channels_last"), (-1.0, "float32/channels_last")],
)
def test_a_gradient_that_turns_away_is_judged_by_how_far_it_climbs(
    vgg: Classifier, measured: list[str], monkeypatch: pytest.MonkeyPatch, rise: float, chosen: str
) -> None:
    climbed: list[torch.dtype] = []

    def rises(_self: object, model: Classifier) -> float:
        climbed.append(model.dtype)
        return 3 * (rise if model.dtype == torch.bfloat16 else 1)

    monkeypatch.setattr(calibration, "_measure", turned_in_bfloat16(calibration._measure))
    monkeypatch.setattr(calibration._Climb, "rise", rises)
    _, choice = prepared(vgg, ["features.3"], 512)
    assert str(choice.form) == chosen
    # Only the faster format of each climbs, beside float32 once.
    assert climbed == [torch.float32, torch.bfloat16, torch.bfloat16]
    assert [row.rise for row in choice.measured] == [None, None, *([None, pytest.approx(rise)] * 2)]
    assert f"(cosine -1.000, rise {rise:.2f})" in str(choice)


def test_a_slower_form_is_not_climbed_in(vgg: Classifier, measured: list[str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(SPEEDS, "bfloat16/channels_last", 0.9)
    for form in ("bfloat16/contiguous", "mixed/contiguous", "mixed/channels_last"):
        monkeypatch.setitem(SPEEDS, form, 0.9)
    monkeypatch.setattr(calibration, "_measure", turned_in_bfloat16(calibration._measure))
    monkeypatch.setattr(calibration._Climb, "rise", lambda *_: pytest.fail("climbed"))
    assert str(prepared(vgg, ["features.3"], 512)[1].form) == "float32/channels_last"


def test_a_climb_rises_and_its_end_is_measured_in_float32(vgg: Classifier) -> None:
    climb = calibration._Climb(vgg, ["features.0", "features.3"], 32)
    whole = climb.rise(vgg)
    assert whole > 0.1
    assert climb.rise(vgg) == whole
    half = climb.rise(Form("bfloat16").of(vgg))
    assert half == pytest.approx(whole, rel=0.2)
    assert half != whole
    # A network that climbs another layer's way gets less far on this one.
    assert climb.rise(wrap(seeded(Vgg(), 1), input_size=32)) < 0.8 * whole


def test_a_precision_asked_for_is_taken_in_its_faster_format(vgg: Classifier, measured: list[str]) -> None:
    assert str(prepared(vgg, ["features.3"], 512, "float32")[1].form) == "float32/channels_last"
    assert str(prepared(vgg, ["features.3"], 512, "bfloat16")[1].form) == "bfloat16/channels_last"


@pytest.mark.parametrize("content", ["", "{", "[]", '{"KEY": 3}', '{"KEY": {"form": "x", "measured": []}}'])
def test_a_damaged_cache_is_made_anew(vgg: Classifier, measured: list[str], content: str, tmp_path: Path) -> None:
    key = calibration._key(vgg, ["features.3"], 256, "auto")
    folder = files.cache_folder()
    folder.mkdir()
    (folder / "calibration.json").write_text(content.replace("KEY", key))
    assert str(prepared(vgg, ["features.3"], 512)[1].form) == "bfloat16/channels_last"
    assert calibration._recall(key) is not None


def test_a_cache_that_cannot_be_written_is_done_without(
    vgg: Classifier, measured: list[str], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    (tmp_path / "file").write_text("")
    monkeypatch.setenv("DREAMSCOPE_CACHE", str(tmp_path / "file" / "cache"))
    assert str(prepared(vgg, ["features.3"], 512)[1].form) == "bfloat16/channels_last"


def test_other_weights_are_another_key() -> None:
    first, second = (wrap(seeded(Residual(), seed), input_size=32) for seed in (0, 1))
    assert calibration._key(first, ["bn1"], 256, "auto") != calibration._key(second, ["bn1"], 256, "auto")


def test_a_measurement_needs_no_gradients_around_it(vgg: Classifier) -> None:
    with torch.no_grad():
        gradient, seconds = calibration._measure(vgg, ["features.3"], 32)
    assert gradient.shape == (1, 3, 32, 32)
    assert seconds > 0
