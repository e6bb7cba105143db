from __future__ import annotations

import inspect
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from command_lines import TINY, contents, ensure_refused
from typer.main import get_command

import dreamscope
from dreamscope import images
from dreamscope.cli.app import application
from dreamscope.recipes import Recipe

NET = TINY[:2]
COMMANDS = ("dream", "visualize", "invert", "fool")

MADE: dict[str, tuple[tuple[object, ...], tuple[object, ...]]] = {
    "dream": (("photo.png", "--at", "2:1", "--steps", 2, "--mask", "photo.png"), ("--seed", 3)),
    "visualize": (("2:1", "--steps", 3), ("--negative",)),
    "visualize a caricature": (("2", "--steps", 3, "--like", "photo.png", "--preset", "maco"), ("--seed", 3)),
    "visualize without transforms": (("2:1@3,4", "--steps", 3, "--transform", "none", "--alpha"), ("--no-alpha",)),
    "visualize a sum": (("2:1 - 0.5*0:3 + class:1", "--steps", 3), ("--rate", 0.1)),
    "invert": (("photo.png", "--at", "2", "--steps", 3, "--size", "40x32"), ("--initial", "gray")),
    "invert at several layers": (("photo.png", "--at", "0", "--at", "2", "--steps", 3), ("--at", "2")),
    "invert where none is named": (("photo.png", "--steps", 3), ("--smooth", 0.5)),
    "fool": (("photo.png",), ("--norm", "linf")),
    "fool within a budget": (
        ("photo.png", "--method", "pgd", "--norm", "linf", "--budget", "30/255"),
        ("--budget", "60/255"),
    ),
}


@pytest.mark.parametrize("what", MADE)
def test_the_same_again_byte_for_byte_or_changed(run: Callable, folder: Path, photo: Path, what: str) -> None:
    command, (words, change) = what.partition(" ")[0], MADE[what]
    ran = run(command, *words, *TINY, "-o", "a.png")
    assert ran.code == 0, ran.err
    again = run(command, "--recipe", "a.png", *NET, "-o", "b.png")
    assert (again.code, again.err) == (0, "")
    assert (folder / "b.png").read_bytes() == (folder / "a.png").read_bytes()
    assert run(command, "--recipe", "a.png", *NET, "-o", "c.png", *change).code == 0
    assert (folder / "c.png").read_bytes() != (folder / "a.png").read_bytes()


def test_without_a_name_it_goes_beside_what_is_there(run: Callable, folder: Path, photo: Path) -> None:
    assert run("fool", "photo.png", *TINY).code == 0
    assert "photo-fooled-2.png  photo-fooled-2-difference.png" in run("fool", "--recipe", "photo-fooled.png", *NET).out
    assert run("visualize", "2:1", "--steps", 2, *TINY).code == 0
    assert run("visualize", "--recipe", "2-1-visualized.png", *NET).code == 0
    assert (folder / "2-1-visualized-2.png").read_bytes() == (folder / "2-1-visualized.png").read_bytes()


@pytest.mark.parametrize(
    ("words", "name"),
    [(("2:0-2", "0:1"), "2-1.png"), (("--class", "1", "2:1 - 3*0:3", "--between", 4), "67-2-1*.png")],
)
def test_one_of_a_batch_comes_out_alone(run: Callable, folder: Path, words: tuple[object, ...], name: str) -> None:
    assert run("visualize", *words, *TINY, "--steps", 3, "-o", "many").code == 0
    (made,) = (folder / "many").glob(name)
    assert run("visualize", "--recipe", made, *NET, "-o", "b.png").code == 0
    # The sums of a network depend a little on how many pictures it runs at once.
    assert images.read(folder / "b.png").allclose(images.read(made), atol=1.5 / 255)


def test_pictures_that_differ_from_each_other_come_out_together(run: Callable, folder: Path) -> None:
    assert run("visualize", "2:1", *TINY, "--steps", 3, "--diversity", 2, "-o", "many").code == 0
    ran = run("visualize", "--recipe", "many/2-1-2.png", *NET, "-o", "again.png")
    assert ran.code == 2
    assert "several pictures go into a folder; 'again.png' names one file" in ran.err
    assert run("visualize", "--recipe", "many/2-1-2.png", *NET, "-o", "again").code == 0
    made = sorted((folder / "many").iterdir())
    assert len(made) == 3
    for path in made:
        assert (folder / "again" / path.name).read_bytes() == path.read_bytes()
    assert run("visualize", "--recipe", "many/2-1-2.png", *NET, "--diversity", 1, "-o", "one.png").code == 0


def test_what_suits_something_else_is_chosen_anew(run: Callable, folder: Path, photo: Path) -> None:
    """An ascent's rate is in its parameterization's own numbers, a budget in its norm's, steps are a method's own."""

    def parameters(*words: object) -> Any:
        ran = run(*words, "-o", "b.png")
        assert ran.code == 0, ran.err
        return Recipe.read(folder / "b.png").parameters

    assert run("invert", "photo.png", "--at", "2", "--steps", 3, *TINY, "-o", "a.png").code == 0
    again = ("invert", "--recipe", "a.png", *NET)
    assert [
        parameters(*again, *words)["rate"]
        for words in ((), ("--parameterization", "fourier"), ("--parameterization", "pixel"))
    ] == [*(0.25, 0.25, 0.02)]
    assert parameters(*again, "--parameterization", "pixel", "--rate", 0.1)["rate"] == 0.1
    budget = ("--norm", "linf", "--budget", "30/255")
    assert run("fool", "photo.png", *TINY, "--method", "pgd", *budget, "-o", "a.png").code == 0
    changed = parameters("fool", "--recipe", "a.png", *NET, "--method", "minimal", "--norm", "l2")
    assert (changed["steps"], changed["budget"]) == (200, None)


