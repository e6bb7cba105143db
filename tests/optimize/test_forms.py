from __future__ import annotations

import torch
from torch import Tensor, nn

from dreamscope.models.wrapping import wrap
from dreamscope.optimize.forms import Form
from dreamscope.probes import probe


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
