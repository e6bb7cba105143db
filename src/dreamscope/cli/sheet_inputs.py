"""What ``sheet`` is asked for: its options read and checked, before any long work."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from dreamscope.cli import output
from dreamscope.cli.channel_options import model_of
from dreamscope.cli.options import Loader
from dreamscope.cli.replay import located, recipe_of
from dreamscope.errors import DreamscopeError, did_you_mean
from dreamscope.sheets.axes import OVER, setting_of

if TYPE_CHECKING:
    from dreamscope.dissection.found_channels import FoundChannels
    from dreamscope.models.classifier import Classifier


def settings(recipe: str, over: Sequence[str], given: Mapping[str, Any]) -> dict[str, Any]:
    """Return the settings in a dream's recipe that are the same in all cells."""
    varied = [setting_of(kind) for kind in over]
    stored = recipe_of("dream", recipe, [*given, *varied])
    if stored.parameters.get("class_name"):
        raise DreamscopeError(f"'{recipe}' is a dream towards a class; a sheet's dreams are of layers")
    # A sheet over layers or channels varies the address, so it does not take the dream's.
    own = {"tile", "class_name", *varied, *(["at"] if {"layers", "channels"} & set(over) else [])}
    found = {name: value for name, value in stored.parameters.items() if name not in own}
    if "photos" in over:
        # Its size has the proportions of its own photo.
        found["size"] = max(map(int, found["size"].split("x")))
    return found | located(stored, recipe, {"guide", "mask"} - given.keys())


def sources(pictures: Sequence[str]) -> list[str]:
    """Return the photos that are named, and those in folders and archives."""
    from dreamscope import photos

    found: list[str] = []
    for each in pictures:
        found += [str(photo.path) for photo in photos.find(each)] if photos.holds_several(each) else [each]
    return list(dict.fromkeys(found))


def targets(target: Path, *, differences: bool) -> list[Path]:
    """Return where to write; raise before any long work if that can't be written."""
    from dreamscope import files

    if target.suffix.lower() not in (".png", ".webp"):
        raise DreamscopeError(
            f"can't write '{target}': a sheet is a .png or .webp (JPEG has no room for the recipes of all cells), "
            "with a .html of the same name beside it"
        )
    names = ["-differences.png", "-frequencies.png"] if differences else []
    written = [target, target.with_suffix(".html"), *(target.with_name(target.stem + name) for name in names)]
    for path in written:
        files.ensure_writable(path)
    return written


def longest_side(sources: Sequence[str], target: Path) -> int:
    """Read every input picture, so that an unreadable one is refused at once; return the longest side."""
    from dreamscope.optimize.initial_images import is_initial

    sides = [max(output.input_picture(source, target).shape[-2:]) for source in sources if not is_initial(source)]
    return max(sides, default=0)


def models(
    loader: Loader, names: str | None, over: Sequence[str], recipe: str | None, listed: FoundChannels | None
) -> list[Classifier]:
    """Return the networks: the one that is meant, or over models those named."""
    from dreamscope.recipes import Recipe

    if (names is None) == ("models" in over):
        raise DreamscopeError("--over models and --models M,M,... go together")
    if names is None:
        again = None if recipe is None else lambda: loader.again(Recipe.read(recipe).model, near=recipe)
        return [model_of(listed, loader, again)]
    found = [loader.named(name.strip()) for name in names.split(",")]
    if len({json.dumps(model.source, sort_keys=True) for model in found}) < len(found):
        raise DreamscopeError("two of the models are the same: name each once in --models, and leave out --model")
    if listed is not None:
        for model in found:
            listed.check(model)
    return found


def pair(text: str) -> tuple[str, str]:
    """Read ``A..B``."""
    first, dots, second = (part.strip() for part in text.partition(".."))
    if not (first and dots and second):
        raise DreamscopeError(f"'{text}' names no two cells; expected A..B, such as balanced..deep")
    return first, second


def ensure_labels(pairs: Sequence[tuple[str, str]], labels: Sequence[str]) -> None:
    """Raise if there are no cells of these labels."""
    for label in (label for pair in pairs for label in pair):
        if label not in labels:
            raise DreamscopeError(f"no cell '{label}' to compare{did_you_mean(label, labels)}")


def values(texts: Sequence[str]) -> dict[str, list[str]] | list[str] | None:
    """Read ``--values``: by kind where they say it (``steps=5,10``), else as they are."""
    plain: list[list[str]] = []
    found: dict[str, list[str]] = {}
    for text in texts:
        kind, named, listed = text.partition("=")
        each = [value.strip() for value in (listed if named else text).split(",")]
        kind = kind.strip()
        if not named:
            plain.append(each)
        elif kind not in OVER:
            raise DreamscopeError(f"'{text}' are values of no kind of sheet{did_you_mean(kind, OVER)}")
        elif kind in found:
            raise DreamscopeError(f"--values {kind}= is given twice; give all of them at once")
        else:
            found[kind] = each
    if plain and (found or len(plain) > 1):
        raise DreamscopeError("several --values need to say what of: --values steps=5,10 --values octaves=1,2")
    return plain[0] if plain else found or None
