"""Each program in examples/ is short, needs dreamscope alone, and runs."""

from __future__ import annotations

import ast
import runpy
from pathlib import Path

import pytest

PROGRAMS = sorted((Path(__file__).parents[1] / "examples").glob("*.py"))


def test_there_are_five() -> None:
    assert {path.stem for path in PROGRAMS} >= {"own_objective", "cppn", "patching", "steering", "probe_after_blinding"}


@pytest.mark.parametrize("path", PROGRAMS, ids=lambda path: path.stem)
def test_it_is_short_and_needs_dreamscope_alone(path: Path) -> None:
    text = path.read_text("utf-8")
    tree = ast.parse(text)
    code = tree.body[1:] if ast.get_docstring(tree) else tree.body
    lines = [line for line in text.splitlines()[code[0].lineno - 1 :] if line.strip() and not line.startswith("#")]
    assert len(lines) <= 8
    assert max(map(len, lines)) <= 120
    imports = [node for node in ast.walk(tree) if isinstance(node, ast.Import | ast.ImportFrom)]
    names = {alias.name if isinstance(node, ast.Import) else node.module for node in imports for alias in node.names}
    assert names == {"dreamscope"}


@pytest.mark.embedded
@pytest.mark.parametrize("path", PROGRAMS, ids=lambda path: path.stem)
def test_it_runs(
    path: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    runpy.run_path(str(path), run_name="__main__")
    assert capsys.readouterr().out or list(tmp_path.glob("*.png"))
