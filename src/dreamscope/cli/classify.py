"""``classify``: what a model takes pictures for."""

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
