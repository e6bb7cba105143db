from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from nets import Vgg, hooks_on, seeded
from torch import Tensor, nn
from torch.nn import functional as F

from dreamscope import images
from dreamscope.dreaming.dream import dream
from dreamscope.dreaming.presets import PRESETS, Settings
from dreamscope.errors import DivergedError, DreamscopeError, Interrupted
from dreamscope.images import Size
from dreamscope.models.addresses import resolve
from dreamscope.models.classifier import Classifier
from dreamscope.models.wrapping import wrap
from dreamscope.objectives import Excite, Objective
from dreamscope.optimize.ascent import Step
from dreamscope.optimize.parameterizations import Fourier
from dreamscope.recipes import Recipe


def forward_vgg(model: Classifier, x: Tensor) -> Tensor:
    """features.3, written out."""
    net = model.module
    return net.features[3](F.max_pool2d(F.relu(net.features[0](x)), 2))


def forward_residual(model: Classifier, x: Tensor) -> Tensor:
    """layer1.0, written out."""
    net = model.module
    x = F.relu(net.bn1(net.conv1(x)))
    block = net.layer1[0]
    return F.relu(block.bn2(block.conv2(F.relu(block.bn1(block.conv1(x))))) + x)


LOSSES = {
    "norm": lambda a: a.norm(),
    "channel norm": lambda a: a[:, 2].norm(),
    "gram": lambda a: (a[0].flatten(1) @ a[0].flatten(1).T).sum(),
}


@pytest.mark.parametrize("loss", LOSSES)
@pytest.mark.parametrize(
    ("net", "layer", "forward"), [("vgg", "features.3", forward_vgg), ("residual", "layer1.0", forward_residual)]
)
def test_plain_is_the_bare_loop(
    net: str, layer: str, forward: object, loss: str, request: pytest.FixtureRequest
) -> None:
    model, image = request.getfixturevalue(net), request.getfixturevalue("image")
    rate, steps = 0.02, 12
    x = image.clone()
    for _ in range(steps):
        x = x.detach().requires_grad_()
        LOSSES[loss](forward(model, x)).backward()  # type: ignore[operator]
        x = (x.detach() + rate * x.grad).clip(0, 1)
    assert (x - image).abs().mean() > 1e-3
    at = f"{layer}:2" if loss == "channel norm" else layer
    result = dream(model, image, at, preset="plain", loss=loss.rsplit(maxsplit=1)[-1], rate=rate, steps=steps)
    assert (result.image - x).abs().max() <= 1e-5


def test_plain_without_a_rate_starts_with_a_visible_step(vgg: Classifier, residual: Classifier, image: Tensor) -> None:
    for model in (vgg, residual):
        gray = torch.full_like(image, 0.5) + 0.01 * image
        moved = dream(model, gray, preset="plain", steps=1).image - gray
        assert moved.abs().mean().item() == pytest.approx(1.5 / 255, rel=1e-3)


def test_the_objective_rises_on_every_octave(vgg: Classifier, image: Tensor) -> None:
    for preset in PRESETS:
        values = dream(vgg, image, "features.3", preset=preset, octaves=1, steps=8).values
        assert values[-1] > values[0]


def test_no_steps_give_the_photo_back(vgg: Classifier, image: Tensor) -> None:
    # What smaller octaves lose of the photo is carried over.
    assert (dream(vgg, image, steps=0).image - image).abs().max() <= 1e-6


def test_detail_is_carried_over(vgg: Classifier) -> None:
    photo = images.resize(images.read("sample:china"), Size(200, 140)).clamp(0, 1)
    result = dream(vgg, photo, "features.3", preset="classic", steps=1, rate=0.002).image
    # Four steps of 0.002 change little: the photo's own detail is still there.
    assert (result - photo).abs().mean() < 0.02


@pytest.mark.parametrize("size", [(40, 48), (33, 77), (8, 50), (64, 9)])
def test_any_size_and_shape(vgg: Classifier, size: tuple[int, int]) -> None:
    picture = torch.rand(1, 3, *size)
    assert dream(vgg, picture, steps=1).image.shape == picture.shape


