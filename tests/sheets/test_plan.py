from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from nets import Vgg, seeded
from torch import nn

from dreamscope.dreaming.presets import PRESETS
from dreamscope.errors import DreamscopeError
from dreamscope.exploration.blocks import layers
from dreamscope.models.classifier import Classifier
from dreamscope.models.wrapping import wrap
from dreamscope.objectives import LOSSES
from dreamscope.optimize.ingredients import values_of
from dreamscope.sheets.axes import OVER, STEPS
from dreamscope.sheets.plan import MOST, MOST_COLUMNS, Plan, plan


def labels(made: Plan) -> list[str]:
    return [cell.label for cell in made.cells]


def where(made: Plan) -> list[list[str]]:
    return [cell.settings["at"] for cell in made.cells]


def test_layers(vgg: Classifier) -> None:
    made = plan("layers", [vgg], ["sample:china"], at=["*"])
    # The classifier has no positions; the stack puts out what its last part does.
    assert labels(made) == ["features.0", "features.1", "features.2", "features.3", "features.4", "features"]
    assert where(made) == [[label] for label in labels(made)]
    assert [cell.note for cell in made.cells][:3] == ["Conv2d", "ReLU", "MaxPool2d"]
    assert labels(plan("layers", [vgg], ["gray"], at=["features.[03]", "4:1", "0"])) == [
        "features.0",
        "features.3",
        "features.4:1",
    ]


def test_of_layers_that_put_out_the_same_one_is_shown_unless_named() -> None:
    net = nn.Sequential(nn.Conv2d(3, 4, 3), nn.Identity(), nn.Dropout(), nn.ReLU())
    model = wrap(net, input_size=16)
    assert [address.layer for address in layers(model, ["*"])] == ["0", "3"]
    assert [address.layer for address in layers(model, ["0", "1"])] == ["0", "1"]
    # The same layer, but not the same channels.
    assert [str(address) for address in layers(model, ["*:0", "*:1"])] == ["0:0", "3:0", "0:1", "3:1"]


def test_channels(vgg: Classifier) -> None:
    assert labels(plan("channels", [vgg], ["gray"], at=["3:2-3", "0:1"])) == [
        "features.3:2",
        "features.3:3",
        "features.0:1",
    ]
    assert len(plan("channels", [vgg], ["gray"], at=["features.3"]).cells) == 12


def test_weights(vgg: Classifier) -> None:
    sets = {"balanced": (1, 1), "deep": (0.25, -2)}
    made = plan("weights", [vgg], ["gray"], at=["features.0", "features.3:1"], sets=sets)
    assert labels(made) == ["balanced", "deep"]
    assert [cell.note for cell in made.cells] == ["1, 1", "0.25, -2"]
    assert where(made) == [["features.0", "features.3:1"], ["0.25*features.0", "-2*features.3:1"]]


def test_steps_and_octaves(vgg: Classifier) -> None:
    made = plan("steps", [vgg], ["gray"], values=["5", "0", "1", "5"])
    assert labels(made) == ["0 steps", "1 step", "5 steps"]
    assert [cell.settings["steps"] for cell in made.cells] == [0, 1, 5]
    assert [cell.settings["steps"] for cell in plan("steps", [vgg], ["gray"]).cells] == list(STEPS)
    made = plan("octaves", [vgg], ["gray"], preset="classic")
    assert labels(made) == ["1 octave", "2 octaves", "3 octaves", "4 octaves"]


def test_presets_models_and_photos(vgg: Classifier, residual: Classifier) -> None:
    made = plan("presets", [vgg], ["gray"], steps=3)
    assert labels(made) == ["rich", "classic", "plain"]
    assert [cell.settings["filter"] for cell in made.cells] == [PRESETS[name].filter for name in labels(made)]
    assert {cell.settings["steps"] for cell in made.cells} == {3}
    made = plan("models", [vgg, residual], ["gray"])
    assert [cell.model for cell in made.cells] == [vgg, residual]
    assert where(made) == [[vgg.default_address], [residual.default_address]]
    photos = ["a/one.jpg", Path("b/one.jpg"), "two.jpg"]
    made = plan("photos", [vgg], photos)
    assert labels(made) == ["a/one.jpg", "b/one.jpg", "two.jpg"]
    assert [cell.image for cell in made.cells] == photos


def test_losses(vgg: Classifier) -> None:
    made = plan("losses", [vgg], ["gray"])
    assert labels(made) == list(LOSSES)
    assert [cell.settings["loss"] for cell in made.cells] == list(LOSSES)
    assert labels(plan("losses", [vgg], ["gray"], values=["gram", "mean", "gram"])) == ["gram", "mean"]


