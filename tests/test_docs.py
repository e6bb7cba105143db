"""What docs/microscope-scale.md shows, is so."""

from __future__ import annotations

import re
import shlex
from pathlib import Path

import pytest
from typer.main import get_command

from dreamscope.cli.app import application

PAGE = (Path(__file__).parents[1] / "docs" / "microscope-scale.md").read_text("utf-8")
LINES = re.findall(r"dreamscope microscope build [^\n\"]*(?:\"[^\"\n]*\"[^\n\"]*)*", PAGE)


@pytest.mark.parametrize("line", LINES)
def test_the_command_lines_are_ones(line: str) -> None:
    words = shlex.split(line.rstrip('"'))
    command = get_command(application())
    for name in words[1:3]:
        command = command.commands[name]
    given = command.make_context("build", words[3:]).params
    assert given["out"].endswith("site")


def test_there_are_some() -> None:
    assert len(LINES) == 6


def test_the_manifests_are_ones() -> None:
    yaml = pytest.importorskip("yaml", reason="a YAML reader comes with Ray")
    launcher, job = (yaml.safe_load(text) for text in re.findall(r"```yaml\n(.*?)```", PAGE, flags=re.DOTALL))
    assert launcher["head_node_type"] in launcher["available_node_types"]
    assert job["kind"] == "RayJob"
    cluster = job["spec"]["rayClusterSpec"]
    for group in (cluster["headGroupSpec"], *cluster["workerGroupSpecs"]):
        pod = group["template"]["spec"]
        named = {volume["name"] for volume in pod["volumes"]}
        assert {mount["name"] for each in pod["containers"] for mount in each["volumeMounts"]} == named
