from __future__ import annotations

import json

import pytest
import torch
from baked import MAKERS, a
from nets import hooks_on
from torch import Tensor, nn

from dreamscope.errors import DreamscopeError
from dreamscope.models.ablation import Ablation
from dreamscope.models.classifier import Classifier
from dreamscope.models.edit_base import Edit
from dreamscope.models.randomize import Randomize
from dreamscope.models.registry import load
from dreamscope.models.wrapping import wrap
from dreamscope.optimize.precision import prepared
from dreamscope.probes import probe


def sums() -> Classifier:
    """Each of four channels is a sum of the colours, by weights 0 and 1 and biases 2 and 4."""
    net = nn.Sequential(nn.Conv2d(3, 4, 1), nn.ReLU())
    with torch.no_grad():
        net[0].weight.copy_(torch.tensor([[0.0, 1, 0], [1, 0, 1], [0, 1, 0], [1, 0, 1]]).view(4, 3, 1, 1))
        net[0].bias.copy_(torch.tensor([2.0, 4, 2, 4]))
    return wrap(net, input_size=8)


def test_it_has_the_spread_of_the_layers_weights() -> None:
    (edit,) = sums().edited(Ablation("0:1,2", "randomize:3")).edits
    assert edit == Randomize("0:1,2", weight=(0.5, 0.5), bias=(3, 1), seed=3)
    many = Randomize("a", (2.0, 3.0), (5.0, 0.5)).rows(nn.Conv2d(16, 400, 3))
    assert [float(each.mean()) for each in many] == pytest.approx([2, 5], abs=0.1)
    assert [float(each.std()) for each in many] == pytest.approx([3, 0.5], abs=0.1)


def test_only_its_channels_change_and_are_what_its_weights_make() -> None:
    model = sums()
    edited = model.edited(Ablation("1:1,3", "randomize"))
    (edit,) = edited.edits
    assert str(edit.address) == "0:1,3"
    image = torch.rand((2, 3, 8, 8), generator=torch.Generator().manual_seed(0))
    weight, bias = edit.rows(model.module[0])
    before, after = model(image), edited(image)
    assert torch.equal(after[:, [0, 2]], before[:, [0, 2]])
    by_hand = torch.einsum("oc,nchw->nohw", weight.flatten(1), image) + bias.view(-1, 1, 1)
    assert torch.allclose(after[:, [1, 3]], by_hand.relu(), atol=1e-6)
    assert not torch.allclose(after[:, 1], before[:, 1], atol=0.1)
    # One picture is what it is in any batch, and the shared weights are as they were.
    assert torch.equal(edited(image[1:]), after[1:])
    assert torch.equal(model(image), before)
    assert hooks_on(model.module) == 0


def test_a_channel_has_the_same_weights_whichever_others_go() -> None:
    conv = nn.Conv2d(3, 6, 3)
    alone, (weight, bias) = Randomize("a:4", (0, 1), (0, 1)).rows(conv), Randomize("a:1,4", (0, 1), (0, 1)).rows(conv)
    assert torch.equal(alone[0][0], weight[1])
    assert torch.equal(alone[1][0], bias[1])
    assert not torch.equal(weight[0], weight[1])
    assert not torch.equal(Randomize("a:4", (0, 1), (0, 1), seed=1).rows(conv)[0], alone[0])
    assert not torch.equal(Randomize("b:4", (0, 1), (0, 1)).rows(conv)[0], alone[0])


def with_rows(model: Classifier, edit: Randomize) -> nn.Module:
    """Return the network with the random weights in its own."""
    module = MAKERS["grouped"][0]()
    module.load_state_dict(model.module.state_dict())
    part = module.get_submodule(edit.address.layer)
    weight, bias = edit.rows(part)
    with torch.no_grad():
        part.weight[list(edit.address.channels)] = weight
        part.bias[list(edit.address.channels)] = bias
    return module.eval()


