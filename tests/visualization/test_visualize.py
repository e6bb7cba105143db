from __future__ import annotations

from collections.abc import Mapping
from functools import partial
from pathlib import Path

import pytest
import torch
from nets import hooks_on

from dreamscope import images
from dreamscope.errors import DreamscopeError, Interrupted
from dreamscope.models.classifier import Classifier
from dreamscope.models.edits import Add
from dreamscope.models.erase import Erase
from dreamscope.objectives import Logit, Objective
from dreamscope.optimize.ascent import Step
from dreamscope.optimize.cppn import CPPN
from dreamscope.probes import probe
from dreamscope.recipes import Recipe
from dreamscope.visualization.batches import Batches
from dreamscope.visualization.presets import MOST_CONTRAST, PRESETS, Settings
from dreamscope.visualization.result import Visualization
from dreamscope.visualization.visualize import visualize

FEW = {"steps": 12, "size": 32}


def show(model: Classifier, of: str | list[str], **options: object) -> list[Visualization]:
    return visualize(model, of, **{**FEW, **options})  # type: ignore[arg-type]


def apart(first: torch.Tensor, second: torch.Tensor) -> float:
    return float((first - second).abs().mean())


@pytest.mark.parametrize("preset", PRESETS)
def test_each_preset_climbs(vgg: Classifier, preset: str) -> None:
    (found,) = show(vgg, "features.3:4", preset=preset, steps=40)
    (begun,) = show(vgg, "features.3:4", preset=preset, steps=1)
    assert found.image.shape == (1, 3, 32, 32)
    assert 0 <= found.image.min() < found.image.max() <= 1
    assert found.reached > begun.reached
    assert not found.silent
    assert found.importance.shape == (1, 1, 32, 32)
    assert found.importance.max() == 1
    assert hooks_on(vgg.module) == 0


def test_in_gray(vgg: Classifier) -> None:
    (found,) = show(vgg, "features.3:4", parameterization="gray", steps=10)
    assert torch.equal(found.image[:, 0], found.image[:, 1])
    assert torch.equal(found.image[:, 0], found.image[:, 2])
    assert found.recipe is not None
    assert found.recipe.parameters["rate"] == PRESETS["gray"].rate


def test_channels_are_one_picture_each_and_the_same_alone(vgg: Classifier) -> None:
    together = show(vgg, "features.3:2,4-5")
    assert [each.name for each in together] == ["features.3:2", "features.3:4", "features.3:5"]
    for each in together:
        (alone,) = show(vgg, each.name)
        assert torch.allclose(alone.image, each.image, atol=1e-4)
    assert apart(together[0].image, together[1].image) > 0.01


def test_directions_are_channels_that_weights_make(vgg: Classifier) -> None:
    edit = Erase("features.3:4,6", [[1.0, 0.0], [0.0, 1.0]], [[2.0, 0.0], [3.0, 4.0]])
    first, second = visualize(vgg, directions=edit, **FEW)  # type: ignore[arg-type]
    assert [first.name, second.name] == ["features.3.direction:0", "features.3.direction:1"]
    (channel,) = show(vgg, "features.3:4")
    assert torch.allclose(first.image, channel.image, atol=1e-4)
    assert second.recipe is not None
    with torch.no_grad(), probe(vgg, "features.3") as seen:
        features = seen(second.image)["features.3"].mean((2, 3))
    assert second.reached == pytest.approx(float(0.6 * features[0, 4] + 0.8 * features[0, 6]), rel=1e-3)
    assert second.recipe.parameters["of"] == []
    (again,) = visualize(vgg, directions=second.recipe.parameters["directions"], **FEW)  # type: ignore[arg-type]
    assert torch.allclose(again.image, second.image, atol=1e-4)
    assert [each.name for each in show(vgg, "features.3:4", directions=edit.along(1))] == [
        "features.3:4",
        "features.3.direction:0",
    ]
    with pytest.raises(DreamscopeError, match="there is no direction 2: this edit has 2"):
        edit.along(2)
    with pytest.raises(DreamscopeError, match="between takes addresses and classes"):
        visualize(vgg, directions=edit, between=3, **FEW)  # type: ignore[arg-type]
    with pytest.raises(DreamscopeError, match="directions are those of Erase edits"):
        visualize(vgg, directions=[Add("features.3:4", [1.0]).to_dict()], **FEW)  # type: ignore[arg-type]
    assert hooks_on(vgg.module) == 0


