from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

import pytest
import torch
from nets import Functional, Residual, Vgg, hooks_on, seeded
from torch import Tensor, nn

from dreamscope import images
from dreamscope.errors import DreamscopeError
from dreamscope.models.classifier import Classifier
from dreamscope.models.edits import Ablation
from dreamscope.models.wrapping import wrap
from dreamscope.probes import LOGITS, patch, probe, tapped


@pytest.mark.parametrize(
    "layers", [["bn1"], ["bn1", "relu"], ["bn1", "layer1.0.bn1", "layer1.1", "fc"]], ids=["alone", "later", "many"]
)
def test_in_place_relu_does_not_change_what_was_captured(
    residual: Classifier, image: Tensor, layers: list[str]
) -> None:
    with probe(residual, layers) as seen:
        assert seen(image)["bn1"].min() < 0


def test_captured_is_what_the_layer_put_out(residual: Classifier, image: Tensor) -> None:
    net = residual.module
    with torch.no_grad(), probe(residual, ["bn1", "layer1.0"]) as seen:
        seen(image)
        assert torch.equal(seen["bn1"], net.bn1(net.conv1(image)))
        assert torch.equal(seen["layer1.0"], net.layer1[0](torch.relu(seen["bn1"])))


def test_gradients_are_those_of_the_network_itself(vgg: Classifier, image: Tensor) -> None:
    picture = image.requires_grad_()
    with probe(vgg, "features.3") as seen:
        (ours,) = torch.autograd.grad(seen(picture)["features.3"].square().sum(), picture)
    (theirs,) = torch.autograd.grad(vgg.module.features[:4](picture).square().sum(), picture)
    assert torch.equal(ours, theirs)


def test_the_pass_stops_after_the_deepest_layer(vgg: Classifier, image: Tensor) -> None:
    ran: list[str] = []
    for name, part in vgg.module.named_modules():
        if name:
            part.register_forward_hook(lambda *_, name=name: ran.append(name))
    _ = vgg.layers
    ran.clear()
    with probe(vgg, ["features.0", "features.2"]) as seen:
        seen(image)
        assert ran == ["features.0", "features.1", "features.2"]
        assert seen.output is None
    with probe(vgg, ["features.2"], to_the_end=True) as seen:
        assert seen(image).output.shape == (1, 5)


def test_a_module_called_twice_gives_its_last(residual: Classifier, image: Tensor) -> None:
    with torch.no_grad(), probe(residual, ["layer1.0.relu", "layer1.0"]) as seen:
        seen(image)
        assert torch.equal(seen["layer1.0.relu"], seen["layer1.0"])


def test_functional_activations_do_not_matter(image: Tensor) -> None:
    model = wrap(seeded(Functional()), input_size=32)
    with probe(model, ["a", "b"]) as seen:
        assert seen(image)["a"].min() < 0


def test_tuples_and_tokens_come_channels_second(tokens: Classifier, image: Tensor) -> None:
    picture = image[..., :32, :32]
    with torch.no_grad(), probe(tokens, ["patch", "attention", "mlp", "head"]) as seen:
        seen(picture)
        assert seen["patch"].shape == (1, 16, 4, 4)
        assert seen["attention"].shape == seen["mlp"].shape == (1, 16, 17)
        assert torch.equal(seen["head"], tokens(picture))
        assert torch.equal(tokens.module.head(seen["mlp"][:, :, 0]), seen["head"])


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16])
def test_half_precision_and_channels_last(dtype: torch.dtype, image: Tensor) -> None:
    model = wrap(seeded(Vgg()).to(dtype).to(memory_format=torch.channels_last), input_size=32)
    plain = wrap(seeded(Vgg()), input_size=32)
    with torch.no_grad(), probe(model, "features.3") as seen, probe(plain, "features.3") as expected:
        assert seen(image)["features.3"].dtype == dtype
        assert torch.allclose(seen["features.3"].float(), expected(image)["features.3"], atol=0.05)


@pytest.mark.parametrize("fault", [RuntimeError("x"), KeyboardInterrupt(), DreamscopeError("x")])
def test_nothing_is_left_after_a_fault(residual: Classifier, image: Tensor, fault: BaseException) -> None:
    def fail() -> None:
        with probe(residual, ["bn1", "fc"], edits=[Ablation("layer1.0")]) as seen:
            seen(image)
            raise fault

    with pytest.raises(type(fault)):
        fail()
    assert hooks_on(residual.module) == 0
    with probe(residual, ["bn1", "fc"]) as seen:
        assert set(seen(image)) == {"bn1", "fc"}