@pytest.mark.parametrize("address", ["stem:2,5", "norm:2,5", "depthwise:1,6", "clamp:7", "grouped:0,5,6,11", "head:3"])
def test_of_any_kind_of_layer(address: str, image: Tensor) -> None:
    model = a("grouped")
    edited = model.edited(Ablation(address, "randomize"))
    with torch.no_grad():
        expected = with_rows(model, edited.edits[0])(model.normalization(image))
        assert torch.allclose(edited(image), expected, atol=1e-5)
        assert not torch.allclose(edited(image), model(image), atol=1e-3)


def test_edits_of_one_layer_apply_in_the_order_given(image: Tensor) -> None:
    model = sums()
    with torch.no_grad():
        one, two = (
            model.edited(edits)(image)[:, 1]
            for edits in (
                [Ablation("0:1", "scale:2"), Ablation("0:1", "randomize")],
                [Ablation("0:1", "randomize"), Ablation("0:1", "scale:2")],
            )
        )
    assert torch.allclose(2 * one, two)


def test_it_survives_as_json_and_in_a_recipe() -> None:
    model = load("squeezenet1_1", weights="none").edited(Ablation("features.12.squeeze_activation:3", "randomize:7"))
    (edit,) = model.edits
    assert Edit.from_dict(json.loads(json.dumps(edit.to_dict()))) == edit
    assert edit.to_dict()["address"] == "features.12.squeeze:3"
    assert model.source["edits"] == [edit.to_dict()]


def test_tokens_and_vectors(tokens: Classifier) -> None:
    image = torch.rand((1, 3, 32, 32), generator=torch.Generator().manual_seed(0))
    edited = tokens.edited(Ablation("mlp:3", "randomize"))
    with torch.no_grad(), probe(tokens, "mlp") as before, probe(edited, "mlp") as after:
        moved = (before(image)["mlp"] - after(image)["mlp"]).abs().amax((0, 2))
    assert moved.nonzero().flatten().tolist() == [3]


@pytest.mark.parametrize(
    ("edit", "message"),
    [
        (Ablation("norm:1", "randomize"), r"'norm' is no convolution .* randomize one of them, such as 'patch'"),
        (Ablation("patch:1@0,0", "randomize"), "leave out @ROW,COL"),
        (Randomize("norm:1", (0, 1)), r"'norm:1' \(LayerNorm\) can't be randomized"),
        (Ablation("patch:99", "randomize"), "channel 99 is out of range"),
    ],
)
def test_where_there_are_no_weights(tokens: Classifier, edit: Edit | None, message: str) -> None:
    with pytest.raises(DreamscopeError, match=message):
        tokens.edited(edit)


def test_weights_that_are_made_anew_each_time() -> None:
    net = nn.Sequential(nn.Conv2d(3, 4, 1))
    nn.utils.parametrizations.weight_norm(net[0])
    with pytest.raises(DreamscopeError, match="only a convolution or linear layer has plain weights"):
        wrap(net, input_size=8).edited(Ablation("0:1", "randomize"))


def test_activations_alone_are_not_enough() -> None:
    with pytest.raises(DreamscopeError, match="changes weights, not activations"):
        Ablation("a:1", "randomize")(torch.zeros(1, 3, 2, 2))
    with pytest.raises(DreamscopeError, match="not on activations"):
        Randomize("a:1", (0, 1))(torch.zeros(1, 3, 2, 2))


@pytest.mark.embedded
def test_the_faster_form_of_a_network_has_them_too(lite0: Classifier) -> None:
    # Strided convolutions become others there, and norms go into convolutions.
    edited = lite0.edited([Ablation("conv_stem:3,9", "randomize"), Ablation("blocks.3.0.bn1.act:5,17", "randomize")])
    edited = edited.edited(Ablation("blocks.5.0.bn2.act:1,40", "randomize"))
    assert [edit.address.layer for edit in edited.edits] == ["conv_stem", "blocks.3.0.conv_pw", "blocks.5.0.conv_dw"]
    fast, _ = prepared(edited, ["conv_head"], 224, "float32/channels_last")
    image = torch.rand((1, 3, 224, 224), generator=torch.Generator().manual_seed(0))
    with torch.no_grad():
        assert torch.allclose(fast(image), edited(image), atol=1e-3)
        assert not torch.allclose(lite0(image), edited(image), atol=1e-2)
