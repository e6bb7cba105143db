from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import filmed
import pytest
from command_lines import PLANTED, add_too_small_folders, by_words, contents, ensure_refused
from PIL import Image

from dreamscope.film import writer
from dreamscope.recipes import Recipe

CONTROLS = ("--controls", "green", "--controls", "blue")


def test_blind_with_scores_report_and_weights(run: Callable, many_photos: Path) -> None:
    run("dissect", "red", *CONTROLS, *PLANTED, "-o", "scores.json", "--method", "contrast")
    ran = run(
        "blind", "red", *CONTROLS, *PLANTED, "--channels", "scores.json", "--top", 1, "--draws", 3,
        "-o", "report.html", "--export", "blind.safetensors",
    )  # fmt: skip
    assert ran.code == 0, ran.err
    assert ran.out.startswith("Mute about red, not blind: without 1 channel recall falls from 100% to 0%")
    assert ran.out.splitlines()[-2:] == ["report.html", "blind.safetensors"]
    assert json.loads(Path("report.json").read_text())["label"] == "red"
    # Of many photos some, those first that were hit, and where the others are.
    listed = [line.split() for line in ran.out.splitlines() if ".png" in line]
    assert len(listed) == 10 + 10
    assert {each[1] for each in listed[:10]} == {"red"}
    assert {each[-2] + " " + each[-1] for each in listed[10:]} == {"same answer"}
    numbers = json.loads(Path("report.json").read_text())
    assert f"and {len(numbers['photos']) - 10} more: report.html" in ran.out
    assert f"and {len(numbers['controls']) - 10} more: report.html" in ran.out
    before = json.loads(run("classify", "red/0.png", *PLANTED, "--json").out)
    after = json.loads(run("classify", "red/0.png", *PLANTED, "--weights", "blind.safetensors", "--json").out)
    assert before[0]["predictions"][0]["label"] == "red"
    assert after[0]["predictions"][0]["probability"] == pytest.approx(1 / 3, abs=0.01)


def test_blind_from_nothing(run: Callable, many_photos: Path) -> None:
    printed = json.loads(run("blind", "red", *CONTROLS, *PLANTED, "--draws", 2, "--json").out)
    assert printed["result"]["recall_after"]["value"] == 0
    assert printed["design"]["units"] == "directions"
    assert printed["design"]["folds"] == 2
    # Each photo is measured on once.
    assert printed["design"]["counts"]["targets to measure on"] == 22


def test_directions_can_be_looked_at(run: Callable, many_photos: Path) -> None:
    ran = run("blind", "red", *CONTROLS, *PLANTED, "--draws", 1, "-o", "report.html")
    assert ran.code == 0, ran.err
    ran = run("exemplars", "red", "green", *PLANTED, "--directions", "report.json", "--top", 2, "-o", "sheet.png")
    assert ran.code == 0, ran.err
    assert Path("sheet.png").is_file()


def test_few_photos_are_all_listed_and_counted(run: Callable, many_photos: Path) -> None:
    targets = [f"red/{number}.png" for number in range(5)]
    others = [word for number in range(4) for word in ("--controls", f"green/{number}.png")]
    words = ("--class", "red", *PLANTED, "--units", "channels", "--top", 1, "--draws", 1, "--pictures", 0)
    ran = run("blind", *targets, *others, *words, "-o", "report.html")
    assert ran.code == 0, ran.err
    assert "recall falls from 5 of 5 to 0 of 5" in ran.out
    names = [line.split()[0] for line in ran.out.splitlines() if ".png" in line]
    assert names == [*(f"{number}.png" for number in range(5)), *(f"{number}.png" for number in range(4))]
    assert "more:" not in ran.out
    assert "%" not in ran.out.partition(" (")[0]
    assert "from noise" not in Path("report.html").read_text()


def test_random_weights_from_the_search_to_the_file(run: Callable, many_photos: Path) -> None:
    ran = run(
        "blind", "red", *CONTROLS, *PLANTED, "--method", "contrast", "--top", 1, "--how", "randomize:1", "--draws", 1,
        "-o", "report.html", "--export", "blind.safetensors",
    )  # fmt: skip
    assert ran.code == 0, ran.err
    kept = json.loads(Path("report.json").read_text())
    assert [(edit["kind"], edit["address"], edit["seed"]) for edit in kept["edits"]] == [("randomize", "conv:8", 1)]
    assert kept["recipe"]["dreamscope"]["parameters"]["how"] == "randomize:1"
    # The file says of a photo what the report says.
    row = next(row for row in kept["photos"] if row["file"] == "0.png")
    after = json.loads(run("classify", "red/0.png", *PLANTED, "--weights", "blind.safetensors", "--json").out)
    assert after[0]["predictions"][0]["label"] == row["after"]
    assert after[0]["predictions"][0]["probability"] == pytest.approx(row["confidence_after"], abs=1e-4)
    assert row["confidence_after"] != pytest.approx(row["confidence_before"], abs=1e-4)


