"""Class names: ImageNet's, or a user's file."""

from __future__ import annotations

import json
from collections.abc import Sequence
from functools import cache
from pathlib import Path

from dreamscope.errors import DreamscopeError, did_you_mean
from dreamscope.files import existing_file
from dreamscope.photos import Photo


@cache
def imagenet() -> tuple[str, ...]:
    """Return the 1000 ImageNet names in torchvision's order.

    They are torchvision's (its weights' ``meta["categories"]``), kept here since importing torchvision takes seconds.
    """
    return read(Path(__file__).with_name("imagenet_labels.txt"))


def read(path: str | Path) -> tuple[str, ...]:
    """Read class names: a text file with one a line, or a JSON list, or a JSON object index -> name."""
    path = existing_file(path, "labels file")
    try:
        text = path.read_text("utf-8")
        if path.suffix.lower() != ".json":
            names = [line.strip() for line in text.splitlines() if line.strip()]
        else:
            loaded = json.loads(text)
            if isinstance(loaded, dict):
                loaded = [loaded[str(index)] for index in range(len(loaded))]
            names = [str(name) for name in loaded]
    except (ValueError, KeyError, TypeError) as error:
        raise DreamscopeError(
            f"labels file '{path}' is neither text with one label a line nor a JSON list or index -> label"
        ) from error
    if not names:
        raise DreamscopeError(f"labels file '{path}' is empty")
    return tuple(names)


def known(text: str, names: Sequence[str]) -> int | None:
    """Return the class that a photo's label names in full, by index or name; ``None`` if it names none, or several.

    Stricter than `index_of`: a folder called ``val`` does not name the class valley.
    """
    wanted = text.strip()
    if wanted.isdecimal():
        return int(wanted) if not names or int(wanted) < len(names) else None
    exact = [index for index, name in enumerate(names) if name.casefold() == wanted.casefold()]
    return exact[0] if len(exact) == 1 else None


def index_of(text: str | int, names: Sequence[str], *, model: str) -> int:
    """Return the class that a name or an index names.

    Parameters
    ----------
    text
        An index; a name, upper or lower case; or a part of just one name.
    names
        The classes.
    model
        Whose classes, for messages.

    Raises
    ------
    DreamscopeError
        No such class (with the nearest names), or several.
    """
    wanted = str(text).strip()
    if wanted.isdecimal():
        if names:
            ensure_class(int(wanted), len(names), model=model)
        return int(wanted)
    folded = [name.casefold() for name in names]
    exact = [index for index, name in enumerate(folded) if name == wanted.casefold()]
    partly = exact or [index for index, name in enumerate(folded) if wanted and wanted.casefold() in name]
    if len(partly) == 1:
        return partly[0]
    if partly:
        shown = ", ".join(f"{index} {names[index]}" for index in partly[:6])
        raise DreamscopeError(f"'{wanted}' names {len(partly)} classes of {model}: {shown}; give an index")
    raise DreamscopeError(f"no class '{wanted}' in {model}{did_you_mean(wanted, names)}")


def ensure_class(index: int, count: int, *, model: str) -> None:
    """Raise a `DreamscopeError` if a network, called `model`, has fewer classes than `index` asks for."""
    if index >= count:
        raise DreamscopeError(f"class {index} is out of range: {model} has {count} classes, 0-{count - 1}")


def truth_of(photo: Photo, labels: Sequence[str]) -> int | None:
    """Return the class that a photo is labelled as, if its label is one of `labels`, else ``None``."""
    return None if photo.label is None else known(photo.label, labels)
