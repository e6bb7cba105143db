from __future__ import annotations

import runpy
from pathlib import Path

import pytest
import torch
from nets import hooks_on
from sklearn.metrics import roc_auc_score

from dreamscope.dissection.readout import Readout, linear_probe
from dreamscope.errors import DreamscopeError
from dreamscope.models.classifier import Classifier
from dreamscope.models.edits import Ablation

EXAMPLE = Path(__file__).parents[2] / "examples" / "probe_after_blinding.py"


def test_a_class_that_is_planted_is_read_and_one_that_is_removed_is_not(planted: Classifier, coloured: Path) -> None:
    whole = linear_probe(planted, "act", coloured / "red", [coloured / "green", coloured / "blue"])
    assert (whole.auc, whole.accuracy, whole.recall().value) == (1, 1, 1)
    assert (len(whole.positives), len(whole.negatives), whole.folds) == (24, 48, 5)
    # Green and blue lie on other channels: without 8 red is what is neither. Without the three nothing is left.
    mute = linear_probe(planted.edited(Ablation("act:8")), "act", coloured / "red", coloured / "green")
    assert mute.auc == 1
    blind = linear_probe(planted.edited(Ablation("act:6-8")), "act", coloured / "red", coloured / "green")
    assert 0.3 < blind.auc < 0.7
    assert hooks_on(planted.module) == 0


def test_only_some_channels_are_read(planted: Classifier, coloured: Path) -> None:
    found = linear_probe(planted, "act:8", coloured / "green", coloured / "blue")
    assert (found.auc, found.accuracy) == (0.5, 0.5)


def test_labels_drawn_by_chance_are_not_read(planted: Classifier) -> None:
    noise = torch.rand((80, 3, 16, 16), generator=torch.Generator().manual_seed(0))
    found = linear_probe(planted, "conv", noise[:40], noise[40:])
    assert 0.3 < found.auc < 0.7
    again = linear_probe(planted, "conv", noise[:40], noise[40:])
    assert again == found


def test_the_numbers() -> None:
    scores = ((2.0, 1.0, 0.5, -1.0), (1.5, *[-0.5] * 98, -3.0))
    found = Readout("act", *scores, folds=5, unreadable={}, recipe=None)
    assert found.auc == roc_auc_score([1] * 4 + [0] * 100, [*scores[0], *scores[1]])
    assert found.accuracy == pytest.approx((3 / 4 + 99 / 100) / 2)
    # One false alarm is allowed, the one at 1.5.
    assert (found.recall().value, found.recall().count) == (0.75, 4)
    assert found.recall(false_alarms=0).value == 0.25
    assert found.recall(false_alarms=1).value == 1
    assert "<table>" in found._repr_html_()


def test_progress_unreadable_photos_and_the_recipe(planted: Classifier, coloured: Path) -> None:
    (coloured / "red" / "torn.png").write_bytes(b"")
    reported: list[tuple[str, int, int]] = []
    found = linear_probe(
        planted, "act", coloured / "red", coloured / "blue", folds=3, callback=lambda *now: reported.append(now)
    )
    assert list(found.unreadable) == ["torn.png"]
    assert list(dict.fromkeys(stage for stage, _, _ in reported)) == [
        "positives",
        "negatives",
        "training linear probes",
    ]
    assert found.recipe.parameters == {"layer": "act", "folds": 3, "seed": 0}
    assert str(coloured) not in found.recipe.to_json()
    assert linear_probe(planted, "act", coloured / "red", coloured / "blue", recipe=False).recipe is None


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"layer": "akt"}, "no layer 'akt'"),
        ({"layer": "*"}, "is not one layer"),
        ({"layer": "act@1,1"}, "is not one layer"),
        ({"folds": 1}, "folds are 2 or more, not 1"),
        ({"positives": torch.rand(3, 3, 16, 16)}, "3 of the positives can be read; a linear probe needs at least 4"),
    ],
)
def test_refusals(planted: Classifier, options: dict, message: str) -> None:
    images = torch.rand(8, 3, 16, 16)
    with pytest.raises(DreamscopeError, match=message):
        linear_probe(planted, **{"layer": "act", "positives": images, "negatives": images, **options})


@pytest.mark.embedded
def test_the_example(capsys: pytest.CaptureFixture[str]) -> None:
    code = EXAMPLE.read_text("utf-8")
    assert len([line for line in code.splitlines() if line.strip()]) <= 8
    runpy.run_path(str(EXAMPLE))
    before, after = capsys.readouterr().out.splitlines()
    assert before.startswith("before: area under the curve")
    assert after.startswith("after: area under the curve")