def test_sizes_asked_for(vgg: Classifier, image: Tensor) -> None:
    assert dream(vgg, image, steps=1, size=24).image.shape == (1, 3, 20, 24)
    assert dream(vgg, image, steps=1, size="30x50").image.shape == (1, 3, 50, 30)
    assert dream(vgg, "noise", steps=1, size=40).image.shape == (1, 3, 40, 40)


@pytest.mark.parametrize("initial", ["noise", "gray", "clouds"])
def test_initial_images(vgg: Classifier, initial: str) -> None:
    first = dream(vgg, initial, "features.3", size="40x32", steps=3)
    assert first.image.shape == (1, 3, 32, 40)
    assert first.image.std() > 0
    assert first.recipe.inputs == {"image": initial}


def test_colors_are_kept(vgg: Classifier) -> None:
    photo = images.resize(images.read("sample:flower"), Size(96, 64)).clamp(0.2, 0.8)
    free = dream(vgg, photo, "features.3", preset="classic", steps=4).image
    kept = dream(vgg, photo, "features.3", preset="classic", steps=4, keep_color=True).image

    def color_change(image: Tensor) -> float:
        chroma = (image - images.gray(image)) - (photo - images.gray(photo))
        return float(chroma.abs().mean())

    assert color_change(kept) < 0.1 * color_change(free)
    assert (images.gray(kept) - images.gray(free)).abs().mean() < 0.01


def test_black_of_the_mask_stays_exactly(vgg: Classifier, image: Tensor) -> None:
    mask = torch.zeros(1, 3, 80, 96)
    mask[..., 48:] = 1
    for keep_color in (False, True):
        result = dream(vgg, image, "features.3", mask=mask, keep_color=keep_color).image
        assert torch.equal(result[..., :20], image[..., :20])
        assert (result[..., 28:] - image[..., 28:]).abs().mean() > 0.01


def is_gray(image: Tensor) -> bool:
    return torch.equal(image[:, 0], image[:, 1]) and torch.equal(image[:, 0], image[:, 2])


@pytest.mark.parametrize(
    "given",
    [
        {"preset": "plain"},
        {"preset": "plain", "rate": 0.01},
        {"preset": "classic", "octaves": 2},
        {"preset": "rich", "octaves": 3, "octave_scale": 1.2},
        {"preset": "rich", "octaves": 1, "tile": 32},
        {"preset": "plain", "optimizer": "adam"},
        {"preset": "classic", "octaves": 2, "mask": torch.linspace(0, 1, 40).expand(1, 3, 40, 40)},
        {"preset": "plain", "steps": 0},
    ],
    ids=["plain", "rate", "octaves", "natural colours", "tiles", "adam", "mask", "no step"],
)
def test_a_gray_dream_has_three_equal_channels(vgg: Classifier, image: Tensor, given: dict[str, Any]) -> None:
    photo = image[..., :40]
    settings = {"steps": 3, "jitter": 4, **given}
    luma = images.gray(photo)
    for start in (photo, luma.clamp(0, 1).repeat(1, 3, 1, 1)):
        found = dream(vgg, start, "features.3", parameterization="gray", **settings)
        assert is_gray(found.image)
        assert is_gray(found.original)
        assert torch.allclose(found.original[:, :1], luma, atol=1e-6)
        assert (found.image - found.original).abs().mean() > (1e-3 if settings["steps"] else -1)
        assert found.recipe is not None
        assert found.recipe.parameters["parameterization"] == "gray"


def test_a_gray_step_is_along_the_sum_of_the_colours_gradients(vgg: Classifier, image: Tensor) -> None:
    gray = (0.3 + 0.4 * images.gray(image)).repeat(1, 3, 1, 1)
    x = gray.clone().requires_grad_()
    forward_vgg(vgg, x).norm().backward()
    assert x.grad is not None
    expected = gray + 0.01 * x.grad.sum(1, keepdim=True)
    found = dream(vgg, gray, "features.3", preset="plain", rate=0.01, steps=1, parameterization="gray").image
    assert (expected - gray).abs().max() > 1e-3
    assert torch.allclose(found, expected.clamp(0, 1), atol=1e-6)


def test_in_gray_no_colours_are_kept(vgg: Classifier, image: Tensor) -> None:
    with pytest.raises(DreamscopeError, match="keep_color and parameterization 'gray' exclude each other"):
        dream(vgg, image, parameterization="gray", keep_color=True)


