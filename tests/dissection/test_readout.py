from __future__ import annotations

import runpy
from pathlib import Path

import numpy as np
import pytest
import torch
from nets import hooks_on
from sklearn.metrics import roc_auc_score

from dreamscope.dissection.readout import _STRENGTHS, Readout, Split, _strength, linear_probe, readout
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


def test_what_an_erasure_leaves_by_rounding_is_not_read() -> None:
    generator = torch.Generator().manual_seed(0)
    loud = 20 + torch.rand((60, 1), generator=generator)
    left = 1e-8 * torch.rand((60, 1), generator=generator)
    left[:30] += 2e-8
    features = torch.cat([loud, left], 1)
    found = readout("act", [Split(features[:30], None, features[30:])])
    assert 0.3 < found.auc < 0.7
    # As much in a feature that is not small beside the others is read.
    assert readout("act", [Split(1e8 * left[:30], None, 1e8 * left[30:])]).auc == 1


def test_the_strength_is_that_of_the_least_logarithmic_loss() -> None:
    from sklearn.linear_model import LogisticRegressionCV
    from sklearn.model_selection import StratifiedKFold

    random = np.random.default_rng(0)
    truth = np.repeat([1, 0], [20, 40])
    for size in (0.1, 0.4, 2.0):
        values = random.normal(size=(60, 20)) + size * truth[:, None]
        expected = LogisticRegressionCV(
            Cs=_STRENGTHS, cv=StratifiedKFold(3, shuffle=True, random_state=0), scoring="neg_log_loss",
            class_weight="balanced", max_iter=1000, refit=False, l1_ratios=(0,), use_legacy_attributes=True,
        ).fit(values, truth)  # fmt: skip
        assert _strength(values, truth, 0) == expected.Cs_[expected.scores_[1].mean(0).argmax()]


def test_who_learns_is_not_measured() -> None:
    generator = torch.Generator().manual_seed(0)
    # Many features and no difference: what is learnt by heart says nothing of others.
    measured, others = (torch.randn((count, 200), generator=generator) for count in (24, 30))
    halves = readout("act", [Split(measured, None, others)])
    assert (len(halves.positives), len(halves.negatives), halves.folds) == (24, 30, 2)
    assert 0.2 < halves.auc < 0.8
    trained = torch.randn((12, 200), generator=generator)
    apart = readout("act", [Split(measured, trained, others)])
    # Two probes, each of one half of the others and all that are given to learn from.
    assert (len(apart.positives), len(apart.negatives), apart.folds) == (48, 30, 2)
    assert 0.2 < apart.auc < 0.8
    known = readout("act", [Split(measured, trained, others)], counts=(24, 30))
    assert (known.recall().count, known.area().count, known.recall().value) == (24, 24, apart.recall().value)
    assert known.area().high - known.area().low > apart.area().high - apart.area().low
    folds = readout("act", [Split(measured[:8], trained, others), Split(measured[8:], trained, others)])
    assert (len(folds.positives), folds.folds) == (48, 4)


def test_too_few_for_halves() -> None:
    one, many = torch.randn(1, 3), torch.randn(8, 3)
    assert readout("act", [Split(one, None, many)]) is None
    assert readout("act", [Split(many, None, one)]) is None
    assert readout("act", [Split(one, many, many), Split(one, None, many)]).folds == 2
