from __future__ import annotations

import io
import json
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar

import numpy as np
import pytest
import torch
from nets import Functional, Linear, hooks_on, seeded
from PIL import Image
from torch import Tensor, nn

from dreamscope import images
from dreamscope.attribution.base import Attribution, Case, Method, method_named
from dreamscope.attribution.explain import METHODS, explain
from dreamscope.attribution.perturbations import Lime, Occlusion
from dreamscope.attribution.result import pictured, save_arrays
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
    (found,) = explain(vgg, image, method=quick(name))
    likeliest = vgg.classify(image)[0][0]
    assert found.method.name == name
    assert torch.equal(found.images, vgg.prepared(image))
    (target,) = found.targets
    assert (target.name, target.is_class) == (likeliest.label, True)
    assert target.value == pytest.approx(likeliest.probability, abs=1e-6)
    assert found.map.shape == (1, 1, 32, 32)
    assert found.map.dtype == torch.float32
    assert found.values.shape[2:] == (32, 32)
    assert torch.isfinite(found.map).all()
    assert bool((found.map < 0).any()) <= found.method.signed
    assert found.map.std() > 0
    assert hooks_on(vgg.module) == 0


@pytest.mark.parametrize("name", METHODS)
@pytest.mark.parametrize("of", ["features.4:3", "features.4:3@2,1", "class:1", "class:b - class:c"])
def test_classes_channels_neurons_and_sums(vgg: Classifier, image: Tensor, name: str, of: str) -> None:
    (found,) = explain(vgg, image, at=of, method=quick(name))
    assert found.targets[0].is_class == (of == "class:1")
    assert found.map.shape == (1, 1, 32, 32)
    assert hooks_on(vgg.module) == 0


def test_a_neuron_sees_only_its_receptive_field(vgg: Classifier, image: Tensor) -> None:
    (found,) = explain(vgg, image, at="features.4:3@2,1", method="saliency")
    rows, columns = (each.nonzero().flatten().tolist() for each in (found.map[0, 0].any(1), found.map[0, 0].any(0)))
    # Two 3x3 convolutions with a pooling between: 8 pixels, from 2*(2-1)-1 on.
    assert 1 <= rows[0] <= rows[-1] <= 8
    assert 0 <= columns[0] <= columns[-1] <= 6


def test_a_class_by_index_name_or_address(vgg: Classifier, image: Tensor) -> None:
    maps = [explain(vgg, image, class_name=name, method="saliency")[0].map for name in (1, "1", "b", ["b"])]
    maps.append(explain(vgg, image, at="class:b", method="saliency")[0].map)
    assert all(torch.equal(maps[0], each) for each in maps)
    by_text, by_value = (
        explain(vgg, image, at=at, method="saliency")[0].map for at in ("features.4:3", Address("features.4", (3,)))
    )
    assert torch.equal(by_text, by_value)


def test_the_recipe_makes_it_again(vgg: Classifier, image: Tensor) -> None:
    found = explain(vgg, image, method=["smoothgrad:3", "gradcam", "rise:40"], seed=5, faithfulness=True)
    parameters = json.loads(found[0].recipe.to_json())["dreamscope"]["parameters"]
    assert parameters["method"] == [
        "smoothgrad:samples=3,noise=0.15",
        "gradcam:layer=features",
        "rise:masks=40,cells=7,keep=0.5",
    ]
    again = explain(vgg, image, **parameters)
    assert all(torch.equal(a.values, b.values) for a, b in zip(found, again, strict=True))
    assert found[0].faithfulness == again[0].faithfulness
    other = explain(vgg, image, method="rise:40", seed=6)[0]
    assert not torch.equal(other.values, found[2].values)


def test_other_predictions_are_reported(planted: Classifier) -> None:
    picture = torch.full((1, 3, 16, 16), 0.2)
    picture[0, 0, :6, :6] = 1
    picture[0, 1, 10:14, 10:14] = 1
    (found,) = explain(planted, picture, method=Occlusion(window=8, stride=8))
    assert found.targets[0].name == "red"
    assert [(each.label, each.share) for each in found.windows[0].changes] == [("green", 0.25)]
    (channel,) = explain(planted, picture, at="act:8", method=Occlusion(window=8, stride=8))
    assert channel.windows[0].changes == ()


def test_sanity_and_faithfulness_come_along(vgg: Classifier, image: Tensor) -> None:
    (found,) = explain(vgg, image, method="saliency", faithfulness=True, sanity=True)
    (curves,) = found.faithfulness
    assert len(curves.insertion) == 51
    assert curves.deletion[0] == pytest.approx(found.targets[0].value, abs=1e-5)
    assert curves.insertion[-1] == pytest.approx(found.targets[0].value, abs=1e-5)
    assert found.sanity[0][0].layer == "classifier"
    assert found.sanity[0][-1].layer == "features.0"
    (plain,) = explain(vgg, image, method="saliency")
    assert (plain.faithfulness, plain.sanity) == ((), ())


