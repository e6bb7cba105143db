from __future__ import annotations

import json
from pathlib import Path

import pytest
from baked import a

from dreamscope.errors import DreamscopeError
from dreamscope.models.directions import directions_of, read_directions
from dreamscope.models.edits import Ablation
from dreamscope.models.erase import Erase
from dreamscope.models.weight_export import export

EDITS = [
    Erase("features.3:1,2", [[1.0, 0.0], [0.0, 1.0]], [[1.0, 2.0], [3.0, 4.0]], [0.5, 0.5]),
    Ablation("features.1:2"),
    Erase("features.0:4", [1.0], [1.0]),
    Erase("features.3:7", [1.0], [1.0]),
]


def test_directions_are_counted_at_each_layer() -> None:
    found = directions_of(a("vgg"), [edit for edit in EDITS if isinstance(edit, Erase)])
    assert list(found) == [
        f"features.{each}" for each in ("3.direction:0", "3.direction:1", "0.direction:0", "3.direction:2")
    ]
    assert found["features.3.direction:1"] == Erase("features.3:1,2", [0.0, 1.0], [3.0, 4.0], [0.5, 0.5])
    every = Erase("features.*:0", [1.0], [1.0])
    assert list(directions_of(a("vgg"), every.to_dict())) == [f"features.{index}.direction:0" for index in range(6)]
    assert directions_of(a("vgg"), []) == {}


def test_read_from_a_report_and_from_exported_weights(tmp_path: Path) -> None:
    report = tmp_path / "report.json"
    report.write_text(json.dumps({"recall": 0.1, "edits": [edit.to_dict() for edit in EDITS]}))
    weights = export(a("vgg").edited(EDITS), tmp_path / "erased.safetensors")
    assert read_directions(report) == read_directions(weights) == [EDITS[0], EDITS[2], EDITS[3]]


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("a.json", "{}", "'.*a.json' names no edits; give a .json report of dreamscope blind"),
        ("a.json", "no json", "names no edits"),
        ("a.json", '{"edits": 3}', "names no edits"),
        ("a.safetensors", "no weights", "names no edits"),
        ("a.json", '{"edits": [{"kind": "add", "address": "a"}]}', "'add' is damaged"),
        (
            "a.json",
            '{"edits": [{"kind": "ablation", "address": "a", "how": "zero"}]}',
            "no erased directions.*ablation",
        ),
        ("a.json", '{"edits": []}', "no erased directions; its edits: none"),
    ],
)
def test_files_without_directions(tmp_path: Path, name: str, content: str, message: str) -> None:
    (tmp_path / name).write_text(content)
    with pytest.raises(DreamscopeError, match=message):
        read_directions(tmp_path / name)
    with pytest.raises(DreamscopeError, match="no such file of directions"):
        read_directions(tmp_path / "none.json")
