from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
import torch
from nets import Functional, Linear, hooks_on, seeded
from torch import Tensor, nn

from dreamscope.attribution.base import method_named
from dreamscope.attribution.explain import METHODS, explain
from dreamscope.attribution.perturbations import Lime, Occlusion
from dreamscope.attribution.result import save_arrays
from dreamscope.errors import DreamscopeError
from dreamscope.models.addresses import Address
from dreamscope.models.classifier import Classifier
from dreamscope.models.edits import Ablation
from dreamscope.models.wrapping import wrap

QUICK = {
    "occlusion": "occlusion:8,8",
    "rise": "rise:40",
    "lime": "lime:40,10",
    "smoothgrad": "smoothgrad:4",
    "integrated": "integrated:4",
}


def quick(name: str) -> str:
    return QUICK.get(name, name)


@pytest.mark.parametrize("name", METHODS)
def test_every_method_has_one_convention(vgg: Classifier, image: Tensor, name: str) -> None:
    (found,) = explain(vgg, image, methods=quick(name))
    likeliest = vgg.classify(image)[0][0]
    assert found.method.name == name
    assert torch.equal(found.image, vgg.prepared(image))
    assert (found.subject, found.of_class) == (likeliest.label, True)
    assert found.value == pytest.approx(likeliest.probability, abs=1e-6)
    assert found.map.shape == (32, 32)
    assert found.map.dtype == torch.float32
    assert found.values.shape[1:] == (32, 32)
    assert torch.isfinite(found.map).all()
    assert bool((found.map < 0).any()) <= found.method.signed
    assert found.map.std() > 0
    assert hooks_on(vgg.module) == 0


@pytest.mark.parametrize("name", METHODS)
@pytest.mark.parametrize("of", ["features.4:3", "features.4:3@2,1", "class:1", "class:b - class:c"])
def test_classes_channels_neurons_and_sums(vgg: Classifier, image: Tensor, name: str, of: str) -> None:
    (found,) = explain(vgg, image, of, methods=quick(name))
    assert found.of_class == (of == "class:1")
    assert found.map.shape == (32, 32)
    assert hooks_on(vgg.module) == 0


def test_a_neuron_sees_only_its_receptive_field(vgg: Classifier, image: Tensor) -> None:
    (found,) = explain(vgg, image, "features.4:3@2,1", methods="saliency")
    rows, columns = (each.nonzero().flatten().tolist() for each in (found.map.any(1), found.map.any(0)))
    # Two 3x3 convolutions with a pooling between: 8 pixels, from 2*(2-1)-1 on.
    assert 1 <= rows[0] <= rows[-1] <= 8
    assert 0 <= columns[0] <= columns[-1] <= 6


def test_a_class_by_index_name_or_address(vgg: Classifier, image: Tensor) -> None:
    maps = [explain(vgg, image, of, methods="saliency")[0].map for of in (1, "class:1", "class:b")]
    assert torch.equal(maps[0], maps[1])
    assert torch.equal(maps[0], maps[2])
    by_text, by_value = (
        explain(vgg, image, of, methods="saliency")[0].map for of in ("features.4:3", Address("features.4", (3,)))
    )
    assert torch.equal(by_text, by_value)


def test_the_recipe_makes_it_again(vgg: Classifier, image: Tensor) -> None:
    found = explain(vgg, image, methods=["smoothgrad:3", "gradcam", "rise:40"], seed=5, faithful=True)
    parameters = json.loads(found[0].recipe.to_json())["dreamscope"]["parameters"]
    assert parameters["methods"] == [
        "smoothgrad:samples=3,noise=0.15",
        "gradcam:layer=features",
        "rise:masks=40,cells=7,keep=0.5",
    ]
    again = explain(vgg, image, **parameters)
    assert all(torch.equal(a.values, b.values) for a, b in zip(found, again, strict=True))
    assert found[0].faithfulness == again[0].faithfulness
    other = explain(vgg, image, methods="rise:40", seed=6)[0]
    assert not torch.equal(other.values, found[2].values)


def test_what_it_changes_into_is_told(planted: Classifier) -> None:
    picture = torch.full((1, 3, 16, 16), 0.2)
    picture[0, 0, :6, :6] = 1
    picture[0, 1, 10:14, 10:14] = 1
    (found,) = explain(planted, picture, methods=Occlusion(window=8, stride=8))
    assert found.subject == "red"
    assert [(each.label, each.share) for each in found.changes] == [("green", 0.25)]
    (channel,) = explain(planted, picture, "act:8", methods=Occlusion(window=8, stride=8))
    assert channel.changes == ()


def test_sanity_and_faithfulness_come_along(vgg: Classifier, image: Tensor) -> None:
    (found,) = explain(vgg, image, methods="saliency", faithful=True, sane=True)
    assert found.faithfulness is not None
    assert len(found.faithfulness.insertion) == 51
    assert found.faithfulness.deletion[0] == pytest.approx(found.value, abs=1e-5)
    assert found.faithfulness.insertion[-1] == pytest.approx(found.value, abs=1e-5)
    assert found.sanity[0].layer == "classifier"
    assert found.sanity[-1].layer == "features.0"
    (plain,) = explain(vgg, image, methods="saliency")
    assert (plain.faithfulness, plain.sanity) == (None, ())


def test_edited_networks_are_explained_as_they_are(planted: Classifier) -> None:
    picture = torch.rand((1, 3, 16, 16), generator=torch.Generator().manual_seed(0))
    blind = planted.edited(Ablation("act:8"))
    assert explain(planted, picture, "class:red", methods="saliency")[0].map.any()
    assert not explain(blind, picture, "class:red", methods="saliency")[0].map.any()


