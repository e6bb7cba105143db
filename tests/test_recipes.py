from __future__ import annotations

import json
from fractions import Fraction
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from archived import tar_of

from dreamscope import images, recipes
from dreamscope.errors import DreamscopeError
from dreamscope.images import Size
from dreamscope.models.addresses import Address
from dreamscope.recipes import Recipe

RECIPE = Recipe("dream", {"name": "x"}, {"image": "noise"}, {"steps": 3, "at": ["a:1"]}, "0.1.0")


@pytest.mark.parametrize("suffix", [".png", ".jpg", ".webp"])
def test_a_recipe_survives_in_a_picture(tmp_path: Path, suffix: str) -> None:
    path = images.write(torch.rand(1, 3, 9, 9), tmp_path / f"a{suffix}", note=RECIPE.to_json())
    assert Recipe.read(path) == RECIPE


def test_a_recipe_from_its_json_file(tmp_path: Path) -> None:
    (tmp_path / "a.json").write_text(RECIPE.to_json(indent=2))
    assert Recipe.read(tmp_path / "a.json") == RECIPE


@pytest.mark.parametrize("text", ["", "{}", "[]", '{"dreamscope": {"command": "dream"}}', '{"dreamscope": 3}'])
def test_what_is_no_recipe(tmp_path: Path, text: str) -> None:
    (tmp_path / "a.json").write_text(text)
    with pytest.raises(DreamscopeError, match="holds no dreamscope recipe"):
        Recipe.read(tmp_path / "a.json")


def test_a_picture_without_recipe(tmp_path: Path) -> None:
    images.write(torch.rand(1, 3, 9, 9), tmp_path / "a.png")
    with pytest.raises(DreamscopeError, match="holds no dreamscope recipe"):
        Recipe.read(tmp_path / "a.png")


def test_references_keep_no_folder_and_find_files_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "photo.png").write_bytes(b"abc")
    kept = recipes.reference(tmp_path / "photo.png")
    assert isinstance(kept, dict)
    assert kept["name"] == "photo.png"
    assert str(tmp_path) not in str(kept)
    found = recipes.locate(kept, tmp_path / "out.png", what="image", option="IMAGE")
    assert Path(found) == tmp_path / "photo.png"
    monkeypatch.chdir(tmp_path)
    assert recipes.locate(kept, "/elsewhere/out.png", what="image", option="IMAGE") == "photo.png"


def test_a_picture_in_an_archive_is_referred_to_as_a_file_is(tmp_path: Path) -> None:
    path = tar_of(tmp_path / "some.tar", {"n01/photo.png": b"abc"}) / "n01" / "photo.png"
    (tmp_path / "photo.png").write_bytes(b"abc")
    assert recipes.reference(path) == recipes.reference(tmp_path / "photo.png")


def test_another_file_of_that_name_is_not_taken(tmp_path: Path) -> None:
    (tmp_path / "photo.png").write_bytes(b"abc")
    kept = recipes.reference(tmp_path / "photo.png")
    (tmp_path / "photo.png").write_bytes(b"abd")
    with pytest.raises(DreamscopeError, match=r"neither here nor beside .* give it with IMAGE"):
        recipes.locate(kept, tmp_path / "out.png", what="image", option="IMAGE")


def test_built_in_names_stay() -> None:
    assert recipes.reference("sample:china") == "sample:china"
    assert recipes.locate("sample:china", "x", what="image", option="IMAGE") == "sample:china"


def test_a_picture_in_memory_is_told_by_its_numbers() -> None:
    first, second = (recipes.reference(torch.full((1, 3, 8, 8), value)) for value in (0.1, 0.2))
    assert first != second


def made_with(model: object, image: object, at: object, *, steps: int = 3, own: object = None, **more: object) -> None:
    """A technique, for its signature."""


def call(**arguments: object) -> Recipe:
    model = SimpleNamespace(source={"name": "small"})
    values = {"model": model, "image": "photo.png", "at": "2", "steps": 3, "own": None, "more": {}, **arguments}
    return Recipe.of_call(made_with, values, inputs={"image": "sample:china", "guide": None}, resolved={"seed": 0})


def test_a_recipe_of_a_call_holds_every_argument() -> None:
    recipe = call(at=Address.parse("2:3"), own=(Fraction(1, 3), {"size": Size(8, 9)}))
    assert recipe.command == "made_with"
    assert recipe.model == {"name": "small"}
    assert recipe.inputs == {"image": "sample:china"}
    assert recipe.parameters == {"at": "2:3", "steps": 3, "own": ["1/3", {"size": "8x9"}], "seed": 0}
    assert Recipe.from_json(recipe.to_json()) == recipe


def test_what_cant_be_written_down_is_refused_by_name() -> None:
    with pytest.raises(DreamscopeError, match=r"^own can't be written in a recipe: .* give recipe=False"):
        call(own=[lambda activations: activations])


def test_settings_count_as_parameters() -> None:
    from dreamscope.dreaming.dream import dream

    names = recipes.parameters_of(dream)
    assert {"image", "seed", "steps", "octaves", "transform"} <= set(names)
    assert "settings" not in names
    assert recipes.parameters_of(call) == ["arguments"]


def test_references_of_pictures_in_memory() -> None:
    gray = torch.full((1, 3, 9, 9), 1.0)
    pil = images.to_pil(gray)
    assert recipes.reference(gray) == recipes.reference(pil) == recipes.reference(np.full((9, 9), 255, np.uint8))
    assert recipes.reference(["sample:china", gray]) == ["sample:china", recipes.reference(gray)]


def test_a_result_without_a_recipe() -> None:
    assert recipes.note_of(None) is None
    with pytest.raises(DreamscopeError, match="made with recipe=False"):
        recipes.ensure_recipe(None)


def test_what_was_chosen_is_left_out_of_what_was_given() -> None:
    made = Recipe("dream", {}, {}, {"steps": 3, "rate": 0.1}, "0.1.0", chosen=["rate"])
    assert Recipe.from_json(made.to_json()) == made
    assert made.as_given() == Recipe("dream", {}, {}, {"steps": 3}, "0.1.0")
    assert RECIPE.as_given() == RECIPE


def test_raw_rates_of_recipes_that_do_not_say_so_are_those_of_the_image() -> None:
    def read(command: str, **parameters: object) -> dict[str, object]:
        old = {"command": command, "model": {}, "inputs": {}, "parameters": parameters, "version": "0.1.0"}
        return dict(Recipe.from_json(json.dumps({"dreamscope": old})).parameters)

    assert read("dream", filter="none", rate=0.1)["gradient"] == "image"
    assert read("dream", filter="none", rate=0.1, gradient="input")["gradient"] == "input"
    assert "gradient" not in read("dream", filter="mean", rate=0.1)
    assert "gradient" not in read("invert", filter="none")
    assert read("visualize", parameterization="fourier")["branch_gradient"] == 1.0
    assert read("dream", parameterization="detail", branch_gradient=0.3)["branch_gradient"] == 0.3
    assert "branch_gradient" not in read("invert")
