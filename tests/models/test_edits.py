from __future__ import annotations

import json
from collections.abc import Callable

import pytest
import torch
from torch import Tensor

from dreamscope.errors import DreamscopeError
from dreamscope.models.classifier import Classifier
from dreamscope.models.edit_base import Edit, place_of
from dreamscope.models.edits import Ablation, Add, Custom, Patch, Replace, ensure_edits
from dreamscope.models.erase import Erase
from dreamscope.models.randomize import Randomize
from dreamscope.probes import probe


def activation() -> torch.Tensor:
    return torch.arange(2 * 3 * 2 * 2, dtype=torch.float32).reshape(2, 3, 2, 2)


def test_zero_only_what_is_named() -> None:
    before = activation()
    after = Ablation("a:1")(before)
    assert (after[:, 1] == 0).all()
    assert torch.equal(after[:, [0, 2]], before[:, [0, 2]])
    assert torch.equal(before, activation())


def test_all_channels() -> None:
    assert (Ablation("a")(activation()) == 0).all()


def test_mean_keeps_the_mean_and_loses_the_place() -> None:
    after = Ablation("a:0", how="mean")(activation())
    assert torch.equal(after[0, 0], torch.full((2, 2), 1.5))


def test_noise_keeps_mean_and_spread_and_is_the_same_each_time() -> None:
    generator = torch.Generator().manual_seed(3)
    before = torch.randn((2, 3, 60, 60), generator=generator) * torch.tensor([1.0, 5.0, 0.0]).view(3, 1, 1) + 7
    edit = Ablation("a:1,2", how="noise")
    after = edit(before)
    assert torch.equal(after, edit(before))
    assert torch.equal(after[1:], edit(before[1:]))
    assert torch.equal(after[:, 0], before[:, 0])
    assert torch.allclose(after[:, 1].mean((1, 2)), before[:, 1].mean((1, 2)), atol=0.3)
    assert torch.allclose(after[:, 1].std((1, 2)), before[:, 1].std((1, 2)), rtol=0.05)
    assert abs(torch.corrcoef(torch.stack([after[0, 1].flatten(), before[0, 1].flatten()]))[0, 1]) < 0.1
    # A constant channel has no spread.
    assert torch.allclose(after[:, 2], before[:, 2])


def test_gaussian_is_as_strong_as_the_layer_and_leaves_nothing_of_the_channel() -> None:
    generator = torch.Generator().manual_seed(3)
    before = torch.randn((2, 8, 60, 60), generator=generator) + 7
    # Of one picture the layer is ten times as strong.
    before[1] *= 10
    edit = Ablation("a:1,2", how="gaussian")
    after = edit(before)
    assert torch.equal(after[1:], edit(before[1:]))
    assert torch.equal(after[:, 0], before[:, 0])
    assert torch.allclose(after[:, 1:3].mean((2, 3)), torch.zeros(2, 2), atol=0.6)
    spread = before.flatten(1).std(1)
    assert torch.allclose(after[:, 1:3].std((2, 3)), spread[:, None].expand(2, 2), rtol=0.05)
    # Whatever the channel was, the same comes of it, but for the layer's spread.
    other = before.clone()
    other[:, 1] = other[:, 1].flip(1)
    assert torch.allclose(edit(other), after, rtol=1e-4)
    assert Ablation("a:1", how="gaussian")(torch.rand(2, 5)).shape == (2, 5)
    assert (Ablation("a:1@0,1", how="gaussian")(activation()) != activation()).sum() == 2


def test_noise_follows_the_precision_and_leaves_the_random_state() -> None:
    state = torch.get_rng_state()
    assert Ablation("a", how="noise")(torch.rand(1, 2, 4, dtype=torch.float64)).dtype == torch.float64
    torch.set_rng_state(state)
    Ablation("a", how="noise")(activation())
    assert torch.equal(torch.get_rng_state(), state)


@pytest.mark.parametrize("how", ["mean", "noise"])
def test_without_positions_a_channel_is_its_own_mean(how: str) -> None:
    vector = torch.tensor([[1.0, 2.0, 3.0]])
    assert torch.equal(Ablation("a", how=how)(vector), vector)
    assert torch.equal(Ablation("a:1@0,1", how=how)(activation()), activation())
    assert torch.equal(Ablation("a", how=how)(vector[:, :, None, None]), vector[:, :, None, None])


def test_scale() -> None:
    assert torch.equal(Ablation("a:2", how="scale:2.5")(activation())[:, 2], activation()[:, 2] * 2.5)


def test_one_position() -> None:
    after = Ablation("a:1@0,1")(activation())
    assert (after != activation()).nonzero().tolist() == [[0, 1, 0, 1], [1, 1, 0, 1]]


