from __future__ import annotations

import random
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from nets import Linear, Vgg, hooks_on, seeded
from torch import Tensor

from dreamscope import images
from dreamscope.dreaming.dream import dream
from dreamscope.errors import DreamscopeError, Interrupted
from dreamscope.models.classifier import Classifier
from dreamscope.models.wrapping import wrap
from dreamscope.objectives import Objective
from dreamscope.recipes import Recipe
from dreamscope.sheets import batching as module
from dreamscope.sheets.gallery import Gallery, gallery
from dreamscope.sheets.plan import Plan, plan
from dreamscope.sheets.work import work_of

QUICK = {"preset": "classic", "steps": 2, "octaves": 2, "octave_scale": 1.2, "jitter": 4}
LAYERS = ["features.0", "features.1", "features.3", "features.4"]


@pytest.fixture
def photo(tmp_path: Path, image: Tensor) -> Path:
    return images.write(image, tmp_path / "photo.png")


@pytest.fixture
def by_layers(vgg: Classifier, photo: Path) -> Plan:
    return plan("layers", [vgg], [photo], at=LAYERS, **QUICK)


@pytest.fixture
def runs(monkeypatch: pytest.MonkeyPatch) -> list[list[str]]:
    """Where was dreamt, in order; runs of no steps, which cost nothing, left out."""
    seen: list[list[str]] = []

    def counted(*given: object, **settings: object) -> object:
        if settings["steps"]:
            seen.append(settings["at"])  # type: ignore[arg-type]
        return dream(*given, **settings)  # type: ignore[arg-type]

    monkeypatch.setattr(module, "dream", counted)
    return seen


def contents(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in folder.iterdir()}


def labels(found: Gallery) -> list[str]:
    return [each.label for each in found.cells]


def interrupting(after: int) -> Callable[..., None]:
    """Stop as Ctrl-C would, at the so many-th thing that is reported."""
    left = iter(range(after))

    def report(what: str, done: int, total: int) -> None:
        if next(left, None) is None:
            raise KeyboardInterrupt

    return report


def test_a_cell_is_what_dream_makes(vgg: Classifier, photo: Path, by_layers: Plan, tmp_path: Path) -> None:
    found = gallery(by_layers, folder=tmp_path / "cells")
    assert labels(found) == LAYERS
    for each, layer in zip(found.cells, LAYERS, strict=True):
        alone = dream(vgg, photo, layer, **QUICK)
        alone.save(tmp_path / "alone.png")
        assert each.path is not None
        assert each.path.read_bytes() == (tmp_path / "alone.png").read_bytes()
        assert each.recipe == alone.recipe
    assert hooks_on(vgg) == 0


@pytest.mark.parametrize(
    ("over", "each", "given"),
    [
        ("weights", "at", {"at": ["0", "3"], "sets": {"a": [1, 1], "b": [0.5, -2]}}),
        ("octaves", "octaves", {"values": [1, 2, 3]}),
        ("presets", "preset", {}),
        ("steps", "steps", {"values": [0, 1, 3], "octaves": 2, "octave_scale": 1.2}),
        ("steps", "steps", {"values": [0, 1, 3], "octaves": 1, "keep_color": True}),
    ],
)
def test_so_are_those_of_other_sheets(vgg: Classifier, tmp_path: Path, over: str, each: str, given: dict) -> None:
    image = torch.rand((1, 3, 40, 48), generator=torch.Generator().manual_seed(2))
    settings = {"jitter": 4, **({} if over == "steps" else {"steps": 2}), **given}
    at, sets, values = (settings.pop(name, None) for name in ("at", "sets", "values"))
    found = gallery(plan(over, [vgg], [image], at=at, sets=sets, values=values, **settings), folder=tmp_path / "cells")
    assert len({shown.recipe.to_json() for shown in found.cells}) == len(found.cells)
    for shown in found.cells:
        value = shown.recipe.parameters[each]
        where = {"at": vgg.default_address or ["features"], **settings, each: value}
        dream(vgg, image, where.pop("at"), **where).save(tmp_path / "alone.png")
        assert shown.path is not None
        assert shown.path.read_bytes() == (tmp_path / "alone.png").read_bytes()