def test_a_budget_leaves_out_what_there_is_no_time_for(run: Callable, many_photos: Path) -> None:
    words = ("blind", "red", *CONTROLS, *PLANTED, "--units", "channels", "--top", 1, "--draws", 3, "--json")

    def draws(budget: str) -> int:
        (trial,) = (
            each for each in json.loads(run(*words, "--budget", budget).out)["trials"] if "random" in each["name"]
        )
        # Of one draw the interval rests on its photos, of several on the draws.
        return trial["recall"]["count"] if trial["recall"]["count"] < 22 else 1

    assert (draws("0.001s"), draws("1h")) == (1, 3)


def test_blind_as_a_film(run: Callable, many_photos: Path) -> None:
    ran = run(
        "blind", "red", *CONTROLS, *PLANTED, "--units", "channels", "--method", "contrast", "--top", 1, "--draws", 1,
        "--film", "doses.mp4", "--fps", 5,
    )  # fmt: skip
    assert ran.code == 0, ran.err
    assert ran.out.splitlines()[-1] == "doses.mp4"
    assert len(filmed.decoded(many_photos / "doses.mp4")) > 6 + 13
    recipe = Recipe.from_json(writer.read_note("doses.mp4") or "")
    assert (recipe.command, recipe.parameters["removed"]) == ("blind", ["act:8"])


def test_a_film_does_not_replace_a_photo(run: Callable, many_photos: Path) -> None:
    picture = many_photos / "green" / "moving.gif"
    Image.open(many_photos / "green" / "0.png").save(picture)
    before = picture.read_bytes()
    ran = run("blind", "red", *CONTROLS, *PLANTED, "--film", "red/../green/moving.gif")
    assert (ran.code, picture.read_bytes()) == (2, before)
    assert "moving.gif' is an input; write the film somewhere else" in ran.err


BAD = [
    (["blind", "one", *CONTROLS, "--class", "red"], "at least 3 are needed"),
    (["blind", "red", *CONTROLS, "--how", "erase"], "no way to ablate"),
    (["blind", "red", *CONTROLS, "--how", "noise", "--export", "x.safetensors"], "can't become plain weights"),
    (["blind", "red", *CONTROLS, "--how", "gaussian", "--export", "x.safetensors"], "only zero, randomize and scale:X"),
    (["blind", "red", *CONTROLS, "--method", "single", "--how", "randomise"], "did you mean 'randomize'"),
    (["blind", "red", *CONTROLS, "--method", "frequency", "--at-least", "23"], "there are 22"),
    (["blind", "red", *CONTROLS, "--export", "x.pth"], "this is a .safetensors file"),
    (["blind", "red", *CONTROLS, "--film", "x.avi"], "a film ends in .mp4, .webm, .gif"),
    (["blind", "red", *CONTROLS, "--film", "x.html", "-o", "x.html"], "a film ends in"),
    (["blind", "red", *CONTROLS, "--film", "nowhere/x.mp4"], "there is no folder 'nowhere'"),
    (["blind", "red", *CONTROLS, "--film", "x.gif", "--fps", "60"], "a .gif can't have that rate"),
    (["blind", "red", *CONTROLS, "--channels", "labels.txt"], "holds no channel scores"),
    (["blind", "red", *CONTROLS, "--channels", "missing.json"], "no such scores file"),
    (["blind", "red", *CONTROLS, "--channels", "x.json", "--method", "single"], "exclude each other"),
    (["blind", "red", *CONTROLS, "--measure", "red"], "the ones that channels are found on"),
    (["blind", "red", *CONTROLS, "--top", "3"], "top and how are for channels; give the units 'channels' or 'both'"),
    (["blind", "red", *CONTROLS, "--units", "neurons"], "no kind of units 'neurons'"),
    (["blind", "red", *CONTROLS, "--aim", "silence"], "no aim 'silence'"),
    (["blind", "red", *CONTROLS, "--units", "channels", "--depth", "act"], "depth is for directions"),
    (["blind", "red", *CONTROLS, "--depth", "actt"], "no layer 'actt'"),
    (["blind", "red", *CONTROLS, "--budget", "soon"], "'soon' is no time; write it as 90s, 5min or 1h"),
    (["blind", "red", *CONTROLS, "--from-layer", "convv"], "no layer 'convv'"),
]


@pytest.mark.parametrize(("words", "message"), BAD, ids=by_words)
def test_one_line_and_nothing_left(run: Callable, many_photos: Path, words: list[str], message: str) -> None:
    add_too_small_folders(many_photos)
    before = contents(many_photos)
    ensure_refused(run(*words, *PLANTED), message)
    assert contents(many_photos) == before
