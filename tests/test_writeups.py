"""What the pages of docs/writeups show, works: every command is run, at a small size."""

from __future__ import annotations

import re
import shlex
from itertools import pairwise
from pathlib import Path

import pytest
from PIL import Image

from dreamscope import images
from dreamscope.cli import main

FOLDER = Path(__file__).parents[1] / "docs" / "writeups"
PAGES = sorted(FOLDER.glob("*.md"))
SMALL = ["--input-size", "96"]
FAST = {
    # A given precision needs no measuring of which one is fast.
    "dream": ["--size", "40", "--steps", "1", "--octaves", "1", "--precision", "float32/contiguous"],
    "visualize": ["--size", "32", "--steps", "1", "--precision", "float32/contiguous"],
    "invert": ["--size", "32", "--steps", "1"],
    "sheet": ["--size", "64", "--precision", "float32/contiguous"],
    # Photos to measure on, or those that are there would take turns.
    "blind": ["--draws", "1", "--folds", "1", "--measure", "more", "--rest", "rest", *SMALL],
    "fool": ["--norm", "linf", "--budget", "0.3", "--steps", "30"],
    **dict.fromkeys(("dissect", "exemplars", "activations", "explain", "classify", "map"), SMALL),
}


def lines(page: Path) -> list[str]:
    blocks = re.findall(r"```sh\n(.*?)```", page.read_text("utf-8"), flags=re.DOTALL)
    return [line for block in blocks for line in block.splitlines()]


def fast(line: str) -> list[str]:
    """Return the words of a command line with small pictures and few steps."""
    program, name, *words = shlex.split(line)
    assert program == "dreamscope"
    words = [re.sub(r"^sample:(\w+)$", r"\1.png", word) for word in words]
    # The first layers of a large network.
    words = ["features.?" if word == "features.*" else word.replace("features.28:", "features.7:") for word in words]
    words = ["occlusion:48,48" if word == "occlusion" else word for word in words]
    words = ["2" if before == "--at-least" else word for before, word in zip(["", *words], words, strict=False)]
    if name == "sheet":
        over = {after for before, after in pairwise(words) if before == "--over"}
        words = ["0,1" if before == "--values" else word for before, word in zip(["", *words], words, strict=False)]
        words += [] if "steps" in over else ["--steps", "1"]
        words += [] if "octaves" in over else ["--octaves", "1"]
    if name in ("dissect", "blind") and not {"--layers", "--channels"} & set(words) and "directions" not in line:
        words += ["--layers", "blocks.6.0.bn2.act"] if {"--method", "--units"} & set(words) else []
    if name == "blind":
        # The report is a matter of its own tests: it draws class images and dreams.
        report = words.index("-o")
        words[report : report + 2] = []
    if {"inception_v3", "googlenet"} & set(words):
        words += ["--weights", "none"]
        return [name, *words, *FAST[name], "--size", "120"]
    return [name, *words, *FAST.get(name, [])]


@pytest.fixture
def here(tmp_path: Path, tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A working folder with the pictures and folders of photos that the pages name."""
    monkeypatch.chdir(tmp_path)
    # What was measured of the networks is kept from page to page.
    monkeypatch.setenv("DREAMSCOPE_CACHE", str(tmp_path_factory.getbasetemp() / "cache-of-pages"))
    for name in ("flower", "china"):
        photo = images.read(f"sample:{name}")
        images.write(images.at_most(photo, 64), tmp_path / f"{name}.png")
    Image.open("flower.png").save("photo.jpg")
    Image.open("china.png").save("sky.jpg")
    for folder, name, count in (
        ("bees", "flower", 8),
        ("kelpies", "flower", 5),
        ("others", "china", 10),
        ("controls", "china", 5),
        ("photos", "china", 2),
        ("more", "flower", 4),
        ("rest", "china", 4),
    ):
        (tmp_path / folder).mkdir()
        whole = Image.open(f"{name}.png")
        for number in range(count):
            top = folder in ("more", "rest")
            whole.crop((number, top, number + 44, whole.height)).save(tmp_path / folder / f"{number}.png")
    (tmp_path / "masks").mkdir()
    for photo in (tmp_path / "bees").iterdir():
        Image.open(photo).convert("L").point(lambda value: 255 * (value > 99)).save(tmp_path / "masks" / photo.name)
    return tmp_path


def chains(page: Path) -> list[list[str]]:
    """Return the command lines of a page; those that use what another one wrote come after it in one list."""
    found: list[list[str]] = []
    for line in lines(page):
        used = set(shlex.split(line))
        before = [chain for chain in found if used & {name for each in chain for name in written(each)}]
        found = [chain for chain in found if chain not in before] + [
            [*(each for chain in before for each in chain), line]
        ]
    return found


def written(line: str) -> set[str]:
    return {after for option, after in pairwise(shlex.split(line)) if option == "-o"}


CHAINS = [
    pytest.param(chain, id=f"{page.stem}-{number}") for page in PAGES for number, chain in enumerate(chains(page), 1)
]


@pytest.mark.embedded
@pytest.mark.parametrize("chain", CHAINS)
def test_the_commands_run(chain: list[str], here: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for line in chain:
        words = fast(line)
        with pytest.raises(SystemExit) as stopped:
            main(words)
        assert not stopped.value.code, f"{' '.join(words)}\n{capsys.readouterr().err}"
        if "-o" in words:
            assert (here / words[words.index("-o") + 1]).exists(), line


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.stem)
def test_pictures_and_pages_are_there(page: Path) -> None:
    for target in re.findall(r"\]\(([^)#:]+)(?:#[^)]*)?\)", page.read_text("utf-8")):
        assert (page.parent / target).exists(), target
    assert "_TABLE" not in page.read_text("utf-8")