@pytest.mark.parametrize("preset", ["plain", "classic"])
def test_a_strip_is_one_run(vgg: Classifier, image: Tensor, tmp_path: Path, runs: list[list[str]], preset: str) -> None:
    # Jitter and a rate that remembers its first gradient: a run can't be taken up in the middle.
    settings = {"at": ["features.3"], "preset": preset, "octaves": 1, "jitter": 5, "seed": 3}
    made = plan("steps", [vgg], [image], values=[7, 0, 2, 4], **settings)
    found = gallery(made, folder=tmp_path / "cells")
    assert runs == [["features.3"]]
    assert labels(found) == ["0 steps", "2 steps", "4 steps", "7 steps"]
    for shown, steps in zip(found.cells, (0, 2, 4, 7), strict=True):
        alone = dream(vgg, image, steps=steps, **settings)
        alone.save(tmp_path / "alone.png")
        assert shown.path is not None
        assert shown.path.read_bytes() == (tmp_path / "alone.png").read_bytes()
        assert shown.recipe == alone.recipe


def test_models_and_photos(vgg: Classifier, image: Tensor, tmp_path: Path) -> None:
    other = wrap(seeded(Vgg(), 5), name="other", input_size=32)
    found = gallery(plan("models", [vgg, other], [image], at=["3"], **QUICK), folder=tmp_path / "cells")
    # Their sources are the same (none): only the numbers in them differ.
    assert len(list((tmp_path / "cells").iterdir())) == 2
    assert not found.cells[0].image.equal(found.cells[1].image)  # type: ignore[union-attr]
    assert len(found.recipe.model["models"]) == 2
    found = gallery(plan("photos", [vgg], ["gray", image, "sample:china"], size=40, **QUICK), folder=tmp_path / "p")
    assert labels(found) == ["gray", "a picture in memory", "sample:china"]
    assert found.recipe.inputs["image"][::2] == ["gray", "sample:china"]
    assert [tuple(each.shape) for each in found.before] == [(1, 3, 40, 40), (1, 3, 33, 40), (1, 3, 27, 40)]


def test_the_recipe_lists_all_and_holds_no_folder(by_layers: Plan, tmp_path: Path) -> None:
    found = gallery(by_layers, folder=tmp_path / "cells")
    seen = Recipe.from_json(found.recipe.to_json())
    assert seen.command == "sheet"
    assert seen.parameters["over"] == "layers"
    assert [cell["label"] for cell in seen.parameters["cells"]] == LAYERS
    for cell, shown in zip(seen.parameters["cells"], found.cells, strict=True):
        assert Recipe(**cell["recipe"]) == shown.recipe
    assert str(tmp_path) not in found.recipe.to_json()
    assert found.title == "photo.png, Vgg, classic, over layers"


def test_what_is_there_is_not_made_again(by_layers: Plan, tmp_path: Path, runs: list[list[str]]) -> None:
    first = gallery(by_layers, folder=tmp_path / "cells")
    there = contents(tmp_path / "cells")
    assert len(runs) == len(there) == 4
    again = gallery(by_layers, folder=tmp_path / "cells")
    assert len(runs) == 4
    assert [each.fresh for each in again.cells] == [False] * 4
    assert again.recipe == first.recipe
    assert contents(tmp_path / "cells") == there


