"""``doctor``: the state of this installation."""

from __future__ import annotations

import platform
from importlib import metadata
from pathlib import Path
from typing import Any

from dreamscope import __version__
from dreamscope.cli import output
from dreamscope.cli.options import Json


def doctor(*, json: Json = False) -> None:
    """Report versions, devices, caches, and whether the models that need no network load."""
    import torch

    from dreamscope.errors import DreamscopeError
    from dreamscope.files import cache_folder
    from dreamscope.models import devices, downloads
    from dreamscope.models.embedded import EMBEDDED
    from dreamscope.models.registry import load

    report: dict[str, Any] = {
        "versions": {
            "dreamscope": __version__,
            "python": platform.python_version(),
            **{name: metadata.version(name) for name in ("torch", "torchvision", "timm", "numpy", "pillow")},
        },
        "devices": devices.available(),
        "threads": torch.get_num_threads(),
        "caches": {
            name: _cache(folder) for name, folder in {"dreamscope": cache_folder(), **downloads.folders()}.items()
        },
        "models that need no network": {},
    }
    for name in EMBEDDED:
        try:
            load(name)
            state = "ok"
        except DreamscopeError as error:
            state = str(error)
        report["models that need no network"][name] = state
    if json:
        output.as_json(report)
        return
    for title, value in report.items():
        print(f"{title}:")
        items = value.items() if isinstance(value, dict) else [("", value)]
        for key, each in items:
            text = ", ".join(each) if isinstance(each, list) else str(each)
            print(f"  {key + ' ' if key else ''}{text}")


def _cache(folder: Path) -> str:
    return f"{folder} ({'exists' if folder.is_dir() else 'not there yet'})"
