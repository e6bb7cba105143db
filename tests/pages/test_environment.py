from __future__ import annotations

import re
from base64 import b64encode
from hashlib import sha256
from pathlib import Path

import pytest
import torch
from jinja2 import UndefinedError

from dreamscope.pages import environment


def test_text_is_escaped_and_what_is_missing_is_an_error() -> None:
    made = environment.environment().from_string("<b>{{ name }}</b>")
    assert made.render(name="<i>&") == "<b>&lt;i&gt;&amp;</b>"
    with pytest.raises(UndefinedError):
        made.render()


def test_json_in_a_page_can_not_end_its_element() -> None:
    made = environment.environment().from_string("{{ value | tojson }}")
    assert "<" not in made.render(value={"a": "</script>"})
    with pytest.raises(ValueError, match="JSON"):
        made.render(value=float("nan"))


def test_every_file_named_in_a_template_is_there() -> None:
    loader = environment.environment().loader
    assert loader is not None
    names = loader.list_templates()
    assert {"base.html.jinja", "map.html.jinja", "report.html.jinja", "sheet.html.jinja"} <= set(names)
    for name in names:
        environment.environment().get_template(name)


@pytest.mark.parametrize("name", ["style.css", "map.js"])
def test_nothing_static_refers_to_anything_else(name: str) -> None:
    text = environment.static(name)
    assert not re.search(r"https?:|url\(|@import|fetch\(|innerHTML|</", text)


def test_what_is_not_there_is_no_picture(tmp_path: Path) -> None:
    assert environment.picture(tmp_path / "a.png") is None
    found = environment.picture(torch.zeros(1, 3, 8, 8))
    assert found is not None
    assert found.startswith("data:image/jpeg;base64,")


def test_numbers() -> None:
    assert environment.decimal(-0.001) == "0.00"
    assert environment.decimal(-1.5, 1) == "\u22121.5"
    assert environment.percent(0.5) == "50%"


def test_only_the_script_of_the_page_may_run() -> None:
    code = environment.static("map.js")
    text = environment.render(
        "map", script="map.js", title="t", axes="", map={}, explanation="", rows=[], recipe_json=""
    )
    digest = b64encode(sha256(code.encode()).digest()).decode()
    assert f"script-src 'sha256-{digest}'\">" in text
    assert f'<script type="module">{code}</script>' in text
