from __future__ import annotations

from pathlib import Path

import pytest
import torch
from baked import MAKERS, changed, same, trained
from nets import hooks_on
from torch import Tensor, nn
from torch.nn import functional as F

from dreamscope.errors import DreamscopeError
from dreamscope.models.addresses import Address
from dreamscope.models.classifier import Classifier
from dreamscope.models.edit_base import Edit
from dreamscope.models.edits import Ablation, Add
from dreamscope.models.erase import Erase
from dreamscope.models.registry import load
from dreamscope.models.weight_export import bake, export
from dreamscope.models.wrapping import wrap
from dreamscope.probes import probe


class Pair(nn.Module):
    """Two channels made by weights, two answers made of them."""

    def __init__(self) -> None:
        super().__init__()
        self.conv = nn.Conv2d(3, 2, 1)
        self.act = nn.ReLU()
        self.head = nn.Linear(2, 2)
        with torch.no_grad():
            self.conv.weight.copy_(torch.tensor([[1.0, 2, 3], [4, 5, 6]]).view(2, 3, 1, 1))
            self.conv.bias.copy_(torch.tensor([1.0, -1]))
            self.head.weight.copy_(torch.tensor([[1.0, 2], [3, 4]]))
            self.head.bias.copy_(torch.tensor([0.0, 10]))

    def forward(self, x: Tensor) -> Tensor:
        return self.head(self.act(self.conv(x)).mean((2, 3)))


class Pooled(nn.Module):
    """A map that goes into an average pooling padded with zeros, a flattened one, and a concatenation."""

    def __init__(self) -> None:
        super().__init__()
        self.conv = nn.Conv2d(3, 4, 1)
        self.act = nn.ReLU()
        self.pooled = nn.Conv2d(4, 5, 1)
        self.beside = nn.Conv2d(6, 5, 1, bias=False)
        self.norm = nn.BatchNorm2d(5)
        self.other = nn.Conv2d(3, 2, 1)
        self.head = nn.Linear(4 * 4 * 4 + 10, 3)

    def forward(self, x: Tensor) -> Tensor:
        y = self.act(self.conv(x))
        pooled = self.pooled(F.avg_pool2d(y, 3, 1, padding=1))
        beside = self.norm(self.beside(torch.cat([self.other(x), F.avg_pool2d(y, 2, 2).repeat(1, 1, 2, 2)], 1)))
        return self.head(torch.cat([F.avg_pool2d(y, 2, 2).flatten(1), pooled.mean((2, 3)), beside.mean((2, 3))], 1))