@pytest.mark.parametrize("after", [0, 3, 7, 11, 17])
def test_interrupted_and_taken_up(by_layers: Plan, tmp_path: Path, runs: list[list[str]], after: int) -> None:
    # Ctrl-C within a step, and between two cells.
    whole = gallery(by_layers, folder=tmp_path / "whole")
    runs.clear()
    with pytest.raises(KeyboardInterrupt):
        gallery(by_layers, folder=tmp_path / "cells", callback=interrupting(after))
    finished = contents(tmp_path / "cells") if (tmp_path / "cells").exists() else {}
    assert len(finished) == (after + 1) // 6
    runs.clear()
    again = gallery(by_layers, folder=tmp_path / "cells")
    assert [at for (at,) in runs] == LAYERS[len(finished) :]
    assert again.recipe == whole.recipe
    assert contents(tmp_path / "cells") == contents(tmp_path / "whole")


def test_a_strip_that_is_interrupted_keeps_what_it_passed(vgg: Classifier, image: Tensor, tmp_path: Path) -> None:
    made = plan("steps", [vgg], [image], values=[0, 2, 4, 9], preset="plain")
    whole = gallery(made, folder=tmp_path / "whole")
    with pytest.raises(Interrupted, match="stopped at step 5 of 9"):
        gallery(made, folder=tmp_path / "cells", callback=interrupting(5))
    assert len(contents(tmp_path / "cells")) == 3
    again = gallery(made, folder=tmp_path / "cells")
    assert [each.fresh for each in again.cells] == [False, False, False, True]
    assert again.recipe == whole.recipe
    assert contents(tmp_path / "cells") == contents(tmp_path / "whole")


def test_another_fault_in_the_middle(by_layers: Plan, tmp_path: Path) -> None:
    def report(what: str, done: int, total: int) -> None:
        if (tmp_path / "cells").exists():
            raise RuntimeError

    with pytest.raises(RuntimeError):
        gallery(by_layers, folder=tmp_path / "cells", callback=report)
    assert len(contents(tmp_path / "cells")) == 1


def spoilt(path: Path, how: str) -> None:
    content = path.read_bytes()
    if how == "cut":
        path.write_bytes(content[:-200])
    elif how == "empty":
        path.write_bytes(b"")
    elif how == "text":
        path.write_bytes(b"no picture")
    elif how == "no recipe":
        images.write(images.read(path), path)
    elif how == "another recipe":
        other = next(each for each in path.parent.iterdir() if each != path)
        path.write_bytes(other.read_bytes())
    elif how == "another size":
        images.write(torch.rand(1, 3, 20, 20), path, note=images.read_note(path))


@pytest.mark.parametrize("how", ["cut", "empty", "text", "no recipe", "another recipe", "another size"])
def test_a_spoilt_cell_is_made_again(by_layers: Plan, tmp_path: Path, runs: list[list[str]], how: str) -> None:
    first = gallery(by_layers, folder=tmp_path / "cells")
    there = contents(tmp_path / "cells")
    path = first.cells[2].path
    assert path is not None
    spoilt(path, how)
    assert contents(tmp_path / "cells") != there
    runs.clear()
    again = gallery(by_layers, folder=tmp_path / "cells")
    assert runs == [["features.3"]]
    assert [each.fresh for each in again.cells] == [False, False, True, False]
    assert contents(tmp_path / "cells") == there


def test_no_flipped_bit_gets_through(vgg: Classifier, photo: Path, tmp_path: Path) -> None:
    made = plan("layers", [vgg], [photo], at=["features.0"], **QUICK)
    first = gallery(made, folder=tmp_path / "cells")
    path, draw = first.cells[0].path, random.Random(0)
    assert path is not None
    content, picture = path.read_bytes(), first.cells[0].image
    for _ in range(40):
        place = draw.randrange(len(content))
        changed = bytes([content[place] ^ (1 << draw.randrange(8))])
        path.write_bytes(content[:place] + changed + content[place + 1 :])
        again = gallery(made, folder=tmp_path / "cells")
        assert again.cells[0].image is not None
        assert again.cells[0].image.equal(picture)