def test_a_file_that_went_in_is_found_or_asked_for(run: Callable, folder: Path, photo: Path) -> None:
    assert run("visualize", "2", "--like", photo, *TINY, "--steps", 2, "-o", "like.png").code == 0
    assert run("invert", photo, "--at", "2", *TINY, "--steps", 2, "-o", "left.png").code == 0
    assert run("fool", photo, *TINY, "-o", "fooled.png").code == 0
    photo.rename(folder / "renamed.png")
    for command, made, what, option in (
        ("visualize", "like.png", "--like picture", "--like"),
        ("invert", "left.png", "image", "IMAGE"),
        ("fool", "fooled.png", "image", "IMAGE"),
    ):
        ran = run(command, "--recipe", made, *NET, "-o", "b.png")
        assert ran.code == 2
        assert f"this recipe's {what} was 'photo.png'" in ran.err
        assert ran.err.endswith(f"give it with {option}\n")
        given = ("renamed.png",) if option == "IMAGE" else (option, "renamed.png")
        assert run(command, *given, "--recipe", made, *NET, "-o", "b.png").code == 0
        assert images.read(folder / "b.png").equal(images.read(folder / made))


def test_a_recipe_runs_no_file(run: Callable, folder: Path, photo: Path) -> None:
    assert run("visualize", "2:1", "--steps", 1, *TINY, "-o", "a.png").code == 0
    (folder / "net.py").write_text("open('ran', 'w').close()\n")
    ran = run("visualize", "--recipe", "a.png", "-o", "b.png")
    assert ran.code == 2
    assert "'a.png' is made by the Python file net.py:tiny, which runs only if you name it yourself" in ran.err
    assert ran.err.count("\n") == 1
    assert not (folder / "ran").exists()


@pytest.mark.parametrize("command", COMMANDS)
def test_a_recipe_of_another_command_is_refused(run: Callable, folder: Path, command: str) -> None:
    other = COMMANDS[COMMANDS.index(command) - 1]
    images.write(torch.rand(1, 3, 9, 9), folder / "x.png", note=Recipe(other, {}, {}, {}, "0").to_json())
    ran = run(command, "--recipe", "x.png")
    assert (ran.code, ran.err) == (2, f"dreamscope: 'x.png' was made by {other}, not by {command}\n")


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (("visualize", "--recipe", "good.png", "--preset", "pixel"), "--preset and --recipe exclude each other"),
        (("visualize", "--recipe", "photo.png"), "'photo.png' holds no dreamscope recipe"),
        (("visualize", "--recipe", "nowhere.png"), "no such recipe: 'nowhere.png'"),
        (("visualize", "2", *TINY, "--like", "photo.png", "-o", "photo.png"), "'photo.png' is an input"),
        (("visualize",), "or --recipe OUT"),
        (("invert",), "give a picture to invert, such as sample:china, or --recipe OUT"),
        (("fool",), "give a picture to change, such as sample:china, or --recipe OUT"),
    ],
)
def test_bad_command_lines(run: Callable, folder: Path, photo: Path, words: tuple[str, ...], message: str) -> None:
    recipe = Recipe("visualize", {}, {}, {"of": "2:1"}, "0")
    images.write(torch.rand(1, 3, 9, 9), folder / "good.png", note=recipe.to_json())
    before = contents(folder)
    ensure_refused(run(*words), message)
    assert contents(folder) == before


@pytest.mark.parametrize("command", COMMANDS)
def test_help_names_the_defaults_of_the_technique(command: str) -> None:
    technique = getattr(dreamscope, command)
    known = inspect.signature(technique).parameters
    checked = 0
    for option in get_command(application()).commands[command].params:
        default = known[option.name].default if option.name in known else None
        if default not in (None, (), inspect.Parameter.empty) and not isinstance(default, bool):
            assert option.help.endswith(f"{default} if not given.")
            checked += 1
    assert checked


@pytest.mark.parametrize("command", COMMANDS)
def test_a_recipe_of_another_version_is_refused(run: Callable, folder: Path, photo: Path, command: str) -> None:
    words = {"visualize": ("2:1", "--steps", 1), "fool": ("photo.png",)}.get(command, ("photo.png", "--steps", 1))
    assert run(command, *words, *TINY, "-o", "a.png").code == 0
    recipe = Recipe.read("a.png").but(lucidity=0.5)
    (folder / "newer.json").write_text(recipe.to_json())
    ran = run(command, "--recipe", "newer.json", "-o", "b.png")
    assert ran.code == 2
    assert ran.err.startswith("dreamscope: 'newer.json' was made by dreamscope ")
    assert "knows no lucidity" in ran.err
    assert not (folder / "b.png").exists()