class Highest(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.act = nn.ReLU()
        self.head = nn.Linear(3, 2)

    def forward(self, x: Tensor) -> Tensor:
        return self.head(F.adaptive_max_pool2d(self.act(x), 1).flatten(1))


NETS = {**MAKERS, "pooled": (Pooled, 8)}


def net(name: str) -> Classifier:
    make, size = NETS[name]
    return wrap(trained(make()), input_size=size, mean=(0.5, 0.4, 0.3), std=(0.2, 0.3, 0.2))


def erase(model: Classifier, address: str, count: int = 2, *, center: bool = True, seed: int = 0) -> Erase:
    """Return a projection along directions drawn at random."""
    parsed = Address.parse(address)
    channels = model.layers[parsed.layer].channels if parsed.channels is None else len(parsed.channels)
    generator = torch.Generator().manual_seed(seed)
    read = torch.randn((count, channels), generator=generator)
    remove = torch.linalg.pinv(read + 0.3 * torch.randn((count, channels), generator=generator))
    remove = remove @ torch.linalg.inv(read @ remove)
    middle = torch.randn(channels, generator=generator)
    return Erase(parsed, remove, read, middle if center else None)


def test_on_paper() -> None:
    model = wrap(Pair(), input_size=4)
    # (x, y) -> (x - (x + y - 3), y) = (3 - y, y).
    rows = bake(model.edited(Erase("conv", [1.0, 0.0], [1.0, 1.0], [1.0, 2.0])))
    assert rows["conv.weight"].flatten(1).tolist() == [[-4, -5, -6], [4, 5, 6]]
    assert rows["conv.bias"].tolist() == [4, -1]
    columns = bake(model.edited(Erase("act", [1.0, 0.0], [1.0, 1.0], [1.0, 2.0])))
    assert columns["head.weight"].tolist() == [[0, 1], [0, 1]]
    assert columns["head.bias"].tolist() == [3, 19]
    assert changed(model, columns) == {"head.weight", "head.bias"}
    one = bake(model.edited(Erase("act:1", [2.0], [1.0])))
    assert one["head.weight"].tolist() == [[1, -2], [3, -4]]
    assert changed(model, one) == {"head.weight"}


@pytest.mark.parametrize(
    ("name", "address", "where"),
    [
        ("vgg", "features.0", "features.0.weight features.0.bias"),
        ("vgg", "features.0:1,4,6", "features.0.weight features.0.bias"),
        ("vgg", "features.5", "classifier.weight classifier.bias"),
        ("vgg", "classifier", "classifier.weight classifier.bias"),
        # Made by a convolution and a norm behind it, both.
        ("residual", "bn1", "conv1.weight bn1.weight bn1.bias"),
        ("residual", "layer1.0.bn1:1,3,4", "layer1.0.conv1.weight layer1.0.bn1.weight layer1.0.bn1.bias"),
        ("residual", "layer1.0.bn2", "layer1.0.conv2.weight layer1.0.bn2.weight layer1.0.bn2.bias"),
        # What is added goes into the norm behind, for lack of a bias.
        ("residual", "layer1.0.conv2", "layer1.0.conv2.weight layer1.0.bn2.bias"),
        ("residual", "layer1", "fc.weight fc.bias"),
        ("grouped", "norm", "stem.weight stem.bias norm.weight norm.bias"),
        ("grouped", "stem", "stem.weight stem.bias"),
        ("mlp", "patch", "patch.weight patch.bias"),
        ("mlp", "act", "two.weight two.bias"),
        ("tokens", "patch", "patch.weight patch.bias"),
        ("tokens", "mlp:3,4", "mlp.weight mlp.bias"),
    ],
)
def test_baked(name: str, address: str, where: str) -> None:
    model = net(name)
    edited = model.edited(erase(model, address))
    state = bake(edited)
    assert changed(model, state) == set(where.split())
    assert same(edited, state, NETS[name][0]())
    assert hooks_on(model.module) == 0


def test_through_pooling_flattening_and_concatenation() -> None:
    model = net("pooled")
    edited = model.edited(erase(model, "act", center=False))
    state = bake(edited)
    assert changed(model, state) == {"pooled.weight", "beside.weight", "head.weight"}
    assert same(edited, state, Pooled())
    with pytest.raises(DreamscopeError, match=r"'pooled' they are averaged with zeros around the map.*center of None"):
        bake(model.edited(erase(model, "act")))


def test_part_of_a_direction_may_stay() -> None:
    model = net("residual")
    generator = torch.Generator().manual_seed(0)
    edit = Erase("bn1", torch.randn((8, 3), generator=generator), torch.randn((3, 8), generator=generator), [0.1] * 8)
    edited = model.edited(edit)
    assert same(edited, bake(edited), NETS["residual"][0]())


def test_what_is_erased_can_not_be_read_in_the_exported_network(tmp_path: Path) -> None:
    model = net("residual")
    edit = erase(model, "layer1.0.bn2")
    state = bake(model.edited(edit))
    module = NETS["residual"][0]()
    module.load_state_dict(state)
    plain = wrap(module, input_size=32, mean=(0.5, 0.4, 0.3), std=(0.2, 0.3, 0.2))
    images = torch.rand((2, 3, 32, 32), generator=torch.Generator().manual_seed(1))
    assert edit.center is not None
    with torch.no_grad(), probe(plain, "layer1.0.bn2") as seen:
        left = torch.einsum("kc,nchw->nkhw", edit.read, seen(images)["layer1.0.bn2"])
    assert torch.allclose(left, (edit.read @ edit.center).view(2, 1, 1).expand_as(left), atol=1e-4)


@pytest.mark.parametrize("seed", range(3))
def test_several_in_their_order(seed: int) -> None:
    """Edits that do not commute, on one layer and on others with and without weights in between."""
    model = net("vgg")
    one, two, three = (erase(model, "features.3", 1, seed=3 * seed + number) for number in range(3))
    behind = [erase(model, "features.5", 1, seed=seed), Ablation("features.4:2", "scale:0.5"), erase(model, "features")]
    for edits in (
        [one, two, three],
        [one, Ablation("features.3:0-3", "scale:0.5"), two, Add("features.3", [0.1] * 12)],
        [one, Ablation("features.3:0-3", "scale:-1"), two],
        [behind[0], one, *behind[1:]],
        [*behind, Add("features.5", [0.1] * 12), Ablation("features.5:1"), Ablation("features.1:3")],
    ):
        edited = model.edited(edits)
        assert same(edited, bake(edited), NETS["vgg"][0]())
    model = net("residual")
    edits = [erase(model, "layer1"), erase(model, "layer1.0.bn2"), erase(model, "layer1", seed=5), erase(model, "bn1")]
    edits += [erase(model, "layer1.0.conv2"), erase(model, "layer1.0.bn2", seed=6), Ablation("layer1.0.bn2:3")]
    edited = model.edited(edits)
    assert same(edited, bake(edited), NETS["residual"][0]())


@pytest.mark.parametrize(
    ("name", "address", "reason"),
    [
        (
            "residual",
            "layer1.0",
            "'layer1.1.conv1' pads with zeros, where nothing is erased",
        ),
        ("residual", "layer1.1.bn1@1,1", "leave out @ROW,COL"),
        # Between two pools: the highest of several is no projection of the highest.
        ("vgg", "features.1", "on the way to 'features.3' they are summed with others .*does not keep directions"),
        ("vgg", "features.2", "'features.3' pads with zeros, where nothing is erased"),
        ("grouped", "clamp", r"'grouped' \(Conv2d\) takes its channels alone or in groups, and a direction goes"),
        ("tokens", "norm", r"go into 'attention' \(MultiheadAttention\), which has no weights for single channels"),
    ],
)
def test_refused(name: str, address: str, reason: str) -> None:
    model = net(name)
    with pytest.raises(DreamscopeError, match=f"can't be baked into weights: .*{reason}") as refused:
        bake(model.edited(erase(model, address)))
    assert "(erase)" in str(refused.value)


def test_refused_behind_a_sum_and_behind_the_highest_of_several() -> None:
    model = net("residual")
    with pytest.raises(DreamscopeError, match=r"on the way to 'fc' they are summed with others .*not keep directions"):
        bake(model.edited(erase(model, "layer1.0", center=False)))
    model = wrap(Highest(), input_size=4)
    with pytest.raises(DreamscopeError, match="changed in a way that does not keep directions"):
        bake(model.edited(erase(model, "act")))
    model = wrap(nn.Sequential(nn.AvgPool2d(2), nn.Flatten()), input_size=8)
    with pytest.raises(DreamscopeError, match="output with no weights in between"):
        bake(model.edited(erase(model, "0")))


def images_for(model: Classifier) -> Tensor:
    return torch.rand((2, 3, *model.input_size), generator=torch.Generator().manual_seed(7))


@pytest.mark.embedded
def test_lite0_in_plain_timm(lite0: Classifier, tmp_path: Path) -> None:
    import timm
    from safetensors.torch import load_file

    plain = timm.create_model("tf_efficientnet_lite0")
    parts = {
        # Into the 1x1 convolution that takes the sum in, and the norm behind it, for lack of a bias.
        "blocks.5.3": {"blocks.6.0.conv_pw", "blocks.6.0.bn1"},
        "blocks.4.1.bn3": {"blocks.4.1.conv_pwl", "blocks.4.1.bn3"},
        "blocks.6.0": {"blocks.6.0.conv_pwl", "blocks.6.0.bn3"},
        "global_pool": {"classifier"},
        "blocks.5.1.bn2.act": {"blocks.5.1.bn2"},
    }
    edits: list[Edit] = [*(erase(lite0, name) for name in list(parts)[:4]), Ablation("blocks.5.1.bn2.act")]
    for some in ([0], [1], range(5)):
        edited = lite0.edited([edits[index] for index in some])
        state = load_file(export(edited, tmp_path / "erased.safetensors"))
        expected = {part for index in some for part in parts[edits[index].address.layer]}
        assert {key.rpartition(".")[0] for key in changed(lite0, state)} == expected
        assert same(edited, state, plain)
    assert hooks_on(lite0.module) == 0


@pytest.mark.parametrize(
    ("name", "addresses"),
    [
        ("squeezenet1_1", ["features.12"]),
        ("resnet18", ["avgpool", "layer3.1.bn2"]),
    ],
)
def test_torchvision(name: str, addresses: list[str]) -> None:
    from torchvision.models import get_model

    model = load(name, weights="none")
    edits: list[Edit] = [erase(model, address) for address in addresses]
    edited = model.edited([*edits, Ablation(f"{addresses[0]}:3,5")])
    assert same(edited, bake(edited), get_model(name, weights=None))


def test_inception_with_its_padded_pooling() -> None:
    from torchvision.models import inception_v3

    model = load("inception_v3", weights="none")
    plain = inception_v3(weights=None, init_weights=False, aux_logits=False)
    edited = model.edited([erase(model, "Mixed_7c"), erase(model, "Mixed_6c", center=False)])
    state = bake(edited)
    branches = {f"Mixed_6d.{branch}.conv.weight" for branch in ("branch1x1", "branch7x7_1", "branch7x7dbl_1")}
    assert changed(model, state) == {*branches, "Mixed_6d.branch_pool.conv.weight", "fc.weight", "fc.bias"}
    assert same(edited, state, plain)
