from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from nets import Residual, Vgg, hooks_on, seeded
from torch import Tensor, nn

from dreamscope import files
from dreamscope.errors import DreamscopeError
from dreamscope.models.classifier import Classifier
from dreamscope.models.edits import Ablation
from dreamscope.models.wrapping import wrap
from dreamscope.optimize import precision as engine
from dreamscope.optimize.precision import Choice, Form, prepared
from dreamscope.probes import probe

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

    monkeypatch.setattr(engine, "_measure", measure)
    monkeypatch.setattr(engine, "WORTH_MEASURING", 0)
    monkeypatch.setattr(torch.ops.mkldnn, "_is_mkldnn_bf16_supported", lambda: True)
    return forms


def test_small_networks_run_as_they_are(vgg: Classifier) -> None:
    fast, choice = prepared(vgg, ["features.3"], 64)
    assert choice == Choice(Form("float32", "contiguous"))
    assert not files.cache_folder().exists()
    assert fast.layers is vgg.layers


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

    monkeypatch.setattr(engine, "_measure", turned_in_bfloat16(engine._measure))
    monkeypatch.setattr(engine._Climb, "rise", rises)
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
    monkeypatch.setattr(engine, "_measure", turned_in_bfloat16(engine._measure))
    monkeypatch.setattr(engine._Climb, "rise", lambda *_: pytest.fail("climbed"))
    assert str(prepared(vgg, ["features.3"], 512)[1].form) == "float32/channels_last"


def test_a_climb_rises_and_its_end_is_measured_in_float32(vgg: Classifier) -> None:
    climb = engine._Climb(vgg, ["features.0", "features.3"], 32)
    whole = climb.rise(vgg)
    assert whole > 0.1
    assert climb.rise(vgg) == whole
    half = climb.rise(Form("bfloat16").of(vgg))
    assert half == pytest.approx(whole, rel=0.2)
    assert half != whole
    # A network that climbs another layer's way gets less far on this one.
    assert climb.rise(wrap(seeded(Vgg(), 1), input_size=32)) < 0.8 * whole


def test_mixed_is_bfloat16_in_convolutions_over_all_channels(image: Tensor) -> None:
    torch.manual_seed(0)
    convolutions = [nn.Conv2d(3, 8, 3), nn.Conv2d(8, 8, 3, groups=8), nn.BatchNorm2d(8), nn.Conv2d(8, 4, 1)]
    model = wrap(nn.Sequential(*convolutions).eval(), input_size=32)
    mixed = Form("mixed", "channels_last").of(model)
    assert [part.weight.dtype for part in mixed.module] == [
        torch.bfloat16,
        torch.float32,
        torch.float32,
        torch.bfloat16,
    ]
    assert [name for name, _ in mixed.module.named_modules()] == [name for name, _ in model.module.named_modules()]
    assert all(type(part) is type(own) for part, own in zip(model.module, convolutions, strict=True))
    with torch.no_grad(), probe(model, ["1", "3"]) as plain, probe(mixed, ["1", "3"]) as seen:
        expected, found = dict(plain(image)), dict(seen(image))
    for name, activation in found.items():
        assert activation.dtype == torch.float32
        assert torch.allclose(activation, expected[name], atol=0.02)
    assert not torch.equal(found["3"], expected["3"])


def test_a_precision_asked_for_is_taken_in_its_faster_format(vgg: Classifier, measured: list[str]) -> None:
    assert str(prepared(vgg, ["features.3"], 512, "float32")[1].form) == "float32/channels_last"
    assert str(prepared(vgg, ["features.3"], 512, "bfloat16")[1].form) == "bfloat16/channels_last"


def test_a_whole_form_is_taken_without_measuring(vgg: Classifier, measured: list[str]) -> None:
    fast, choice = prepared(vgg, ["features.3"], 512, "bfloat16/contiguous")
    assert (str(choice), fast.dtype, measured) == ("bfloat16/contiguous", torch.bfloat16, [])


@pytest.mark.parametrize(
    ("precision", "message"),
    [("float23", "did you mean 'float32'"), ("float32/", "no PRECISION/FORMAT"), ("int8/contiguous", "no PRECISION")],
)
def test_unknown_precisions(vgg: Classifier, precision: str, message: str) -> None:
    with pytest.raises(DreamscopeError, match=message):
        prepared(vgg, ["features.3"], 64, precision)