def test_many_run_in_batches_and_are_counted_through(vgg: Classifier, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("dreamscope.visualization.visualize.BATCH_PIXELS", 2 * 2 * 32 * 32)
    steps: list[Step] = []
    found = show(vgg, "features.3:0-4", steps=3, callback=steps.append)
    assert len(found) == 5
    assert [(step.number, step.total) for step in steps] == [(n, 9) for n in range(1, 10)]


def test_a_neuron_fills_its_place(vgg: Classifier) -> None:
    (found,) = show(vgg, "features.3:4@8,8", size=64, preset="pixel", penalty=[], transform=[], rate=0.05)
    changed = (found.image - found.image[..., :8, :8].mean()).abs().mean((0, 1))
    assert changed[12:24, 12:24].mean() > 3 * changed[40:, 40:].mean()


def test_a_neurons_place_is_not_cropped_away(vgg: Classifier) -> None:
    (found,) = show(vgg, "features.3:4@15,15")
    assert found.recipe.parameters["transform"] == ["shift:4", "noise:0.05"]
    assert found.image[..., 24:, 24:].std() > 1.5 * found.image[..., :8, :8].std()


def test_a_class_is_its_score_before_softmax(vgg: Classifier) -> None:
    (found,) = show(vgg, "class:c", steps=40)
    assert found.name == "c"
    assert found.recipe.parameters["of"] == "class:2"
    assert vgg.logits(found.image)[0, 2].item() == pytest.approx(found.reached, abs=1e-3)
    assert found.reached > show(vgg, "class:c", steps=1)[0].reached


def test_sums_are_one_picture(vgg: Classifier) -> None:
    (found,) = show(vgg, "features.3:2 + 0.5*class:b - features.0:1")
    assert found.name == "features.3:2 + 0.5*class:1 - features.0:1"
    (again,) = show(vgg, found.name)
    assert torch.equal(found.image, again.image)


def test_negative_is_the_other_way(vgg: Classifier) -> None:
    (wanted,), (unwanted,) = show(vgg, "features.3:4"), show(vgg, "features.3:4", negative=True)
    assert unwanted.reached < wanted.reached
    assert apart(wanted.image, unwanted.image) > 0.01


def test_diversity_gives_several_that_differ(vgg: Classifier) -> None:
    found = show(vgg, "features.3:4", diversity=3, steps=20)
    assert [each.name for each in found] == [f"features.3:4 ({number})" for number in (1, 2, 3)]
    assert min(apart(found[i].image, found[j].image) for i, j in ((0, 1), (0, 2), (1, 2))) > 0.01


def test_between_two_things(vgg: Classifier) -> None:
    found = show(vgg, ["features.3:2", "features.3:4"], between=4)
    assert [each.name for each in found][1:3] == [
        "67% features.3:2, 33% features.3:4",
        "33% features.3:2, 67% features.3:4",
    ]
    first, last = found[0].image, found[-1].image
    assert apart(found[1].image, first) < apart(found[1].image, last)
    assert apart(found[2].image, last) < apart(found[2].image, first)
    assert torch.allclose(first, show(vgg, "features.3:2")[0].image, atol=1e-4)
    for of, count in (("features.3:2", 3), (["features.3:2", "features.3:4"], 1)):
        with pytest.raises(DreamscopeError, match="between takes 2 targets and 2 pictures or more"):
            show(vgg, of, between=count)


def test_a_caricature_resembles_its_photo_there(vgg: Classifier, image: torch.Tensor) -> None:
    photo = images.resize(image, images.Size(32, 32)).clamp(0, 1)
    (found,) = show(vgg, "features.3", like=photo, steps=60, contrast=0)
    with torch.no_grad():
        theirs, ours, other = (
            vgg.module.features[:4](each.mul(1)).flatten() for each in (photo, found.image, torch.full_like(photo, 0.5))
        )
    cosine = torch.nn.functional.cosine_similarity
    assert cosine(ours, theirs, dim=0) > cosine(other, theirs, dim=0)
    with pytest.raises(DreamscopeError, match="a caricature is of layers; give addresses alone, or classes alone"):
        show(vgg, ["features.3", "class:b"], like=photo)


def test_a_class_grows_on_a_photo(vgg: Classifier) -> None:
    photo = 0.3 + 0.4 * torch.rand((1, 3, 40, 60), generator=torch.Generator().manual_seed(1))
    (found,) = visualize(vgg, class_name="b", like=photo, steps=40)
    # The network's input size is that of the shorter side.
    assert images.size_of(found.image) == images.Size(48, 32)
    begun = images.resize(photo, images.Size(48, 32)).clamp(0, 1)
    with torch.no_grad():
        before, after = (float(vgg.logits(vgg.prepared(each))[0, 1]) for each in (begun, found.image))
    assert after > before + 0.01
    means = [each.mean((2, 3)) for each in (begun, found.image)]
    assert torch.allclose(*means, atol=0.03)
    assert found.recipe is not None
    assert found.recipe.parameters["parameterization"] == "detail"
    again = visualize(vgg, like=photo, **{**found.recipe.parameters, "recipe": True})[0]
    assert torch.equal(again.image, found.image)
    assert hooks_on(vgg.module) == 0
    apart_ = visualize(vgg, class_name="b", like="gray", steps=8, diversity=2)
    assert apart(apart_[0].image, apart_[1].image) > 1e-4
    with pytest.raises(DreamscopeError, match="classes grow on one photo at a time, not on 2"):
        visualize(vgg, class_name="b", like=torch.cat([photo, photo]))


def test_silent_channels_are_reported(vgg: Classifier) -> None:
    with torch.no_grad():
        vgg.module.features[3].weight[4] = 0
        vgg.module.features[3].bias[4] = -1
    found = show(vgg, "features.4:3-4")
    assert [each.silent for each in found] == [False, True]


def test_pictures_that_stay_gray_say_why(vgg: Classifier) -> None:
    with torch.no_grad():
        # On paper: one is 2 whatever comes in, one is 0; a penalty's gradient hides neither.
        vgg.module.features[3].weight[4:6] = 0
        vgg.module.features[3].bias[4:6] = torch.tensor([2.0, -1.0])
    for preset in ("fourier", "pixel"):
        seen, constant, silent = show(vgg, "features.4:3-5", preset=preset, steps=30)
        assert seen.gray == ""
        assert not constant.silent
        assert constant.gray.startswith(
            "it is 2 whatever was tried: the channel is dead, or its gradient vanishes; try"
        )
        assert silent.gray.startswith("it is 0 whatever was tried")
    # Noise with the spectrum of photos is never flat.
    (clouds,) = show(vgg, "features.4:4", preset="maco", steps=4)
    assert float(clouds.image.std()) > 0.1
    assert clouds.gray.startswith("it is 2")
    (faint,) = show(vgg, "features.3:3", preset="pixel", steps=1, rate=1e-6)
    assert faint.gray.endswith("in 1 step, which is not to be seen yet; try more steps")


def test_silent_units_are_redirected(vgg: Classifier) -> None:
    with torch.no_grad():
        # Silent on everything that is not far from gray.
        vgg.module.features[3].bias[4] = -0.8 * vgg.module.features[3].weight[4].abs().sum()
    kept = {"preset": "pixel", "penalty": [], "transform": [], "rate": 0.05, "steps": 60}
    (asleep,) = show(vgg, "features.4:4", redirect_steps=0, **kept)
    (redirected,) = show(vgg, "features.4:4", redirect_steps=40, **kept)
    assert asleep.silent
    assert apart(redirected.image, asleep.image) > 0.05


def test_one_seed_one_picture_and_the_recipe_makes_it_again(vgg: Classifier, tmp_path: Path) -> None:
    (found,) = show(vgg, "features.3:4", seed=3)
    kept = Recipe.read(found.save(tmp_path / "a.png"))
    parameters = dict(kept.parameters)
    (again,) = visualize(vgg, parameters.pop("of"), **parameters)
    assert torch.equal(found.image, again.image)
    assert not torch.equal(found.image, show(vgg, "features.3:4", seed=4)[0].image)


def test_importance_becomes_transparency(vgg: Classifier, tmp_path: Path) -> None:
    from PIL import Image

    (found,) = show(vgg, "features.3:4", parameterization="maco")
    picture = Image.open(found.save(tmp_path / "a.png", alpha=True))
    assert picture.mode == "RGBA"
    assert picture.getextrema()[3][1] == 255
    assert Recipe.read(tmp_path / "a.png").parameters["alpha"] is True
    with pytest.raises(DreamscopeError, match="JPEG has no transparency"):
        found.save(tmp_path / "a.jpg", alpha=True)
    assert not (tmp_path / "a.jpg").exists()


def test_ctrl_c_keeps_what_there_is(vgg: Classifier, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("dreamscope.visualization.visualize.BATCH_PIXELS", 1)

    def stop(step: Step) -> None:
        if step.number == 17:
            raise KeyboardInterrupt

    with pytest.raises(Interrupted) as caught:
        show(vgg, "features.3:2,4,5", callback=stop)
    assert [len(each.values) for each in caught.value.result] == [12, 5]
    assert hooks_on(vgg.module) == 0


@pytest.mark.parametrize(
    ("of", "options", "message"),
    [
        ("features.3:4@99,0", {}, "position @99,0 is outside 'features.3'"),
        ("features.33:4", {}, "no layer 'features.33'.*did you mean 'features.3'"),
        ("features.3:12", {}, "12"),
        ("class:zebra", {}, "no class 'zebra'"),
        ("class:17", {}, "class 17 is out of range.*5 classes, 0-4"),
        ("features.3:1 + nonsense!", {}, "is not an address"),
        ([], {}, "nothing to show; give an address"),
        ("features.3", {"preset": "clasic"}, "no preset 'clasic'.*did you mean 'classic'"),
        ("features.3", {"parameterization": "furier"}, "no parameterization 'furier'.*did you mean 'fourier'"),
        ("features.3", {"transform": ["crop:9"]}, "a crop"),
        ("features.3", {"penalty": ["l3"]}, "no regularizer 'l3'"),
        ("features.3", {"loss": "gram"}, "no loss 'gram'"),
        ("features.3", {"steps": 0}, "steps lies between 1"),
        ("features.3", {"rate": 0}, "rate is more than 0"),
        ("features.3", {"seed": -1}, "seed lies between"),
        ("features.3", {"diversity": 0}, "diversity is 1 or more"),
        ("features.3", {"size": "4"}, "size '4'"),
    ],
)
def test_bad_input_is_refused(vgg: Classifier, of: str | list[str], options: dict[str, object], message: str) -> None:
    with pytest.raises(DreamscopeError, match=message):
        show(vgg, of, **options)
    assert hooks_on(vgg.module) == 0


@pytest.mark.embedded
def test_a_net_without_a_head_has_no_classes(vgg19: Classifier) -> None:
    with pytest.raises(DreamscopeError, match="has no classes"):
        visualize(vgg19, "class:3", size=64, steps=1)


@pytest.mark.embedded
def test_a_class_image_is_taken_for_the_class(lite0: Classifier) -> None:
    (found,) = visualize(lite0, "class:lion", size=160, steps=64)
    assert found.name == "lion"
    assert lite0.classify(found.image)[0][0].label == "lion"


def test_the_finished_picture_has_contrast(vgg: Classifier) -> None:
    seen: list[Step] = []
    (plain,) = show(vgg, "features.3:4", contrast=0)
    (found,) = show(vgg, "features.3:4", contrast=0.3, callback=seen.append)
    spread, wanted = (float(each.image.var((2, 3)).mean().sqrt()) for each in (plain, found))
    assert wanted == pytest.approx(min(0.3, MOST_CONTRAST * spread), rel=0.05)
    assert found.values == plain.values
    # What a film of it shows ends in it.
    assert torch.equal(seen[-1].image, found.image)
    assert found.recipe.parameters["contrast"] == 0.3


class Shared:
    """Pictures that share all but one number a colour."""

    def __init__(self, count: int, size: int = 32) -> None:
        self.shared, self.own = torch.zeros(1, 3, size, size), torch.zeros(count, 3, 1, 1)

    def parameters(self) -> list[torch.Tensor]:
        return [self.shared, self.own]

    def image(self) -> torch.Tensor:
        return torch.sigmoid(self.shared + self.own)


def test_ones_own_parameterization_is_climbed(vgg: Classifier) -> None:
    own = Shared(2)
    found = visualize(vgg, "features.3:2,4", parameterization=own, transform=[], steps=20, contrast=0, recipe=False)
    assert torch.equal(torch.cat([each.image for each in found]), own.image())
    assert own.shared.abs().sum() > 0
    assert not own.shared.requires_grad
    assert all(each.values[-1] > each.values[0] for each in found)
    # The size is that of its own picture.
    (cppn,) = visualize(vgg, "features.3:2", parameterization=CPPN("40x24", width=4, depth=2), steps=2, recipe=False)
    assert cppn.image.shape == (1, 3, 24, 40)


def test_a_function_makes_one_for_each_batch(vgg: Classifier, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("dreamscope.visualization.visualize.BATCH_PIXELS", 1)
    options = {"steps": 3, "size": 32, "recipe": False}
    found = visualize(vgg, "features.3:2,4", parameterization=lambda noise: Shared(len(noise)), **options)  # type: ignore[arg-type]
    assert len(found) == 2
    with pytest.raises(DreamscopeError, match="climbed once, not for 2 batches: give a function"):
        visualize(vgg, "features.3:2,4", parameterization=Shared(1), **options)  # type: ignore[arg-type]
    with pytest.raises(DreamscopeError, match=r"of \(1, 3, 32, 32\) is needed, Shared makes \(3, 3, 32, 32\)"):
        visualize(vgg, "features.3:2", parameterization=Shared(3), **options)  # type: ignore[arg-type]


def test_objectives_of_ones_own(vgg: Classifier) -> None:
    def both(seen: Mapping[str, torch.Tensor]) -> torch.Tensor:
        return seen["features.3"][:, [2, 4]].mean((1, 2, 3))

    objective = Objective.of(both, layers=["features.3"])
    (found,) = visualize(vgg, objective, **FEW, recipe=False)  # type: ignore[arg-type]
    assert (found.name, found.recipe) == ("both", None)
    (usual,) = show(vgg, "0.5*features.3:2 + 0.5*features.3:4")
    assert torch.allclose(found.image, usual.image, atol=1e-3)
    (sum_,) = visualize(vgg, sum([objective, Logit(1)]) - 1, **FEW, recipe=False)  # type: ignore[arg-type]
    assert sum_.reached > sum_.values[0]
    mixed = visualize(vgg, [objective, "features.3:2", "class:1"], **FEW, recipe=False)  # type: ignore[arg-type]
    assert [each.name for each in mixed] == ["both", "features.3:2", "b"]
    for options, message in (
        ({}, "of can't be written in a recipe: .* give recipe=False"),
        ({"like": torch.rand(1, 3, 32, 32), "recipe": False}, "a caricature is of layers"),
        ({"between": 3, "recipe": False}, "between takes"),
    ):
        with pytest.raises(DreamscopeError, match=message):
            visualize(vgg, [objective, objective], **FEW, **options)  # type: ignore[arg-type]


def test_own_transforms_penalties_and_optimizers(vgg: Classifier) -> None:
    for own in (
        {"transform": [lambda picture: picture.flip(3)]},
        {"penalty": [lambda picture: picture.mean((1, 2, 3))], "transform": []},
        {"optimizer": partial(torch.optim.AdamW, lr=0.05), "transform": []},
    ):
        with pytest.raises(DreamscopeError, match=f"{next(iter(own))} can't be written in a recipe"):
            show(vgg, "features.3:4", **own)
        (found,) = show(vgg, "features.3:4", recipe=False, **own)
        assert found.values[-1] > found.values[0]


def test_settings_of_ones_own(vgg: Classifier) -> None:
    own = Settings(parameterization="pixel", optimizer="normalized", rate=0.01, transform="shift:2")
    (found,) = show(vgg, "features.3:4", preset=own)
    assert found.recipe is not None
    assert found.recipe.parameters["transform"] == ["shift:2"]
    parameters = dict(found.recipe.parameters)
    (again,) = visualize(vgg, parameters.pop("of"), **parameters)
    assert torch.equal(found.image, again.image)
    assert found._repr_png_().startswith(b"\x89PNG")


def test_ctrl_c_between_batches_keeps_what_is_done(vgg: Classifier, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("dreamscope.visualization.visualize.BATCH_PIXELS", 1)
    real, calls = Batches._begun, []

    def begun(self: Batches, *given: object) -> object:
        calls.append(given)
        if len(calls) == 3:
            raise KeyboardInterrupt
        return real(self, *given)  # type: ignore[arg-type]

    monkeypatch.setattr(Batches, "_begun", begun)
    with pytest.raises(Interrupted, match="stopped after 2 pictures") as caught:
        show(vgg, "features.3:2,4,5")
    assert len(caught.value.result) == 2
