from __future__ import annotations

import json
from collections.abc import Callable


def test_layers(run: Callable) -> None:
    lines = run("layers", "net.py:tiny", "--input-size", 32).out.splitlines()
    assert lines[0].split() == ["layer", "type", "channels", "size", "stride", "receptive", "field", "calls"]
    assert lines[1].split() == ["0", "Conv2d", "6", "32x32", "1", "3", "1"]
    assert lines[3].split() == ["2", "Conv2d", "4", "15x15", "2", "5", "1"]
    assert lines[5].split() == ["4", "Flatten", "4", "-", "-", "all", "1"]
    assert run("layers", "net.py:tiny", "--size", 64, "--at", "2").out.splitlines()[1].split()[3] == "31x31"


def test_layers_as_json(run: Callable) -> None:
    rows = json.loads(run("layers", "net.py:tiny", "--input-size", 32, "--at", "[02]", "--json").out)
    assert [row["name"] for row in rows] == ["0", "2"]
    assert rows[1]["receptive_field"] == [5, 5]


def test_layers_refuses_what_matches_nothing(run: Callable) -> None:
    ran = run("layers", "net.py:tiny", "--at", "features.*")
    assert ran.code == 2
    assert "no layer of tiny matches 'features.*'" in ran.err