def test_edited_networks_are_explained_as_they_are(planted: Classifier) -> None:
    picture = torch.rand((1, 3, 16, 16), generator=torch.Generator().manual_seed(0))
    blind = planted.edited(Ablation("act:8"))
    assert explain(planted, picture, class_name="red", method="saliency")[0].map.any()
    assert not explain(blind, picture, class_name="red", method="saliency")[0].map.any()


def test_progress_is_reported(vgg: Classifier, image: Tensor) -> None:
    seen: list[tuple[str, int, int]] = []
    explain(vgg, image, method=["rise:40"], sanity=True, callback=lambda *each: seen.append(each))
    assert ("rise", 40, 40) in seen
    assert ("rise, random weights", 3, 3) in seen


def test_arrays_are_saved_whole(vgg: Classifier, image: Tensor, tmp_path: Path) -> None:
    found = explain(vgg, image, method=["saliency", "occlusion:8,8", "occlusion:16,16"])
    kept = np.load(save_arrays(found, tmp_path / "maps.npz"))
    assert np.array_equal(kept["saliency"], found[0].map[0, 0].numpy())
    assert kept["saliency_values"].shape == (3, 32, 32)
    assert kept["occlusion_windows"].shape == kept["occlusion_predictions"].shape == (4, 4)
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
    ("at", "options", "message"),
    [
        ("class:z", {}, "no class 'z' in Vgg"),
        (None, {"class_name": "z"}, "no class 'z' in Vgg"),
        ("class:7", {}, "class 7 is out of range: Vgg has 5 classes, 0-4"),
        (None, {"class_name": 9}, "class 9 is out of range"),
        (None, {"class_name": ["a", "b"]}, "class_name names 2 classes for 1 images; give one, or one for each"),
        ("class:a", {"class_name": "a"}, "give either class_name or at"),
        ("features.9:1", {}, "no layer 'features.9'"),
        ("features.4:99", {}, "channel 99 is out of range"),
        ("features.4:3@9,30", {}, "position @9,30 is outside"),
        ("features.4:3,4", {}, "one target is explained at a time, but 'features.4:3,4' names 2"),
        (None, {"method": "gradcm"}, "no method 'gradcm'; there are saliency.*did you mean 'gradcam'"),
        (None, {"method": []}, "no method given"),
        (
            None,
            {"method": "occlusion:wide=3"},
            "'occlusion:wide=3' is no method; expected occlusion:WINDOW,STRIDE,FILL",
        ),
        (None, {"method": "occlusion:windw=3"}, "did you mean 'window'"),
        (None, {"method": "occlusion:big"}, "window is a whole number, not 'big'"),
        (None, {"method": "rise:9,9,many"}, "keep is a number, not 'many'"),
        (None, {"method": "rise:1,2,0.5,4"}, "'rise:1,2,0.5,4' is no method"),
        (None, {"method": "saliency:3"}, "expected saliency, which has no options"),
        (None, {"method": "occlusion:64,8"}, "a window of 64 pixels is larger than the picture"),
        (None, {"method": "gradcam:features.77"}, "no layer 'features.77'"),
        (None, {"seed": -1}, "seed lies between"),
    ],
)
def test_bad_input(vgg: Classifier, image: Tensor, at: str | None, options: dict, message: str) -> None:
    with pytest.raises(DreamscopeError, match=message):
        explain(vgg, image, at=at, **options)
    assert hooks_on(vgg.module) == 0


@pytest.fixture
def photos() -> Tensor:
    return torch.rand((3, 3, 40, 48), generator=torch.Generator().manual_seed(2))


