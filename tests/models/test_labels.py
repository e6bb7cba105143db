from __future__ import annotations

from pathlib import Path

import pytest
from torchvision.models import ResNet18_Weights

from dreamscope.errors import DreamscopeError
from dreamscope.models import labels


def test_imagenet_in_torchvisions_order() -> None:
    names = labels.imagenet()
    assert (len(names), names[227], names[309]) == (1000, "kelpie", "bee")
    assert names == tuple(ResNet18_Weights.IMAGENET1K_V1.meta["categories"])


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


NAMES = ("bee", "bee eater", "crane", "crane", "ant")


@pytest.mark.parametrize(("text", "index"), [("bee", 0), ("BEE", 0), ("eater", 1), ("4", 4), (3, 3), (" ant ", 4)])
def test_which_class_is_meant(text: str | int, index: int) -> None:
    assert labels.index_of(text, NAMES, model="net") == index


@pytest.mark.parametrize(
    ("text", "index"), [("bee", 0), (" Ant", 4), ("4", 4), ("eater", None), ("be", None), ("crane", None), ("5", None)]
)
def test_a_label_is_a_whole_name(text: str, index: int | None) -> None:
    assert labels.known(text, NAMES) == index


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("beee", "no class 'beee' in net; did you mean 'bee'"),
        ("crane", "names 2 classes of net: 2 crane, 3 crane; give an index"),
        ("5", "class 5 is out of range: net has 5 classes, 0-4"),
        ("", "no class ''"),
    ],
)
def test_no_class_or_several(text: str, message: str) -> None:
    with pytest.raises(DreamscopeError, match=message):
        labels.index_of(text, NAMES, model="net")


def test_a_raised_digit_is_no_index() -> None:
    with pytest.raises(DreamscopeError, match="no class '²' in net"):
        labels.index_of("²", ("a", "b"), model="net")
    assert labels.known("²", ("a", "b")) is None