def test_a_mask_of_other_proportions(vgg: Classifier, image: Tensor) -> None:
    with pytest.raises(DreamscopeError, match="the mask is 40x40, the picture 48x40: their proportions differ"):
        dream(vgg, image, mask=torch.zeros(1, 3, 40, 40))


def test_a_guide_is_followed(vgg: Classifier, image: Tensor) -> None:
    guide = torch.zeros(1, 3, 40, 48)
    guide[..., ::2] = 1  # stripes
    plain = dream(vgg, image, "features.3", preset="classic", steps=8).image
    guided = dream(vgg, image, "features.3", preset="classic", steps=8, guide=guide).image

    def likeness(picture: Tensor) -> float:
        ours, theirs = (forward_vgg(vgg, x).flatten(2)[0] for x in (picture, guide))
        return float((ours.T @ theirs).amax(1).mean())

    assert likeness(guided) > likeness(plain)


def test_several_addresses_with_weights(vgg: Classifier, image: Tensor) -> None:
    both = dream(vgg, image, ["features.0", "0.5*features.3:2,4-5"], steps=2)
    assert both.recipe.parameters["at"] == ["features.0", "0.5*features.3:2,4,5"]
    assert not torch.equal(both.image, dream(vgg, image, ["features.0"], steps=2).image)


def test_steps_are_numbered_through(vgg: Classifier, image: Tensor) -> None:
    steps: list[Step] = []
    result = dream(vgg, torch.rand(1, 3, 100, 100), steps=3, octaves=2, callback=steps.append)
    assert [(step.number, step.total) for step in steps] == [(n, 6) for n in range(1, 7)]
    assert list(result.values) == [step.value for step in steps]


def test_one_recipe_one_file(vgg: Classifier, tmp_path: Path) -> None:
    for name, seed in (("a", 7), ("b", 7), ("c", 8)):
        dream(vgg, "sample:china", "features.3", size=64, steps=2, seed=seed).save(tmp_path / f"{name}.png")
    files = [(tmp_path / f"{name}.png").read_bytes() for name in "abc"]
    assert files[0] == files[1]
    assert files[0] != files[2]
    pictures = [images.read(tmp_path / f"{name}.png") for name in "ac"]
    assert not torch.equal(*pictures)


def test_the_recipe_spells_everything_out_but_no_path(vgg: Classifier, tmp_path: Path) -> None:
    path = images.write(torch.rand(1, 3, 40, 40), tmp_path / "photo.png")
    recipe = dream(vgg, str(path), steps=1, guide=path, mask=path).recipe
    assert set(recipe.inputs) == {"image", "guide", "mask"}
    assert recipe.inputs["image"]["name"] == "photo.png"
    assert str(tmp_path) not in recipe.to_json()
    assert {"loss", "steps", "rate", "octaves", "octave_scale", "jitter", "filter", "natural", "seed"} <= set(
        recipe.parameters
    )


def test_divergence_keeps_the_picture_so_far(vgg: Classifier, image: Tensor) -> None:
    with pytest.raises(DivergedError, match="no longer finite at step 1 of") as caught:
        dream(vgg, image, "features.3", rate=float("inf"))
    assert caught.value.result.image.shape == image.shape
    assert (caught.value.result.image - image).abs().max() < 1e-5
    assert hooks_on(vgg.module) == 0


def test_ctrl_c_on_a_small_octave_keeps_a_whole_picture(vgg: Classifier) -> None:
    photo = torch.rand(1, 3, 100, 120)

    def stop(step: Step) -> None:
        if step.number == 2:
            raise KeyboardInterrupt

    with pytest.raises(Interrupted) as caught:
        dream(vgg, photo, "features.3", octaves=3, steps=5, callback=stop)
    kept = caught.value.result
    assert kept.image.shape == photo.shape
    assert (kept.image - photo).abs().mean() > 1e-4
    assert len(kept.values) == 2
    assert hooks_on(vgg.module) == 0


