from __future__ import annotations

import io
from pathlib import Path

import numpy as np
import pytest
import torch
from nets import hooks_on
from PIL import Image
from torch import Tensor, nn

from dreamscope import images
from dreamscope.adversarial.fool import BUDGETS, METHODS, NORMS, fool
from dreamscope.errors import DreamscopeError, Interrupted
from dreamscope.models.classifier import Classifier
from dreamscope.models.wrapping import wrap
from dreamscope.optimize.ascent import Step
from dreamscope.recipes import Recipe


class Colours(nn.Module):
    """Each class is a colour's mean: what must change is known on paper."""

    def forward(self, x: Tensor) -> Tensor:
        return 20 * x.mean((2, 3))[:, [1, 2, 0]]


@pytest.fixture
def colours() -> Classifier:
    return wrap(Colours(), input_size=16, labels=["green", "blue", "red"])


@pytest.fixture
def photo() -> Tensor:
    # Gray with a touch of noise and of green: green, but not by far.
    noise = 0.02 * torch.rand((1, 3, 16, 16), generator=torch.Generator().manual_seed(0))
    tint = torch.tensor([0.5, 0.56, 0.5]).view(1, 3, 1, 1)
    return tint + noise


GREEN, BLUE, RED = 0, 1, 2


@pytest.mark.parametrize("norm", NORMS)
@pytest.mark.parametrize("method", METHODS)
def test_every_method_and_norm(colours: Classifier, photo: Tensor, tmp_path: Path, method: str, norm: str) -> None:
    budget = {"l2": 3.0, "linf": 0.3}[norm]
    found = fool(colours, photo, "red", method=method, norm=norm, budget=budget)
    assert found.success
    assert (found.before[0].label, found.after[0].label) == ("green", "red")
    assert found.wanted_after > found.wanted_before
    assert (found.linf if norm == "linf" else found.l2) <= budget + 1e-6
    # Nothing but whole levels, in [0, 1].
    levels = found.image * 255
    assert torch.allclose(levels, levels.round(), atol=1e-3)
    assert 0 <= found.image.min() <= found.image.max() <= 1
    again = found.reread(colours, found.save(tmp_path / "fooled.png"))
    assert again.success
    assert again.wanted_after == pytest.approx(found.wanted_after, abs=1e-6)
    assert again.l2 == pytest.approx(found.l2, rel=1e-5)
    assert hooks_on(colours.module) == 0


def test_minimal_is_near_the_least_there_is(colours: Classifier, photo: Tensor) -> None:
    found = fool(colours, photo, "red")
    means = photo.mean((2, 3))[0]
    # Red leads when it has caught up with green: at every pixel half by red that rises, half by green that falls.
    gap = float(means[1] - means[0])
    least = gap / 2 * (2 * 16 * 16) ** 0.5
    assert found.l2 < 1.25 * least
    assert found.l2 > 0.95 * least


@pytest.mark.parametrize("norm", NORMS)
def test_any_other_class_will_do(colours: Classifier, photo: Tensor, norm: str) -> None:
    found = fool(colours, photo, norm=norm)
    assert found.success
    assert found.goal.to is None
    assert found.after[0].index != GREEN


def test_a_confidence_to_reach(colours: Classifier, photo: Tensor) -> None:
    just, sure = fool(colours, photo, "red"), fool(colours, photo, "red", stop_at=0.6)
    assert sure.success
    assert sure.after[0].probability >= 0.6 > just.after[0].probability
    assert sure.l2 > just.l2


def test_a_budget_in_linf_is_kept_to_the_bit(colours: Classifier, photo: Tensor, tmp_path: Path) -> None:
    found = fool(colours, photo, "red", norm="linf", method="pgd", budget="2/255")
    assert not found.success
    before = (found.original * 255).round()
    after = (images.read(found.save(tmp_path / "a.png")) * 255).round()
    assert (after - before).abs().max() == 2


def test_too_small_a_budget_is_no_success(colours: Classifier, photo: Tensor) -> None:
    found = fool(colours, photo, "red", budget=0.02)
    assert not found.success
    assert fool(colours, photo, "red", method="pgd", budget=0.02).l2 <= 0.02


def test_the_picture_keeps_its_size(colours: Classifier) -> None:
    wide = torch.full((1, 3, 40, 60), 0.5)
    wide[:, 1] = 0.55
    found = fool(colours, wide, "red")
    assert found.success
    assert found.image.shape == wide.shape
    assert found.difference().shape == wide.shape
    # Only the middle is looked at.
    assert torch.equal(found.image[..., :4], found.original[..., :4])


def test_the_recipe_makes_it_again(colours: Classifier, photo: Tensor, tmp_path: Path) -> None:
    found = fool(colours, photo, "red", method="pgd")
    kept = Recipe.read(found.save(tmp_path / "a.png"))
    assert kept.parameters["budget"] == BUDGETS["l2"]
    again = fool(colours, photo, **kept.parameters)
    assert torch.equal(found.image, again.image)


