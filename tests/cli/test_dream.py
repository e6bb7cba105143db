from __future__ import annotations

import json
import os
import signal
import struct
import subprocess
import sys
import time
import zlib
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from command_lines import TINY, contents, ensure_refused, names
from PIL import Image
from safetensors.torch import save_file

from dreamscope import images

TELLING = """
from pathlib import Path
from torch import nn

class Telling(nn.Module):
    def __init__(self):
        super().__init__()
        self.conv = nn.Conv2d(3, 4, 3)
        self.after = nn.Identity()
        self.passes = 0

    def forward(self, x):
        self.passes += 1
        if self.passes == 10:
            Path("ten passes").touch()
        return self.after(self.conv(x))
"""


def header_bomb() -> bytes:
    def chunk(kind: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    header = chunk(b"IHDR", struct.pack(">IIBBBBB", 20000, 20000, 8, 2, 0, 0, 0))
    return b"\x89PNG\r\n\x1a\n" + header + chunk(b"IDAT", zlib.compress(b"")) + chunk(b"IEND", b"")


def test_a_dream_in_one_line(run: Callable, folder: Path) -> None:
    ran = run("dream", "sample:china", *TINY, "--at", "2:0-1", "--size", 64, "--steps", 2)
    assert ran.code == 0
    assert ran.err == ""
    assert ran.out.startswith("china-dream.png  64x43  tiny 2:0,1  2 steps  ")
    assert images.read(folder / "china-dream.png").shape == (1, 3, 43, 64)


def test_nothing_is_overwritten_unasked(run: Callable, folder: Path) -> None:
    for _ in range(2):
        assert run("dream", "gray", *TINY, "--size", 16, "--steps", 1).code == 0
    assert names(folder) == {"gray-dream.png", "gray-dream-2.png"}


def test_every_option(run: Callable, photo: Path) -> None:
    ran = run(
        "dream", photo, "-o", "out.webp", *TINY, "--at", "0.5*0:1", "--at", "2", "--preset", "classic",
        "--loss", "gram", "--steps", 2, "--rate", 0.01, "--octaves", 2, "--octave-scale", 1.2, "--jitter", 4,
        "--filter", "gaussian", "--natural", 0.5, "--size", "88x72", "--guide", "sample:flower", "--mask", photo,
        "--keep-color", "--balance", "--seed", 5, "--device", "cpu", "--precision", "float32", "--json",
    )  # fmt: skip
    assert (ran.code, ran.err) == (0, "")
    printed = json.loads(ran.out)
    assert (printed["file"], printed["size"], printed["steps"]) == ("out.webp", "88x72", 4)
    assert printed["recipe"]["parameters"] == {
        "preset": "classic", "precision": "float32/contiguous", "loss": "gram",
        "steps": 2, "rate": 0.01, "octaves": 2, "octave_scale": 1.2, "jitter": 4,
        "filter": "gaussian", "natural": 0.5, "size": "88x72", "keep_color": True, "seed": 5, "tile": 0,
        "at": ["0.5*0:1", "2"], "class_name": [],
        "transform": [], "crops": 1, "penalty": [], "optimizer": None, "parameterization": "pixel",
        "gradient": "input", "balance": True, "branch_gradient": 1.0,
    }  # fmt: skip


@pytest.mark.parametrize("preset", ["rich", "plain"])
def test_a_recipe_makes_the_same_picture_again(run: Callable, folder: Path, photo: Path, preset: str) -> None:
    assert run("dream", photo, *TINY, "-o", "a.png", "--steps", 2, "--preset", preset, "--mask", photo).code == 0
    again = run("dream", "--recipe", "a.png", *TINY[:2], "-o", "b.png")
    assert (again.code, again.err) == (0, "")
    assert (folder / "a.png").read_bytes() == (folder / "b.png").read_bytes()
    assert run("dream", "--recipe", "a.png", *TINY[:2], "-o", "c.png", "--seed", 3, "--jitter", 9).code == 0
    assert (folder / "a.png").read_bytes() != (folder / "c.png").read_bytes()


def test_a_recipe_finds_its_files_beside_it_or_asks(run: Callable, folder: Path, photo: Path) -> None:
    assert run("dream", photo, *TINY, "-o", "a.png", "--steps", 1).code == 0
    away = folder / "away"
    away.mkdir()
    (folder / "a.png").rename(away / "a.png")
    assert run("dream", "--recipe", "away/a.png", *TINY[:2], "-o", "b.png").code == 0
    assert (folder / "b.png").read_bytes() == (away / "a.png").read_bytes()
    photo.rename(folder / "renamed.png")
    ran = run("dream", "--recipe", "away/a.png", *TINY[:2], "-o", "c.png")
    assert ran.code == 2
    assert "this recipe's image was 'photo.png'" in ran.err
    assert "give it with IMAGE" in ran.err
    assert run("dream", "renamed.png", "--recipe", "away/a.png", *TINY[:2], "-o", "c.png").code == 0
    assert images.read(folder / "c.png").equal(images.read(away / "a.png"))


def test_large_photos_are_made_smaller_unless_asked(run: Callable, folder: Path) -> None:
    images.write(torch.rand(1, 3, 600, 1200), folder / "large.png")
    ran = run("dream", "large.png", *TINY, "--steps", 0, "-o", "a.png")
    assert ran.code == 0
    assert "dreaming at 1024 (--size changes that)" in ran.err
    assert images.read(folder / "a.png").shape == (1, 3, 512, 1024)
    assert run("dream", "large.png", *TINY, "--steps", 0, "--size", 1200, "-o", "b.png").err == ""


BAD_PICTURES = {
    "empty.png": b"",
    "text.jpg": b"hello, I am no picture",
    "bomb.png": header_bomb(),
    "tiny.ppm": b"P6 1 1 255 \x00\x00\x00",
}
BAD_LINES = {
    "no such file": (["dream", "nowhere.png"], "no such picture: 'nowhere.png'"),
    "not an image": (["dream", "text.jpg"], "not a picture"),
    "truncated": (["dream", "cut.png"], "damaged or cut short"),
    "0 bytes": (["dream", "empty.png"], "empty (0 bytes)"),
    "1x1": (["dream", "tiny.ppm"], "1x1 pixels"),
    "bomb": (["dream", "bomb.png"], "too large"),
    "a folder": (["dream", "."], "is a folder"),
    "unknown sample": (["dream", "sample:cat"], "sample:china and sample:flower"),
    "unknown model": (["dream", "gray", "--model", "resnet5"], "did you mean 'resnet50'"),
    "unknown layer": (["dream", "gray", *TINY, "--at", "22"], "no layer '22' in tiny"),
    "near layer": (["dream", "gray", "--at", "block.4.2"], "did you mean 'blocks.4.2'"),
    "channel": (["dream", "gray", *TINY, "--at", "0:6"], "'0' of tiny has 6 channels, 0-5"),
    "address": (["dream", "gray", *TINY, "--at", "0:x"], "'0:x' is not an address; expected [WEIGHT*]LAYER"),
    "position": (["dream", "gray", *TINY, "--at", "0@600,0", "--size", "32"], "outside '0': its map here has"),
    "output folder": (["dream", "gray", *TINY, "-o", "no/such/out.png"], "there is no folder 'no/such'"),
    "output format": (["dream", "gray", *TINY, "-o", "out.gif"], "a picture ends in .png"),
    "output is input": (["dream", "good.png", *TINY, "-o", "good.png"], "is an input; write the result somewhere else"),
    "other weights": (["dream", "gray", "--weights", "other.safetensors"], "do not fit efficientnet_lite0: "),
    "no weights file": (["dream", "gray", "--weights", "none.pth"], "no such weights file"),
    "no labels file": (["dream", "gray", *TINY, "--labels", "x.txt"], "no such labels file"),
    "mean": (["dream", "gray", *TINY, "--mean", "1,2"], "--mean takes 3 numbers separated by commas, not '1,2'"),
    "input size": (["dream", "gray", *TINY, "--input-size", "axb"], "--input-size takes PX or HEIGHTxWIDTH"),
    "device": (["dream", "gray", *TINY, "--device", "abacus"], "no device 'abacus' here"),
    "preset": (["dream", "gray", *TINY, "--preset", "clasic"], "did you mean 'classic'"),
    "loss": (["dream", "gray", *TINY, "--loss", "x"], "no loss 'x'"),
    "steps": (["dream", "gray", *TINY, "--steps", "-3"], "steps lies between"),
    "size": (["dream", "gray", *TINY, "--size", "1x1"], "size '1x1'"),
    "not a number": (["dream", "gray", "--steps", "many"], "See: dreamscope dream --help"),
    "no picture": (["dream"], "give a picture to dream on"),
    "no recipe inside": (["dream", "--recipe", "good.png"], "holds no dreamscope recipe"),
    "recipe and preset": (["dream", "--recipe", "good.json", "--preset", "rich"], "exclude each other"),
    "unknown option": (["dream", "gray", "--stepps", "3"], "--steps"),
}


@pytest.mark.parametrize("name", BAD_LINES)
def test_bad_input_is_one_line_exit_2_and_no_file(run: Callable, folder: Path, name: str) -> None:
    for file, content in BAD_PICTURES.items():
        (folder / file).write_bytes(content)
    images.write(torch.rand(1, 3, 64, 64), folder / "good.png")
    (folder / "cut.png").write_bytes((folder / "good.png").read_bytes()[:3000])
    parts = {"command": "dream", "model": {}, "inputs": {}, "parameters": {}, "version": "0"}
    (folder / "good.json").write_text(json.dumps({"dreamscope": parts}))
    save_file({"a": torch.zeros(3)}, folder / "other.safetensors")
    before = contents(folder)
    words, message = BAD_LINES[name]
    ensure_refused(run(*words), message)
    assert contents(folder) == before


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write anywhere")
def test_unwritable_folder(run: Callable, folder: Path) -> None:
    (folder / "locked").mkdir(mode=0o500)
    ran = run("dream", "gray", *TINY, "-o", "locked/out.png")
    assert ran.code == 2
    assert "Permission denied" in ran.err


def test_infinite_rate_keeps_the_last_finite_picture(run: Callable, folder: Path) -> None:
    ran = run("dream", "sample:china", *TINY, "--size", 64, "--rate", "1e39", "-o", "out.png")
    assert ran.code == 2
    assert ran.err.count("\n") == 1
    assert "no longer finite at step 1 of" in ran.err
    assert "kept the last finite picture: out.png" in ran.err
    assert images.read(folder / "out.png").shape == (1, 3, 43, 64)


def test_ctrl_c_keeps_the_last_good_picture(folder: Path) -> None:
    (folder / "telling.py").write_text(TELLING)
    model = ["--model", "telling.py:Telling", "--input-size", "32"]
    command = ["dream", "sample:china", *model, "--steps", "100000", "-o", "out.png"]
    process = subprocess.Popen([sys.executable, "-m", "dreamscope", *command], stderr=subprocess.PIPE, text=True)
    deadline = time.monotonic() + 60
    while not (folder / "ten passes").exists() and time.monotonic() < deadline:
        time.sleep(0.05)
    process.send_signal(signal.SIGINT)
    _, err = process.communicate(timeout=60)
    assert process.returncode == 130
    assert "stopped at step" in err
    assert "kept the last good picture: out.png" in err
    assert images.read(folder / "out.png").shape == (1, 3, 427, 640)


def test_jpeg_keeps_its_recipe(run: Callable, photo: Path) -> None:
    assert run("dream", photo, *TINY, "-o", "a.jpg", "--steps", 1).code == 0
    printed = json.loads(run("recipe", "a.jpg").out)
    assert printed["dreamscope"]["inputs"]["image"]["name"] == "photo.png"
    assert Image.open("a.jpg").format == "JPEG"


def test_verbose_says_how_it_ran(run: Callable, photo: Path) -> None:
    ran = run("dream", photo, *TINY, "-o", "a.png", "--steps", 1, "--verbose")
    assert ran.err == "ran in float32/contiguous\n"


def test_memory(run: Callable, folder: Path) -> None:
    line = ("dream", "gray", *TINY, "--at", "2", "--size", 600, "--steps", 1, "--octaves", 1)
    assert run(*line, "-o", "a.png", "--memory", "200MB").code == 0
    assert json.loads(run("recipe", "a.png").out)["dreamscope"]["parameters"]["tile"] == 0
    assert run(*line, "-o", "b.png", "--memory", "45MB").code == 0
    assert json.loads(run("recipe", "b.png").out)["dreamscope"]["parameters"]["tile"] >= 128
    # A recipe's tiles give way to another budget.
    assert run("dream", "--recipe", "b.png", *TINY[:2], "-o", "d.png", "--memory", "200MB").code == 0
    assert json.loads(run("recipe", "d.png").out)["dreamscope"]["parameters"]["tile"] == 0
    ran = run(*line, "-o", "c.png", "--memory", "1MB")
    assert ran.code == 2
    assert "does not fit into 0.001 GB, not even in tiles" in ran.err
    assert not (folder / "c.png").exists()


def test_a_class_is_judged_before_and_after(run: Callable, folder: Path, photo: Path) -> None:
    ran = run("dream", "photo.png", *TINY, "--class", 2, "--steps", 30, "-o", "a.png")
    assert ran.code == 0, ran.err
    first, last = ran.out.splitlines()
    assert first.startswith("a.png  48x40  tiny class 2  30 steps  ")
    assert last.startswith("taken for class ")
    assert "; class 2 " in last
    told = json.loads(run("dream", "photo.png", *TINY, "--class", 2, "--steps", 30, "-o", "b.png", "--json").out)
    assert told["wanted"][0]["after"] > told["wanted"][0]["before"]
    assert told["after"]["confidence"] <= 1
    assert told["recipe"]["parameters"]["class_name"] == [2]
    assert run("dream", "--recipe", "a.png", *TINY, "-o", "again.png").code == 0
    assert torch.equal(images.read(folder / "a.png"), images.read(folder / "again.png"))
    assert run("dream", "--recipe", "a.png", *TINY, "-o", "1.png", "--class", 1, "--steps", 1).code == 0
    ensure_refused(run("sheet", "photo.png", *TINY, "--over", "steps", "--recipe", "a.png"), "a dream towards a class")


@pytest.mark.parametrize("start", ["black", "white", "#336699", "navy", "noise"])
def test_starts_without_a_photo(run: Callable, folder: Path, start: str) -> None:
    assert run("dream", start, *TINY, "--at", 1, "--size", 32, "--steps", 2, "-o", "a.png").code == 0
    assert run("recipe", "a.png").out.count(f'"{start}"') == 1
    assert run("dream", "--recipe", "a.png", *TINY, "-o", "b.png").code == 0
    assert torch.equal(images.read(folder / "a.png"), images.read(folder / "b.png"))


def test_a_dream_that_changed_nothing_says_so(run: Callable, folder: Path) -> None:
    (folder / "flat.py").write_text(
        "from torch import nn\n\nclass Flat(nn.Module):\n    def __init__(self):\n        super().__init__()\n"
        "        self.conv = nn.Conv2d(3, 2, 1)\n\n    def forward(self, x):\n        return self.conv(x * 0)\n"
    )
    ran = run(
        "dream", "black", "--model", "flat.py:Flat", "--input-size", 16, "--at", "conv", "--size", 16, "--steps", 1
    )
    assert ran.code == 0
    assert "nothing changed: what is dreamt of has no gradient on this picture" in ran.err


def test_the_automatic_rate_is_told_and_chosen_again(run: Callable, photo: Path) -> None:
    def rate_of(*words: object) -> tuple[float, list[str]]:
        printed = json.loads(run("dream", *words, *TINY[:2], "--json", "-o", "again.png").out)
        assert printed["rate"] == printed["recipe"]["parameters"]["rate"]
        return printed["rate"], printed["recipe"]["chosen"]

    ran = run("dream", photo, *TINY, "--preset", "plain", "--at", "2", "--steps", 2, "-o", "a.png", "--verbose")
    rate, chosen = rate_of("--recipe", "a.png")
    assert chosen == ["rate"]
    assert f"rate {rate:.4g}, chosen: the first step changes colours by 1.5/255 on average\n" in ran.err
    assert Path("again.png").read_bytes() == Path("a.png").read_bytes()
    other, chosen = rate_of("--recipe", "a.png", "--at", "0")
    assert (other != rate, chosen) == (True, ["rate"])
    # One that was given stays.
    words = ("--preset", "plain", "--at", "2", "--steps", 2, "--rate", rate)
    assert "rate" not in run("dream", photo, *TINY, *words, "-o", "b.png", "--verbose").err
    assert torch.equal(images.read("b.png"), images.read("a.png"))
    assert rate_of("--recipe", "b.png", "--at", "0") == (rate, [])


def test_a_raw_rate_of_an_old_recipe_is_that_of_the_image(run: Callable, photo: Path) -> None:
    words = (*TINY[:2], "--mean", "0.5,0.5,0.5", "--std", "0.25,0.25,0.25")
    plain = ("--preset", "plain", "--at", "2", "--steps", 2, "--rate", 0.1)
    assert run("dream", photo, *words, *plain, "-o", "new.png").code == 0
    old = json.loads(run("recipe", "new.png").out)
    parameters = {name: old["dreamscope"]["parameters"][name] for name in old["dreamscope"]["parameters"]}
    del parameters["gradient"], parameters["balance"], old["dreamscope"]["chosen"]
    Path("old.json").write_text(json.dumps({"dreamscope": {**old["dreamscope"], "parameters": parameters}}))
    assert run("dream", "--recipe", "old.json", *words, "-o", "old.png").code == 0
    assert run("dream", photo, *words, *plain[:-1], 0.4, "-o", "larger.png").code == 0
    difference = images.read("old.png") - images.read("larger.png")
    assert difference.abs().max() < 2 / 255
    assert (images.read("old.png") - images.read("new.png")).abs().max() > 2 / 255


def test_balance_is_in_the_recipe(run: Callable, photo: Path) -> None:
    words = ("dream", photo, *TINY, "--at", "0", "--at", "2", "--steps", 2)
    free, even = (run(*words, *given, "--json", "-o", f"{len(given)}.png") for given in ((), ("--balance",)))
    assert [json.loads(ran.out)["recipe"]["parameters"]["balance"] for ran in (free, even)] == [False, True]
    assert not torch.equal(images.read("0.png"), images.read("1.png"))
    assert run("dream", "--recipe", "1.png", *TINY[:2], "-o", "again.png").code == 0
    assert Path("again.png").read_bytes() == Path("1.png").read_bytes()
    assert run("dream", "--recipe", "1.png", *TINY[:2], "--no-balance", "-o", "free.png").code == 0
    assert torch.equal(images.read("free.png"), images.read("0.png"))