def test_other_settings_are_other_cells(vgg: Classifier, photo: Path, tmp_path: Path, runs: list[list[str]]) -> None:
    for changed in ({}, {"seed": 1}, {"jitter": 3}, {"rate": 0.1}, {"size": 24}, {"loss": "gram"}, {"guide": photo}):
        gallery(plan("layers", [vgg], [photo], at=["0"], **{**QUICK, **changed}), folder=tmp_path / "cells")
    images.write(torch.rand(1, 3, 40, 48), photo)
    gallery(plan("layers", [vgg], [photo], at=["0"], **QUICK), folder=tmp_path / "cells")
    assert len(runs) == len(contents(tmp_path / "cells")) == 8


def test_edits_count(vgg: Classifier, photo: Path, tmp_path: Path, runs: list[list[str]]) -> None:
    from dreamscope.models.edits import Ablation

    for model in (vgg, vgg.edited(Ablation("features.0:1", "zero"))):
        gallery(plan("layers", [model], [photo], at=["features.3"], **QUICK), folder=tmp_path / "cells")
    assert len(runs) == len(contents(tmp_path / "cells")) == 2


def test_a_cell_that_becomes_infinite_leaves_the_others(image: Tensor, tmp_path: Path) -> None:
    model = wrap(seeded(Linear()), input_size=16)
    sets = {"tame": [1], "wild": [1e38], "tame too": [2]}
    settings = {"preset": "plain", "rate": 1e-3, "steps": 3}
    made = plan("weights", [model], [image], at=["conv"], sets=sets, **{**settings, "rate": 1e9})
    found = gallery(made, folder=tmp_path / "cells")
    assert [each.path is None for each in found.cells] == [False, True, False]
    assert found.cells[1].image is None
    assert "not finite at step 1" in found.cells[1].note
    assert found.cells[1].recipe.parameters["at"] == ["1e+38*conv"]
    assert len(contents(tmp_path / "cells")) == 2


def test_progress_counts_what_is_left_to_do(by_layers: Plan, tmp_path: Path) -> None:
    seen: list[tuple[str, int, int]] = []
    gallery(by_layers, folder=tmp_path / "cells", callback=lambda *each: seen.append(each))
    assert {total for _, _, total in seen} == {16}
    assert [done for _, done, _ in seen] == sorted(done for _, done, _ in seen)
    assert seen[0] == ("dreaming", 0, 16)
    assert seen[-1] == ("dreaming", 16, 16)
    next((tmp_path / "cells").iterdir()).unlink()
    seen.clear()
    gallery(by_layers, folder=tmp_path / "cells", callback=lambda *each: seen.append(each))
    assert seen[-1][1:] == (4, 4)


