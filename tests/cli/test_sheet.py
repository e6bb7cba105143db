from __future__ import annotations

import json
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from archived import tar_of
from command_lines import TINY, contents, ensure_refused, names

from dreamscope import images
from dreamscope.dreaming.dream import dream
from dreamscope.film.reader import Clip
from dreamscope.recipes import Recipe

QUICK = (*TINY, "--preset", "classic", "--steps", 1)
SETS = ("--at", 0, "--at", 2, "--weights-set", "even=1,1", "--weights-set", "deep=0.1,2")


def facts(*words: object, run: Callable) -> dict:
    ran = run("sheet", *words, "--json")
    assert (ran.code, ran.err) == (0, "")
    return json.loads(ran.out)


def test_a_sheet_in_one_line(run: Callable, folder: Path, photo: Path) -> None:
    before = names(folder)
    ran = run("sheet", "photo.png", "--over", "layers", "--at", "*", *QUICK)
    assert (ran.code, ran.err) == (0, "")
    assert ran.out.startswith("photo.png, tiny, classic, over layers: 4 cells, 4 of them made now, ")
    assert names(folder) - before == {"photo-layers.png", "photo-layers.html", "photo-layers.cells"}
    assert len(list((folder / "photo-layers.cells").iterdir())) == 4
    assert images.read(folder / "photo-layers.png").shape[3] > 2 * 48
    # Without --at, its blocks, or what comes before the next convolution in a plain stack.
    ran = run("sheet", "photo.png", "--over", "layers", *QUICK)
    assert (ran.code, ran.err) == (0, "Over the 2 blocks of tiny; --at '*' takes all 4 layers.\n")
    assert " 2 cells, 2 of them made now, " in ran.out
    assert (folder / "photo-layers-2.png").exists()


@pytest.mark.parametrize(
    ("words", "labels"),
    [
        (("layers", *QUICK, "--at", "[02]", "--at", "1:3"), ["0", "2", "1:3"]),
        (("channels", *QUICK, "--at", "2:0-1", "--at", "0:5"), ["2:0", "2:1", "0:5"]),
        (("weights", *QUICK, *SETS), ["even", "deep"]),
        (("steps", *TINY, "--values", "0,2,3", "--preset", "plain"), ["0 steps", "2 steps", "3 steps"]),
        (("octaves", *QUICK, "--values", "1, 3"), ["1 octave", "3 octaves"]),
        (("losses", *QUICK, "--values", "gram,mean"), ["gram", "mean"]),
        (("steps", *TINY, "--values", "steps=0,2", "--preset", "plain"), ["0 steps", "2 steps"]),
        (
            ("layers", "--over", "steps", *TINY, "--at", "[02]", "--values", "1,2", "--preset", "plain"),
            ["0, 1 step", "0, 2 steps", "2, 1 step", "2, 2 steps"],
        ),
        (
            ("octaves", "--over", "steps", *TINY, "--values", "steps=1", "--values", "octaves=1, 2"),
            ["1 octave, 1 step", "2 octaves, 1 step"],
        ),
        (
            ("layers", "--over", "channels", *QUICK, "--at", "[02]", "--values", "channels=0,2-3"),
            [f"{layer}, channel {channel}" for layer in (0, 2) for channel in (0, 2, 3)],
        ),
        (("presets", *TINY, "--steps", 1), ["rich", "classic", "plain"]),
        (("presets", *TINY, "--steps", 1, "--values", "plain"), ["plain"]),
        (("models", "--models", "net.py:tiny, other.py:tiny", *QUICK[2:], "--at", "2"), ["tiny", "tiny (2)"]),
    ],
)
def test_kinds(run: Callable, folder: Path, photo: Path, words: tuple, labels: list[str]) -> None:
    (folder / "other.py").write_text((folder / "net.py").read_text().replace("manual_seed(0)", "manual_seed(1)"))
    found = facts("photo.png", "-o", "a.png", "--over", *words, run=run)
    assert [cell["label"] for cell in found["cells"]] == labels
    assert len({Path(cell["file"]).read_bytes() for cell in found["cells"]}) == len(labels)
    assert found["files"] == ["a.png", "a.html"]