def test_what_was_kept_keeps_to_the_mask(vgg: Classifier, image: Tensor) -> None:
    mask = torch.zeros(1, 3, 40, 48)
    mask[..., 24:] = 1

    def stop(step: Step) -> None:
        if step.number == 2:
            raise KeyboardInterrupt

    with pytest.raises(Interrupted) as caught:
        dream(vgg, image, "features.3", mask=mask, keep_color=True, callback=stop)
    kept = caught.value.result.image
    assert torch.equal(kept[..., :24], image[..., :24])
    assert not torch.equal(kept[..., 24:], image[..., 24:])


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"preset": "ritch"}, "did you mean 'rich'"),
        ({"loss": "l2"}, "no loss 'l2'"),
        ({"filter": "laplace"}, "did you mean 'laplacian'"),
        ({"at": "features.77"}, "no layer 'features.77'"),
        ({"size": "big"}, "size 'big'"),
        ({"steps": -1}, "steps lies between"),
        ({"seed": -1}, "seed lies between"),
        ({"seed": 2**63}, "seed lies between"),
        ({"memory": "much"}, "no size of memory"),
        ({"precision": "int8"}, "no precision 'int8'"),
        ({"guide": "nowhere.png"}, "no such picture"),
    ],
)
def test_what_cannot_be_meant(vgg: Classifier, image: Tensor, options: dict[str, object], message: str) -> None:
    with pytest.raises(DreamscopeError, match=message):
        dream(vgg, image, **options)  # type: ignore[arg-type]
    assert hooks_on(vgg.module) == 0


def test_several_pictures_at_once(vgg: Classifier, image: Tensor, tmp_path: Path) -> None:
    photos = [images.to_pil(image), np.asarray(images.to_pil(1 - image))]
    steps: list[Step] = []
    both = dream(vgg, photos, "features.3", steps=2, octaves=2, callback=steps.append)
    assert both.image.shape == (2, 3, 40, 48)
    assert len(steps[0].values) == 2
    for photo, one in zip(photos, both, strict=True):
        alone = dream(vgg, photo, "features.3", steps=2, octaves=2)
        assert (one.image - alone.image).abs().max() < 1e-3
        assert one.recipe == alone.recipe
        assert Recipe.read(one.save(tmp_path / "one.png")) == alone.recipe
    with pytest.raises(DreamscopeError, match="one file holds one picture, not 2: for one in dream"):
        both.save(tmp_path / "both.png")
    assert both._repr_png_().startswith(b"\x89PNG")
    with pytest.raises(DreamscopeError, match="one size, not 48x40 and 20x20"):
        dream(vgg, [image, torch.rand(1, 3, 20, 20)])


def test_an_objective_of_ones_own(vgg: Classifier, image: Tensor, tmp_path: Path) -> None:
    own = Objective.of(lambda seen: seen["features.3"].square().mean((1, 2, 3)), layers="features.3")
    usual = dream(vgg, image, "features.3", loss="mean_square", steps=2)
    free = dream(vgg, image, own, steps=2, recipe=False)
    assert (free.image - usual.image).abs().max() < 1e-4
    assert free.recipe is None
    with pytest.raises(DreamscopeError, match="holds no dreamscope recipe"):
        Recipe.read(free.save(tmp_path / "a.png"))
    # An Excite holds no code: it is written down.
    excite = Excite(tuple(resolve("features.3", vgg)), "mean_square")
    assert dream(vgg, image, excite, steps=2).recipe == usual.recipe
    for options, message in (
        ({}, "at can't be written in a recipe: .* give recipe=False"),
        ({"recipe": False, "tile": 32}, "can't be run in tiles"),
        ({"recipe": False, "guide": image}, "exclude each other"),
    ):
        with pytest.raises(DreamscopeError, match=message):
            dream(vgg, image, own, **options)
    with pytest.raises(DreamscopeError, match=r"no layer 'features\.9'"):
        dream(vgg, image, Objective.of(lambda seen: seen["features.9"], "features.9"), recipe=False)
    with pytest.raises(DreamscopeError, match="a function with its layers"):
        dream(vgg, image, lambda seen: seen["features.3"].mean((1, 2, 3)), recipe=False)