@pytest.mark.parametrize(
    ("to", "options", "message"),
    [
        ("green", {}, "taken for 'green' already; name another class"),
        ("yellow", {}, "no class 'yellow'"),
        ("17", {}, "class 17 is out of range"),
        ("red", {"method": "pdg"}, "no method 'pdg'.*did you mean 'pgd'"),
        ("red", {"norm": "l1"}, "no norm 'l1'; there are l2, linf"),
        ("red", {"budget": 0}, "a budget is more than 0, such as 2/255 or 0.5, not 0"),
        ("red", {"budget": "two"}, "a budget is more than 0"),
        ("red", {"budget": "2/0"}, "a budget is more than 0"),
        ("red", {"budget": "0.5/255", "norm": "linf"}, "changes nothing in an 8-bit picture; the least is 1/255"),
        ("red", {"stop_at": 1.5}, "stop_at is a confidence between 0 and 1"),
        ("red", {"steps": 0}, "minimal takes 1 to 100000 steps, not 0"),
        ("red", {"steps": 3, "method": "fgsm"}, "fgsm takes 1 step, not 3"),
    ],
)
def test_bad_input_is_refused(
    colours: Classifier, photo: Tensor, to: str, options: dict[str, object], message: str
) -> None:
    with pytest.raises(DreamscopeError, match=message):
        fool(colours, photo, to, **options)  # type: ignore[arg-type]


def test_a_file_is_measured_in_one_pass(colours: Classifier, photo: Tensor, tmp_path: Path) -> None:
    found = fool(colours, photo, "red")
    path = found.save(tmp_path / "a.png")
    passes = []
    with colours.module.register_forward_hook(lambda *_: passes.append(1)):
        again = found.reread(colours, path)
    assert len(passes) == 1
    shares = colours.logits(torch.cat([found.original, found.image])).softmax(1)
    assert [again.wanted_before, again.wanted_after] == pytest.approx(shares[:, RED].tolist())
    assert fool(colours, photo).wanted_before == pytest.approx(1 - float(shares[0, GREEN]))


def test_a_file_of_another_size_is_not_the_picture(colours: Classifier, photo: Tensor, tmp_path: Path) -> None:
    found = fool(colours, photo, "red")
    path = images.write(torch.zeros(1, 3, 20, 20), tmp_path / "other.png")
    with pytest.raises(DreamscopeError, match="another size than the one that was changed"):
        found.reread(colours, path)


def test_only_png_keeps_every_level(colours: Classifier, photo: Tensor, tmp_path: Path) -> None:
    found = fool(colours, photo, "red")
    with pytest.raises(DreamscopeError, match=r"only .png keeps every level"):
        found.save(tmp_path / "a.jpg")
    assert not list(tmp_path.iterdir())


def test_pictures_of_any_kind_and_no_recipe(colours: Classifier, photo: Tensor, tmp_path: Path) -> None:
    pil = images.to_pil(photo)
    found = fool(colours, pil, "red", recipe=False)
    assert found.recipe is None
    assert images.read_note(found.save(tmp_path / "a.png")) is None
    again = fool(colours, np.asarray(pil), "red")
    assert torch.equal(found.image, again.image)


def test_each_step_is_reported(colours: Classifier, photo: Tensor) -> None:
    seen: list[int] = []
    found = fool(colours, photo, "red", method="pgd", callback=lambda step: seen.append(step.number))
    assert seen == list(range(1, found.steps + 1))


@pytest.mark.parametrize(("after", "fooled"), [(1, False), (150, True)])
def test_stopped_it_gives_the_best_so_far(colours: Classifier, photo: Tensor, after: int, fooled: bool) -> None:
    def stopping(step: Step) -> None:
        if step.number == after:
            raise KeyboardInterrupt

    with pytest.raises(Interrupted) as stopped:
        fool(colours, photo, "red", callback=stopping)
    found = stopped.value.result
    assert found.success == fooled
    assert found.steps == after - 1
    levels = found.image * 255
    assert torch.allclose(levels, levels.round(), atol=1e-3)
    assert hooks_on(colours.module) == 0


def test_it_shows_itself_in_a_notebook(colours: Classifier, photo: Tensor) -> None:
    assert Image.open(io.BytesIO(fool(colours, photo, "red")._repr_png_())).size == (3 * 16, 16)


@pytest.mark.parametrize("begun", ["noise", "clouds", "gray", "black", "white", "#336699", "navy"])
def test_from_what_is_no_photo_it_reaches_99_percent(colours: Classifier, tmp_path: Path, begun: str) -> None:
    to = "green" if begun == "#336699" else "red"
    found = fool(colours, begun, to, seed=3)
    assert found.success
    assert found.goal.stop_at == 0.99
    assert found.image.shape == (1, 3, 16, 16)
    again = found.reread(colours, found.save(tmp_path / "a.png"))
    assert again.success
    assert again.after[0].probability >= 0.99
    kept = Recipe.read(tmp_path / "a.png")
    assert kept.inputs == {"image": begun}
    assert (kept.parameters["method"], kept.parameters["size"]) == ("ascent", "16x16")
    assert torch.equal(fool(colours, **kept.inputs, **kept.parameters).image, found.image)
    assert hooks_on(colours.module) == 0


def test_of_a_photo_nothing_more_is_asked(colours: Classifier, photo: Tensor) -> None:
    found = fool(colours, photo, "red")
    assert found.goal.stop_at is None
    assert found.recipe is not None
    assert found.recipe.parameters["method"] == "minimal"
    assert fool(colours, photo, "red", size="24x20").image.shape == (1, 3, 20, 24)


@pytest.mark.embedded
@pytest.mark.parametrize("begun", ["gray", "noise"])
def test_the_embedded_network_sees_penguins_in_nothing(lite0: Classifier, tmp_path: Path, begun: str) -> None:
    found = fool(lite0, begun, "king penguin")
    again = found.reread(lite0, found.save(tmp_path / "a.png"))
    assert again.success
    assert again.after[0].probability >= 0.99
    # Nobody else sees one: no colour is far from where it was, on average.
    assert float((again.image - again.original).abs().mean()) < 0.05
