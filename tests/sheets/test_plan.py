from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest
from torch import nn

from dreamscope.dreaming.presets import PRESETS
from dreamscope.errors import DreamscopeError
from dreamscope.models.classifier import Classifier
from dreamscope.models.wrapping import wrap
from dreamscope.optimize.ingredients import values_of
from dreamscope.sheets.axes import OVER, STEPS
from dreamscope.sheets.blocks import layers
from dreamscope.sheets.plan import MOST, Plan, plan
from dreamscope.sheets.weight_sets import weights


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
    assert labels(made) == list(PRESETS)
    assert [cell.settings["filter"] for cell in made.cells] == [preset.filter for preset in PRESETS.values()]
    assert {cell.settings["steps"] for cell in made.cells} == {3}
    made = plan("models", [vgg, residual], ["gray"])
    assert [cell.model for cell in made.cells] == [vgg, residual]
    assert where(made) == [[vgg.default_address], [residual.default_address]]
    photos = ["a/one.jpg", Path("b/one.jpg"), "two.jpg"]
    made = plan("photos", [vgg], photos)
    assert labels(made) == ["one.jpg", "one.jpg (2)", "two.jpg"]
    assert [cell.image for cell in made.cells] == photos


def test_labels_can_be_drawn(vgg: Classifier) -> None:
    assert labels(plan("photos", [vgg], ["a\nb.jpg", b"\xff c.jpg".decode("utf-8", "surrogateescape")])) == [
        "a b.jpg",
        "? c.jpg",
    ]


def test_every_number_is_spelt_out(vgg: Classifier) -> None:
    (cell,) = plan("presets", [vgg], ["gray"], at=["0"], values=["plain"], steps=7, jitter=None).cells
    settings = values_of(PRESETS["plain"]) | {"steps": 7}
    assert cell.settings == {**settings, "preset": "plain", "seed": 0, "keep_color": False, "at": ["features.0"]}


def test_sets_from_text_and_toml(tmp_path: Path) -> None:
    file = tmp_path / "sets.toml"
    file.write_text('deep = [0.2, 0.5, 1, 2]\n"only first" = [1, 0, 0, 0]\n')
    assert weights(["balanced=1, 1,1,1"], file) == {
        "deep": (0.2, 0.5, 1, 2),
        "only first": (1, 0, 0, 0),
        "balanced": (1, 1, 1, 1),
    }


@pytest.mark.parametrize("text", ["deep", "deep=", "=1,2", "deep=1,,2", "deep=1,x", "deep=1,nan", "deep=inf"])
def test_what_is_no_set(text: str) -> None:
    with pytest.raises(DreamscopeError, match="is no set of weights such as deep="):
        weights([text])


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"deep: 1, 2", "is no TOML"),
        (b"\xff\xfe", "is no TOML"),
        (b"", "holds no sets"),
        (b"deep = 3", "'deep' is no set"),
        (b"deep = [true, 1]", "'deep' is no set"),
        (b"deep = [[1], 2]", "'deep' is no set"),
        (b"[deep]\na = 1", "'deep' is no set"),
        (b"deep = '12'", "'deep' is no set"),
    ],
)
def test_files_that_hold_no_sets(tmp_path: Path, content: bytes, message: str) -> None:
    (tmp_path / "sets.toml").write_bytes(content)
    with pytest.raises(DreamscopeError, match=message):
        weights([], tmp_path / "sets.toml")


def test_two_sets_of_one_name(tmp_path: Path) -> None:
    with pytest.raises(DreamscopeError, match="two sets of weights are called 'a'"):
        weights(["a=1", "a=2"])
    with pytest.raises(DreamscopeError, match="no such weights file"):
        weights([], tmp_path / "nowhere.toml")


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
    "too many": ("weights", {"at": ["0"], "sets": {"a": [1], "b": [1, 2]}}, "weights 'b' are 2 for 1 layers"),
    "weighted already": ("weights", {"at": ["2*0"], "sets": {"a": [1]}}, "leave those before the layers out"),
    "sets for steps": ("steps", {"sets": {"a": [1]}}, "takes no sets of weights"),
    "values of layers": ("layers", {"values": ["1"]}, "takes no values; those over steps, octaves, presets do"),
    "steps": ("steps", {"values": ["few"]}, "whole numbers such as 0,5,10, not 'few'"),
    "below 0": ("steps", {"values": ["-1"]}, "steps lies between"),
    "no octaves": ("octaves", {"values": [0]}, "octaves lies between"),
    "steps twice": ("steps", {"steps": 4}, "leave --steps out"),
    "preset twice": ("presets", {"preset": "rich"}, "leave --preset out"),
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