def test_two_ways_are_rows_and_columns(vgg: Classifier) -> None:
    made = plan(("layers", "steps"), [vgg], ["gray"], at=["0", "3"], values=[2, 0, 5])
    assert made.kinds == ("layers", "steps")
    assert [[place.label for place in axis.places] for axis in made.axes] == [
        ["features.0", "features.3"],
        ["0 steps", "2 steps", "5 steps"],
    ]
    assert labels(made)[:4] == [
        "features.0, 0 steps",
        "features.0, 2 steps",
        "features.0, 5 steps",
        "features.3, 0 steps",
    ]
    assert [(cell.settings["at"], cell.settings["steps"]) for cell in made.cells] == [
        ([layer], steps) for layer in ("features.0", "features.3") for steps in (0, 2, 5)
    ]


def test_each_of_two_ways_takes_its_values(vgg: Classifier) -> None:
    made = plan(("steps", "losses"), [vgg], ["gray"], values={"losses": ["mean"], "steps": [3, 4]})
    assert labels(made) == ["3 steps, mean", "4 steps, mean"]
    assert labels(plan(["losses", "photos"], [vgg], ["a/x.png", "b/x.png"], values=["gram"])) == [
        "gram, a/x.png",
        "gram, b/x.png",
    ]


def test_the_same_channels_of_each_layer(vgg: Classifier) -> None:
    made = plan(("layers", "channels"), [vgg], ["gray"], at=["0", "3"], values=["1", "4-5"])
    assert [place.label for place in made.axes[1].places] == ["channel 1", "channel 4", "channel 5"]
    assert where(made) == [[f"features.{layer}:{channel}"] for layer in (0, 3) for channel in (1, 4, 5)]


def test_layers_of_two_models(vgg: Classifier, residual: Classifier) -> None:
    other = wrap(seeded(Vgg(), 1), input_size=32)
    made = plan(("layers", "models"), [vgg, other], ["gray"], at=["0", "3"])
    assert [cell.model for cell in made.cells] == [vgg, other, vgg, other]
    assert where(made) == [["features.0"], ["features.0"], ["features.3"], ["features.3"]]
    with pytest.raises(DreamscopeError, match=r"no layer 'features\.0' in Residual"):
        plan(("layers", "models"), [vgg, residual], ["gray"], at=["0", "3"])


def test_many_columns_become_rows(vgg: Classifier) -> None:
    many = range(MOST_COLUMNS + 1)
    made = plan(("losses", "steps"), [vgg], ["gray"], values={"steps": many, "losses": ["mean", "gram"]})
    assert made.kinds == ("steps", "losses")
    assert labels(made)[:3] == ["0 steps, mean", "0 steps, gram", "1 step, mean"]
    few = plan(("losses", "steps"), [vgg], ["gray"], values={"steps": many[1:], "losses": ["mean", "gram"]})
    assert few.kinds == ("losses", "steps")


SETS = {"even": (1, 1), "deep": (0.5, 2), "high": (3, 3)}


@pytest.mark.parametrize(
    ("settings", "said"),
    [
        ({}, True),
        ({"preset": "plain"}, True),
        ({"preset": "plain", "rate": 0.1}, False),
        ({"penalty": ["tv:0.1"]}, False),
        ({"optimizer": "adam"}, False),
        ({"parameterization": "gray"}, True),
        ({"parameterization": "maco"}, False),
    ],
)
def test_sets_that_come_out_the_same_are_told(vgg: Classifier, settings: dict[str, Any], said: bool) -> None:
    made = plan("weights", [vgg], ["gray"], at=["0", "3"], sets=SETS, **settings)
    assert bool(made.remarks) == said
    assert [cell.note for cell in made.cells] == ["1, 1", "0.5, 2", "3, 3; same as even" if said else "3, 3"]
    # One picture stands for both: apart they would differ in their rounding, which many steps blow up.
    assert (made.cells[2].settings == made.cells[0].settings) == said
    if said:
        assert "'high' is 3 times 'even'" in made.remarks[0]
        assert "--preset plain --rate R" in made.remarks[0]
    assert not plan("weights", [vgg], ["gray"], at=["0", "3"], sets={"even": (1, 1), "deep": (0.5, 2)}).remarks


def test_sets_that_come_out_the_same_in_some_columns(vgg: Classifier) -> None:
    made = plan(
        ("weights", "presets"), [vgg], ["gray"], at=["0", "3"], sets=SETS, rate=0.1, values=["classic", "plain"]
    )
    assert [cell.note for cell in made.cells[4:]] == ["3, 3; same as even", "3, 3"]
    assert [made.cells[4 + i].settings == made.cells[i].settings for i in range(2)] == [True, False]
    assert ". Where steps are normalised, a common factor" in made.remarks[0]


def test_labels_can_be_drawn(vgg: Classifier) -> None:
    assert labels(plan("photos", [vgg], ["a\nb.jpg", b"\xff c.jpg".decode("utf-8", "surrogateescape")])) == [
        "a b.jpg",
        "? c.jpg",
    ]


def test_every_number_is_spelt_out(vgg: Classifier) -> None:
    (cell,) = plan("presets", [vgg], ["gray"], at=["0"], values=["plain"], steps=7, jitter=None).cells
    settings = values_of(PRESETS["plain"]) | {"steps": 7}
    assert cell.settings == {**settings, "preset": "plain", "seed": 0, "keep_color": False, "at": ["features.0"]}