@pytest.mark.parametrize("content", ["", "{", "[]", '{"KEY": 3}', '{"KEY": {"form": "x", "measured": []}}'])
def test_a_damaged_cache_is_made_anew(vgg: Classifier, measured: list[str], content: str, tmp_path: Path) -> None:
    key = engine._key(vgg, ["features.3"], 256, "auto")
    folder = files.cache_folder()
    folder.mkdir()
    (folder / "calibration.json").write_text(content.replace("KEY", key))
    assert str(prepared(vgg, ["features.3"], 512)[1].form) == "bfloat16/channels_last"
    assert engine._recall(key) is not None


def test_a_cache_that_cannot_be_written_is_done_without(
    vgg: Classifier, measured: list[str], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    (tmp_path / "file").write_text("")
    monkeypatch.setenv("DREAMSCOPE_CACHE", str(tmp_path / "file" / "cache"))
    assert str(prepared(vgg, ["features.3"], 512)[1].form) == "bfloat16/channels_last"


def test_someones_own_precision_is_left(image: Tensor) -> None:
    model = wrap(seeded(Vgg()).half(), input_size=32)
    assert prepared(model, ["features.3"], 64)[0] is model


def test_prepared_gives_the_same(residual: Classifier, image: Tensor) -> None:
    edited = residual.edited(Ablation("layer1.0.conv1:3"))
    for model in (residual, edited):
        fast, _ = prepared(model, ["layer1.1"], 64)
        with torch.no_grad(), probe(model, "layer1.1") as plain, probe(fast, "layer1.1") as seen:
            assert torch.allclose(seen(image)["layer1.1"], plain(image)["layer1.1"], atol=1e-5)
        assert hooks_on(fast.module) == 0


def test_other_weights_are_another_key() -> None:
    first, second = (wrap(seeded(Residual(), seed), input_size=32) for seed in (0, 1))
    assert engine._key(first, ["bn1"], 256, "auto") != engine._key(second, ["bn1"], 256, "auto")


def test_a_form_is_made_once_and_kept_with_the_classifier(
    residual: Classifier, image: Tensor, monkeypatch: pytest.MonkeyPatch
) -> None:
    made: list[int] = []
    fold = engine.folded
    monkeypatch.setattr(engine, "folded", lambda *words: made.append(1) or fold(*words))
    fast, _ = prepared(residual, ["layer1.1", "bn1"], 64)
    assert prepared(residual, {"bn1", "layer1.1"}, 100)[0] is fast
    assert prepared(residual, ["bn1", "layer1.1"], 512)[0] is not fast
    assert prepared(residual.edited(Ablation("bn1:1")), ["layer1.1", "bn1"], 64)[0] is not fast
    assert len(made) == 3
    with torch.no_grad():
        residual.module.bn1.weight.mul_(2)
        again, _ = prepared(residual, ["layer1.1", "bn1"], 64)
        assert again is not fast
        assert torch.allclose(again(image), residual(image), atol=1e-5)


def test_weights_that_stay_as_they_are_are_shared(vgg: Classifier, residual: Classifier) -> None:
    fast, _ = prepared(vgg, ["features.3"], 64)
    assert all(one is other for one, other in zip(fast.module.parameters(), vgg.module.parameters(), strict=True))
    half, _ = prepared(vgg, ["features.3"], 64, "bfloat16/channels_last")
    assert (half.dtype, vgg.dtype) == (torch.bfloat16, torch.float32)
    assert all(part.is_contiguous() for part in vgg.module.parameters())


def test_a_form_made_without_gradients_serves_with_them(residual: Classifier, image: Tensor) -> None:
    with torch.inference_mode():
        prepared(residual, ["layer1.1"], 64)
    picture = image.clone().requires_grad_()
    with probe(prepared(residual, ["layer1.1"], 64)[0], "layer1.1") as seen:
        assert torch.autograd.grad(seen(picture)["layer1.1"].sum(), picture)[0].isfinite().all()


def test_a_measurement_needs_no_gradients_around_it(vgg: Classifier) -> None:
    with torch.no_grad():
        gradient, seconds = engine._measure(vgg, ["features.3"], 32)
    assert gradient.shape == (1, 3, 32, 32)
    assert seconds > 0
