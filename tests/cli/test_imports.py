"""What a command imports: its start takes as long as that."""

from __future__ import annotations

import json
import os
import subprocess
import sys

import pytest
from command_lines import PLANTED

from dreamscope.cli.app import COMMANDS

HEAVY = (
    *(
        "av",
        "captum",
        "cv2",
        "jinja2",
        "matplotlib",
        "pandas",
        "PIL",
        "pydicom",
        "scipy",
        "skimage",
        "sklearn",
        "sympy",
        "timm",
    ),
    *("torch", "torch._dynamo", "torchvision"),
)
"""Modules that take long to import; torch and Pillow are all that most commands need."""

EMBEDDED = ("sample:china", "--size", 48, "--steps", 1)
FOLDERS = ("red", "--controls", "green", "--controls", "blue", *PLANTED)

LINES: dict[str, tuple[tuple[object, ...], set[str]]] = {
    "dream": ((*EMBEDDED, "--octaves", 1), set()),
    "visualize": (("blocks.1.0:3", "--size", 48, "--steps", 1), set()),
    "invert": ((*EMBEDDED, "--at", "blocks.0.0"), set()),
    "fool": (("sample:china", "--to", "daisy", "--steps", 9, "--norm", "linf", "--budget", 0.3), set()),
    "dissect": ((*FOLDERS, "--method", "contrast"), set()),
    "blind": (FOLDERS, {"scipy", "sklearn"}),
    "explain": (("sample:china", "--method", "gradcam"), {"matplotlib"}),
    "activations": (("sample:china", "--at", "blocks.1.0"), {"matplotlib"}),
    "exemplars": (("red", *PLANTED, "--at", "act:8"), set()),
    "filters": ((), set()),
    # t-SNE draws on SciPy.
    "map": (("red", "green", "blue", *PLANTED, "-o", "map.png"), {"matplotlib", "scipy", "sklearn"}),
    "augment": (("red", "--towards", "green", *PLANTED, "-o", "made", "--engine", "here"), {"scipy", "sklearn"}),
    "sheet": (("red/0.png", *PLANTED, "--over", "steps", "--values", "1,2", "--at", "act"), {"jinja2", "scipy"}),
    "zoom": (("red/0.png", *PLANTED, "--at", "act", "--seconds", 0.1, "--steps", 1), {"av"}),
    "video": (("0-zoom.mp4", *PLANTED, "--at", "act", "--steps", 1, "-o", "dreamt.mp4"), {"av", "cv2"}),
    "layers": ((), set()),
    "classify": (("sample:china",), set()),
    "recipe": (("china-dream.png",), set()),
    "doctor": ((), set()),
}
"""For each command a line, and what it may import beyond torch and Pillow."""

# Forks a process for each line, so that torch itself is imported once.
SERVER = """
import json, os, sys
import torch
from dreamscope.cli import main
heavy, lines = json.loads(sys.argv[1])
for line in lines:
    reader, writer = os.pipe()
    if not os.fork():
        silent = os.open(os.devnull, os.O_WRONLY)
        os.dup2(silent, 1)
        code = 0
        try:
            main(line)
        except SystemExit as stop:
            code = stop.code
        os.write(writer, json.dumps([code, [name for name in heavy if name in sys.modules]]).encode())
        os._exit(0)
    os.close(writer)
    with os.fdopen(reader) as answer:
        print(answer.read(), flush=True)
    os.wait()
"""


@pytest.mark.embedded
@pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork")
@pytest.mark.usefixtures("photos")
def test_a_command_imports_what_it_uses() -> None:
    # That one asks timm and torchvision for their lists, and they import nearly all there is.
    # A studio runs until it is stopped, and does all that the others do; an atlas is made in processes of its own.
    assert {*LINES, "models", "studio", "microscope"} == set(COMMANDS)
    lines = [[name, *map(str, words)] for name, (words, _) in LINES.items()]
    ran = subprocess.run(
        [sys.executable, "-c", SERVER, json.dumps([HEAVY, lines])],
        check=True,
        capture_output=True,
        text=True,
        env={**os.environ, "OMP_NUM_THREADS": "1"},
    )
    for name, answer in zip(LINES, ran.stdout.splitlines(), strict=True):
        code, imported = json.loads(answer)
        assert code == 0, f"{name}: {ran.stderr}"
        assert set(imported) <= {"torch", "PIL"} | LINES[name][1], name


@pytest.mark.parametrize("words", [["layers", "--help"], ["microscope", "build", "--help"]])
def test_help_imports_none_of_them(words: list[str]) -> None:
    call = f"import sys\nfrom dreamscope.cli import main\ntry: main({words})\nexcept SystemExit: pass\n"
    check = f"{call}assert not {set(HEAVY)!r} & set(sys.modules)"
    subprocess.run([sys.executable, "-c", check], check=True, capture_output=True)
