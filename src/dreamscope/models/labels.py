"""Class names: ImageNet's, or a user's file."""

from __future__ import annotations

import json
from pathlib import Path

from dreamscope.errors import DreamscopeError
from dreamscope.files import existing_file


def imagenet() -> tuple[str, ...]:
    """Return the 1000 ImageNet names in torchvision's order."""
    from torchvision.models import ResNet18_Weights

    return tuple(ResNet18_Weights.IMAGENET1K_V1.meta["categories"])


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
