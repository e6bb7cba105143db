from __future__ import annotations

import pytest
import torch
from nets import hooks_on
from torch import Tensor

from dreamscope.models.classifier import Classifier
from dreamscope.models.edits import Ablation
from dreamscope.models.taps import tapped
from dreamscope.probes import probe


def test_a_gradient_can_be_taken_to_what_is_caught(vgg: Classifier, image: Tensor) -> None:
    # An in-place ReLU follows: what was caught is what the convolution itself put out.
    picture = image.clone().requires_grad_()
    with tapped(vgg, ["features.3", "features.4"]) as caught:
        score = vgg.logits(picture)[0, 2]
    before, after = torch.autograd.grad(score, [caught["features.3"], caught["features.4"]])
    assert torch.equal(before, after * (caught["features.3"] > 0))
    assert bool((caught["features.3"] < 0).any())
    with torch.no_grad():
        assert torch.equal(score, vgg.logits(image)[0, 2])
    assert hooks_on(vgg.module) == 0


def test_of_a_layer_that_runs_twice_the_last_time_counts(residual: Classifier, image: Tensor) -> None:
    with torch.no_grad(), tapped(residual, ["layer1.1.relu"]) as caught, probe(residual, "layer1.1") as seen:
        assert torch.equal(seen(image)["layer1.1"], caught["layer1.1.relu"])


def test_edits_come_first_and_tuples_stay_tuples(vgg: Classifier, tokens: Classifier, image: Tensor) -> None:
    with torch.no_grad(), tapped(vgg, ["features.4"]) as caught:
        vgg.edited(Ablation("features.4:3")).logits(image)
    assert not caught["features.4"][:, 3].any()
    picture = image[..., :32, :32]
    with torch.no_grad(), tapped(tokens, ["attention"]) as caught:
        assert torch.equal(tokens.logits(picture), tokens.logits(picture))
    assert caught["attention"].shape == (1, 17, 16)


def test_gone_after_an_error(vgg: Classifier) -> None:
    with pytest.raises(ValueError, match="mine"), tapped(vgg, ["features.4"]):
        raise ValueError("mine")
    assert hooks_on(vgg.module) == 0
