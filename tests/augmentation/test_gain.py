from __future__ import annotations

import json
from pathlib import Path

import pytest
from gains import gain

from dreamscope.augmentation.arms import ARMS
from dreamscope.augmentation.gain import BEST
from dreamscope.errors import DreamscopeError


def test_pairs_take_out_what_draws_have_in_common() -> None:
    found = gain()
    assert found.reached(3, "photos").value == pytest.approx(0.715)
    assert found.best_peer(3) == "standard"
    difference = found.difference(3)
    assert difference.value == pytest.approx(0.05)
    assert difference.high - difference.low < 1e-6 < found.reached(3, BEST).high - found.reached(3, BEST).low


def test_the_best_peer_is_that_of_the_metric() -> None:
    assert gain().difference(10, metric="recall at 95 % specificity").value == pytest.approx(0.025)


def test_the_table(tmp_path: Path) -> None:
    found = gain()
    assert found.rows()[0][:4] == ["3", "0.715", "0.815", "0.765"]
    assert found.rows()[1][-1] == "+0.050 (+0.050 to +0.050) than standard"
    assert len(found.columns) == len(found.rows()[0])
    assert found.about.startswith("4 draws of few positives and 40 photos")
    kept = json.loads(found.save(tmp_path / "gain.json").read_text())
    assert kept["draws"]["3"][BEST][1] == {"auc": pytest.approx(0.86), "recall": 0.425, "level": 0, "strength": 0.01}
    assert [*kept["draws"]["10"]] == [*ARMS]
    with pytest.raises(DreamscopeError, match=r"can't write '.*gain\.txt'"):
        found.save(tmp_path / "gain.txt")
