"""``models``, ``layers``, ``classify``: what there is to look into."""

from __future__ import annotations

from dataclasses import asdict
from typing import Annotated

import typer

from dreamscope.cli import output
from dreamscope.cli.options import Json, Loader, with_model
from dreamscope.errors import DreamscopeError

_SHOWN_WITHOUT_PATTERN = 12


def models(
    pattern: Annotated[str | None, typer.Argument(metavar="[GLOB]", help="Such as 'resnet*' or 'timm:*vit*'.")] = None,
    *,
    json: Json = False,
) -> None:
    """List the models that can be loaded by name."""
    from fnmatch import fnmatchcase

    from dreamscope.models.embedded import EMBEDDED
    from dreamscope.models.registry import timm_names, torchvision_names

    groups = {"embedded": list(EMBEDDED), "torchvision": torchvision_names(), "timm": timm_names()}
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


@with_model(argument=True)
def layers(
    *,
    loader: Loader,
    at: Annotated[str | None, typer.Option(metavar="GLOB", help="Only these, such as 'features.*'.")] = None,
    size: Annotated[
        int | None,
        typer.Option(metavar="PX", min=8, help="For a square picture of this size; the model's own if not given."),
    ] = None,
    json: Json = False,
) -> None:
    """List a model's layers: type, channels, output size, stride, receptive field, calls in a pass."""
    from dreamscope.models.addresses import resolve

    model = loader()
    found = model.layers if size is None else model.layers_at(size)
    names = list(found) if at is None else [address.layer for address in resolve([at], model)]
    if json:
        output.as_json([asdict(found[name]) for name in names])
        return
    output.table(
        ["layer", "type", "channels", "size", "stride", "receptive field", "calls"],
        [
            [
                name,
                found[name].type,
                found[name].channels,
                "x".join(map(str, found[name].grid)) or "-",
                _pair(found[name].stride, "-"),
                _pair(found[name].receptive_field, "all"),
                found[name].calls,
            ]
            for name in names
        ],
    )
    if at is None:
        output.note(f"Dreams are from {model.default_address} unless --at says otherwise.")
    if any(found[name].calls > 1 for name in names):
        output.note("Of a layer called several times in a pass, the last time is what is recorded; edits hold in all.")


@with_model()
def classify(
    pictures: Annotated[list[str], typer.Argument(metavar="IMAGE ...", help="Files, sample:china, sample:flower.")],
    *,
    loader: Loader,
    top: Annotated[int, typer.Option(metavar="K", min=1, help="How many classes to show.")] = 5,
    json: Json = False,
) -> None:
    """Say what a classifier takes pictures for."""
    from dreamscope import images

    if len(pictures) == 1:
        # One bad picture is refused before the model is loaded; among many, the others still count.
        images.read(pictures[0])
    model = loader()
    answers: list[dict[str, object]] = []
    failed = 0
    for picture in pictures:
        try:
            (predictions,) = model.classify(images.read(picture), top=top)
        except DreamscopeError as error:
            if len(pictures) == 1:
                raise
            failed += 1
            output.note(f"dreamscope: {error}")
            continue
        answers.append({"image": picture, "predictions": [asdict(each) for each in predictions]})
        if not json:
            print(picture)
            for each in predictions:
                print(f"  {each.probability:6.1%}  {each.label}")
    if json:
        output.as_json(answers)
    if failed:
        raise DreamscopeError(f"{failed} of {len(pictures)} pictures could not be classified")


def _pair(values: tuple[int, int] | None, absent: str) -> str:
    if values is None:
        return absent
    return str(values[0]) if values[0] == values[1] else f"{values[0]}x{values[1]}"