@pytest.mark.parametrize(
    "own",
    [
        {"transform": [lambda picture: picture.flip(3)]},
        {"optimizer": torch.optim.AdamW},
        {"parameterization": Fourier.of},
    ],
    ids=lambda given: next(iter(given)),
)
def test_what_has_no_place_in_a_recipe_is_refused_before_the_work(
    vgg: Classifier, image: Tensor, own: dict[str, object]
) -> None:
    steps: list[Step] = []
    with pytest.raises(DreamscopeError, match=f"{next(iter(own))} can't be written in a recipe"):
        dream(vgg, image, "features.3", callback=steps.append, **own)  # type: ignore[arg-type]
    assert not steps
    free = dream(vgg, image, "features.3", steps=2, recipe=False, callback=steps.append, **own)  # type: ignore[arg-type]
    assert free.recipe is None
    assert not torch.equal(free.image, image)


def test_settings_of_ones_own(vgg: Classifier, image: Tensor) -> None:
    own = Settings(loss="mean_square", steps=2, octaves=2, rate=None, filter="none", transform="rotate:3")
    first = dream(vgg, image, "features.3", preset=own)
    assert first.recipe is not None
    assert first.recipe.parameters["transform"] == ["rotate:3"]
    given = {name: value for name, value in first.recipe.parameters.items() if name != "keep_color"}
    assert torch.equal(dream(vgg, image, **given).image, first.image)
    with pytest.raises(TypeError, match="no setting of a dream: step"):
        dream(vgg, image, step=3)  # type: ignore[call-arg]


def test_natural_colors_of_the_plain_preset_leave_steps_as_they_are(vgg: Classifier, image: Tensor) -> None:
    after: list[Tensor] = [torch.full_like(image, 0.5) + 0.01 * image]
    dream(vgg, after[0], preset="plain", natural=0.5, steps=5, callback=lambda step: after.append(step.image))
    changes = [float((after[n + 1] - after[n]).abs().mean()) for n in (0, 4)]
    assert changes[0] == pytest.approx(1.5 / 255, rel=1e-3)
    assert changes[1] != pytest.approx(1.5 / 255, rel=0.01)


def test_a_class_grows_on_a_photo(vgg: Classifier) -> None:
    photo = 0.3 + 0.4 * torch.rand((1, 3, 40, 60), generator=torch.Generator().manual_seed(1))
    found = dream(vgg, photo, class_name="b", steps=40)
    assert found.image.shape == photo.shape
    assert torch.equal(found.original, photo)
    before, after = (float(vgg.logits(vgg.prepared(each))[0, 1]) for each in (photo, found.image))
    assert after > before + 0.01
    # Colours and composition stay.
    assert torch.allclose(photo.mean((2, 3)), found.image.mean((2, 3)), atol=0.03)
    assert found.recipe is not None
    kept = found.recipe.parameters
    assert (kept["class_name"], kept["preset"], kept["at"]) == ([1], "class", None)
    assert torch.equal(dream(vgg, photo, **kept).image, found.image)
    both = dream(vgg, photo, class_name=["b", 2], steps=3)
    assert both.recipe is not None
    assert both.recipe.parameters["class_name"] == [1, 2]
    assert both.values[0] == pytest.approx(
        sum(dream(vgg, photo, class_name=each, steps=1).values[0] for each in ("b", "c")), abs=1e-4
    )
    assert hooks_on(vgg.module) == 0


def test_a_class_keeps_to_the_mask(vgg: Classifier, image: Tensor) -> None:
    mask = torch.zeros_like(image)
    mask[..., :24] = 1
    seen: list[Tensor] = []
    found = dream(vgg, image, class_name="b", steps=4, mask=mask, callback=lambda step: seen.append(step.image))
    assert torch.allclose(found.image[..., 24:], image[..., 24:], atol=1e-6)
    assert (found.image - image)[..., :24].abs().mean() > 1e-3
    # And the network sees no more of it than that.
    assert torch.allclose(seen[-1][..., 24:], image[..., 24:], atol=1e-6)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"class_name": "b", "at": "features.3"}, "an address and a class exclude each other"),
        ({"class_name": "f"}, "no class 'f' in Vgg"),
        ({"class_name": 9}, "class 9 is out of range: Vgg has 5 classes"),
        ({"class_name": "b", "guide": torch.zeros(1, 3, 8, 8)}, "a guide and a class exclude each other"),
        ({"class_name": "b", "tile": 64}, "can't be run in tiles"),
    ],
)
def test_bad_classes_are_refused(vgg: Classifier, image: Tensor, options: dict[str, object], message: str) -> None:
    with pytest.raises(DreamscopeError, match=message):
        dream(vgg, image, **options)  # type: ignore[arg-type]