@pytest.mark.parametrize("name", METHODS)
def test_a_batch_has_the_numbers_of_single_images(vgg: Classifier, photos: Tensor, name: str) -> None:
    options = {"class_name": ["a", 3, "e"], "method": quick(name), "faithfulness": True, "sanity": name == "gradcam"}
    (together,) = explain(vgg, photos, **options)
    assert len(together) == 3
    for index, each in enumerate(together):
        alone_options = {**options, "class_name": options["class_name"][index]}
        (alone,) = explain(vgg, photos[index : index + 1], **alone_options)
        assert torch.allclose(each.map, alone.map, atol=1e-5)
        assert each.map.shape == (1, 1, 32, 32)
        assert each.targets[0].address == alone.targets[0].address
        assert each.targets[0].value == pytest.approx(alone.targets[0].value, abs=1e-5)
        # Where a map is nearly flat, rounding decides which pixel goes first.
        assert each.faithfulness[0].deletion == pytest.approx(alone.faithfulness[0].deletion, abs=2e-3)
        assert [at.layer for row in each.sanity for at in row] == [at.layer for row in alone.sanity for at in row]
        for mine, theirs in zip(each.sanity, alone.sanity, strict=True):
            assert [at.similarity for at in mine] == pytest.approx(
                [at.similarity for at in theirs], abs=1e-4, nan_ok=True
            )
        for mine, theirs in zip(each.windows, alone.windows, strict=True):
            assert torch.allclose(mine.values, theirs.values, atol=1e-5)
            assert mine.changes == theirs.changes


def test_each_image_of_a_batch_is_explained_by_its_own_prediction(planted: Classifier) -> None:
    colours = torch.full((3, 3, 16, 16), 0.2)
    for index, channel in enumerate((2, 0, 1)):
        colours[index, channel, :8] = 1
    (found,) = explain(planted, colours, method="saliency")
    assert [target.name for target in found.targets] == ["blue", "red", "green"]
    assert found.recipe is not None
    assert found.recipe.parameters["class_name"] == [1, 2, 0]
    (again,) = explain(planted, colours, **found.recipe.parameters)
    assert torch.equal(again.values, found.values)


def test_gradients_and_maps_of_a_batch_take_one_pass(
    vgg: Classifier, photos: Tensor, monkeypatch: pytest.MonkeyPatch
) -> None:
    explain(vgg, photos, method="gradcam")
    monkeypatch.setattr("dreamscope.attribution.explain.prepared", lambda model, *_: (model, None))
    sizes: list[int] = []
    with vgg.module.register_forward_hook(lambda _m, inputs, _o: sizes.append(len(inputs[0]))):
        explain(vgg, photos, method=["gradcam", "saliency"])
    # What is predicted, and each method.
    assert sizes == [3, 3, 3]


def test_images_of_any_kind(vgg: Classifier, photos: Tensor, tmp_path: Path) -> None:
    path = images.write(photos[:1], tmp_path / "photo.png")
    pixels = np.asarray(images.to_pil(photos[:1]))
    given = [path, str(path), images.to_pil(photos[:1]), pixels, images.read(path), "sample:china"]
    (found,) = explain(vgg, given, class_name="a")
    assert found.map.shape == (6, 1, 32, 32)
    assert all(torch.equal(found.map[0], each) for each in found.map[1:5])
    assert found.recipe is not None
    assert len(found.recipe.inputs["image"]) == 6
    assert str(tmp_path) not in found.recipe.to_json()
    (one,) = explain(vgg, pixels, class_name="a")
    assert torch.allclose(one.map[0], found.map[0], atol=1e-5)
    with pytest.raises(DreamscopeError, match="no image given"):
        explain(vgg, [])


def test_arrays_of_a_batch(vgg: Classifier, photos: Tensor, tmp_path: Path) -> None:
    kept = np.load(save_arrays(explain(vgg, photos, method="occlusion:8,8"), tmp_path / "maps.npz"))
    assert kept["occlusion"].shape == (3, 32, 32)
    assert kept["occlusion_windows"].shape == kept["occlusion_predictions"].shape == (3, 4, 4)


@pytest.mark.parametrize("name", METHODS)
def test_a_sign_turns_the_map_around(planted: Classifier, name: str) -> None:
    picture = torch.full((1, 3, 16, 16), 0.2)
    picture[0, 0, 4:10, 4:10] = 1
    method = quick(name)
    plain, minus = (explain(planted, picture, at=at, method=method)[0] for at in ("0.5*class:red", "-0.5*class:red"))
    assert minus.targets[0].name == "-0.5*class:2"
    assert minus.targets[0].value == pytest.approx(-plain.targets[0].value)
    assert not minus.targets[0].is_class
    if name in ("gradcam", "layercam"):
        # Only what speaks for a target is kept: nothing speaks both for it and against it.
        assert not bool((plain.map * minus.map).any())
    elif name in ("saliency", "smoothgrad"):
        assert torch.allclose(plain.values, -minus.values, atol=1e-6)
    elif name in ("guided", "deconv"):
        assert not torch.allclose(plain.values, minus.values)
    else:
        assert torch.allclose(plain.map, -minus.map, atol=1e-4)
        assert bool(plain.map.any())


