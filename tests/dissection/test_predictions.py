from __future__ import annotations

from pathlib import Path

import pytest

from dreamscope.dissection.predictions import PhotoPrediction, rows_of
from dreamscope.photos import Photo

CLASS = 2


def taken_for(index: int, confidence: float = 0.5) -> PhotoPrediction:
    return PhotoPrediction((index,), confidence, 0.0, None, 0.0)


@pytest.mark.parametrize(
    ("after", "label", "confidence", "changed"),
    [
        ([taken_for(0, 0.4)], "a", 0.4, 0),
        ([taken_for(1, 0.3)], "b", 0.3, 1),
        ([taken_for(0), taken_for(0, 0.7), taken_for(1)], "a", 0.6, 1),
        # As often as not: nothing is to look better than it is.
        ([taken_for(0), taken_for(1, 0.3)], "b", 0.3, 1),
        ([taken_for(1, 0.3), taken_for(2, 0.9), taken_for(2, 0.7)], "red", 0.8, 3),
    ],
)
def test_a_photo_has_one_row_however_many_edits(
    after: list[PhotoPrediction], label: str, confidence: float, changed: int
) -> None:
    photo = Photo(Path("a.png"))
    other = (Photo(Path("b.png")), taken_for(2), taken_for(1))
    row, second = rows_of(
        [*((photo, taken_for(0, 0.9), each) for each in after), other], CLASS, ["a", "b", "red"].__getitem__
    )
    assert (row.path.name, row.before, row.confidence_before) == ("a.png", "a", 0.9)
    assert (row.after, row.confidence_after) == (label, pytest.approx(confidence))
    assert (row.still, row.changed, row.edits) == (label == "red", changed, len(after))
    assert (second.path.name, second.before, second.after, second.changed) == ("b.png", "red", "b", 1)