def test_progress_is_told(vgg: Classifier, image: Tensor) -> None:
    told: list[tuple[str, int, int]] = []
    explain(vgg, image, methods=["rise:40"], sane=True, report=lambda *each: told.append(each))
    assert ("rise", 40, 40) in told
    assert ("rise, random weights", 3, 3) in told


def test_arrays_are_saved_whole(vgg: Classifier, image: Tensor, tmp_path: Path) -> None:
    found = explain(vgg, image, methods=["saliency", "occlusion:8,8", "occlusion:16,16"])
    kept = np.load(save_arrays(found, tmp_path / "maps.npz"))
    assert np.array_equal(kept["saliency"], found[0].map.numpy())
    assert kept["saliency_values"].shape == (3, 32, 32)
    assert kept["occlusion_windows"].shape == kept["occlusion_answers"].shape == (4, 4)
    assert kept["occlusion-2_windows"].shape == (2, 2)
    assert kept["image"].shape == (32, 32, 3)
    assert json.loads(str(kept["recipe"]))["dreamscope"]["command"] == "explain"
    with pytest.raises(DreamscopeError, match=r"arrays go into a .npz"):
        save_arrays(found, tmp_path / "maps.npy")
    assert [each.name for each in tmp_path.iterdir()] == ["maps.npz"]


def test_methods_by_text() -> None:
    assert method_named("occlusion", METHODS) == Occlusion()
    assert method_named("occlusion:16,4", METHODS) == Occlusion(16, 4)
    assert method_named("occlusion:16, fill=blur", METHODS) == Occlusion(16, fill="blur")
    assert method_named("lime:segments=30", METHODS) == Lime(segments=30)
    for kind in METHODS.values():
        assert method_named(str(kind()), METHODS) == kind()


@pytest.mark.parametrize(
    ("of", "options", "message"),
    [
        ("class:z", {}, "no class 'z' in Vgg"),
        ("class:7", {}, "class 7 is out of range: Vgg has 5 classes, 0-4"),
        (9, {}, "class 9 is out of range"),
        ("features.9:1", {}, "no layer 'features.9'"),
        ("features.4:99", {}, "channel 99 is out of range"),
        ("features.4:3@9,30", {}, "position @9,30 is outside"),
        ("features.4:3,4", {}, "one thing is explained at a time, but 'features.4:3,4' names 2"),
        (None, {"methods": "gradcm"}, "no method 'gradcm'; there are saliency.*did you mean 'gradcam'"),
        (None, {"methods": []}, "no method given"),
        (
            None,
            {"methods": "occlusion:wide=3"},
            "'occlusion:wide=3' is no method; expected occlusion:WINDOW,STRIDE,FILL",
        ),
        (None, {"methods": "occlusion:windw=3"}, "did you mean 'window'"),
        (None, {"methods": "occlusion:big"}, "window is a whole number, not 'big'"),
        (None, {"methods": "rise:9,9,many"}, "keep is a number, not 'many'"),
        (None, {"methods": "rise:1,2,0.5,4"}, "'rise:1,2,0.5,4' is no method"),
        (None, {"methods": "saliency:3"}, "expected saliency, which has no options"),
        (None, {"methods": "occlusion:64,8"}, "a window of 64 pixels is larger than the picture"),
        (None, {"methods": "gradcam:features.77"}, "no layer 'features.77'"),
        (None, {"seed": -1}, "seed lies between"),
    ],
)
def test_bad_input(vgg: Classifier, image: Tensor, of: object, options: dict, message: str) -> None:
    with pytest.raises(DreamscopeError, match=message):
        explain(vgg, image, of, **options)
    assert hooks_on(vgg.module) == 0


def test_several_pictures_are_refused(vgg: Classifier, image: Tensor) -> None:
    with pytest.raises(DreamscopeError, match="one picture is explained at a time, not 2"):
        explain(vgg, image.repeat(2, 1, 1, 1))


def test_a_network_without_classes(image: Tensor) -> None:
    model = wrap(seeded(Linear()), input_size=32)
    for of in (None, "class:1"):
        with pytest.raises(
            DreamscopeError, match=r"has no classes.*explain a channel or neuron instead, such as 'conv:0'"
        ):
            explain(model, image, of)
    assert explain(model, image, "conv:0", methods="saliency")[0].map.any()


def test_a_class_without_names_that_does_not_exist(image: Tensor) -> None:
    model = wrap(seeded(Functional()), input_size=32)
    with pytest.raises(DreamscopeError, match="class 6 is out of range: Functional has 6 classes, 0-5"):
        explain(model, image, 6)


def test_smooth_networks_are_refused_guidance(image: Tensor) -> None:
    model = wrap(nn.Sequential(nn.Conv2d(3, 4, 3), nn.GELU(), nn.AdaptiveAvgPool2d(1), nn.Flatten()), input_size=32)
    with pytest.raises(DreamscopeError, match=r"guided is a rule for ReLUs.*Gelu.*take saliency"):
        explain(model, image, methods=["saliency", "guided"])
    assert hooks_on(model.module) == 0


@pytest.mark.embedded
def test_on_a_real_network_the_flower_counts(lite0: Classifier) -> None:
    for found in explain(lite0, "sample:flower", methods=["gradcam", "layercam", "occlusion:48,24"]):
        assert found.subject == "daisy"
        middle = found.map[56:168, 56:168].mean()
        assert middle > 2 * found.map[:, :30].mean()