def test_units_that_are_silent_on_a_black_picture_wake_up() -> None:
    net = nn.Sequential(nn.Conv2d(3, 2, 1), nn.ReLU())
    with torch.no_grad():
        net[0].weight.fill_(1.0)
        net[0].bias.fill_(-0.05)
    model = wrap(net, input_size=16)
    for preset in ("rich", "classic", "plain"):
        found = dream(model, "black", "1", preset=preset, size=40, octaves=1)
        assert found.image.mean() > 0.01
        assert found.values[-1] > found.values[0] > 0
        assert found.recipe is not None
        assert found.recipe.inputs == {"image": "black"}
    assert hooks_on(model.module) == 0


@pytest.mark.embedded
def test_a_class_of_the_embedded_network_grows(lite0: Classifier) -> None:
    photo = images.resize(images.read("sample:flower"), Size(120, 80)).clamp(0, 1)
    found = dream(lite0, photo, class_name="sea anemone", steps=20)
    shares = [lite0.logits(lite0.prepared(each)).softmax(1)[0, 108].item() for each in (photo, found.image)]
    assert lite0.label(108) == "sea anemone"
    assert shares[0] < 0.3
    assert shares[1] > 0.7
    assert (found.image - photo).abs().mean() < 0.1
    assert hooks_on(lite0.module) == 0


@pytest.mark.embedded
@pytest.mark.parametrize("name", ["lite0", "vgg19"])
def test_embedded_models_dream_at_their_default(name: str, request: pytest.FixtureRequest) -> None:
    model = request.getfixturevalue(name)
    photo = images.resize(images.read("sample:china"), Size(120, 80)).clamp(0, 1)
    # Without shift, so that the values are of one and the same picture.
    result = dream(model, photo, steps=4, octaves=2, jitter=0)
    assert result.values[3] > result.values[0]
    assert result.values[-1] > result.values[4]
    assert 0.01 < (result.image - photo).abs().mean() < 0.3
    assert hooks_on(model.module) == 0


USUAL = {"mean": (0.5, 0.5, 0.5), "std": (0.25, 0.25, 0.25)}


def test_a_raw_rate_is_that_of_the_networks_own_input(image: Tensor) -> None:
    """``x <- clip(x + rate * dL/dx)``, dL/dx with respect to what the network is given."""
    model = wrap(seeded(Vgg()), input_size=32, **USUAL)  # type: ignore[arg-type]
    x, rate = image.clone(), 0.02
    for _ in range(3):
        own = model.normalization(x).requires_grad_()
        model.module.features[:4](own).norm().backward()
        assert own.grad is not None
        x = (x + rate * own.grad).clip(0, 1)
    found = dream(model, image, "features.3", preset="plain", rate=rate, steps=3).image
    assert (found - image).abs().mean() > 1e-3
    assert (found - x).abs().max() <= 1e-5
    # As rates were before, for recipes of that time.
    before = dream(model, image, "features.3", preset="plain", rate=rate / 4, steps=3, gradient="image").image
    assert (before - found).abs().max() <= 1e-5


@pytest.mark.parametrize("inside", [False, True], ids=["normalised", "taken in by the weights"])
def test_a_raw_rate_means_the_same_whatever_the_range(image: Tensor, inside: bool) -> None:
    """The same network for numbers 64 times as large: activations are, and steps are the same."""
    small = wrap(seeded(Vgg()), input_size=32, **USUAL)  # type: ignore[arg-type]
    large = seeded(Vgg())
    with torch.no_grad():
        for name, parameter in large.named_parameters():
            parameter.mul_(64 if name.endswith("bias") else 1)
        if inside:
            large.features[0].weight.mul_(64)
    std = (0.25, 0.25, 0.25) if inside else (0.25 / 64,) * 3
    model = wrap(large, input_size=32, mean=USUAL["mean"], std=std)
    if inside:
        model.normalization = replace(model.normalization, scale=64.0)
    changes = {"preset": "plain", "rate": 0.02, "steps": 4}
    one, other = (dream(each, image, "features.3", **changes).image for each in (small, model))  # type: ignore[arg-type]
    assert (one - image).abs().mean() > 1e-3
    assert (one - other).abs().max() < 1e-5
    raw = dream(model, image, "features.3", gradient="image", **changes).image  # type: ignore[arg-type]
    assert (raw - image).abs().mean() > 5 * (one - image).abs().mean()


