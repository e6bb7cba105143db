from __future__ import annotations

import shutil
from pathlib import Path

import pytest
import torch

from dreamscope.dissection.classify import classify
from dreamscope.figures import answer_sheets
from dreamscope.figures.answer_sheets import sure
from dreamscope.models.classifier import Classifier


def reddish(sheet: torch.Tensor) -> int:
    return int((sheet[0, 0] > sheet[0, 1] + 0.3).sum())


def test_only_mistakes_are_shown(planted: Classifier, coloured: Path) -> None:
    shutil.move(coloured / "red" / "0.png", coloured / "green" / "moved.png")
    found = classify(planted, coloured)
    sheet = answer_sheets.of_mistakes(found, planted)
    # One photo of 16 pixels a side, red, and nothing else.
    assert reddish(sheet) > 200
    assert sheet.shape[3] < 200
    assert not bool((sheet[0, 2] > sheet[0, 0] + 0.2).any())
    assert answer_sheets._shown(found)[1] == "its mistakes, the most confident first, 1"


def test_without_mistakes_the_least_sure_are(planted: Classifier, coloured: Path) -> None:
    found = classify(planted, coloured)
    shown, title = answer_sheets._shown(found)
    assert title == "72 photos, no mistakes; the least sure answers"
    assert len(shown) == answer_sheets.MOST
    confidences = [each.predicted.probability for each in found.answers]
    assert [each.predicted.probability for each in shown] == sorted(confidences)[: answer_sheets.MOST]
    unknown = classify(planted, coloured / "red")
    assert answer_sheets._shown(unknown)[1] == "24 photos, truths unknown; the least sure answers"


def test_a_photo_that_is_gone_leaves_an_empty_place(planted: Classifier, coloured: Path) -> None:
    found = classify(planted, coloured / "red" / "0.png")
    before = answer_sheets.of_mistakes(found, planted)
    (coloured / "red" / "0.png").unlink()
    after = answer_sheets.of_mistakes(found, planted)
    assert reddish(before) > 200
    assert reddish(after) == 0


@pytest.mark.parametrize(
    ("probability", "text"), [(1.0, "100%"), (0.123, "12%"), (0.0123, "1.2%"), (0.0001, "0%"), (0.0999, "10.0%")]
)
def test_percentages(probability: float, text: str) -> None:
    assert sure(probability) == text