def test_nothing_is_left_when_the_network_itself_fails(image: Tensor) -> None:
    class Moody(nn.Module):
        moody = False

        def __init__(self) -> None:
            super().__init__()
            self.a = nn.Conv2d(3, 4, 3)
            self.b = nn.Conv2d(4, 4, 3)

        def forward(self, x: Tensor) -> Tensor:
            x = self.a(x)
            if Moody.moody:
                raise RuntimeError("not today")
            return self.b(x)

    model = wrap(Moody(), input_size=32)
    _ = model.layers
    Moody.moody = True
    with pytest.raises(DreamscopeError, match="not today"), probe(model, "b") as seen:
        seen(image)
    assert hooks_on(model.module) == 0
    Moody.moody = False
    with probe(model, "b") as seen:
        assert seen(image)["b"].shape == (1, 4, 36, 44)


def test_a_network_that_catches_everything_is_still_stopped(image: Tensor) -> None:
    class Stubborn(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.inner = seeded(Vgg())
            self.after = nn.Identity()

        def forward(self, x: Tensor) -> Tensor:
            try:
                return self.after(self.inner(x))
            except Exception:
                return x

    model = wrap(Stubborn(), input_size=32)
    with probe(model, "inner.features.0") as seen:
        assert seen(image)["inner.features.0"].shape == (1, 8, 40, 48)


def test_nested_probes_do_not_disturb_each_other(vgg: Classifier, image: Tensor) -> None:
    with probe(vgg, "features.0") as outer:
        outer(image)
        before = outer["features.0"]
        with probe(vgg, "features.3") as inner:
            inner(1 - image)
            assert set(inner) == {"features.3"}
        assert outer["features.0"] is before
        assert set(outer(1 - image)) == {"features.0"}
    assert hooks_on(vgg.module) == 0


def test_edits_hold_in_this_probe_only(vgg: Classifier, image: Tensor) -> None:
    before = vgg(image)
    with probe(vgg, ["features.3", "features.5"], edits=[Ablation("features.3:0-3")]) as seen:
        seen(image)
        # Recorded is what the edit made of it.
        assert (seen["features.3"][:, :4] == 0).all()
        assert (seen["features.5"][:, :4] == 0).all()
        assert (seen["features.5"][:, 4:] != 0).any()
    assert torch.equal(vgg(image), before)


def test_edits_under_gradients_with_in_place_relu(vgg: Classifier, image: Tensor) -> None:
    picture = image.requires_grad_()
    with probe(vgg, "features.5", edits=[Ablation("features.3:1", how="scale:2")]) as seen:
        (gradient,) = torch.autograd.grad(seen(picture)["features.5"].sum(), picture)
    assert gradient.isfinite().all()


def test_misuse_is_told(vgg: Classifier, image: Tensor) -> None:
    with pytest.raises(DreamscopeError, match=r"no layer 'feature\.0'"):
        probe(vgg, "feature.0")
    outside = probe(vgg, "features.0")
    with pytest.raises(DreamscopeError, match="inside a with block"):
        outside(image)
    with outside as seen:
        with pytest.raises(DreamscopeError, match=r"nothing recorded at 'features\.0'"):
            seen["features.0"]
        with pytest.raises(DreamscopeError, match="already in use"):
            seen.__enter__()
        seen(image)
        with pytest.raises(DreamscopeError, match=r"recorded: features\.0"):
            seen["features.1"]


def test_a_layer_may_be_skipped_by_one_pass(image: Tensor) -> None:
    class Choosy(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.a = nn.Conv2d(3, 4, 3)
            self.b = nn.Identity()

        def forward(self, x: Tensor) -> Tensor:
            return self.b(self.a(x)) if x.shape[-1] == 32 else self.a(x)

    model = wrap(Choosy(), input_size=32)
    with pytest.raises(DreamscopeError, match="layer 'b' of Choosy did not run"), probe(model, "b") as seen:
        seen(image)


def test_batch_norm_statistics_are_never_touched(image: Tensor) -> None:
    model = wrap(Residual(), input_size=32)
    before = model.module.bn1.running_mean.clone()
    with probe(model, "fc") as seen:
        seen(image)
    assert torch.equal(model.module.bn1.running_mean, before)


def test_class_scores_alone(vgg: Classifier, image: torch.Tensor) -> None:
    with probe(vgg, [LOGITS]) as seen:
        assert torch.equal(seen(image)[LOGITS], vgg.logits(image))
        assert list(seen) == [LOGITS]


def test_a_gradient_can_be_taken_to_what_is_caught(vgg: Classifier, image: Tensor) -> None:
    # An in-place ReLU follows: what was caught is what the convolution itself put out.
    picture = image.clone().requires_grad_()
    with tapped(vgg, ["features.3", "features.4"]) as caught:
        score = vgg.logits(picture)[0, 2]
    before, after = torch.autograd.grad(score, [caught["features.3"], caught["features.4"]])
    assert torch.equal(before, after * (caught["features.3"] > 0))
    assert bool((caught["features.3"] < 0).any())
    with torch.no_grad():
        assert torch.equal(score, vgg.logits(image)[0, 2])
    assert hooks_on(vgg.module) == 0


def test_of_a_layer_that_runs_twice_the_last_time_counts(residual: Classifier, image: Tensor) -> None:
    with torch.no_grad(), tapped(residual, ["layer1.1.relu"]) as caught, probe(residual, "layer1.1") as seen:
        assert torch.equal(seen(image)["layer1.1"], caught["layer1.1.relu"])


def test_edits_come_first_and_tuples_stay_tuples(vgg: Classifier, tokens: Classifier, image: Tensor) -> None:
    edited = vgg.edited(Ablation("features.4:3"))
    with torch.no_grad(), tapped(edited, ["features.4"]) as caught:
        edited.logits(image)
    assert not caught["features.4"][:, 3].any()
    picture = image[..., :32, :32]
    with torch.no_grad(), tapped(tokens, ["attention"]) as caught:
        assert torch.equal(tokens.logits(picture), tokens.logits(picture))
    assert caught["attention"].shape == (1, 17, 16)


def test_gone_after_an_error(vgg: Classifier) -> None:
    with pytest.raises(ValueError, match="mine"), tapped(vgg, ["features.4"]):
        raise ValueError("mine")
    assert hooks_on(vgg.module) == 0


def test_any_module_can_be_probed(image: Tensor) -> None:
    module = seeded(Vgg()).train()
    with probe(module, ["features.3", LOGITS], edits=Ablation("features.0:1")) as seen:
        seen(image)
        assert torch.equal(seen["features.3"], module.features[1:4](zeroed(module.features[0](image), 1)))
        assert seen.model.input_size == (40, 48)
    assert module.training
    assert hooks_on(module) == 0
    with pytest.raises(DreamscopeError, match=r"no layer 'feature\.3'"), probe(module, "feature.3") as seen:
        seen(image)
    with pytest.raises(DreamscopeError, match="only after its first pass"):
        _ = probe(module, "features.3").model


def zeroed(activation: Tensor, channel: int) -> Tensor:
    return activation.index_fill(1, torch.tensor(channel), 0)


def test_a_probe_belongs_to_its_thread(vgg: Classifier, image: Tensor) -> None:
    with probe(vgg, "features.3") as seen, ThreadPoolExecutor(1) as pool:
        elsewhere = pool.submit(seen, image)
    with pytest.raises(DreamscopeError, match="belongs to the thread that entered it"):
        elsewhere.result()


def test_nothing_is_left_on_what_a_probe_ran(vgg: Classifier, image: Tensor) -> None:
    edited = vgg.edited(Ablation("features.3:1"))
    for model, own in ((vgg, 0), (edited, 1)):
        with (
            pytest.raises(DreamscopeError, match="nothing recorded"),
            probe(model, ["features.3", "classifier"]) as seen,
            tapped(model, ["features.0"]),
        ):
            seen(image)["nowhere"]
        with model._lent() as twin:
            assert hooks_on(twin) == own


def test_a_photo_is_patched_in(vgg: Classifier, image: Tensor) -> None:
    picture = vgg.prepared(image)
    flower = vgg.prepared(images.read_image("sample:flower"))
    assert torch.allclose(vgg.edited(patch(vgg, "sample:flower", "features"))(picture), vgg(flower))
    with (
        probe(vgg.edited(patch(vgg, flower, "features.3:2@4,5")), "features.3") as seen,
        probe(vgg, "features.3") as own,
    ):
        changed = seen(picture)["features.3"] != own(picture)["features.3"]
        assert changed.nonzero().tolist() == [[0, 2, 4, 5]]
        assert torch.allclose(seen["features.3"][changed], own(flower)["features.3"][changed])
    with pytest.raises(DreamscopeError, match="one photo is patched in at a time, not 2"):
        patch(vgg, torch.rand(2, 3, 32, 32), "features.3")
    with pytest.raises(DreamscopeError, match="names 2"):
        patch(vgg, flower, "features.[03]")
