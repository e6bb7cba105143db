from __future__ import annotations

import pytest
import torch
from torch import Tensor

from dreamscope.errors import DreamscopeError
from dreamscope.exploration import watching
from dreamscope.exploration.watching import Levels, Watch, strongest
from dreamscope.models.ablation import Ablation
from dreamscope.models.classifier import Classifier
from dreamscope.probes import probe

RED = torch.tensor([0.7, 0.1, 0.1]).view(1, 3, 1, 1).expand(1, 3, 16, 16)


def test_a_glance_is_what_a_probe_records_and_the_network_says(vgg: Classifier, image: Tensor) -> None:
    layer = next(name for name in vgg.layers if vgg.layers[name].grid)
    with torch.no_grad(), probe(vgg, layer) as seen:
        wanted = seen(vgg.prepared(image))[layer][0]
    found = Watch(vgg, layer)(image)
    torch.testing.assert_close(found.maps, wanted, rtol=1e-4, atol=1e-4)
    assert found.shares is not None
    torch.testing.assert_close(
        found.shares, vgg.logits(vgg.prepared(image)).softmax(1)[0].detach(), rtol=1e-4, atol=1e-4
    )
    assert found.before is None


def test_a_channel_that_is_off_takes_its_class_away_and_what_was_is_told(planted: Classifier) -> None:
    found = Watch(planted, "act", [Ablation("act:8")])(RED)
    assert found.shares is not None
    assert found.before is not None
    assert planted.label(int(found.before.argmax())) == "red"
    assert planted.label(int(found.shares.argmax())) != "red"
    assert not found.maps[8].any()


def test_tokens_and_vectors_are_maps_too_and_large_maps_are_made_smaller(
    tokens: Classifier, vgg: Classifier, image: Tensor, monkeypatch: pytest.MonkeyPatch
) -> None:
    with_tokens = next(name for name, layer in tokens.layers.items() if len(layer.grid) == 1)
    maps = Watch(tokens, with_tokens)(image).maps
    assert maps.shape[1] == maps.shape[2] > 1
    vector = next(name for name, layer in vgg.layers.items() if not layer.grid)
    assert Watch(vgg, vector)(image).maps.shape[1:] == (1, 1)
    monkeypatch.setattr(watching, "MOST_VALUES", 1000)
    large = Watch(vgg, next(iter(vgg.layers)))(image).maps
    assert large.numel() <= 1000


def test_no_such_layer(vgg: Classifier) -> None:
    with pytest.raises(DreamscopeError, match="no layer"):
        Watch(vgg, "nowhere")(torch.rand(1, 3, 32, 32))


def test_levels_follow_slowly_and_do_not_flicker() -> None:
    levels, random = Levels(), torch.Generator().manual_seed(0)
    quiet = torch.randn((4, 8, 8), generator=random)
    first = levels(quiet, 0.0)
    assert first.abs().max() <= 1
    torch.testing.assert_close(levels(quiet, 0.05), first)
    # A flash in one channel changes that channel alone, and the others' scale not at all.
    flash = quiet.clone()
    flash[2] *= 10
    flashed = levels(flash, 0.05)
    torch.testing.assert_close(flashed[[0, 1, 3]], first[[0, 1, 3]])
    assert flashed[2].abs().mean() > first[2].abs().mean()
    # After it, a little is still to be seen of it; after a while nothing.
    after = levels(quiet, 0.05)
    assert (after[2] - first[2]).abs().max() > 0.01
    for _ in range(400):
        after = levels(quiet, 0.05)
    torch.testing.assert_close(after, first, atol=1e-3, rtol=0)


def test_levels_begin_at_zero_where_nothing_is_below_it_and_leave_weak_channels_faint() -> None:
    maps = torch.zeros(3, 4, 4)
    maps[0, 0, 0], maps[1, 0, 0], maps[2, 0, 0] = 10, 10, 0.1
    shown = Levels()(maps, 0.0)
    assert shown.min() == 0
    assert shown[0, 0, 0] == 1
    assert shown[2, 0, 0] < 0.1


def test_what_is_off_keeps_its_level() -> None:
    levels = Levels()
    maps = torch.randn((2, 4, 4), generator=torch.Generator().manual_seed(0))
    first = levels(maps, 0.0)
    off = maps.clone()
    off[1] = 0
    for _ in range(50):
        levels(off, 1.0, still=[1])
    torch.testing.assert_close(levels(maps, 0.0), first)


def test_the_strongest_place() -> None:
    maps = torch.zeros(2, 3, 5)
    maps[1, 2, 3] = 7
    assert strongest(maps, 1) == (7.0, 2, 3)
