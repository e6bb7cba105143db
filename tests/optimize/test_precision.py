from __future__ import annotations

import pytest
import torch
from nets import Vgg, hooks_on, seeded
from torch import Tensor

from dreamscope import files
from dreamscope.errors import DreamscopeError
from dreamscope.models.classifier import Classifier
from dreamscope.models.edits import Ablation
from dreamscope.models.wrapping import wrap
from dreamscope.optimize import precision
from dreamscope.optimize.calibration import Choice
from dreamscope.optimize.forms import Form
from dreamscope.optimize.precision import prepared
from dreamscope.probes import probe


def test_small_networks_run_as_they_are(vgg: Classifier) -> None:
    fast, choice = prepared(vgg, ["features.3"], 64)
    assert choice == Choice(Form("float32", "contiguous"))
    assert not files.cache_folder().exists()
    assert fast.layers is vgg.layers


def test_a_whole_form_is_taken_without_measuring(vgg: Classifier, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(precision, "choose", lambda *_: pytest.fail("measured"))
    fast, choice = prepared(vgg, ["features.3"], 512, "bfloat16/contiguous")
    assert (str(choice), fast.dtype) == ("bfloat16/contiguous", torch.bfloat16)


@pytest.mark.parametrize(
    ("named", "message"),
    [("float23", "did you mean 'float32'"), ("float32/", "no PRECISION/FORMAT"), ("int8/contiguous", "no PRECISION")],
)
def test_unknown_precisions(vgg: Classifier, named: str, message: str) -> None:
    with pytest.raises(DreamscopeError, match=message):
        prepared(vgg, ["features.3"], 64, named)


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


def test_a_form_is_made_once_and_kept_with_the_classifier(
    residual: Classifier, image: Tensor, monkeypatch: pytest.MonkeyPatch
) -> None:
    made: list[int] = []
    fold = precision.folded
    monkeypatch.setattr(precision, "folded", lambda *words: made.append(1) or fold(*words))
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
