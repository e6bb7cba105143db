from __future__ import annotations

import json
from pathlib import Path

import pytest
import torch
from nets import Linear, Planted, Vgg, seeded
from torch import Tensor

from dreamscope.errors import DreamscopeError
from dreamscope.models.classifier import Classifier
from dreamscope.models.edits import Ablation
from dreamscope.models.ensemble import ensemble
from dreamscope.models.registry import load, load_again
from dreamscope.models.wrapping import wrap
from dreamscope.probes import LOGITS, probe


def other(**changes: object) -> Classifier:
    arguments = {"name": "second", "input_size": 32, "mean": (0.5, 0.5, 0.5), "std": (0.2, 0.2, 0.2), **changes}
    return wrap(seeded(Vgg(), seed=1), **arguments)  # type: ignore[arg-type]


def test_scores_are_the_mean_and_layers_have_the_networks_name(vgg: Classifier, image: Tensor) -> None:
    second = other()
    both = ensemble([vgg, second])
    assert both.name == "Vgg+second"
    assert both.labels == vgg.labels
    assert torch.allclose(both.logits(image), (vgg.logits(image) + second.logits(image)) / 2)
    assert {f"{name}.{layer}" for name in ("Vgg", "second") for layer in vgg.layers} <= set(both.layers)
    with probe(both, ["second.features.0", LOGITS]) as seen, probe(second, ["features.0"]) as alone:
        assert torch.equal(seen(image)["second.features.0"], alone(image)["features.0"])
    assert both.default_address == f"Vgg.{vgg.default_address}"


def test_each_network_sees_the_picture_at_its_own_size(vgg: Classifier) -> None:
    both = ensemble([vgg, other(input_size=64)])
    assert both.layers["Vgg.features.0"].grid == (32, 32)
    assert both.layers["second.features.0"].grid == (64, 64)
    assert both.layers_at(16)["second.features.0"].grid == (32, 32)


def test_networks_of_one_name(vgg: Classifier) -> None:
    assert ensemble([vgg, other(name="Vgg"), other(name="timm:Vgg")]).name == "Vgg+Vgg_2+Vgg_3"


def test_a_network_without_classes_gives_its_layers(vgg: Classifier, image: Tensor) -> None:
    maps = wrap(seeded(Linear()), input_size=32)
    both = ensemble([maps, vgg])
    assert torch.equal(both.logits(image), vgg.logits(image))
    with probe(both, ["Linear.conv"]) as seen:
        assert torch.equal(seen(image)["Linear.conv"], maps(image))
    with pytest.raises(DreamscopeError, match=r"Linear\+Linear_2 has no classes"):
        ensemble([maps, maps]).logits(image)


def test_edits_stay_and_no_network_is_changed(vgg: Classifier, image: Tensor) -> None:
    before = vgg.logits(image)
    blind = vgg.edited(Ablation("features.0:1"))
    both = ensemble([blind, other()])
    assert [str(edit.address) for edit in both.edits] == ["Vgg.features.0:1"]
    assert torch.allclose(both.logits(image), (blind.logits(image) + other().logits(image)) / 2)
    again = both.edited(Ablation("second.features.0:2"))
    assert not torch.equal(again.logits(image), both.logits(image))
    assert torch.equal(vgg.logits(image), before)


@pytest.mark.parametrize(
    ("networks", "message"),
    [
        (lambda vgg: [vgg], "2 networks or more, not of 1"),
        (lambda vgg: [vgg, wrap(Planted(), input_size=16)], "differ in their number: Vgg 5, Planted 3"),
    ],
)
def test_what_is_no_ensemble(vgg: Classifier, networks: object, message: str) -> None:
    with pytest.raises(DreamscopeError, match=message):
        ensemble(networks(vgg))  # type: ignore[operator]


def test_it_is_loaded_again(tmp_path: Path, image: Tensor) -> None:
    both = ensemble([load("squeezenet1_1", weights="none"), load("squeezenet1_0", weights="none")])
    edited = both.edited(Ablation("squeezenet1_0.features.3:2"))
    source = json.loads(json.dumps(edited.source))
    again = load_again(source, tmp_path / "out.png")
    assert again.edits == edited.edits
    assert torch.equal(again.logits(image), edited.logits(image))
    relabelled = wrap(both, labels=[f"thing {index}" for index in range(1000)])
    assert load_again(relabelled.source, tmp_path / "out.png").labels == relabelled.labels
    named = tmp_path / "labels.txt"
    named.write_text("\n".join(relabelled.labels))
    assert load_again(source, tmp_path / "out.png", labels=str(named)).labels == relabelled.labels
    with pytest.raises(DreamscopeError, match="names 2 networks; give --model and --weights for each"):
        load_again(source, tmp_path / "out.png", weights="none")