def test_a_position_among_tokens_counts_behind_the_class_token() -> None:
    tokens = torch.ones(1, 2, 5)
    assert (Ablation("a:0@1,0")(tokens) == 0).nonzero().tolist() == [[0, 0, 3]]


@pytest.mark.parametrize("text", ["a@2,0", "a@0,2"])
def test_a_position_outside(text: str) -> None:
    with pytest.raises(DreamscopeError, match="its map here has 2 rows and 2 columns"):
        Ablation(text)(activation())
    with pytest.raises(DreamscopeError, match="a vector without any"):
        Ablation(text)(torch.zeros(1, 3))


@pytest.mark.parametrize(
    "how",
    ["", "zeros", "scale", "scale:x", "zero:1", "mean:2", "noise:1", "gaussian:1", "randomize:x", "randomize:-1"],
)
def test_unknown_ways(how: str) -> None:
    with pytest.raises(DreamscopeError, match="there are zero, mean, noise, gaussian, randomize and scale:X"):
        Ablation("a", how=how)


def test_values_compare_and_survive_as_text() -> None:
    edit = Ablation("a:1,2@3,4", how="scale:0.5")
    assert Ablation.from_dict(edit.to_dict()) == edit
    assert edit != Ablation("a:1,2@3,4")
    assert len({edit, Ablation("a:1,2@3,4", "scale:0.5")}) == 1


def test_replaced_by_a_number_a_vector_or_a_map() -> None:
    assert (Replace("a:1", 5.0)(activation())[:, 1] == 5).all()
    after = Replace("a:0,2", [7.0, 8.0])(activation())
    assert torch.equal(after[:, [0, 2]], torch.tensor([7.0, 8.0]).view(1, 2, 1, 1).expand(2, 2, 2, 2))
    assert torch.equal(after[:, 1], activation()[:, 1])
    map_ = torch.rand(3, 2, 2)
    assert torch.equal(Replace("a", map_)(activation()), map_.expand(2, 3, 2, 2))
    assert Replace("a:1@0,1", [3.0])(activation())[:, 1, 0, 1].tolist() == [3, 3]
    with pytest.raises(DreamscopeError, match=r"'a' is \(3, 2, 2\) for this picture, .* \(3, 5, 5\)"):
        Replace("a", torch.rand(3, 5, 5))(activation())


def test_a_direction_is_added_everywhere_or_at_one_position() -> None:
    direction = torch.tensor([1.0, 0.0, -2.0])
    assert torch.equal(Add("a", direction, 3)(activation()), activation() + 3 * direction.view(3, 1, 1))
    after = Add("a@1,0", direction)(activation()) - activation()
    assert after[:, :, 1, 0].tolist() == [[1, 0, -2]] * 2
    assert after.count_nonzero() == 4
    tokens = torch.zeros(1, 3, 5)
    assert torch.equal(Add("a", direction)(tokens), direction.view(1, 3, 1).expand(1, 3, 5))
    assert torch.equal(Add("a", direction)(tokens[..., 0]), direction[None])


def test_a_patch_holds_only_what_its_address_names() -> None:
    other = torch.rand(1, 3, 2, 2)
    for text, shape in (("a", (1, 3, 2, 2)), ("a:0,2", (1, 2, 2, 2)), ("a:1@0,1", (1, 1)), ("a@1,1", (1, 3))):
        edit = Patch(text, other)
        assert edit.activation.shape == shape
        assert Patch(text, edit.activation) == edit
        after = edit(activation())
        place = place_of(other, edit.address)
        assert torch.equal(after[place], other[place].expand_as(after[place]))
        assert (after != activation()).sum() == 2 * edit.activation.numel()
    with pytest.raises(DreamscopeError, match="positions differ with the size"):
        Patch("a", torch.rand(1, 3, 4, 4))(activation())
    with pytest.raises(DreamscopeError, match=r"is \(1, C, \.\.\.\)"):
        Patch("a", torch.rand(2, 3, 4, 4))
    with pytest.raises(DreamscopeError, match="names a channel that"):
        Patch("a:7", torch.rand(1, 3, 4, 4))


def test_a_function_gets_a_copy_and_its_faults_are_reported() -> None:
    before = activation()
    assert torch.equal(Custom("a", lambda part: part.mul_(2))(before), 2 * activation())
    assert torch.equal(before, activation())
    with pytest.raises(DreamscopeError, match="the edit at 'a' failed: ZeroDivisionError"):
        Custom("a", lambda _: 1 / 0)(before)  # type: ignore[arg-type, return-value]
    with pytest.raises(DreamscopeError, match="returned int, not a tensor"):
        Custom("a", lambda _: 1)(before)  # type: ignore[arg-type, return-value]
    with pytest.raises(DreamscopeError, match="what is put there is"):
        Custom("a", lambda part: part[..., :1, :1].expand(-1, -1, 1, 7))(before)


