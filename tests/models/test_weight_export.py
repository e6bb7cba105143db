from __future__ import annotations

import json
from pathlib import Path

import pytest
import torch
from baked import MAKERS, a, changed, same
from nets import Vgg, hooks_on
from safetensors import safe_open
from torch import nn

from dreamscope.errors import DreamscopeError
from dreamscope.models.addresses import Address
from dreamscope.models.classifier import Classifier
from dreamscope.models.edit_base import Edit
from dreamscope.models.edits import Ablation, Add, Custom, Patch, Replace
from dreamscope.models.registry import load
from dreamscope.models.weight_export import bake, export
from dreamscope.models.wrapping import wrap


@pytest.mark.parametrize(
    ("net", "address", "how", "where"),
    [
        ("vgg", "features.0:2", "zero", "features.0.weight features.0.bias"),
        ("vgg", "features.1:2,5", "zero", "features.0.weight features.0.bias"),
        ("vgg", "features.2:2,5", "scale:0.5", "features.3.weight"),
        ("vgg", "features.5:1", "scale:-2", "classifier.weight"),
        ("vgg", "features", "zero", "features.3.weight features.3.bias"),
        ("vgg", "classifier:2", "scale:0.5", "classifier.weight classifier.bias"),
        ("residual", "conv1:1", "zero", "conv1.weight"),
        ("residual", "conv1:1", "scale:0.5", "bn1.weight bn1.bias"),
        ("residual", "layer1.0.bn1:3", "zero", "layer1.0.bn1.weight layer1.0.bn1.bias"),
        ("residual", "layer1.0.bn1:3", "scale:0.5", "layer1.0.conv2.weight"),
        # Summed with the block's input: only those that make it can be changed.
        ("residual", "layer1.0.bn2:3", "zero", "layer1.0.bn2.weight layer1.0.bn2.bias"),
        ("residual", "layer1.0.bn2:3", "scale:0.5", "layer1.0.bn2.weight layer1.0.bn2.bias"),
        # Taken in by a sum too, but made by one norm, and a ReLU keeps a half.
        ("residual", "relu:3", "scale:0.5", "bn1.weight bn1.bias"),
        # The last block's output goes into the head and nowhere else; its ReLU runs twice.
        ("residual", "layer1:3", "zero", "fc.weight"),
        ("residual", "layer1.1.relu:3", "scale:0.5", "fc.weight layer1.1.conv2.weight"),
        ("tokens", "patch:3", "zero", "patch.weight patch.bias"),
        ("tokens", "norm:3", "zero", "norm.weight norm.bias"),
        ("tokens", "mlp:3,4", "scale:3", "head.weight"),
        ("grouped", "norm:5", "scale:0.5", "depthwise.weight"),
        ("grouped", "depthwise:3", "zero", "depthwise.weight depthwise.bias"),
        ("grouped", "clamp:1,6", "scale:0.5", "grouped.weight"),
        ("grouped", "grouped:1,7", "zero", "grouped.weight grouped.bias"),
        ("mlp", "patch:1", "scale:0.5", "one.weight"),
        ("mlp", "act:3", "zero", "one.weight one.bias"),
        ("mlp", "act:3", "scale:0.5", "two.weight"),
        # A curve between: only the weights before it.
        ("mlp", "one:3", "scale:0.5", "one.weight one.bias"),
        ("joined", "left:1", "zero", "left.weight left.bias"),
        ("vgg", "features.2:2,5", "randomize", "features.0.weight features.0.bias"),
        ("residual", "layer1.0.bn2:3", "randomize", "layer1.0.conv2.weight"),
        ("tokens", "mlp:3,4", "randomize:2", "mlp.weight mlp.bias"),
        ("grouped", "clamp:1,6", "randomize", "depthwise.weight depthwise.bias"),
        ("grouped", "grouped:1,7", "randomize", "grouped.weight grouped.bias"),
        ("mlp", "act", "randomize", "one.weight one.bias"),
    ],
)
def test_baked(net: str, address: str, how: str, where: str) -> None:
    model = a(net)
    edited = model.edited(Ablation(address, how))
    state = bake(edited)
    assert changed(model, state) == set(where.split())
    assert same(edited, state, MAKERS[net][0]())


def test_only_the_columns_or_rows_meant_change() -> None:
    model = a("grouped")
    own = model.module.state_dict()
    rows = bake(model.edited(Ablation("grouped:1,7")))["grouped.weight"] != own["grouped.weight"]
    assert sorted(set(rows.nonzero()[:, 0].tolist())) == [1, 7]
    columns = bake(model.edited(Ablation("clamp:6", "scale:0.5")))["grouped.weight"] != own["grouped.weight"]
    # Channel 6 is the third of the second group, which makes the last six.
    assert sorted(columns.nonzero()[:, :2].tolist()) == [[row, 2] for row in range(6, 12)]


