from __future__ import annotations

import pytest
import torch
from nets import Residual, Vgg, hooks_on, seeded
from torch import Tensor

from dreamscope.dissection import passes
from dreamscope.dissection.passes import Passes
from dreamscope.models.classifier import Classifier
from dreamscope.models.edits import Ablation
from dreamscope.models.wrapping import wrap
from dreamscope.probes import probe, tapped

IMAGES = torch.rand((40, 3, 32, 32), generator=torch.Generator().manual_seed(0))


@pytest.fixture(
    params=[(Vgg, "features.3", "features.5"), (Residual, "layer1.1.bn1", "layer1.1"), (Vgg, "features", "features")]
)
def case(request: pytest.FixtureRequest) -> tuple[Classifier, str, str]:
    """A network, a layer that is edited and one that is looked at; in the last only whole passes will do."""
    make, edited, looked_at = request.param
    return wrap(seeded(make()), input_size=32), edited, looked_at


def runs(found: Passes, model: Classifier, layer: str, rows: Tensor | None = None) -> Tensor:
    with torch.no_grad():
        return torch.cat([seen[layer] for seen in found.runs(model, [layer], rows)])


def whole(model: Classifier, layer: str, images: Tensor) -> Tensor:
    with torch.no_grad(), probe(model, [layer]) as seen:
        return seen(images)[layer].clone()


def untouched(model: Classifier) -> bool:
    return hooks_on(model.module) == 0 and all("forward" not in vars(part) for part in model.module.modules())


def test_the_same_as_whole_passes(case: tuple[Classifier, str, str]) -> None:
    model, edited, looked_at = case
    given = IMAGES.clone()
    found = Passes(model, given, [edited, looked_at])
    rows = torch.tensor([39, 0, 7])
    for changed in (model, model.edited(Ablation(f"{edited}:0-3")), model.edited(Ablation(f"{edited}:1", "scale:2"))):
        expected = whole(changed, looked_at, IMAGES)
        assert torch.allclose(runs(found, changed, looked_at), expected, rtol=1e-5, atol=1e-6)
        assert torch.allclose(runs(found, changed, looked_at, rows), expected[rows], rtol=1e-5, atol=1e-6)
        assert untouched(changed)
    assert torch.equal(given, IMAGES)


def test_gradients_are_those_of_whole_passes(case: tuple[Classifier, str, str]) -> None:
    model, edited, looked_at = case
    found = []
    for logits, caught in Passes(model, IMAGES, [edited]).with_gradients(model, [looked_at]):
        found += torch.autograd.grad(logits[:, 2].sum(), [caught[looked_at]])
    with tapped(model, [looked_at]) as caught:
        logits = model.logits(IMAGES.clone().requires_grad_())
    (expected,) = torch.autograd.grad(logits[:, 2].sum(), [caught[looked_at]])
    assert torch.allclose(torch.cat(found), expected, rtol=1e-5, atol=1e-7)
    assert untouched(model)


def test_what_comes_before_runs_once(vgg: Classifier, monkeypatch: pytest.MonkeyPatch) -> None:
    found = Passes(vgg, IMAGES, ["features.3"])
    assert found._given.shape == (40, 8, 16, 16)
    monkeypatch.setattr(passes, "MOST", 40 * 8 * 16 * 16 * 4 - 1)
    bounded = Passes(vgg, IMAGES, ["features.3"])
    assert bounded._given is IMAGES
    assert torch.allclose(runs(bounded, vgg, "features.5"), runs(found, vgg, "features.5"))


def test_left_early_nothing_is_left(vgg: Classifier) -> None:
    found = Passes(vgg, IMAGES, ["features.3"])
    edited = vgg.edited(Ablation("features.3:0"))
    for _ in found.runs(edited, ["features.5"]):
        break
    for _ in found.with_gradients(edited, ["features.5"]):
        break
    assert untouched(vgg)
    assert untouched(edited)
    assert torch.allclose(runs(found, vgg, "features.5"), whole(vgg, "features.5", IMAGES), rtol=1e-5)
