from __future__ import annotations

import re
from pathlib import Path

import pytest
from gains import gain

from dreamscope.errors import DreamscopeError
from dreamscope.pages import gain_page


def test_the_page(tmp_path: Path) -> None:
    text = gain_page.write(gain(), tmp_path / "gain.html").read_text()
    assert text.count("<table>") == 2
    assert "better than the best without dreams with 3, 10 positives" in text
    assert "Not for diagnosis" in text
    assert not re.findall(r'(?:src|href)="http', text)
    with pytest.raises(DreamscopeError, match=r"a page ends in \.html"):
        gain_page.write(gain(), tmp_path / "gain.txt")


def test_verdicts() -> None:
    assert (
        gain_page.verdict(gain(-0.05, uneven=0.02))
        == "No gain was seen: all intervals of the difference in AUC hold 0."
    )
    assert gain_page.verdict(gain(-0.2)) == "With dreams: worse with 3, 10."