def test_a_method_of_ones_own(vgg: Classifier, image: Tensor) -> None:
    @dataclass(frozen=True)
    class Light(Method):
        """The light itself."""

        name: ClassVar[str] = "light"
        unit: ClassVar[str] = "light"

        def attribute(self, case: Case) -> Attribution:
            return Attribution(case.images)

    (found,) = explain(vgg, image, method=Light(), recipe=False)
    assert found.recipe is None
    assert torch.equal(found.values, vgg.prepared(image))
    with pytest.raises(DreamscopeError, match=r"method can't be written in a recipe.*recipe=False"):
        explain(vgg, image, method=Light())


def test_it_shows_itself_in_a_notebook(vgg: Classifier, photos: Tensor) -> None:
    for found in explain(vgg, photos, method=["gradcam", "occlusion:8,8"]):
        shown = Image.open(io.BytesIO(found._repr_png_()))
        assert shown.size == (3 * 32, 2 * 32)


def test_a_network_without_classes(image: Tensor) -> None:
    model = wrap(seeded(Linear()), input_size=32)
    for options in ({}, {"at": "class:1"}, {"class_name": 1}):
        with pytest.raises(
            DreamscopeError, match=r"has no classes.*explain a channel or neuron instead, such as 'conv:0'"
        ):
            explain(model, image, **options)
    assert explain(model, image, at="conv:0", method="saliency")[0].map.any()


def test_a_class_without_names_that_does_not_exist(image: Tensor) -> None:
    model = wrap(seeded(Functional()), input_size=32)
    with pytest.raises(DreamscopeError, match="class 6 is out of range: Functional has 6 classes, 0-5"):
        explain(model, image, class_name=6)


def test_smooth_networks_are_refused_guidance(image: Tensor) -> None:
    model = wrap(nn.Sequential(nn.Conv2d(3, 4, 3), nn.GELU(), nn.AdaptiveAvgPool2d(1), nn.Flatten()), input_size=32)
    with pytest.raises(DreamscopeError, match=r"guided is a rule for ReLUs.*Gelu.*take saliency"):
        explain(model, image, method=["saliency", "guided"])
    assert hooks_on(model.module) == 0


@pytest.mark.embedded
def test_on_a_real_network_the_flower_counts(lite0: Classifier) -> None:
    for found in explain(lite0, "sample:flower", method=["gradcam", "layercam", "occlusion:48,24"]):
        assert found.targets[0].name == "daisy"
        middle = found.map[..., 56:168, 56:168].mean()
        assert middle > 2 * found.map[..., :30].mean()


def test_each_method_says_what_it_explains(vgg: Classifier, image: Tensor) -> None:
    guided, saliency = explain(vgg, image, at="features.4:3", method=["guided", "saliency"], faithfulness=True)
    assert saliency.targets[0].name == "features.4:3"
    assert guided.targets[0].name.startswith("features.4:3@")
    assert guided.targets[0].value > saliency.targets[0].value
    assert guided.recipe.parameters["at"] == "features.4:3"
    assert guided.recipe.parameters["method"][0] == "guided:position=strongest"
    (again,) = explain(vgg, image, at=guided.targets[0].address, method="guided:all")
    assert torch.equal(again.values, guided.values)
    # As recipes had it before it had an option.
    assert torch.equal(explain(vgg, image, at="features.4:3", method=["guided"])[0].values, guided.values)


def test_the_gradient_is_a_picture_around_gray(vgg: Classifier, image: Tensor, tmp_path: Path) -> None:
    guided, saliency = explain(vgg, image, at="features.3:5", method=["guided", "saliency"])
    assert saliency.picture is None
    assert guided.picture.shape == (1, 3, 32, 32)
    # Where nothing counts it is gray; brighter is a gradient above 0, darker one below.
    assert bool((guided.picture[guided.values == 0] == 0.5).all())
    assert bool(((guided.picture - 0.5).sign() == guided.values.sign()).all())
    assert {float(guided.picture.min()), float(guided.picture.max())} & {0.0, 1.0}
    kept = np.load(save_arrays([guided, saliency], tmp_path / "maps.npz"))
    assert np.array_equal(kept["guided_picture"], guided.picture[0].permute(1, 2, 0).numpy())
    assert "saliency_picture" not in kept
    assert Image.open(io.BytesIO(guided._repr_png_())).size == (32, 3 * 32)


def test_pictures_are_scaled_by_what_has_a_gradient() -> None:
    values = torch.zeros(2, 3, 40, 40)
    values[0, :, :4, :4] = 1
    values[0, 0, 0, 0] = -1000
    first, empty = pictured(values)
    assert bool((first[:, 1:4, 1:4] == 1).all())
    assert first[0, 0, 0] == 0
    assert bool((first[:, 4:] == 0.5).all())
    assert bool((empty == 0.5).all())
