"""``layers``: the layers of a model."""

from __future__ import annotations

from dataclasses import asdict
from typing import Annotated

import typer

from dreamscope.cli import output
from dreamscope.cli.options import Json, Loader, with_model


@with_model(argument=True)
def layers(
    *,
    loader: Loader,
    at: Annotated[
        str | None, typer.Option(metavar="GLOB", help="Only layers that match, such as 'features.*'.")
    ] = None,
    size: Annotated[
        int | None,
        typer.Option(metavar="PX", min=8, help="Side of a square picture; the model's input size if not given."),
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
        output.note(f"Without --at, dreams use {model.default_address}.")
    if any(found[name].calls > 1 for name in names):
        output.note("For a layer called several times in a pass, the last call is recorded; edits apply to every call.")


def _pair(values: tuple[int, int] | None, absent: str) -> str:
    if values is None:
        return absent
    return str(values[0]) if values[0] == values[1] else f"{values[0]}x{values[1]}"
