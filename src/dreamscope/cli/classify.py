"""``classify``: a model's predictions for pictures, and how often they are right."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from dreamscope.cli import output
from dreamscope.cli.options import PICTURES, Json, Loader, out_option, with_model
from dreamscope.errors import DreamscopeError

if TYPE_CHECKING:
    from dreamscope.dissection.classification import Answer, Classification

_LISTED, _FREQUENT = 20, 10  # lines on the terminal; a table of all of them goes to --csv


@with_model()
def classify(
    photos: Annotated[
        list[str],
        typer.Argument(
            metavar="PHOTOS ...",
            help="Photos, sample:china, sample:flower: what each is taken for. Folders, archives (.tar, .parquet) or a "
            "labels file (CSV: file, class_index or label): how often that is right, by a labels.csv beside them, "
            "their archive or their subfolders.",
            show_default=False,
        ),
    ],
    *,
    loader: Loader,
    top: Annotated[
        int, typer.Option(metavar="K", min=1, help="Number of classes to show, or to keep, of a photo.")
    ] = 5,
    out: Annotated[str | None, out_option(f"A sheet of the most confident mistakes: {PICTURES}.")] = None,
    csv: Annotated[
        str | None, typer.Option("--csv", metavar="OUT", help="A row for each photo: .csv, or .json with all numbers.")
    ] = None,
    json: Json = False,
) -> None:
    """Print the classes that a model predicts for pictures, or where it errs on folders of them."""
    from dreamscope.photos import holds_several

    if out is None and csv is None and not any(map(holds_several, photos)):
        _one_by_one(photos, loader, top, json)
    else:
        _together(photos, loader, top=top, out=out, csv=csv, json=json)


def _one_by_one(pictures: Sequence[str], loader: Loader, top: int, json: bool) -> None:
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


def _together(given: Sequence[str], loader: Loader, *, top: int, out: str | None, csv: str | None, json: bool) -> None:
    from dreamscope import files, images
    from dreamscope import photos as sets
    from dreamscope.dissection import tables
    from dreamscope.dissection.classification import without_truth
    from dreamscope.dissection.classify import classify as technique
    from dreamscope.figures import answer_sheets
    from dreamscope.recipes import note_of

    found_photos = sets.find(list(given))
    if out is not None:
        images.ensure_format(out)
    if csv is not None:
        tables.ensure_table(csv)
    for target in (each for each in (out, csv) if each is not None):
        files.ensure_writable(target)
        files.ensure_no_input(Path(target), [*given, *(photo.path for photo in found_photos)])
    model = loader()
    with output.stages() as callback:
        found = technique(model, found_photos, top=top, callback=callback)
    written = []
    if out is not None:
        images.write(answer_sheets.of_mistakes(found, model), out, note=note_of(found.recipe))
        written.append(out)
    if csv is not None:
        written.append(str(found.save(csv)))
    output.unreadable(found.unreadable)
    if json:
        why = {} if found.labelled else {"no_accuracy": without_truth(found_photos, model)}
        output.as_json({"files": written, **why, **found.to_dict()})
        return
    print(f"{len(found.answers)} photos, {model.name}")
    if found.labelled:
        _accuracy(found)
    else:
        print(without_truth(found_photos, model))
        _frequent(found)
        _photos("photos", found.answers)
    if written:
        print("  ".join(written))


def _accuracy(found: Classification) -> None:
    from dreamscope.dissection.classification import said

    unknown = len(found.answers) - len(found.labelled)
    print(f"top-1  {said(found.top1)}" + (f"; {unknown} photos without a truth are left out" if unknown else ""))
    if found.classes > 5:
        print(f"top-5  {said(found.top5)}")
    several = [each for each in found.confusions if each.count > 1]
    if several:
        print("\nmost frequent confusions")
        output.table(
            ["truth", "taken for", "photos"], [[each.truth, each.predicted, each.count] for each in several[:_FREQUENT]]
        )
    elif found.confusions:
        print("no two mistakes are the same confusion")
    if found.mistakes:
        _photos("most confident mistakes", found.mistakes)


def _frequent(found: Classification) -> None:
    print("\nmost frequent predictions")
    output.table(["taken for", "photos"], [list(each) for each in found.frequent[:_FREQUENT]])


def _photos(title: str, answers: Sequence[Answer]) -> None:
    print(f"\n{title}" + (f", {_LISTED} of {len(answers)}; --csv OUT writes all" if len(answers) > _LISTED else ""))
    columns = ["file", "taken for", "confidence", "truth", "its confidence", "its rank"]
    rows: list[list[Any]] = [
        [
            each.photo.path.name,
            each.predicted.label,
            f"{each.predicted.probability:.1%}",
            *(("", "", "") if each.truth is None else (each.truth.label, f"{each.truth.probability:.1%}", each.rank)),
        ]
        for each in answers[:_LISTED]
    ]
    known = any(each.truth is not None for each in answers)
    output.table(columns if known else columns[:3], rows if known else [row[:3] for row in rows])
