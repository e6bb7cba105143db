from __future__ import annotations

import pytest

from dreamscope.microscope.records import Trust
from dreamscope.microscope.wording import verdict


@pytest.mark.parametrize(
    ("trust", "word", "unlike"),
    [
        (Trust(0.45, 0.5, 0.0, other_path=False), "It can be trusted", False),
        (Trust(0.2, 0.5, 0.0, other_path=False), "In part", False),
        (Trust(-0.1, 0.5, 0.0, other_path=True), "Read it with care", False),
        # Nothing to compare with is no reason to trust, however alike.
        (Trust(0.3, 0.05, 0.0, other_path=False), "In part", True),
        (Trust(0.0, 0.05, 0.0, other_path=True), "Read it with care", True),
    ],
)
def test_whether_a_picture_can_be_trusted(trust: Trust, word: str, unlike: bool) -> None:
    found = verdict(trust)
    assert found[0] == word
    assert ("little in common" in found[1]) == unlike