def test_progress_of_octaves_that_are_too_small(vgg: Classifier, photo: Path, tmp_path: Path) -> None:
    seen: list[int] = []
    made = plan("layers", [vgg], [photo], at=["0"], preset="classic", steps=3)
    gallery(made, folder=tmp_path / "cells", callback=lambda _what, done, total: seen.append(done * 100 // total))
    # Four octaves were planned, one is large enough.
    assert seen == [0, 33, 66, 100, 100]


def test_two_ways_along_one_ascent_each(vgg: Classifier, photo: Path, tmp_path: Path, runs: list[list[str]]) -> None:
    settings = {"preset": "plain", "seed": 3, "jitter": 4}
    made = plan(("layers", "steps"), [vgg], [photo], at=LAYERS[:3], values=[0, 2, 5], **settings)
    found = gallery(made, folder=tmp_path / "cells")
    # Nine cells, three ascents.
    assert runs == [[layer] for layer in LAYERS[:3]]
    assert len(contents(tmp_path / "cells")) == 9
    for each, cell in zip(found.cells, made.cells, strict=True):
        alone = dream(vgg, photo, cell.settings["at"], steps=cell.settings["steps"], **settings)
        alone.save(tmp_path / "alone.png")
        assert each.path is not None
        assert each.path.read_bytes() == (tmp_path / "alone.png").read_bytes()
        assert each.recipe == alone.recipe
    assert found.title == "photo.png, Vgg, plain, over layers and steps"
    recipe = Recipe.from_json(found.recipe.to_json())
    assert recipe.parameters["over"] == ["layers", "steps"]
    assert [cell["label"] for cell in recipe.parameters["cells"]] == labels(found)
    runs.clear()
    assert not any(each.fresh for each in gallery(made, folder=tmp_path / "cells").cells)
    assert runs == []
    (tmp_path / "cells" / f"{found.cells[4].path.stem}.png").unlink()  # type: ignore[union-attr]
    again = gallery(made, folder=tmp_path / "cells")
    assert [number for number, each in enumerate(again.cells) if each.fresh] == [4]
    assert hooks_on(vgg) == 0


def test_two_ways_interrupted_and_taken_up(vgg: Classifier, image: Tensor, tmp_path: Path) -> None:
    made = plan(("layers", "steps"), [vgg], [image], at=LAYERS[:2], values=[0, 2, 4, 9], preset="plain")
    whole = gallery(made, folder=tmp_path / "whole")
    # Within the second ascent, after its second step.
    with pytest.raises(Interrupted, match="stopped at step 3 of 9"):
        gallery(made, folder=tmp_path / "cells", callback=interrupting(1 + 9 + 1 + 1 + 2))
    finished = contents(tmp_path / "cells")
    again = gallery(made, folder=tmp_path / "cells")
    # The two layers' dreams of no steps differ by their recipes.
    assert [each.fresh for each in again.cells] == [False] * 4 + [False, False, True, True]
    assert len(finished) == 6
    assert again.recipe == whole.recipe
    assert contents(tmp_path / "cells") == contents(tmp_path / "whole")


def test_two_ways_over_photos_name_each_once(vgg: Classifier, image: Tensor, tmp_path: Path) -> None:
    photos = [images.write(image.roll(n), tmp_path / f"{n}.png") for n in range(2)]
    found = gallery(plan(("photos", "losses"), [vgg], photos, values=["mean", "gram"], **QUICK))
    assert [each["name"] for each in found.recipe.inputs["image"]] == ["0.png", "1.png"]
    assert found.title == "Vgg, features.4, classic, over photos and losses"
    assert found.original(3).equal(images.read(photos[1]))
    assert len(found.before) == 4


def test_progress_is_of_the_work_not_of_steps(vgg: Classifier, photo: Path) -> None:
    seen: list[tuple[int, int]] = []
    made = plan("layers", [vgg], [photo], at=["features.0", "features.4"], preset="plain", steps=50)
    gallery(made, callback=lambda _what, done, total: seen.append((done, total)))
    whole = [work_of(cell) for cell in made.cells]
    # What the first layer has taken, and the last one takes.
    assert seen[51] == (round(100 * whole[0] / sum(whole)), 100)
    assert whole[0] < whole[1]
    assert seen[-1] == (100, 100)
    assert [done for done, _ in seen] == sorted(done for done, _ in seen)


def test_before(vgg: Classifier, photo: Path, tmp_path: Path) -> None:
    made = plan("layers", [vgg], [photo], at=LAYERS[:2], **{**QUICK, "steps": 0})
    found = gallery(made, folder=tmp_path / "cells")
    for before, shown in zip(found.before, found.cells, strict=True):
        assert before.equal(images.read(photo))
        assert shown.image is not None
        assert before.equal(shown.image)


def test_refused_before_anything_is_written(vgg: Classifier, photo: Path, tmp_path: Path) -> None:
    (tmp_path / "a file").write_text("")
    (tmp_path / "bad.png").write_text("no picture")
    before = sorted(tmp_path.iterdir())
    folder = tmp_path / "cells"
    for message, pictures, where, settings in (
        ("is a file, not a folder", [photo], tmp_path / "a file", {}),
        ("there is no folder", [photo], tmp_path / "no" / "cells", {}),
        ("no such picture", [photo, tmp_path / "nowhere.png"], folder, {}),
        ("not a picture", [photo, tmp_path / "bad.png"], folder, {}),
        ("no such picture", [photo], folder, {"guide": "nowhere.png"}),
        ("no filter 'fine'", [photo], folder, {"filter": "fine"}),
        ("no loss 'x'", [photo], folder, {"loss": "x"}),
        ("seed lies between", [photo], folder, {"seed": -1}),
        ("size '1x1'", [photo], folder, {"size": "1x1"}),
        ("outside 'features.3'", [photo], folder, {"at": ["features.3@99,99"]}),
    ):
        with pytest.raises(DreamscopeError, match=message):
            gallery(plan("photos", [vgg], pictures, **{**QUICK, **settings}), folder=where)
        assert sorted(tmp_path.iterdir()) == before


def test_without_a_folder_pictures_are_held(vgg: Classifier, by_layers: Plan, tmp_path: Path) -> None:
    cached, held = gallery(by_layers, folder=tmp_path / "cells"), gallery(by_layers)
    assert held.recipe == cached.recipe
    for one, two in zip(cached.cells, held.cells, strict=True):
        assert two.path is None
        assert not two.diverged
        assert images.to_8_bits(two.image).equal(one.image)  # type: ignore[arg-type]
    with pytest.raises(DreamscopeError, match="give a folder"):
        gallery(by_layers, every=2)


def test_ones_own_pieces_are_dreamt_but_not_cached(vgg: Classifier, image: Tensor, tmp_path: Path) -> None:
    folder, flip = tmp_path / "cells", lambda image: image.flip(3)
    flipped = plan("layers", [vgg], [image], at=LAYERS[:2], transform=[flip], **QUICK)
    with pytest.raises(DreamscopeError, match=r"transform can't be written in a recipe.*recipe=False"):
        gallery(flipped, folder=folder)
    assert not folder.exists()
    found = gallery(flipped, folder=folder, recipe=False)
    assert found.recipe is None
    assert not folder.exists()
    for each, layer in zip(found.cells, LAYERS, strict=False):
        assert each.recipe is None
        alone = dream(vgg, image, layer, transform=[flip], recipe=False, **QUICK)
        assert alone.image.equal(each.image)  # type: ignore[arg-type]


def test_an_own_objective_and_photos_of_any_kind(vgg: Classifier, image: Tensor, tmp_path: Path) -> None:
    brightest = Objective.of(lambda seen: seen["features.3"].amax((1, 2, 3)), layers="features.3")
    pictures = [images.to_pil(image), image, (image[0].permute(1, 2, 0) * 255).byte().numpy()]
    made = plan("photos", [vgg], pictures, at=brightest, **QUICK)
    found = gallery(made, folder=tmp_path / "cells", recipe=False)
    assert len({each.label for each in found.cells}) == 3
    assert all(each.image is not None for each in found.cells)
    assert "own objective" in found.title
    with pytest.raises(DreamscopeError, match="needs addresses"):
        plan("layers", [vgg], [image], at=brightest)


def test_transforms_by_name_are_cached(vgg: Classifier, image: Tensor, tmp_path: Path, runs: list[list[str]]) -> None:
    made = plan("layers", [vgg], [image], at=["0"], transform=["rotate:5"], **QUICK)
    for _ in range(2):
        assert gallery(made, folder=tmp_path / "cells").recipe is not None
    assert len(runs) == 1


def test_a_notebook_shows_it(by_layers: Plan) -> None:
    page = gallery(by_layers)._repr_html_()
    assert page.count("<img") == 4
    assert "features.0" in page
    assert "photo.png, Vgg, classic, over layers" in page


def test_progress_shows_a_bar_and_still_calls_back(by_layers: Plan, capsys: pytest.CaptureFixture[str]) -> None:
    stages: set[tuple[str, int]] = set()
    gallery(by_layers, progress=True, callback=lambda stage, _done, total: stages.add((stage, total)))
    # One stage and one total, or the time left would begin anew with each cell.
    assert stages == {("dreaming", 16)}
