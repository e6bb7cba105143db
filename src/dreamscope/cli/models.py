"""``models``: the models that can be loaded by name."""

from __future__ import annotations

from typing import Annotated

import typer

from dreamscope.cli import output
from dreamscope.cli.options import Json
from dreamscope.errors import DreamscopeError

_SHOWN_WITHOUT_PATTERN = 12


def models(
    pattern: Annotated[str | None, typer.Argument(metavar="[GLOB]", help="Such as 'resnet*' or 'timm:*vit*'.")] = None,
    *,
    json: Json = False,
) -> None:
    """List the models that can be loaded by name."""
    from fnmatch import fnmatchcase

    output.waiting.begins("asking torchvision and timm")
    from dreamscope.models.embedded import EMBEDDED
    from dreamscope.models.registry import timm_names, torchvision_names

    groups = {"embedded": list(EMBEDDED), "torchvision": torchvision_names(), "timm": timm_names()}
    output.waiting.ends()
    if pattern is not None:
        groups = {group: [n for n in names if fnmatchcase(n, pattern)] for group, names in groups.items()}
        if not any(groups.values()):
            raise DreamscopeError(f"no model matches '{pattern}'; all of them: dreamscope models --json")
    if json:
        output.as_json(groups)
        return
    for name in groups["embedded"]:
        print(f"{name}  ({EMBEDDED[name].about}; needs no network)")
    for group in ("torchvision", "timm"):
        names = groups[group]
        shown = names if pattern is not None else names[:_SHOWN_WITHOUT_PATTERN]
        for name in shown:
            print(name)
        if len(names) > len(shown):
            example = "timm:*vit*" if group == "timm" else "*net*"
            print(f"... and {len(names) - len(shown)} more of {group}: dreamscope models '{example}'")
    if pattern is None:
        print("path/to/file.py:function  (your own: a function that returns an nn.Module)")