def test_two_ways_in_one_line(run: Callable, folder: Path, photo: Path) -> None:
    before = names(folder)
    words = ("--over", "layers", "--over", "steps", "--at", "[02]", "--values", "0,1,3", "--preset", "plain", *TINY)
    ran = run("sheet", "photo.png", *words)
    assert (ran.code, ran.err) == (0, "")
    assert ran.out.startswith("photo.png, tiny, plain, over layers and steps: 6 cells, 6 of them made now, ")
    made = {"photo-layers-steps.png", "photo-layers-steps.html", "photo-layers-steps.cells"}
    assert names(folder) - before == made
    again = facts("photo.png", *words, "-o", "photo-layers-steps.png", run=run)
    assert not any(cell["made_now"] for cell in again["cells"])
    assert again["over"] == again["recipe"]["parameters"]["over"] == ["layers", "steps"]
    # Each cell alone.
    cell = again["cells"][-1]
    assert cell["label"] == "2, 3 steps"
    assert run("dream", "photo.png", "--at", 2, "--preset", "plain", "--steps", 3, *TINY, "-o", "d.png").code == 0
    assert Path(cell["file"]).read_bytes() == (folder / "d.png").read_bytes()


def test_a_large_photo_two_ways(run: Callable, folder: Path) -> None:
    images.write(torch.rand(1, 3, 150, 300), folder / "large.png")
    words = ("--over", "layers", "--over", "losses", "--at", "0", *TINY, "--steps", 0, "-o", "a.png")
    ran = run("sheet", "large.png", *words)
    assert ran.err == "The longest side is 300 pixels; dreaming at 256 (--size changes that).\n"


def test_a_dreams_recipe_two_ways(run: Callable, folder: Path, photo: Path) -> None:
    assert run("dream", "photo.png", *QUICK, "--loss", "gram", "--seed", 7, "--at", "0", "-o", "d.png").code == 0
    words = ("--recipe", "d.png", *TINY[:2], "--over", "losses", "--over", "steps", "--values", "steps=1,2")
    found = facts("photo.png", *words, "--values", "losses=mean,gram", "-o", "a.png", run=run)
    assert [cell["label"] for cell in found["cells"]][2:] == ["gram, 1 step", "gram, 2 steps"]
    assert Path(found["cells"][2]["file"]).read_bytes() == (folder / "d.png").read_bytes()


def test_sets_that_come_out_the_same_are_told(run: Callable, folder: Path, photo: Path) -> None:
    words = ("sheet", "photo.png", "--over", "weights", *QUICK, *SETS, "--weights-set", "high=4,4", "-o", "a.png")
    ran = run(*words)
    assert ran.code == 0
    assert ran.err.startswith("'high' is 4 times 'even'. Steps are normalised, so a common factor")
    assert "--preset plain --rate R" in ran.err
    found = json.loads(run(*words, "--json").out)
    assert [cell["note"] for cell in found["cells"]] == ["1, 1", "0.1, 2", "4, 4; same as even"]
    even, deep, high = (images.read(cell["file"]) for cell in found["cells"])
    assert high.equal(even)
    assert not deep.equal(even)
    # What it names makes them differ.
    plain = ("--preset", "plain", "--rate", 1, *TINY, *SETS, "--weights-set", "high=4,4", "--steps", 2)
    found = facts("photo.png", "--over", "weights", *plain, "-o", "b.png", run=run)
    even, _, high = (images.read(cell["file"]) for cell in found["cells"])
    assert not high.equal(even)
    assert found["remarks"] == []


def test_photos(run: Callable, folder: Path, photo: Path) -> None:
    (folder / "more").mkdir()
    for name in ("a", "b"):
        images.write(torch.rand(1, 3, 30, 36), folder / "more" / f"{name}.png")
    found = facts("more", "photo.png", "gray", "--over", "photos", *QUICK, "--size", 40, "-o", "a.png", run=run)
    assert [cell["label"] for cell in found["cells"]] == ["a.png", "b.png", "photo.png", "gray"]
    assert {cell["note"] for cell in found["cells"]} == {""}
    assert [each["name"] for each in found["recipe"]["inputs"]["image"][:3]] == ["a.png", "b.png", "photo.png"]
    (folder / "others").mkdir()
    photo.rename(folder / "others" / "photo.png")
    found = facts("more", "others", "--over", "photos", *QUICK, "--size", 40, "-o", "b.png", run=run)
    assert [cell["note"] for cell in found["cells"]] == ["more", "more", "others"]
    tar_of(folder / "all.tar", {f"{name}.png": (folder / "more" / f"{name}.png").read_bytes() for name in ("b", "a")})
    found = facts("all.tar", "--over", "photos", *QUICK, "--size", 40, "-o", "c.png", run=run)
    assert [cell["label"] for cell in found["cells"]] == ["b.png", "a.png"]