def test_what_a_caller_does_to_a_tensor_later_does_not_reach_the_edit() -> None:
    direction = torch.ones(3, requires_grad=True)
    edit = Add("a", direction)
    with torch.no_grad():
        direction.zero_()
    assert edit.direction.tolist() == [1, 1, 1]


EDITS = [
    Ablation("a:1", "mean"),
    Ablation("a:1", "gaussian"),
    Ablation("a:1", "randomize:5"),
    Randomize("a:1,2", (0.25, 1e-20), (0.1, 2.0), 5),
    Randomize("a", (0.25, 1e-20)),
    Replace("a:1", 0.1),
    Replace("a:1,2", [[[1.0, 2.0]], [[3.0, 4.0]]]),
    Add("a", [0.1, 2.0, 1e-20], -0.5),
    Patch("a:1@0,1", torch.tensor([[0.1]])),
    Erase("a:1,2", [[0.1, 2.0], [1.0, 3.0]], [[1.0, 0.3], [1e-20, 1.0]]),
    Erase("a:1,2", [[0.1, 2.0], [1.0, 3.0]], [[1.0, 0.3], [1e-20, 1.0]], [0.5, -0.1]),
]


def test_all_kinds_compare_and_survive_as_json() -> None:
    again = [Edit.from_dict(json.loads(json.dumps(edit.to_dict()))) for edit in EDITS]
    assert again == EDITS
    assert [type(edit) for edit in again] == [type(edit) for edit in EDITS]
    assert len({*again, *EDITS}) == len(EDITS) == len({repr(edit) for edit in EDITS})
    assert Add("a", [1.0, 2.0]) != Add("a", [1.0, 3.0])
    assert repr(Add("a", [1.0, 2.0])) != repr(Add("a", [1.0, 3.0]))
    assert Replace("a", 1.0) != Patch("a", torch.ones(1, 1))


def test_what_cannot_be_written_down_is_refused() -> None:
    with pytest.raises(DreamscopeError, match="100001 numbers, more than 100000"):
        Replace("a", torch.zeros(100_001)).to_dict()
    with pytest.raises(DreamscopeError, match="is a function, which can't be written"):
        Custom("a", torch.relu).to_dict()
    with pytest.raises(DreamscopeError, match=r"no kind of edit 'ad'.*did you mean 'add'"):
        Edit.from_dict({"kind": "ad", "address": "a"})
    with pytest.raises(DreamscopeError, match="no kind of edit ''"):
        Edit.from_dict({"address": "a", "how": "zero"})
    with pytest.raises(DreamscopeError, match="of kind 'add' is damaged"):
        Edit.from_dict({"kind": "add", "address": "a"})


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: Add("a", torch.rand(1, 3, 2, 2)), "one number for each channel"),
        (lambda: Add("a", "upwards"), "a direction is a tensor or numbers, not str"),
        (lambda: Replace("a", float("nan")), "not finite"),
        (lambda: Custom("a", 3), "takes a function, not int"),
        (lambda: ensure_edits("a"), "'a' is no edit; there are Ablation, Replace, Add, Patch, Erase"),
        (lambda: ensure_edits([("a", 3)]), "is no edit"),
    ],
)
def test_invalid_edits(make: Callable[[], object], message: str) -> None:
    with pytest.raises(DreamscopeError, match=message):
        make()


def test_edits_compose_in_the_order_given(vgg: Classifier, image: Tensor) -> None:
    def plus_one(part: Tensor) -> Tensor:
        return part + 1

    edited = vgg.edited([Replace("features.3:1", 2.0), ("features.3:1", plus_one), Ablation("features.3:1", "scale:3")])
    with probe(edited, "features.3") as seen:
        assert (seen(image)["features.3"][:, 1] == 9).all()
    one = vgg.edited(("features.3:1", plus_one))
    with torch.no_grad(), probe(vgg, "features.3") as plain, probe(one, "features.3") as seen:
        assert torch.equal(seen(image)["features.3"][:, 1], plain(image)["features.3"][:, 1] + 1)
    with pytest.raises(DreamscopeError, match="recipe=False"):
        _ = edited.source


@pytest.mark.parametrize(
    "edit",
    [
        Add("features.3", torch.rand(5)),
        Replace("features.3:1", [1.0, 2.0]),
        Patch("features.3", torch.rand(1, 5)),
        Erase("features.3", torch.rand(5), torch.rand(5)),
    ],
)
def test_an_edit_of_another_width_is_refused_at_once(vgg: Classifier, edit: Edit) -> None:
    with pytest.raises(DreamscopeError, match=r"channels, but 'features\.3(:1)?' names (12|1)$"):
        vgg.edited(edit)
