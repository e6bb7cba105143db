from __future__ import annotations

from pathlib import Path

import pytest

from dreamscope.errors import DreamscopeError
from dreamscope.models import labels


def test_imagenet_in_torchvisions_order() -> None:
    names = labels.imagenet()
    assert (len(names), names[227], names[309]) == (1000, "kelpie", "bee")


@pytest.mark.parametrize(
    ("name", "text"),
    [("a.txt", "cat\n\n dog \n"), ("a.json", '["cat", "dog"]'), ("a.json", '{"1": "dog", "0": "cat"}')],
)
def test_files(tmp_path: Path, name: str, text: str) -> None:
    (tmp_path / name).write_text(text)
    assert labels.read(tmp_path / name) == ("cat", "dog")


@pytest.mark.parametrize(("name", "text"), [("a.txt", ""), ("a.json", "{"), ("a.json", '{"5": "x"}'), ("a.json", "3")])
def test_bad_files(tmp_path: Path, name: str, text: str) -> None:
    (tmp_path / name).write_text(text)
    with pytest.raises(DreamscopeError, match="labels file"):
        labels.read(tmp_path / name)
