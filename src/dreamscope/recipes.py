"""Recipes: every parameter of a result, saved inside the result, enough to make it again."""

from __future__ import annotations

import hashlib
import inspect
import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from fractions import Fraction
from pathlib import Path
from typing import Any, get_args

from dreamscope import __version__, archives, files, images
from dreamscope.errors import DreamscopeError
from dreamscope.images import Picture

NOT_KEPT = frozenset({"model", "callback", "progress", "recipe", "memory", "engine"})
"""Arguments that say where something is made and who hears of it, not what is made."""


@dataclass(frozen=True)
class Recipe:
    """What made a result.

    Attributes
    ----------
    command : str
        The technique, such as ``dream``.
    model : Mapping
        How to load the model: the registry's arguments, files as references (see `reference`).
    inputs : Mapping
        The pictures that went in, by role; files as references, never as paths.
    parameters : Mapping
        Every option of the technique, defaults spelt out.
    version : str
        The dreamscope that made it.
    chosen : list of str
        Parameters whose values were not given, but found by the technique for this very picture.
    """

    command: str
    model: Mapping[str, Any]
    inputs: Mapping[str, Any]
    parameters: Mapping[str, Any]
    version: str
    chosen: Sequence[str] = field(default_factory=list)

    @classmethod
    def of_call(
        cls,
        technique: Callable[..., Any],
        arguments: Mapping[str, Any],
        *,
        inputs: Mapping[str, Any],
        resolved: Mapping[str, Any],
    ) -> Recipe:
        """Return the recipe of a call.

        Parameters
        ----------
        technique
            The function that was called; its name is the command.
        arguments
            What it was called with, by name, defaults included: its ``locals()`` before its first line. ``model`` is a
            classifier; what is in `NOT_KEPT` is left out.
        inputs
            The pictures and sets of photos, by the arguments' names, as `reference` writes them; ``None`` is left out.
        resolved
            Values that are kept in place of arguments (a resolved address, a measured precision), and further ones.

        Raises
        ------
        DreamscopeError
            If a value can't be written down: an own function or object. Make the recipe before the work begins.

        Examples
        --------
        >>> def dream(model, image, at, *, steps=10, callback=None): ...
        >>> from types import SimpleNamespace
        >>> arguments = {"model": SimpleNamespace(source={}), "image": "a", "at": "28", "steps": 3, "callback": print}
        >>> recipe = Recipe.of_call(dream, arguments, inputs={"image": "sample:china"}, resolved={"at": "features.28"})
        >>> recipe.parameters
        {'at': 'features.28', 'steps': 3}
        """
        parameters = inspect.signature(technique).parameters.values()
        names = [each.name for each in parameters if each.kind is not inspect.Parameter.VAR_KEYWORD]
        values = {name: arguments[name] for name in names if name not in {*inputs, *NOT_KEPT}} | dict(resolved)
        return cls(
            command=technique.__name__,
            model=arguments["model"].source,
            inputs={name: value for name, value in inputs.items() if value is not None},
            parameters={name: plain(value, name) for name, value in values.items()},
            version=__version__,
        )

    def as_given(self) -> Recipe:
        """Return the recipe without the values that were chosen: made again, they are found again."""
        given = {name: value for name, value in self.parameters.items() if name not in self.chosen}
        return replace(self, parameters=given, chosen=[])

    def but(self, **parameters: Any) -> Recipe:
        """Return the recipe with other values of some parameters."""
        return replace(self, parameters={**self.parameters, **parameters})

    def to_json(self, *, indent: int | None = None) -> str:
        """Return the recipe as JSON, the same text for the same recipe."""
        return json.dumps({"dreamscope": asdict(self)}, indent=indent, sort_keys=True)

    def to_dict(self) -> dict[str, Any]:
        """Return the recipe as plain values, as they stand in other JSON."""
        found: dict[str, Any] = json.loads(self.to_json())["dreamscope"]
        return found

    @classmethod
    def from_json(cls, text: str, *, source: str = "the text") -> Recipe:
        """Read what `to_json` wrote; raise a `DreamscopeError` that names `source` if it is not one."""
        try:
            recipe = cls(**json.loads(text)["dreamscope"])
            return replace(recipe, parameters={**_once(recipe), **recipe.parameters})
        except (ValueError, KeyError, TypeError, AttributeError) as error:
            raise DreamscopeError(f"{source} holds no dreamscope recipe") from error

    @classmethod
    def read(cls, path: str | Path) -> Recipe:
        """Read the recipe inside a picture, or a recipe's own ``.json`` file."""
        path = files.existing_file(path, "recipe")
        if path.suffix.lower() == ".json":
            try:
                note: str | None = path.read_text("utf-8")
            except UnicodeDecodeError:
                note = None
        else:
            note = images.read_note(path)
        return cls.from_json(note or "", source=f"'{path}'")


