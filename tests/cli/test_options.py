from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest
from command_lines import Ran

MODELS = ["-m", "net.py:tiny", "-m", "net.py:tiny"]


def test_several_models_answer_together(run: Callable[..., Ran], photo: Path) -> None:
    ran = run("classify", photo, *MODELS, "--json")
    assert ran.code == 0, ran.err
    alone = run("classify", photo, "-m", "net.py:tiny", "--json")
    assert json.loads(ran.out) == json.loads(alone.out)


def test_a_dream_of_two_networks_is_made_again_from_its_recipe(run: Callable[..., Ran], photo: Path) -> None:
    words = ["--octaves", "1", "--steps", "1", "--precision", "float32"]
    models = ["-m", "squeezenet1_0", "-m", "squeezenet1_1", "--weights", "none", "--weights", "none"]
    places = ["--at", "squeezenet1_0.features.3", "--at", "squeezenet1_1.features.3"]
    first = run("dream", photo, *models, *places, *words, "-o", "first.png")
    assert first.code == 0, first.err
    again = run("dream", photo, "--recipe", "first.png", "-o", "again.png")
    assert again.code == 0, again.err
    assert Path("first.png").read_bytes() == Path("again.png").read_bytes()


def test_layers_of_several(run: Callable[..., Ran]) -> None:
    ran = run("layers", "net.py:tiny", "net.py:tiny")
    assert "tiny.0" in ran.out
    assert "tiny_2.0" in ran.out


@pytest.mark.parametrize(
    ("words", "message"),
    [
        ([*MODELS, "--weights", "own"], "2 models take as many --weights, not 1; --weights own for a model's own"),
        ([*MODELS, "--mean", "0,0,0"], "--mean is of one model; give one --model"),
        (["-m", "net.py:tiny", "--weights", "none", "--weights", "own"], "one model takes one --weights, not 2"),
    ],
)
def test_options_that_do_not_fit_together(run: Callable[..., Ran], photo: Path, words: list[str], message: str) -> None:
    ran = run("classify", photo, *words)
    assert ran.code == 2
    assert message in ran.err