BAD = {
    "kind": ("layer", {}, "did you mean 'layers'"),
    "no layer": ("layers", {"at": ["9"]}, "no layer '9'"),
    "glob": ("layers", {"at": ["x*"]}, "no layer of Vgg matches"),
    "channels of nothing": ("channels", {}, "--at LAYER:CHANNELS"),
    "channel": ("channels", {"at": ["0:8"]}, "channel 8 is out of range"),
    "no sets": ("weights", {"at": ["0"]}, "sets of weights"),
    "no layers": ("weights", {"sets": {"a": [1]}}, "needs layers"),
    "too few": (
        "weights",
        {"at": ["0", "3"], "sets": {"a": [1]}},
        "weights 'a' are 1 for 2 layers: features.0, features.3",
    ),
    "too many weights": ("weights", {"at": ["0"], "sets": {"a": [1], "b": [1, 2]}}, "weights 'b' are 2 for 1 layers"),
    "weighted already": ("weights", {"at": ["2*0"], "sets": {"a": [1]}}, "leave those before the layers out"),
    "sets for steps": ("steps", {"sets": {"a": [1]}}, "takes no sets of weights"),
    "values of layers": ("layers", {"values": ["1"]}, "takes no values; those over steps, octaves, presets, losses do"),
    "steps": ("steps", {"values": ["few"]}, "whole numbers such as 0,5,10, not 'few'"),
    "below 0": ("steps", {"values": ["-1"]}, "steps lies between"),
    "no octaves": ("octaves", {"values": [0]}, "octaves lies between"),
    "steps twice": ("steps", {"steps": 4}, "leave --steps out"),
    "preset twice": ("presets", {"preset": "rich"}, "leave --preset out"),
    "loss": ("losses", {"values": ["mean_sqare"]}, "did you mean 'mean_square'"),
    "loss twice": ("losses", {"loss": "mean"}, "leave --loss out"),
    "values of others": ("steps", {"values": {"octaves": [1]}}, "takes no values of octaves; of steps it does"),
    "three ways": (("layers", "steps", "losses"), {}, "one way or two, not 3"),
    "no way": ((), {}, "one way or two, not 0"),
    "one way twice": (("steps", "steps"), {}, "both ways of the sheet are over steps"),
    "second kind": (("steps", "layer"), {}, "did you mean 'layers'"),
    "values of which": (("steps", "octaves"), {"values": [1]}, "values of steps and octaves. Say which"),
    "second twice": (("layers", "steps"), {"steps": 4}, "leave --steps out"),
    "weights of one": (("layers", "weights"), {"at": ["0"], "sets": {"a": [1]}}, "says twice what is dreamt of"),
    "which channels": (("layers", "channels"), {}, "--values channels=0-7"),
    "channels twice": (("layers", "channels"), {"at": ["0:1"], "values": ["1"]}, "leave them out of --at"),
    "channel of one": (("layers", "channels"), {"at": ["0", "3"], "values": ["9"]}, "'features.0' of Vgg has 8"),
    "too many": (("channels", "steps"), {"at": ["3", "0"], "values": range(30)}, "would be 600 cells"),
    "preset": ("presets", {"values": ["clasic"]}, "did you mean 'classic'"),
    "another preset": ("layers", {"preset": "clasic"}, "did you mean 'classic'"),
}


@pytest.mark.parametrize("name", BAD)
def test_what_is_refused(vgg: Classifier, name: str) -> None:
    over, given, message = BAD[name]
    with pytest.raises(DreamscopeError, match=message):
        plan(over, [vgg], ["gray"], **given)


@pytest.mark.parametrize("over", OVER)
def test_one_photo_and_one_model_unless_they_differ(vgg: Classifier, over: str) -> None:
    given = {"at": ["0"], "sets": {"a": [1]} if over == "weights" else None}
    if over != "photos":
        with pytest.raises(DreamscopeError, match="of one picture, not 2; see --over photos"):
            plan(over, [vgg], ["gray", "noise"], **given)
    if over != "models":
        with pytest.raises(DreamscopeError, match="of one model, not 2; see --over models"):
            plan(over, [vgg, vgg], ["gray"], **given)
    with pytest.raises(DreamscopeError, match="not 0"):
        plan(over, [vgg], [], **given)


def test_a_sheet_that_nobody_would_look_at() -> None:
    model = wrap(nn.Sequential(nn.Conv2d(3, MOST + 1, 1)), input_size=8)
    assert len(plan("channels", [model], ["gray"], at=[f"0:1-{MOST}"]).cells) == MOST
    with pytest.raises(DreamscopeError, match=f"would be {MOST + 1} cells"):
        plan("channels", [model], ["gray"], at=["0"])


def test_no_torch_until_it_is_needed() -> None:
    check = "import dreamscope.sheets.plan, sys; assert not {'torch', 'numpy'} & set(sys.modules)"
    subprocess.run([sys.executable, "-c", check], check=True)