def test_the_recipe_is_in_the_sheet_and_each_cell_can_be_made_again(run: Callable, folder: Path, photo: Path) -> None:
    found = facts("photo.png", "--over", "weights", *QUICK, *SETS, "--seed", 4, "-o", "a.png", run=run)
    ran = run("recipe", "a.png")
    recipe = json.loads(ran.out)["dreamscope"]
    assert recipe == found["recipe"]
    assert recipe["command"] == "sheet"
    assert [cell["recipe"]["parameters"]["at"] for cell in recipe["parameters"]["cells"]] == [
        ["0", "2"],
        ["0.1*0", "2*2"],
    ]
    assert str(folder) not in ran.out
    file = Path(found["cells"][1]["file"])
    assert run("dream", "--recipe", file, "photo.png", "--model", "net.py:tiny", "-o", "again.png").code == 0
    assert file.read_bytes() == (folder / "again.png").read_bytes()
    assert "was made by sheet" in run("dream", "--recipe", "a.png").err


def test_sets_from_a_file(run: Callable, folder: Path, photo: Path) -> None:
    (folder / "sets.toml").write_text("first = [1, 0]\nlast = [0, 1]\n")
    words = ("--over", "weights", *QUICK, "--at", 0, "--at", 2, "-o", "a.png")
    found = facts("photo.png", *words, "--weights-file", "sets.toml", "--weights-set", "both=1,1", run=run)
    assert [cell["label"] for cell in found["cells"]] == ["first", "last", "both"]


def test_a_dreams_recipe_on_every_layer(run: Callable, folder: Path, photo: Path) -> None:
    words = ("--loss", "gram", "--seed", 7, "--guide", photo, "--size", 32)
    assert run("dream", "photo.png", *QUICK, *words, "--at", "0", "-o", "d.png").code == 0
    found = facts("photo.png", "--recipe", "d.png", *TINY[:2], "--over", "layers", "--at", "*", "-o", "a.png", run=run)
    assert [cell["label"] for cell in found["cells"]] == ["0", "1", "2", "3"]
    assert Path(found["cells"][0]["file"]).read_bytes() == (folder / "d.png").read_bytes()
    found = facts(
        "photo.png", "--recipe", "d.png", *TINY[:2], "--over", "steps", "--values", "1,2", "-o", "b.png", run=run
    )
    assert Path(found["cells"][0]["file"]).read_bytes() == (folder / "d.png").read_bytes()
    images.write(torch.rand(1, 3, 60, 30), folder / "tall.png")
    found = facts("tall.png", "--recipe", "d.png", *TINY[:2], "--over", "photos", "-o", "c.png", run=run)
    # Not in the proportions of the first photo.
    assert found["recipe"]["parameters"]["cells"][0]["recipe"]["parameters"]["size"] == "16x32"


def test_differences(run: Callable, folder: Path, photo: Path) -> None:
    found = facts("photo.png", "--over", "weights", *QUICK, *SETS, "--between", "even..deep", "-o", "a.png", run=run)
    assert found["files"] == ["a.png", "a.html", "a-differences.png", "a-frequencies.png"]
    assert all((folder / name).exists() for name in found["files"])
    cell, other = (found["cells"][number] for number in range(2))
    assert cell["change"] > 0
    assert sum(cell["energy"]) == pytest.approx(cell["change"] ** 2)
    (between,) = found["between"].values()
    pictures = [images.read(each["file"]) for each in (cell, other)]
    assert between["change"] == pytest.approx((pictures[0] - pictures[1]).square().mean().sqrt().item(), rel=1e-5)
    assert len(found["bands"]) == len(between["energy"])
    ran = run("sheet", "photo.png", "--over", "weights", *QUICK, *SETS, "--between", "even..deep", "-o", "a.png")
    lines = ran.out.splitlines()
    assert [line.split()[0] for line in lines[:4]] == ["cell", "even", "deep", "even..deep"]
    assert "2 cells, 0 of them made now" in ran.out
    assert Recipe.read("a-differences.png") == Recipe.read("a-frequencies.png") == Recipe.read("a.png")


