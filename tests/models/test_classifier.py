from __future__ import annotations

import pytest
import torch
from nets import Linear, Tokens, Vgg, hooks_on, seeded
from torch import Tensor, nn

from dreamscope.errors import DreamscopeError
from dreamscope.models.classifier import Classifier, Normalization
from dreamscope.models.edits import Ablation
from dreamscope.models.wrapping import wrap


def test_a_classifier_is_frozen_and_stays_in_eval_mode(residual: Classifier) -> None:
    residual.train()
    assert not any(part.training for part in residual.module.modules())
    assert not any(parameter.requires_grad for parameter in residual.parameters())


def test_normalization_happens_inside(image: Tensor) -> None:
    module = seeded(Linear())
    model = wrap(module, mean=(0.1, 0.2, 0.3), std=(0.5, 0.6, 0.7))
    by_hand = (image - torch.tensor([0.1, 0.2, 0.3]).view(1, 3, 1, 1)) / torch.tensor([0.5, 0.6, 0.7]).view(1, 3, 1, 1)
    assert torch.allclose(model(image), module(by_hand))


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16, torch.float64])
def test_other_precisions(dtype: torch.dtype) -> None:
    model = wrap(seeded(Vgg()).to(dtype), input_size=32)
    assert model.layers["features.3"].channels == 12
    assert model.logits(torch.rand(1, 3, 32, 32)).dtype == torch.float32


def test_channels_last_memory(image: Tensor) -> None:
    module = seeded(Vgg())
    assert torch.allclose(wrap(module)(image), wrap(module.to(memory_format=torch.channels_last))(image), atol=1e-6)


def test_classify_names_the_best_first(vgg: Classifier, image: Tensor) -> None:
    both = torch.cat([image, 1 - image])
    answers = vgg.classify(both, top=3)
    probabilities = vgg.logits(vgg.prepared(both)).softmax(1)
    for answer, row in zip(answers, probabilities, strict=True):
        assert [p.index for p in answer] == row.argsort(descending=True)[:3].tolist()
        assert answer[0].probability == pytest.approx(row.max().item())
        assert answer[0].label == "abcde"[answer[0].index]
    assert len(vgg.classify(image, top=99)[0]) == 5


def test_labels_may_be_missing(residual: Classifier, image: Tensor) -> None:
    assert residual.classify(image)[0][0].label.startswith("class ")


def test_preparing_crops_the_middle() -> None:
    model = wrap(Linear(), input_size=(8, 8), crop=0.5)
    picture = torch.zeros(1, 3, 16, 32)
    picture[:, :, 4:12, 12:20] = 1
    assert torch.equal(model.prepared(picture), torch.ones(1, 3, 8, 8))


def test_no_classes(image: Tensor) -> None:
    with pytest.raises(DreamscopeError, match="has no classes"):
        wrap(Linear()).classify(image)


@pytest.mark.parametrize("wrapped", [lambda y: {"logits": y}, lambda y: (y, y)])
def test_outputs_in_a_wrapper(image: Tensor, wrapped: object) -> None:
    class Wrapped(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.inner = seeded(Vgg())

        def forward(self, x: Tensor) -> object:
            return wrapped(self.inner(x))  # type: ignore[operator]

    assert torch.equal(wrap(Wrapped()).logits(image), wrap(seeded(Vgg())).logits(image))


def test_a_size_the_network_cannot_take_is_told() -> None:
    model = wrap(nn.Sequential(nn.Flatten(), nn.Linear(3 * 8 * 8, 5)), name="stiff", input_size=8)
    with pytest.raises(DreamscopeError, match=r"stiff can't run on 9x9 pixels .* made for 8x8"):
        model(torch.rand(1, 3, 9, 9))


def test_default_address_is_a_map(vgg: Classifier, residual: Classifier, tokens: Classifier) -> None:
    for model in (vgg, residual, tokens):
        assert min(model.layers[model.default_address].grid) > 1
    with pytest.raises(DreamscopeError, match=r"no layer .* has positions"):
        _ = wrap(nn.Sequential(nn.Flatten(), nn.Linear(192, 5)), input_size=8).default_address


def test_edited_is_another_and_the_old_one_is_untouched(vgg: Classifier, image: Tensor) -> None:
    before = vgg(image)
    blind = vgg.edited(Ablation("features.3"))
    assert not torch.equal(blind(image), before)
    assert torch.equal(vgg(image), before)
    assert (vgg.edits, hooks_on(vgg.module)) == ((), 0)
    assert torch.allclose(blind(image), vgg.module.classifier.bias.expand(1, -1))


def test_edits_compose_and_globs_spread(vgg: Classifier) -> None:
    twice = vgg.edited(Ablation("features.0:1")).edited([Ablation("features.[34]:2", how="scale:0.5")])
    assert [str(edit.address) for edit in twice.edits] == ["features.0:1", "features.3:2", "features.4:2"]
    assert twice.source["edits"] == [edit.to_dict() for edit in twice.edits]
    with pytest.raises(DreamscopeError, match="no layer"):
        vgg.edited(Ablation("features.99"))


def test_edits_in_a_transformer(image: Tensor) -> None:
    model = wrap(seeded(Tokens()), input_size=32)
    picture = image[..., :32, :32]
    changed = model.edited([Ablation("attention"), Ablation("mlp:0-15")])
    # Without the last features only the head's bias is left.
    assert torch.allclose(changed(picture), model.module.head.bias.expand(1, -1))


def test_repr_is_one_line(vgg: Classifier) -> None:
    assert repr(vgg) == "Classifier('Vgg', classes=5, input_size=(32, 32))"
    assert "features.0" in repr(vgg.edited(Ablation("features.0")))


def test_the_unit_of_a_normalization() -> None:
    assert Normalization().unit == 1
    assert Normalization((0.4, 0.4, 0.4), (0.2, 0.3, 0.4)).unit == pytest.approx(0.3)
    assert Normalization((0.4, 0.4, 0.4), scale=255.0).unit == pytest.approx(1 / 255)
