"""The programs in ``examples/``: short, of nothing but dreamscope, and they run."""

from __future__ import annotations

import ast
import os
import subprocess
import sys
from pathlib import Path

import pytest

import dreamscope

FOLDER = Path(__file__).parent.parent / "examples"
PROGRAMS = sorted(FOLDER.glob("*.py"))


@pytest.mark.parametrize("program", PROGRAMS, ids=lambda path: path.stem)
def test_it_is_short_and_imports_only_dreamscope(program: Path) -> None:
    _docstring, *statements = ast.parse(program.read_text("utf-8")).body
    lines = program.read_text("utf-8").splitlines()[statements[0].lineno - 1 :]
    assert sum(bool(line.strip()) for line in lines) <= 8
    imported = [node for node in ast.walk(ast.Module(statements, [])) if isinstance(node, ast.Import | ast.ImportFrom)]
    assert [ast.unparse(node) for node in imported] == ["import dreamscope as ds"]


@pytest.mark.embedded
@pytest.mark.parametrize("program", PROGRAMS, ids=lambda path: path.stem)
def test_it_runs(program: Path, tmp_path: Path) -> None:
    paths = [str(Path(dreamscope.__file__).parent.parent), os.environ.get("PYTHONPATH", "")]
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, paths))}
    done = subprocess.run(
        [sys.executable, program],
        cwd=tmp_path,
        env=environment,
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout or list(tmp_path.iterdir())