def test_taken_up_where_it_was(run: Callable, folder: Path, photo: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    words = ("sheet", "photo.png", "--over", "layers", "--at", "*", *QUICK, "-o")
    assert run(*words, "whole.png").code == 0
    calls: list[object] = []

    def stopping(*given: object, **settings: object) -> object:
        calls.append(settings["at"])
        if len(calls) == 3:
            raise KeyboardInterrupt
        return dream(*given, **settings)  # type: ignore[arg-type]

    monkeypatch.setattr("dreamscope.sheets.batching.dream", stopping)
    ran = run(*words, "a.png")
    assert ran.code == 130
    kept = "finished cells are kept in 'a.cells'"
    assert ran.err == f"dreamscope: stopped; {kept}, the same command continues from there\n"
    assert not (folder / "a.png").exists()
    assert not (folder / "a.html").exists()
    ran = run(*words, "a.png")
    assert "4 cells, 2 of them made now" in ran.out
    assert calls == [["0"], ["1"], ["2"], ["2"], ["3"]]
    assert (folder / "a.png").read_bytes() == (folder / "whole.png").read_bytes()
    assert (folder / "a.html").read_bytes() == (folder / "whole.html").read_bytes()


def test_killed_and_taken_up(run: Callable, folder: Path, photo: Path) -> None:
    words = ["sheet", "photo.png", "--over", "channels", "--at", "0", "--steps", "60", "-o"]
    words = [*words, "a.png", *map(str, TINY)]
    code = "from dreamscope.cli import main\n"
    process = subprocess.Popen([sys.executable, "-c", code + f"main({words!r})"])
    deadline = time.monotonic() + 60
    while not list(folder.glob("a.cells/[!.]*.png")) and process.poll() is None and time.monotonic() < deadline:
        time.sleep(0.01)
    process.send_signal(signal.SIGKILL)
    process.wait()
    finished = {path.name: path.stat().st_mtime_ns for path in folder.glob("a.cells/[!.]*.png")}
    assert finished
    assert not (folder / "a.png").exists()
    found = json.loads(run(*words, "--json").out)
    assert [Path(cell["file"]).name in finished for cell in found["cells"]] == [
        not cell["made_now"] for cell in found["cells"]
    ]
    assert all((folder / "a.cells" / name).stat().st_mtime_ns == at for name, at in finished.items())
    whole = json.loads(run(*[word.replace("a.png", "whole.png") for word in words], "--json").out)
    assert whole["recipe"] == found["recipe"]
    assert (folder / "a.png").read_bytes() == (folder / "whole.png").read_bytes()


def test_cells_that_do_not_come_out(run: Callable, folder: Path, photo: Path) -> None:
    words = ("--preset", "plain", "--rate", "1e9", "--at", 2, "--weights-set", "wild=1e38", *TINY, "-o", "a.png")
    ran = run("sheet", "photo.png", "--over", "weights", *words, "--weights-set", "tame=0")
    assert ran.code == 0
    assert ran.err == "wild: not finite at step 1: try a smaller --rate\n"
    ran = run("sheet", "photo.png", "--over", "weights", *words[:-1], "b.png")
    assert ran.code == 2
    assert "no cell came out: not finite at step 1" in ran.err
    assert not (folder / "b.png").exists()


def test_large_photos_are_made_smaller_unless_asked(run: Callable, folder: Path) -> None:
    images.write(torch.rand(1, 3, 300, 600), folder / "large.png")
    ran = run("sheet", "large.png", "--over", "layers", "--at", "0", *TINY, "--steps", 0, "-o", "a.png")
    assert "The longest side is 600 pixels; dreaming at 512 (--size changes that)." in ran.err
    ran = run("sheet", "large.png", "--over", "layers", "--at", "0", *TINY, "--steps", 0, "-o", "a.png", "--size", 600)
    assert ran.err == ""


BAD = {
    "no picture": (["--over", "layers"], "Missing argument"),
    "no kind": (["photo.png"], "--over"),
    "unknown kind": (["photo.png", "--over", "layer"], "did you mean 'layers'"),
    "no such photo": (["nowhere.png", "--over", "layers"], "no such picture: 'nowhere.png'"),
    "one of several": (["photo.png", "text.jpg", "--over", "photos"], "not a picture"),
    "several": (["photo.png", "gray", "--over", "layers"], "of one picture, not 2; see --over photos"),
    "unknown layer": (["photo.png", "--over", "layers", "--at", "9"], "no layer '9'"),
    "unknown channel": (["photo.png", "--over", "channels", "--at", "0:6"], "has 6 channels"),
    "no channels": (["photo.png", "--over", "channels"], "--at LAYER:CHANNELS"),
    "no sets": (["photo.png", "--over", "weights", "--at", "0"], "--weights-set"),
    "wrong count": (
        ["photo.png", "--over", "weights", "--at", "0", "--weights-set", "a=1,2"],
        "weights 'a' are 2 for 1",
    ),
    "no set": (["photo.png", "--over", "weights", "--at", "0", "--weights-set", "a:1"], "no set of weights such as"),
    "no file": (["photo.png", "--over", "weights", "--at", "0", "--weights-file", "a.toml"], "no such weights file"),
    "unknown preset": (["photo.png", "--over", "presets", "--values", "plane"], "did you mean 'plain'"),
    "steps": (["photo.png", "--over", "steps", "--values", "1,two"], "not 'two'"),
    "steps twice": (["photo.png", "--over", "steps", "--steps", "2"], "leave --steps out"),
    "columns of two": (["photo.png", "--over", "layers", "--over", "losses", "--columns", "2"], "leave --columns out"),
    "three ways": (["photo.png", *["--over", "layers"] * 3], "one way or two, not 3"),
    "values of which": (
        ["photo.png", "--over", "steps", "--over", "octaves", "--values", "1,2"],
        "Say which: --values steps=V,V,... --values octaves=V,V,...",
    ),
    "values of nothing": (["photo.png", "--over", "steps", "--values", "step=1"], "did you mean 'steps'"),
    "values of others": (["photo.png", "--over", "steps", "--values", "losses=mean"], "takes no values of losses"),
    "values twice": (["photo.png", "--over", "steps", "--values", "1", "--values", "2"], "need to say what of"),
    "values of one twice": (
        ["photo.png", "--over", "steps", "--values", "steps=1", "--values", "steps=2"],
        "is given twice",
    ),
    "no models": (["photo.png", "--over", "models"], "--over models and --models M,M,... go together"),
    "models of layers": (["photo.png", "--over", "layers", "--models", "a"], "go together"),
    "models": (
        ["photo.png", "--over", "models", "--models", "net.py:tiny,net.py:tiny"],
        "two of the models are the same",
    ),
    "output folder": (["photo.png", "--over", "layers", "-o", "no/a.png"], "there is no folder 'no'"),
    "output format": (["photo.png", "--over", "layers", "-o", "a.jpg"], "a sheet is a .png or .webp"),
    "output is input": (["photo.png", "--over", "layers", "-o", "photo.png"], "is an input"),
    "page is a folder": (["photo.png", "--over", "layers", "-o", "taken.png"], "'taken.html': it is a folder"),
    "cells are a file": (
        ["photo.png", "--over", "layers", "--at", "*", "-o", "full.png"],
        "'full.cells': it is a file",
    ),
    "guide": (["photo.png", "--over", "layers", "--guide", "nowhere.png"], "no such picture"),
    "filter": (["photo.png", "--over", "layers", "--at", "*", "--filter", "x"], "no filter 'x'"),
    "no recipe": (["photo.png", "--over", "layers", "--recipe", "photo.png"], "holds no dreamscope recipe"),
    "pair": (["photo.png", "--over", "layers", "--between", "0-1"], "expected A..B"),
    "unknown pair": (["photo.png", "--over", "layers", "--at", "*", "--between", "0..9"], "no cell '9' to compare"),
}


@pytest.mark.parametrize("name", BAD)
def test_bad_input_is_one_line_exit_2_and_no_file(run: Callable, folder: Path, photo: Path, name: str) -> None:
    (folder / "text.jpg").write_text("hello, I am no picture")
    (folder / "taken.html").mkdir()
    (folder / "full.cells").write_text("")
    before = contents(folder)
    words, message = BAD[name]
    model = ("--steps", "1", *TINY) if "steps" not in words and "models" not in words else ()
    ensure_refused(run("sheet", *words, *(model or (TINY if "models" not in words else ()))), message)
    assert contents(folder) == before


def test_help_needs_no_torch() -> None:
    check = "from dreamscope.cli import sheet; import sys; assert not {'torch', 'numpy'} & set(sys.modules)"
    subprocess.run([sys.executable, "-c", check], check=True)


def test_a_film_of_dreams_side_by_side(run: Callable, folder: Path, photo: Path) -> None:
    words = ("photo.png", "--over", "weights", *QUICK, *SETS, "--octaves", 1, "-o", "a.png", "--fps", 10)
    found = facts(*words, "--film", "a.mp4", "--columns", 2, run=run)
    assert found["files"] == ["a.png", "a.html", "a.mp4"]
    # The photo, the one step, the finished ones, and those held.
    assert Clip.open("a.mp4").count == 1 + 1 + 1 + 15
    assert {path.suffix for path in Path("a.cells").iterdir()} == {".png"}
    found = facts(*words, "--film", "b.gif", "--crossfade", 0.5, run=run)
    assert not any(cell["made_now"] for cell in found["cells"])
    assert Clip.open("b.gif").count == 2 * (15 + 5)


@pytest.mark.parametrize(
    ("words", "why"),
    [
        (("--film", "a.avi"), "a film ends in"),
        (("--film", "nowhere/a.mp4"), "there is no folder"),
        (("--film", "a.mp4", "--fps", "0"), "rate"),
        (("--film", "a.mp4", "--every", "0"), "every is 1 or more"),
        (("--film", "a.mp4", "--crossfade", "-1"), "0 to 60 seconds"),
        (("--crossfade", "1"), "give --film OUT as well"),
    ],
)
def test_films_that_can_not_be_made(run: Callable, folder: Path, photo: Path, words: tuple, why: str) -> None:
    before = contents(folder)
    ensure_refused(run("sheet", "photo.png", "--over", "weights", *QUICK, *SETS, "-o", "a.png", *words), why)
    assert contents(folder) == before


def test_weights_that_differ_by_a_factor_alone(run: Callable, photo: Path) -> None:
    words = ("photo.png", "--over", "weights", *TINY, "--at", 0, "--at", 2, "--steps", 2, "--preset", "plain")
    sets = ("--weights-set", "once=1,1", "--weights-set", "four=4,4")
    for name, given in (("same", ()), ("absolute", ("--rate", 0.05)), ("balanced", ("--rate", 0.05, "--balance"))):
        ran = run("sheet", *words, *sets, *given, "-o", f"{name}.png", "--json")
        assert (ran.code, "one picture stands for both" in ran.err) == (0, name == "same")
        found = json.loads(ran.out)
        once, four = (images.read(cell["file"]) - images.read(photo) for cell in found["cells"])
        if name == "same":
            assert once.equal(four)
        else:
            assert four.abs().mean() > 2 * once.abs().mean() > 0
        recipes = [Recipe.read(cell["file"]) for cell in found["cells"]]
        assert [each.parameters["balance"] for each in recipes] == [name == "balanced"] * 2
        # Where the rate is automatic, that of each cell is in its recipe.
        assert [each.chosen for each in recipes] == [["rate"] if name == "same" else []] * 2
        rates = [each.parameters["rate"] for each in recipes]
        assert rates == ([rates[1]] * 2 if name == "same" else [0.05, 0.05])


def test_the_automatic_rate_of_steps_along_one_ascent(run: Callable, photo: Path) -> None:
    words = ("photo.png", "--over", "steps", *TINY, "--preset", "plain", "--at", 2, "--values", "1,3", "-o", "a.png")
    found = [Recipe.read(cell["file"]) for cell in facts(*words, run=run)["cells"]]
    assert found[0].parameters["rate"] == found[1].parameters["rate"] > 0
    assert [each.chosen for each in found] == [["rate"]] * 2
