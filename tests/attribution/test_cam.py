from __future__ import annotations

import pytest
import torch
from nets import Planted, Residual, Tokens, hooks_on, seeded
from torch import Tensor, nn
from torch.nn import functional as F

from dreamscope.attribution.base import Case
from dreamscope.attribution.cam import GradCam, LayerCam, last_map
from dreamscope.errors import DreamscopeError
from dreamscope.models.classifier import Classifier
from dreamscope.models.edits import Ablation
from dreamscope.models.wrapping import wrap
from dreamscope.objectives.targets import targets


def case_of(model: Classifier, of: str = "class:1", picture: Tensor | None = None) -> Case:
    side = model.input_size[0]
    if picture is None:
        picture = torch.rand((1, 3, side, side), generator=torch.Generator().manual_seed(0))
    return Case(model, picture, tuple(targets(model, [of])))


class Coarse(nn.Module):
    """Two maps of 4x4, and classes that are weighted means of them."""

    def __init__(self) -> None:
        super().__init__()
        self.pool = nn.AvgPool2d(4)
        self.fc = nn.Linear(3, 2, bias=False)

    def forward(self, x: Tensor) -> Tensor:
        return self.fc(self.pool(x).mean((2, 3)))


@pytest.mark.parametrize("kind", [GradCam, LayerCam])
def test_of_a_linear_head_it_is_known_on_paper(kind: type) -> None:
    model = wrap(Coarse(), input_size=16)
    with torch.no_grad():
        model.module.fc.weight.copy_(torch.tensor([[0.0, 0, 0], [2, -1, 0.5]]))
    case = case_of(model)
    coarse = F.avg_pool2d(case.images, 4)[0]
    weights = torch.tensor([2.0, -1, 0.5] if kind is GradCam else [2.0, 0, 0.5])
    expected = (weights.view(3, 1, 1) / 16 * coarse).sum(0).clamp_min(0)
    found = kind()(case).values
    assert torch.allclose(found, F.interpolate(expected[None, None], (16, 16), mode="bilinear"), atol=1e-6)
    assert hooks_on(model.module) == 0


def test_gradcam_equals_captums(residual: Classifier) -> None:
    from captum.attr import LayerAttribution, LayerGradCam

    case = case_of(residual)
    theirs = LayerGradCam(residual.logits, residual.module.layer1[1]).attribute(
        case.images, target=1, relu_attributions=True
    )
    expected = LayerAttribution.interpolate(theirs, (32, 32), interpolate_mode="bilinear")
    assert torch.allclose(GradCam("layer1.1")(case).values, expected, atol=1e-6)


def test_the_last_map_is_taken(residual: Classifier, vgg: Classifier, tokens: Classifier) -> None:
    assert last_map(case_of(residual)) == "layer1"
    assert last_map(case_of(vgg)) == "features"
    # Behind the attention only the class token counts.
    assert last_map(case_of(tokens)) == "norm"
    # Of a channel it is the layer itself, or what lies before it.
    assert last_map(case_of(vgg, "features.1:3")) == "features.1"
    assert GradCam().resolved(case_of(vgg)).layers == ("features",)


def test_of_a_sum_the_last_map_is_one_that_all_its_terms_depend_on(vgg: Classifier) -> None:
    assert last_map(case_of(vgg, "features.4:1")) == "features.4"
    assert last_map(case_of(vgg, "features.4:1 + features.1:0")) == "features.1"
    assert last_map(case_of(vgg, "class:1 + 2*features.3:0")) == "features.3"


def test_tokens_are_laid_out_as_the_picture(tokens: Classifier) -> None:
    case = case_of(tokens)
    found = GradCam("norm")(case).values
    assert found.shape == (1, 1, 32, 32)
    coarse = LayerCam("patch")(case).values
    assert coarse.shape == (1, 1, 32, 32)


def test_tokens_in_reading_order_without_the_class_token() -> None:
    class Reads(Tokens):
        """Its class 1 is what patch number 6 (row 1, column 2 of 4x4) says of red."""

        def forward(self, x: Tensor) -> Tensor:
            x = self.patch(x).flatten(2).transpose(1, 2)
            x = self.norm(torch.cat([self.cls.expand(len(x), -1, -1), x], 1))
            return torch.stack([0 * x[:, 0, 0], x[:, 1 + 6].square().sum(1)], 1)

    model = wrap(seeded(Reads()), input_size=32)
    found = LayerCam("norm")(case_of(model)).values[0, 0]
    row, column = divmod(int(found.argmax()), 32)
    assert (row // 8, column // 8) == (1, 2)


def test_edits_count() -> None:
    model = wrap(Planted(), input_size=16)
    assert GradCam("act")(case_of(model, "class:2")).values.any()
    blind = model.edited(Ablation("act:8"))
    assert not GradCam("act")(case_of(blind, "class:2")).values.any()


@pytest.mark.parametrize(
    ("layer", "of", "message"),
    [
        ("layer2", "class:1", "no layer 'layer2'.*did you mean 'layer1'"),
        (
            "fc",
            "class:1",
            "'fc' of Residual has no map for gradcam; the last layer with one: 'layer1'",
        ),
        ("layer1.*", "class:1", "gradcam takes one layer, but 'layer1.\\*' names"),
        ("layer1.1", "conv1:2", "'conv1:2' does not depend on 'layer1.1', so gradcam shows nothing"),
    ],
)
def test_bad_layers(residual: Classifier, layer: str, of: str, message: str) -> None:
    with pytest.raises(DreamscopeError, match=message):
        GradCam(layer)(case_of(residual, of))


def test_a_network_without_maps() -> None:
    class Flat(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.fc = nn.Linear(3 * 64, 2)

        def forward(self, x: Tensor) -> Tensor:
            return self.fc(x.flatten(1))

    with pytest.raises(DreamscopeError, match="no layer of Flat between the picture and 'class 1' has a map"):
        GradCam()(case_of(wrap(Flat(), input_size=8)))


def test_residual_networks_have_hooks_no_more() -> None:
    model = wrap(seeded(Residual()), input_size=32)
    LayerCam("bn1")(case_of(model))
    assert hooks_on(model.module) == 0