def test_the_automatic_rate_is_in_the_recipe(image: Tensor) -> None:
    model = wrap(seeded(Vgg()), input_size=32, **USUAL)  # type: ignore[arg-type]
    found = dream(model, image, "features.3", preset="plain", steps=3, octaves=2)
    assert found.recipe is not None
    (rate,) = found.rates
    assert rate == found.recipe.parameters["rate"] > 0
    assert found.recipe.chosen == ["rate"]
    again = dream(model, image, "features.3", preset="plain", steps=3, octaves=2, rate=rate)
    assert torch.equal(again.image, found.image)
    assert again.recipe is not None
    assert (again.rates, again.recipe.chosen) == ((), [])
    # Of several pictures each has its own; without a step, or a gradient, there is none.
    both = dream(model, [image, image / 2], "features.3", preset="plain", steps=1)
    assert [each.recipe.parameters["rate"] for each in both if each.recipe] == list(both.rates)
    assert both.rates[0] != both.rates[1]
    still = dream(model, image, "features.3", preset="plain", steps=0).recipe
    assert still is not None
    assert (still.parameters["rate"], still.chosen) == (None, [])
    flat = Objective.of(lambda seen: 0 * seen["features.3"].sum((1, 2, 3)), layers=["features.3"])
    assert dream(model, image, flat, preset="plain", steps=1, recipe=False).rates == (None,)


def test_a_common_factor_of_weights_counts_with_a_raw_rate_alone(vgg: Classifier, image: Tensor) -> None:
    def dreamt(weight: float, **settings: object) -> Tensor:
        at = [f"{weight}*features.0", f"{weight}*features.3"]
        return dream(vgg, image, at, steps=2, **settings).image  # type: ignore[arg-type]

    for same in ({"preset": "plain"}, {"preset": "classic"}):
        assert (dreamt(1, **same) - dreamt(4, **same)).abs().max() < 1e-4
    for balance in (False, True):
        once, four = (dreamt(weight, preset="plain", rate=0.002, balance=balance) - image for weight in (1, 4))
        assert four.abs().mean() > 2.5 * once.abs().mean() > 0


def test_balance(vgg: Classifier, image: Tensor) -> None:
    """With one step, scaling a layer's numbers changes nothing."""
    loud = seeded(Vgg())
    at, settings = ["features.0", "0.5*features.3"], {"preset": "plain", "rate": 1e-3, "steps": 1}
    # Nothing is clipped.
    image = 0.5 + 0.1 * (image - 0.5)
    with torch.no_grad():
        loud.features[3].weight.mul_(100)
        loud.features[3].bias.mul_(100)
    models = vgg, wrap(loud, input_size=32)
    changes = [dream(model, image, at, balance=True, **settings).image - image for model in models]  # type: ignore[arg-type]
    # Up to the size that both layers come to, their mean.
    directions = [change / change.abs().mean() for change in changes]
    assert (directions[0] - directions[1]).abs().max() < 0.01
    free = [dream(model, image, at, **settings).image - image for model in models]  # type: ignore[arg-type]
    assert (free[0] / free[0].abs().mean() - free[1] / free[1].abs().mean()).abs().max() > 0.1
    found = dream(vgg, image, at, steps=2, balance=True, preset="classic")
    assert found.recipe is not None
    assert found.recipe.parameters["balance"] is True
    assert hooks_on(vgg.module) == 0
    own = Objective.of(lambda seen: seen["features.0"].mean((1, 2, 3)), ["features.0"])
    with pytest.raises(DreamscopeError, match="balance weighs addresses"):
        dream(vgg, image, own, balance=True, recipe=False)


def test_balance_with_a_guide(vgg: Classifier, image: Tensor) -> None:
    settings = {"preset": "classic", "steps": 2, "guide": image.flip(3)}
    pictures = [dream(vgg, image, ["features.0", "features.3"], balance=each, **settings).image for each in (0, 1)]  # type: ignore[arg-type]
    assert not torch.equal(*pictures)
