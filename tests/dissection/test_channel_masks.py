from __future__ import annotations

import pytest
import torch
from nets import hooks_on
from torch import Tensor

from dreamscope.dissection.channel_masks import masked
from dreamscope.models.classifier import Classifier
from dreamscope.models.edits import Ablation


def test_a_mask_of_zero_is_an_ablation(vgg: Classifier, image: Tensor) -> None:
    masks = torch.ones(12)
    masks[[3, 7]] = 0
    with masked(vgg, {"features.4": masks}):
        ours = vgg.logits(image)
    assert torch.equal(ours, vgg.edited(Ablation("features.4:3,7")).logits(image))
    assert hooks_on(vgg.module) == 0


def test_masks_and_shifts_of_each_photo(vgg: Classifier, image: Tensor) -> None:
    masks, shifts = torch.ones(2, 12), torch.zeros(2, 12)
    masks[1, 3], shifts[1, 3] = 0, 2.5
    with masked(vgg, {"features.4": masks}, {"features.4": shifts}):
        first, second = vgg.logits(torch.cat([image, image]))
    assert torch.allclose(first, vgg.logits(image)[0], atol=1e-6)
    assert not torch.allclose(second, first)


def test_the_gradient_to_a_mask_is_activation_times_gradient(vgg: Classifier, image: Tensor) -> None:
    masks = torch.ones(1, 12, requires_grad=True)
    seen: list[Tensor] = []

    def record(_module: object, _inputs: object, output: Tensor) -> None:
        output.retain_grad()
        seen.append(output)

    with masked(vgg, {"features.3": masks}), vgg.hooked({"features.3": record}):
        score = vgg.logits(image)[0, 2]
    score.backward()
    assert torch.allclose(masks.grad, (seen[0] * seen[0].grad).sum((2, 3)), atol=1e-6)


def test_channels_last_of_tokens(tokens: Classifier, image: Tensor) -> None:
    picture = image[..., :32, :32]
    with masked(tokens, {"mlp": torch.zeros(16)}):
        assert torch.allclose(tokens.logits(picture)[0], tokens.module.head.bias)


def test_gone_after_an_error(vgg: Classifier) -> None:
    with pytest.raises(ValueError, match="mine"), masked(vgg, {"features.4": torch.ones(12)}):
        raise ValueError("mine")
    assert hooks_on(vgg.module) == 0