def test_several_edits_in_any_order() -> None:
    edits = [
        *(Ablation("features.1:2"), Ablation("features.5:2", "scale:0.5"), Ablation("features.1:2-4", "scale:0.25")),
        *(Ablation("features.4:1,2", "randomize"), Ablation("features.3:1", "scale:0.5")),
    ]
    for order in (edits, edits[::-1]):
        edited = a("vgg").edited(order)
        assert same(edited, bake(edited), Vgg())


def test_the_original_is_untouched_and_nothing_is_shared_with_it() -> None:
    model = a("residual")
    before = {key: value.clone() for key, value in model.module.state_dict().items()}
    edited = model.edited(Ablation("layer1.0.bn1:3"))
    state = bake(edited)
    for value in state.values():
        value.zero_()
    assert all(torch.equal(value, before[key]) for key, value in model.module.state_dict().items())
    assert hooks_on(model.module) == 0
    assert list(state) == list(before)
    assert state["bn1.num_batches_tracked"].dtype == torch.int64


def test_without_edits_the_weights_as_they_are() -> None:
    assert changed(a("vgg"), bake(a("vgg"))) == set()


@pytest.mark.parametrize("dtype", [torch.float64, torch.bfloat16])
def test_other_precisions_stay(dtype: torch.dtype) -> None:
    model = a("vgg").to(dtype)
    state = bake(model.edited(Ablation("features.2:2", "scale:0.5")))
    assert {value.dtype for value in state.values()} == {dtype}
    assert changed(model, state) == {"features.3.weight"}


def test_a_channel_that_never_speaks_on_noise_is_baked_all_the_same() -> None:
    model = a("vgg")
    model.module.features[3].bias.data[4] = -100
    edited = model.edited(Ablation("features.4:4", "scale:0.5"))
    before, after = model.module.state_dict()["classifier.weight"], bake(edited)["classifier.weight"]
    assert torch.equal(after[:, 4], before[:, 4] / 2)


def test_shared_weights_are_changed_only_where_nobody_else_notices() -> None:
    model = a("joined")
    # Behind the shared weights: into the head, not into the weights.
    edited = model.edited(Ablation("second:2"))
    assert changed(model, bake(edited)) == {"head.weight"}
    with pytest.raises(DreamscopeError, match="can't be baked"):
        bake(model.edited(Ablation("first:2")))


@pytest.mark.parametrize(
    ("net", "address", "how", "reason"),
    [
        ("vgg", "features.1:2", "mean", "depends on the picture or the position; only"),
        ("vgg", "features.1:2", "noise", "depends on the picture"),
        ("vgg", "features.1:2", "gaussian", "depends on the picture"),
        ("joined", "first:2", "randomize", "other parts share these weights"),
        ("vgg", "features.1:2@3,4", "zero", "leave out @ROW,COL"),
        ("residual", "layer1.0:3", "zero", "on the way to 'fc' they are summed with others"),
        ("residual", "layer1.0.relu:3", "zero", "summed with others"),
        ("residual", "relu:3", "scale:-1", "summed with others"),
        ("tokens", "attention:3", "zero", "on the way to 'mlp' they are summed"),
        ("tokens", "patch:3", "scale:nan", "can't be baked"),
    ],
)
def test_refused(net: str, address: str, how: str, reason: str) -> None:
    edit = Ablation(address, how)
    with pytest.raises(DreamscopeError, match=reason) as refused:
        bake(a(net).edited(edit))
    assert str(refused.value).startswith(f"'{address}' ({how}) can't be baked into weights:")


def test_refused_where_an_output_has_no_weights_before_or_behind_it() -> None:
    model = wrap(nn.Sequential(nn.AdaptiveAvgPool2d(1), nn.Flatten()), input_size=8)
    with pytest.raises(DreamscopeError, match="output with no weights in between"):
        bake(model.edited(Ablation("0:1")))


def test_refused_where_a_norm_over_all_channels_takes_them_in() -> None:
    model = wrap(nn.Sequential(nn.AvgPool2d(2), nn.GroupNorm(1, 3), nn.Flatten(), nn.Linear(48, 2)), input_size=8)
    with pytest.raises(DreamscopeError, match=r"'1' \(GroupNorm\), whose weights can't be scaled for single channels"):
        bake(model.edited(Ablation("0:1")))


def test_refused_where_weights_are_made_anew_each_time() -> None:
    net = nn.Sequential(nn.Conv2d(3, 4, 1), nn.Flatten(2), nn.Softmax(1), nn.Flatten(), nn.Linear(256, 3))
    nn.utils.parametrizations.weight_norm(net[0])
    with pytest.raises(DreamscopeError, match="can't be baked"):
        bake(wrap(net, input_size=8).edited(Ablation("0:1", "scale:0.5")))


