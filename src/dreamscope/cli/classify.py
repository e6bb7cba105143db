"""``classify``: a model's predictions for pictures."""

from __future__ import annotations

from dataclasses import asdict
from typing import Annotated

import typer

from dreamscope.cli import output
from dreamscope.cli.options import Json, Loader, with_model
from dreamscope.errors import DreamscopeError


@with_model()
def classify(
    pictures: Annotated[list[str], typer.Argument(metavar="IMAGE ...", help="Files, sample:china, sample:flower.")],
    *,
    loader: Loader,
    top: Annotated[int, typer.Option(metavar="K", min=1, help="Number of classes to show.")] = 5,
    json: Json = False,
) -> None:
    """Print the classes that a model predicts for pictures."""
    from dreamscope import images

    if len(pictures) == 1:
        # A single bad picture is refused before the model is loaded; among several, the others are still classified.
        images.read(pictures[0])
    model = loader()
    rows: list[dict[str, object]] = []
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
        rows.append({"image": picture, "predictions": [asdict(each) for each in predictions]})
        if not json:
            print(picture)
            for each in predictions:
                print(f"  {each.probability:6.1%}  {each.label}")
    if json:
        output.as_json(rows)
    if failed:
        raise DreamscopeError(f"{failed} of {len(pictures)} pictures could not be classified")
