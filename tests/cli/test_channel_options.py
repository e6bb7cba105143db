"""``--channels``: what dissect and blind found flows on."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest
from command_lines import PLANTED, by_words, contents, ensure_refused

from dreamscope.recipes import Recipe

CONTROLS = ("--controls", "green", "--controls", "blue")
FOUND = ("--channels", "scores.json")
FAST = ("--steps", 1, "--octaves", 1)


@pytest.fixture
def scores(run: Callable, photos: Path) -> list[str]:
    """The addresses that ``scores.json`` holds, the strongest first: red is carried by channel 8 alone."""
    ran = run("dissect", "red", *CONTROLS, *PLANTED, "-o", "scores.json", "--method", "contrast", "--json")
    assert ran.code == 0, ran.err
    from dreamscope.dissection.found_channels import FoundChannels

    listed = FoundChannels.load("scores.json").texts()
    assert listed[0] == "act:8"
    assert len(listed) > 1
    return listed


def test_dreams_are_of_their_sum(run: Callable, scores: list[str]) -> None:
    assert run("dream", "red/0.png", *PLANTED, *FOUND, *FAST, "--strongest", 2, "-o", "a.png").code == 0
    recipe = Recipe.read("a.png")
    assert recipe.parameters["at"] == scores[:2]
    assert recipe.parameters["loss"] == "mean"
    assert run("dream", "red/0.png", *PLANTED, *FOUND, *FAST, "--top", 1, "--loss", "norm", "-o", "b.png").code == 0
    assert (Recipe.read("b.png").parameters["at"], Recipe.read("b.png").parameters["loss"]) == (scores[:1], "norm")
    # A recipe keeps all but the channels.
    assert run("dream", "red/0.png", "--recipe", "b.png", *PLANTED, *FOUND, "--top", 2, "-o", "c.png").code == 0
    assert Recipe.read("c.png").parameters == Recipe.read("b.png").parameters | {"at": scores[:2]}


def test_a_picture_of_each(run: Callable, scores: list[str]) -> None:
    ran = run("visualize", *PLANTED, *FOUND, "--steps", 1, "--top", 2, "-o", "out", "--json")
    assert [each["shows"] for each in json.loads(ran.out)] == scores[:2]
    ran = run("sheet", "red/0.png", "--over", "channels", *PLANTED, *FOUND, *FAST, "--top", 2, "-o", "s.png", "--json")
    assert [each["label"] for each in json.loads(ran.out)["cells"]] == scores[:2]
    assert json.loads(ran.out)["recipe"]["parameters"]["cells"][0]["recipe"]["parameters"]["loss"] == "mean"


def test_a_row_of_each(run: Callable, scores: list[str]) -> None:
    # --top is the number of photos there, and of channels of a layer here.
    ran = run("exemplars", "red", *PLANTED, *FOUND, "--strongest", 2, "--top", 3, "-o", "e.png", "--json")
    rows = json.loads(ran.out)["channels"]
    assert [(each["address"], len(each["photos"])) for each in rows] == [(each, 3) for each in scores[:2]]
    ran = run("activations", "red/0.png", *PLANTED, *FOUND, "--strongest", 2, "--top", 1, "-o", "l.png", "--json")
    (layer,) = json.loads(ran.out)["layers"]
    assert sorted(each["address"] for each in layer["channels"]) == sorted(scores[:2])


def test_exemplars_read_from_an_index(run: Callable, scores: list[str]) -> None:
    assert run("exemplars", "red", *PLANTED, "--index", "index.json").code == 0
    ran = run("exemplars", *PLANTED, "--index", "index.json", *FOUND, "--strongest", 1, "-o", "e.png", "--json")
    assert [each["address"] for each in json.loads(ran.out)["channels"]] == scores[:1]


def test_explained_is_their_sum(run: Callable, scores: list[str]) -> None:
    ran = run("explain", "red/0.png", *PLANTED, *FOUND, "--top", 1, "-o", "a.png", "--json")
    printed = json.loads(ran.out)
    assert printed["explains"]["address"] == scores[0]
    assert [each["method"].partition(":")[0] for each in printed["methods"]] == ["layercam"]
    ran = run("explain", "red/0.png", *PLANTED, *FOUND, "--top", 2, "--method", "saliency", "-o", "b.png", "--json")
    assert json.loads(ran.out)["explains"]["address"] == " + ".join(scores[:2])


@pytest.mark.embedded
def test_in_the_network_that_they_were_found_in(run: Callable, photos: Path, scores: list[str]) -> None:
    content = json.loads(Path("scores.json").read_text())
    content["recipe"]["dreamscope"]["model"] = {"name": "oxford_vgg19"}
    Path("other.json").write_text(json.dumps(content))
    before = contents(photos)
    # Loaded is oxford_vgg19, as the scores say, not the default; but they are not of it.
    message = "'other.json' is of oxford_vgg19, not of oxford_vgg19: no 'act' of 9 channels here"
    ensure_refused(run("dream", "red/0.png", "--channels", "other.json", "-o", "a.png"), message)
    assert contents(photos) == before


BAD = [
    (["dream", "red/0.png", *FOUND, "--at", "act"], "--channels and --at exclude each other"),
    (["sheet", "red/0.png", "--over", "channels", *FOUND, "--at", "act"], "--channels and --at exclude each other"),
    (["visualize", "act:3", *FOUND], "--channels and ADDRESS exclude each other"),
    (["exemplars", "red", *FOUND, "--directions", "a.json"], "--channels and --directions exclude each other"),
    (["explain", "red/0.png", *FOUND, "--class", "red"], "--channels and --class-name exclude each other"),
    (["activations", "red/0.png", *FOUND, "--at", "act"], "--channels and --at exclude each other"),
    (["dream", "red/0.png", "--strongest", "3"], "--strongest says how many of the --channels FILE"),
    (["explain", "red/0.png", "--channels", "labels.txt"], "'labels.txt' holds no channels; give scores"),
    (["exemplars", "red", "--channels", "none.json"], "no such file of channels: 'none.json'"),
]


@pytest.mark.parametrize(("words", "message"), BAD, ids=by_words)
def test_one_line_and_nothing_left(
    run: Callable, photos: Path, scores: list[str], words: list[str], message: str
) -> None:
    before = contents(photos)
    ensure_refused(run(*words, *PLANTED), message)
    assert contents(photos) == before