def test_exported_file(tmp_path: Path) -> None:
    edited = a("vgg").edited([Ablation("features.1:2"), Ablation("features.5:1", "scale:0.5")])
    path = export(edited, tmp_path / "blind.safetensors")
    with safe_open(path, "pt") as file:
        assert json.loads(file.metadata()["dreamscope"]) == [edit.to_dict() for edit in edited.edits]
        state = {key: file.get_tensor(key) for key in file.keys()}  # noqa: SIM118 - no mapping
    assert same(edited, state, Vgg())


def test_nothing_is_written_when_refused(tmp_path: Path) -> None:
    with pytest.raises(DreamscopeError, match=r"written as \.safetensors; .*blind\.pth"):
        export(a("vgg"), tmp_path / "blind.pth")
    with pytest.raises(DreamscopeError, match="no folder"):
        export(a("vgg"), tmp_path / "none" / "blind.safetensors")
    with pytest.raises(DreamscopeError, match="can't be baked"):
        export(a("vgg").edited(Ablation("features.1", "mean")), tmp_path / "blind.safetensors")
    assert list(tmp_path.iterdir()) == []


@pytest.mark.embedded
def test_lite0_without_dreamscope(lite0: Classifier, tmp_path: Path) -> None:
    import timm
    from safetensors.torch import load_file

    edited = lite0.edited([Ablation("blocks.4.1.bn2.act:3,17"), Ablation("blocks.5.1.bn2.act")])
    path = export(edited, tmp_path / "blind.safetensors")
    assert same(edited, load_file(path), timm.create_model("tf_efficientnet_lite0"))
    again = load("efficientnet_lite0", weights=path)
    image = torch.rand((1, 3, 224, 224), generator=torch.Generator().manual_seed(1))
    assert torch.allclose(again(image), edited(image), atol=1e-4)


@pytest.mark.embedded
def test_lite0_block_outputs_are_summed(lite0: Classifier) -> None:
    with pytest.raises(DreamscopeError, match="summed with others"):
        bake(lite0.edited(Ablation("blocks.4.1:3")))


def test_squeezenet_concatenates() -> None:
    from torchvision.models import squeezenet1_1

    model = load("squeezenet1_1", weights="none")
    for how, where in (("zero", {"features.10.expand3x3.weight"}), ("scale:0.5", {"features.11.squeeze.weight"})):
        edited = model.edited(Ablation("features.10.expand3x3_activation:5", how))
        state = bake(edited)
        assert changed(model, state) == where
        assert same(edited, state, squeezenet1_1())
    columns = state["features.11.squeeze.weight"] != model.module.state_dict()["features.11.squeeze.weight"]
    assert set(columns.nonzero()[:, 1].tolist()) == {192 + 5}


@pytest.mark.parametrize(
    ("net", "address", "where"),
    [
        ("vgg", "features.0:2", "features.0.bias"),
        ("vgg", "features.5:1,3", "classifier.bias"),
        ("vgg", "features.3", "features.3.bias"),
        # No bias where the channels are made: the norm that takes them in has one.
        ("residual", "conv1:1", "bn1.bias"),
        ("residual", "layer1.0.bn2:3", "layer1.0.bn2.bias"),
        ("residual", "layer1:2", "fc.bias"),
        ("grouped", "clamp:1,6", "grouped.bias"),
        ("mlp", "one:3", "one.bias"),
        ("tokens", "mlp:3,4", "mlp.bias"),
    ],
)
def test_a_direction_goes_into_a_bias(net: str, address: str, where: str) -> None:
    model = a(net)
    channels = Address.parse(address).channels or range(model.layers[Address.parse(address).layer].channels)
    edited = model.edited(Add(address, [0.3 + 0.1 * index for index, _ in enumerate(channels)], -1.5))
    state = bake(edited)
    assert changed(model, state) == {where}
    assert same(edited, state, MAKERS[net][0]())


@pytest.mark.parametrize(
    ("net", "edit", "reason"),
    [
        ("vgg", Add("features.1:2", [1.0]), "'features.3' pads with zeros"),
        ("residual", Add("relu:3", [1.0]), "'layer1.0.conv1' pads with zeros"),
        ("vgg", Add("features.0:2@1,1", [1.0]), r"leave out @ROW,COL"),
        ("vgg", Replace("features.0:2", 1.0), "only the edits zero, scale:X, randomize, Add and Erase"),
        ("vgg", Patch("features.0:2", torch.ones(1, 1, 32, 32)), "depends on the picture or the position"),
        ("vgg", Custom("features.0:2", torch.relu), "only the edits"),
    ],
)
def test_what_no_bias_can_hold_is_refused(net: str, edit: Edit, reason: str) -> None:
    with pytest.raises(DreamscopeError, match=f"can't be baked into weights: .*{reason}"):
        bake(a(net).edited(edit))


def test_an_export_names_directions(tmp_path: Path) -> None:
    model = a("vgg").edited(Add("features.0:2", [0.5], 2))
    with safe_open(export(model, tmp_path / "a.safetensors"), "pt") as file:
        assert [Edit.from_dict(kept) for kept in json.loads(file.metadata()["dreamscope"])] == list(model.edits)
