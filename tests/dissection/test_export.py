"""Weights of real blindings, judged by plain timm and torchvision."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from nets import hooks_on
from PIL import Image
from safetensors.torch import load_file
from sklearn.datasets import load_sample_image
from torch import Tensor, nn

from dreamscope import images, photos
from dreamscope.dissection.arms import CHOSEN
from dreamscope.dissection.finder import Approach, Finder
from dreamscope.dissection.removals import Removals
from dreamscope.dissection.scores import ChannelScores
from dreamscope.dissection.sites import sites
from dreamscope.models.addresses import resolve
from dreamscope.models.classifier import Classifier
from dreamscope.models.edit_base import Edit
from dreamscope.models.edits import Ablation
from dreamscope.models.erase import Erase
from dreamscope.models.registry import load
from dreamscope.models.weight_export import export

SIDE = 224


@pytest.fixture(scope="module")
def crops(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Crops of two photos, a flower and a palace."""
    folder = tmp_path_factory.mktemp("crops")
    random = np.random.default_rng(0)
    for name in ("flower", "china"):
        whole = load_sample_image(f"{name}.jpg")
        (folder / name).mkdir()
        for number in range(8):
            top, left = (random.integers(0, size - SIDE) for size in whole.shape[:2])
            Image.fromarray(whole[top : top + SIDE, left : left + SIDE]).save(folder / name / f"{number}.png")
    return folder


def found(model: Classifier, crops: Path, units: str, layers: str) -> list[Edit]:
    """Return what is taken away of what the flower is taken for."""
    flowers, others = (photos.find(crops / name)[:5] for name in ("flower", "china"))
    with torch.no_grad():
        index = int(model.logits(model.prepared(images.read(flowers[0].path))).argmax())
    ranked = (("joint",), None) if units == "directions" else (("contrast",), 8)
    finder = Finder(
        model,
        index,
        Approach(units, "answer", None, *ranked, "zero", curve=False, draws=1),
        layers=[address.layer for address in resolve([layers], model)],
        sites=sites(model),
        targets=flowers,
        controls=others,
    )
    return list(finder.run(flowers, others).edits[CHOSEN])


def judged(module: nn.Module, model: Classifier, path: Path, crops: Path) -> tuple[Tensor, Tensor]:
    """Return class scores by a plain network with the weights of a file, and by the edited classifier."""
    module.load_state_dict(load_file(path), strict=True)
    seen = [photo.path for name in ("flower", "china") for photo in photos.find(crops / name)[-3:]]
    pictures = torch.cat([images.read(each) for each in seen])
    with torch.no_grad():
        return module.eval()(model.normalization(pictures)), model.logits(pictures)


@pytest.fixture(scope="module")
def of_lite0(lite0: Classifier, crops: Path) -> list[Edit]:
    edits = found(lite0, crops, "both", "blocks.6.0.bn?.act")
    assert hooks_on(lite0.module) == 0
    return edits


@pytest.mark.embedded
@pytest.mark.parametrize("units", ["channels", "directions", "both"])
def test_lite0_by_timm(lite0: Classifier, of_lite0: list[Edit], crops: Path, tmp_path: Path, units: str) -> None:
    import timm

    kinds = {"channels": Ablation, "directions": Erase, "both": Edit}
    edits = [edit for edit in of_lite0 if isinstance(edit, kinds[units])]
    layers = [edit.address.layer for edit in edits]
    if units != "directions":
        assert any("act" in layer for layer in layers)
    if units != "channels":
        assert layers[-1] == "global_pool"
        assert "blocks.6.0.bn3" in layers
    model = lite0.edited(edits)
    path = export(model, tmp_path / "blind.safetensors")
    theirs, ours = judged(timm.create_model("tf_efficientnet_lite0"), model, path, crops)
    assert float((theirs - ours).abs().max()) <= 1e-4 * max(1.0, float(ours.abs().max()))
    # They are other answers than those of the intact network.
    seen = torch.cat([images.read(photo.path) for photo in photos.find(crops / "flower")[-3:]])
    assert float((model.logits(seen) - lite0.logits(seen)).abs().max()) > 0.1
    assert [file.name for file in tmp_path.iterdir()] == ["blind.safetensors"]
    assert hooks_on(lite0.module) == 0


def test_squeezenet_by_torchvision(crops: Path, tmp_path: Path, shared: Path) -> None:
    from torchvision.models import squeezenet1_1

    kept = shared / "weights" / "squeezenet1_1.safetensors"
    intact = load("squeezenet1_1", weights=kept if kept.exists() else "none")
    edits = found(intact, crops, "directions", "features.1[0-2].*")
    assert [edit.address.layer for edit in edits][-1] == "features.12"
    assert len(edits) > 1
    model = intact.edited(edits)
    path = export(model, tmp_path / "blind.safetensors")
    theirs, ours = judged(squeezenet1_1(), model, path, crops)
    assert float((theirs - ours).abs().max()) <= 1e-4 * max(1.0, float(ours.abs().max()))
    assert hooks_on(intact.module) == 0


@pytest.mark.embedded
def test_random_weights_by_timm(lite0: Classifier, crops: Path, tmp_path: Path) -> None:
    import timm

    removed = Removals(lite0, ["blocks.5.0.bn2.act", "blocks.6.0.bn1.act", "bn2.act"], "randomize")
    assert removed.layers == ["blocks.5.0.conv_dw", "blocks.6.0.conv_pw", "conv_head"]
    widths = {name: lite0.layers[name].channels for name in ("blocks.5.0.bn2.act", "blocks.6.0.bn1.act", "bn2.act")}
    scores = ChannelScores(widths, 0, "", {}, {}, {}, {}, None)
    model = lite0.edited(removed(scores, [*range(5, 25), *range(700, 720), *range(2000, 2020)]))
    path = export(model, tmp_path / "blind.safetensors")
    theirs, ours = judged(timm.create_model("tf_efficientnet_lite0"), model, path, crops)
    assert float((theirs - ours).abs().max()) <= 1e-4 * max(1.0, float(ours.abs().max()))
    state, own = load_file(path), lite0.module.state_dict()
    assert {key for key in own if not torch.equal(own[key], state[key])} == {
        f"{name}.weight" for name in removed.layers
    }
    seen = torch.cat([images.read(photo.path) for photo in photos.find(crops / "flower")[-3:]])
    assert float((model.logits(seen) - lite0.logits(seen)).abs().max()) > 0.1
    assert hooks_on(lite0.module) == 0


def test_random_weights_by_torchvision(crops: Path, tmp_path: Path, shared: Path) -> None:
    from torchvision.models import squeezenet1_1

    kept = shared / "weights" / "squeezenet1_1.safetensors"
    intact = load("squeezenet1_1", weights=kept if kept.exists() else "none")
    model = intact.edited(Ablation("features.12.expand3x3_activation:3,17,200", "randomize"))
    path = export(model, tmp_path / "blind.safetensors")
    theirs, ours = judged(squeezenet1_1(), model, path, crops)
    assert float((theirs - ours).abs().max()) <= 1e-4 * max(1.0, float(ours.abs().max()))
    rows = load_file(path)["features.12.expand3x3.weight"] != intact.module.state_dict()["features.12.expand3x3.weight"]
    assert sorted(set(rows.nonzero()[:, 0].tolist())) == [3, 17, 200]