def _once(recipe: Recipe) -> dict[str, Any]:
    """Return values that recipes of earlier versions meant without saying them."""
    meant: dict[str, Any] = {}
    if "parameterization" in recipe.parameters and recipe.command in ("dream", "visualize", "zoom", "video"):
        meant["branch_gradient"] = 1.0
    if recipe.command in ("dream", "zoom", "video") and recipe.parameters.get("filter") == "none":
        # Rates multiplied the gradient of the image then.
        meant["gradient"] = "image"
    return {name: value for name, value in meant.items() if name not in recipe.parameters}


def note_of(recipe: Recipe | None) -> str | None:
    """Return what is written into a result's file: its recipe as JSON, nothing if it has none."""
    return None if recipe is None else recipe.to_json()


def ensure_recipe(recipe: Recipe | None) -> Recipe:
    """Return a recipe, or raise a `DreamscopeError` if the result was made without one."""
    if recipe is None:
        raise DreamscopeError("this was made with recipe=False; what is asked for needs a recipe")
    return recipe


def parameters_of(technique: Callable[..., Any]) -> list[str]:
    """Return the names of all parameters of a technique, those of its ``**settings: Unpack[...]`` included."""
    names = []
    for each in inspect.signature(technique, eval_str=True).parameters.values():
        unpacked = get_args(each.annotation) if each.kind is inspect.Parameter.VAR_KEYWORD else ()
        names += [*unpacked[0].__annotations__] if unpacked else [each.name]
    return names


def plain(value: Any, name: str) -> Any:
    """Return a value as JSON can hold it: numbers, texts, lists, and what its type's own ``parse`` reads from a text.

    Raises
    ------
    DreamscopeError
        If it is none of these; `name` is the argument that it was given as.
    """
    if value is None or isinstance(value, bool | int | float | str):
        return value
    if isinstance(value, Fraction) or hasattr(type(value), "parse"):
        return str(value)
    if isinstance(value, list | tuple):
        return [plain(each, name) for each in value]
    if isinstance(value, Mapping):
        return {str(key): plain(each, name) for key, each in value.items()}
    raise DreamscopeError(
        f"{name} can't be written in a recipe: {value!r} is your own; give recipe=False to do without one"
    )


def reference(source: Picture | Sequence[Picture]) -> Any:
    """Return what a recipe keeps of an input: a sample's name as it is, of a file its name and digest.

    The folder is the user's own business and is left out. Several pictures become a list.
    """
    if isinstance(source, str | Path):
        if str(source).startswith("sample:"):
            return str(source)
        return {"name": Path(source).name, "sha256": archives.digest(source)}
    if isinstance(source, Sequence):
        return [reference(each) for each in source]
    content = images.read(source).cpu().contiguous().numpy().tobytes()
    return {"name": "a picture in memory", "sha256": hashlib.sha256(content).hexdigest()}


def locate(kept: str | Mapping[str, str], near: str | Path, *, what: str, option: str) -> str:
    """Find the input that a recipe refers to: in the current folder, or in the folder of `near`.

    Raises
    ------
    DreamscopeError
        If no file of that name there has that digest; the message names `option`, which gives it.
    """
    if isinstance(kept, str):
        return kept
    for folder in (Path(), Path(near).parent):
        candidate = folder / kept["name"]
        if candidate.is_file() and files.digest(candidate) == kept["sha256"]:
            return str(candidate)
    raise DreamscopeError(
        f"this recipe's {what} was '{kept['name']}' (sha256 {kept['sha256'][:12]}...), which is neither "
        f"here nor beside '{near}'; give it with {option}"
    )
