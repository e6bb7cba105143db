"""The programs in ``examples/`` that stand on models and probes alone."""

from __future__ import annotations

import runpy
from pathlib import Path

import pytest

EXAMPLES = Path(__file__).parents[1] / "examples"


@pytest.mark.embedded
@pytest.mark.parametrize(("name", "found"), [("patching", "daisy +4"), ("steering", "label='daisy'")])
def test_an_example_runs(name: str, found: str, capsys: pytest.CaptureFixture[str]) -> None:
    path = EXAMPLES / f"{name}.py"
    assert len([line for line in path.read_text("utf-8").splitlines() if line.strip()]) <= 8
    runpy.run_path(str(path))
    assert found in capsys.readouterr().out.splitlines()[-1]
