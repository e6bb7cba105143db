from __future__ import annotations

import pytest
import torch

from dreamscope.models.efficientnet_lite import EfficientNet


@pytest.mark.parametrize("size", [(64, 64), (65, 90)], ids=str)
def test_names_shapes_and_outputs_are_timms(size: tuple[int, int]) -> None:
    import timm

    torch.manual_seed(0)
    ours, theirs = EfficientNet().eval(), timm.create_model("tf_efficientnet_lite0").eval()
    assert [name for name, _ in ours.named_modules()] == [name for name, _ in theirs.named_modules()]
    assert {k: v.shape for k, v in ours.state_dict().items()} == {k: v.shape for k, v in theirs.state_dict().items()}
    ours.load_state_dict(theirs.state_dict())
    image = torch.randn(2, 3, *size)
    assert torch.allclose(ours(image), theirs(image), atol=1e-5)


def test_untrained_signals_keep_their_size() -> None:
    torch.manual_seed(0)
    network = EfficientNet().eval()
    with torch.no_grad():
        features = network.blocks(network.bn1(network.conv_stem(torch.randn(2, 3, 64, 64))))
    assert 0.05 < features.std() < 20
