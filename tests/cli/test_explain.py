from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import dogs
import numpy as np
import pytest
from archived import tar_of
from command_lines import TINY, contents, ensure_refused

from dreamscope import images
from dreamscope.attribution.explain import DEFAULT_METHOD, METHODS
from dreamscope.cli.explain import _METHODS_HELP
from dreamscope.recipes import Recipe


def test_one_method_is_an_overlay_with_its_recipe(run: Callable, folder: Path, photo: Path) -> None:
    ran = run("explain", "photo.png", *TINY)
    assert ran.code == 0, ran.err
    assert ran.out.splitlines()[-1] == "photo-explained.png"
    assert ran.out.startswith("explains class ")
    recipe = Recipe.read(folder / "photo-explained.png")
    assert recipe.command == "explain"
    assert recipe.parameters["method"][0].startswith(f"{DEFAULT_METHOD}:layer=")
    assert str(folder) not in (folder / "photo-explained.png").read_bytes().decode("latin-1")
    # Nothing is overwritten unasked.
    assert run("explain", "photo.png", *TINY).out.splitlines()[-1] == "photo-explained-2.png"


def test_several_are_a_sheet_and_arrays(run: Callable, folder: Path, photo: Path) -> None:
    words = ("--method", "saliency", "--method", "occlusion:8,8", "--class", "2", "--save-array", "maps.npz")
    ran = run("explain", "photo.png", *TINY, *words, "-o", "sheet.jpg", "--faithfulness", "--sanity")
    assert ran.code == 0, ran.err
    assert ran.out.splitlines()[-1] == "sheet.jpg  maps.npz"
    for text in ("insertion", "deletion", "with a part covered, it is taken for", "random down to a layer"):
        assert text in ran.out
    assert images.read(folder / "sheet.jpg").shape[3] > 1000
    assert Recipe.read(folder / "sheet.jpg").parameters["class_name"] == 2
    arrays = np.load(folder / "maps.npz")
    assert arrays["saliency"].shape == arrays["occlusion"].shape == (32, 32)


def test_a_neuron_as_json(run: Callable, folder: Path, photo: Path) -> None:
    words = ("--at", "0:2@4,5", "--method", "smoothgrad:4", "--faithfulness", "--sanity", "--json")
    printed = json.loads(run("explain", "photo.png", *TINY, *words).out)
    assert printed["files"] == ["photo-explained.png"]
    assert printed["explains"]["name"] == printed["explains"]["address"] == "0:2@4,5"
    (method,) = printed["methods"]
    assert method["method"] == "smoothgrad:samples=4,noise=0.15"
    assert {"insertion", "deletion"} < set(method)
    assert [each["layer"] for each in method["sanity"]] == ["0"]


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (("nowhere.png",), "no such picture"),
        (("photo.png", "--class", "9"), "class 9 is out of range"),
        (("photo.png", "--class", "bee"), "no class 'bee'"),
        (("photo.png", "--at", "9"), "no layer '9'"),
        (("photo.png", "--at", "0:3", "--class", "1"), "give either --class-name or --at"),
        (("photo.png", "--at", "0:1,2"), "one target is explained at a time"),
        (("photo.png", "--method", "magic"), "no method 'magic'; there are saliency"),
        (("photo.png", "--method", "occlusion:64"), "a window of 64 pixels is larger than the picture"),
        (("photo.png", "--method", "occlusion:8,8,red"), "no fill 'red'"),
        (("photo.png", "--method", "gradcam:3.1"), "no layer '3.1'"),
        (("photo.png", "--method", "gradcam:4"), "'4' of tiny has no map"),
        (("photo.png", "-o", "photo.png"), "'photo.png' is an input"),
        (("photo.png", "-o", "map.gif"), "a picture ends in .png"),
        (("photo.png", "-o", "no/map.png"), "there is no folder 'no'"),
        (("photo.png", "--save-array", "map.npy"), "arrays go into a .npz"),
        (("photo.png", "--save-array", "no/map.npz"), "there is no folder 'no'"),
        (("photo.png", "--seed", "-1"), "seed lies between"),
    ],
)
def test_bad_command_lines(run: Callable, folder: Path, photo: Path, words: tuple[str, ...], message: str) -> None:
    before = contents(folder)
    ensure_refused(run("explain", *words, *TINY), message)
    assert contents(folder) == before


def test_a_network_without_relus_is_refused_guidance_and_nothing_written(
    run: Callable, folder: Path, photo: Path
) -> None:
    (folder / "smooth.py").write_text((folder / "net.py").read_text().replace("nn.ReLU(True)", "nn.GELU()"))
    words = ("--model", "smooth.py:tiny", "--input-size", "32", "--method", "guided")
    ran = run("explain", "photo.png", *words)
    assert ran.code == 2
    assert "guided is a rule for ReLUs" in ran.err
    assert "Gelu" in ran.err
    assert not (folder / "photo-explained.png").exists()


def test_a_network_without_a_head(run: Callable, folder: Path, photo: Path) -> None:
    (folder / "headless.py").write_text((folder / "net.py").read_text().replace(", nn.Flatten())", ")"))
    words = ("--model", "headless.py:tiny", "--input-size", "32")
    ran = run("explain", "photo.png", *words)
    assert ran.code == 2
    assert "has no classes" in ran.err
    assert "explain a channel or neuron instead" in ran.err
    assert run("explain", "photo.png", *words, "--at", "2:1").code == 0


def test_the_help_names_every_method_and_loads_no_torch() -> None:
    assert all(name in _METHODS_HELP for name in METHODS)
    assert f"{DEFAULT_METHOD} (the default)" in _METHODS_HELP
    check = "import dreamscope.cli.explain, sys; assert not {'torch', 'numpy'} & set(sys.modules)"
    subprocess.run([sys.executable, "-c", check], check=True)


def test_a_channel_is_explained_at_its_strongest_neuron(run: Callable, folder: Path, photo: Path) -> None:
    words = ("--at", "1:2", "--method", "guided", "--method", "saliency", "--save-array", "maps.npz")
    ran = run("explain", "photo.png", *TINY, *words)
    assert ran.code == 0, ran.err
    first, second, *_ = ran.out.splitlines()
    assert first.startswith("explains 1:2@")
    assert first.endswith("(guided)")
    assert second.startswith("explains 1:2, ")
    assert second.endswith("(saliency)")
    assert np.load(folder / "maps.npz")["guided_picture"].shape == (32, 32, 3)
    printed = json.loads(run("explain", "photo.png", *TINY, *words[:6], "--json").out)
    assert printed["explains"]["name"].startswith("1:2@")
    assert "explains" not in printed["methods"][0]
    assert printed["methods"][1]["explains"]["name"] == "1:2"


BACKGROUND = ("--model", "hunt.py:ByBackground", "--input-size", "16", "--labels", "names.txt")


@pytest.fixture
def hunt(folder: Path) -> Path:
    """Dogs on grass and in snow in ``photos``, masks of them, and a network that looks at the ground."""
    dogs.draw(folder)
    tests = str(Path(__file__).parents[1])
    (folder / "hunt.py").write_text(f"import sys\nsys.path.insert(0, {tests!r})\nfrom nets import ByBackground\n")
    (folder / "names.txt").write_text("\n".join(dogs.LABELS))
    return folder


def test_the_dog_in_the_snow_in_two_commands(run: Callable, hunt: Path) -> None:
    first = run("classify", "photos", *BACKGROUND)
    assert "top-1  2 of 3" in first.out
    assert next(line.split()[:2] for line in first.out.splitlines() if line.startswith("snow")) == ["snow.png", "wolf"]
    ran = run("explain", "photos", *BACKGROUND, "--masks", "masks", "--csv", "evidence.csv")
    assert ran.code == 0, ran.err
    lines = ran.out.splitlines()
    assert lines[0] == "3 photos, ByBackground, by gradcam:layer=act"
    (everything,) = (line.split() for line in lines if line.startswith("gradcam:layer=act  all"))
    assert everything[2:4] == ["3", "100%"]
    assert everything[-1] == "75%"
    rows = [line for line in lines if ".png  " in line and "dog" in line]
    assert [row.split()[0] for row in rows] == ["snow.png", "grass1.png", "grass2.png"]
    assert lines[-1] == "photos-explained.png  evidence.csv"
    assert Recipe.read(hunt / "photos-explained.png").command == "explain_photos"
    assert (hunt / "evidence.csv").read_text().splitlines()[1].startswith("photos/dog/snow.png,dog,wolf,")
    printed = json.loads(run("explain", "photos", *BACKGROUND, "--masks", "masks", "--json").out)
    assert printed["files"] == ["photos-explained-2.png"]
    assert printed["outside"][0]["share"]["value"] == pytest.approx(1)


def test_photos_of_an_archive_with_masks(run: Callable, hunt: Path) -> None:
    photos = sorted((hunt / "photos").rglob("*.png"))
    names = [path.relative_to(hunt / "photos").as_posix() for path in photos]
    tar_of(hunt / "photos.tar", {name: path.read_bytes() for name, path in zip(names, photos, strict=True)})
    for given in ("photos", "photos.tar"):
        ran = run("explain", given, *BACKGROUND, "--masks", "masks", "--csv", f"{given}.csv", "-o", f"{given}.png")
        assert ran.code == 0, ran.err
    tables = [(hunt / f"{given}.csv").read_text().replace(f"{given}/", "") for given in ("photos", "photos.tar")]
    assert tables[0] == tables[1]


def test_several_photos_and_one_with_a_mask(run: Callable, hunt: Path) -> None:
    ran = run("explain", "photos/dog/snow.png", "photos/dog/grass1.png", *BACKGROUND, "--sort", "given", "-o", "s.png")
    assert ran.code == 0, ran.err
    assert "outside" not in ran.out
    assert ran.out.splitlines()[-1] == "s.png"
    ran = run("explain", "photos/dog/snow.png", *BACKGROUND, "--masks", "masks", "-o", "one.png")
    assert "100%" in ran.out


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (("photos", "nowhere"), "no such folder, photo or labels file: 'nowhere'"),
        (("photos", "--faithfulness"), "are for one photo"),
        (("photos", "--save-array", "maps.npz"), "are for one photo"),
        (("photos", "--sort", "size"), "no order 'size'"),
        (("photos", "--sort", "outside"), "needs masks"),
        (("photos", "--masks", "photos"), "holds no mask of the 3 photos"),
        (("photos", "--class", "0", "--at", "act:1"), "give either --class-name or --at"),
        (("photos", "--csv", "table.xls"), "a table of photos ends in .csv or .json"),
        (("photos", "-o", "sheet.gif"), "a picture ends in .png"),
        (("photos", "-o", "photos/dog/snow.png"), "is an input"),
    ],
)
def test_bad_command_lines_of_several(run: Callable, hunt: Path, words: tuple[str, ...], message: str) -> None:
    before = contents(hunt)
    ensure_refused(run("explain", *words, *BACKGROUND), message)
    assert contents(hunt) == before
