"""``explain``: which pixels decided."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import asdict
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from dreamscope.cli import output
from dreamscope.cli.channel_options import FEW, ChannelsFile, model_of, read_channels, strongest_option
from dreamscope.cli.options import PICTURES, Json, Loader, Seed, out_option, with_model
from dreamscope.errors import DreamscopeError

if TYPE_CHECKING:
    from dreamscope.attribution.photo_explanations import PhotoExplanations
    from dreamscope.attribution.result import Explanation
    from dreamscope.models.classifier import Classifier

# Grad-CAM averages gradients over positions, which says little at the layers that come before channels.
_OF_CHANNELS = "layercam"
_LISTED = 20  # lines on the terminal
_ENOUGH = 5  # photos for an interval there

_METHODS_HELP = (
    "gradcam (the default), layercam, guided, smoothgrad, occlusion, rise, lime; and saliency*, integrated*, deconv*: "
    "*their highest pixels carry no more than an edge detector's (100 photos, insertion and deletion). Options follow "
    "a colon: gradcam:LAYER, occlusion:WINDOW,STRIDE,FILL (fill: mean, blur, zero), rise:MASKS, lime:SAMPLES,SEGMENTS. "
    "guided and deconv also draw the gradient as a picture; of a channel they take its strongest neuron (guided:all: "
    "the mean). May be repeated: several give a sheet."
)


@with_model()
def explain(
    image: Annotated[
        list[str],
        typer.Argument(
            metavar="IMAGE ...",
            help="A photo, sample:china or sample:flower; or several photos, folders, archives (.tar, .parquet) or a "
            "labels file (CSV: file, class_index or label), for a sheet over all of them.",
            show_default=False,
        ),
    ],
    *,
    loader: Loader,
    class_name: Annotated[
        str | None,
        typer.Option(
            "--class-name",
            "--class",
            metavar="LABEL",
            help="Name or index of the class to explain; the one predicted if not given.",
        ),
    ] = None,
    at: Annotated[
        str | None,
        typer.Option(metavar="ADDRESS", help="Explain a channel or neuron instead: LAYER:CHANNEL[@ROW,COL]; or a sum."),
    ] = None,
    channels: ChannelsFile = None,
    strongest: Annotated[
        int | None,
        strongest_option(FEW, note=" It explains the sum of their means, by layercam if nothing else is said."),
    ] = None,
    method: Annotated[list[str] | None, typer.Option(metavar="M", help=_METHODS_HELP)] = None,
    out: Annotated[str | None, out_option(f"{PICTURES}; NAME-explained.png if not given.")] = None,
    save_array: Annotated[
        str | None, typer.Option("--save-array", metavar="OUT", help="Also write the maps as arrays: NumPy's .npz.")
    ] = None,
    faithfulness: Annotated[
        bool,
        typer.Option(
            "--faithfulness",
            help="Also measure what the highest pixels carry, by insertion and deletion: curves and areas.",
        ),
    ] = False,
    sanity: Annotated[
        bool,
        typer.Option(
            "--sanity",
            help="Also make the weights random from the top down: a map that stays the same does not depend on them.",
        ),
    ] = False,
    masks: Annotated[
        str | None,
        typer.Option(
            metavar="FOLDER",
            help="PNG files named as the photos, white where the object is: measures how much of the evidence lies "
            "outside it.",
        ),
    ] = None,
    sort: Annotated[
        str | None,
        typer.Option(
            metavar="ORDER", help="Of several photos: mistakes first (if not given), confidence, outside or given."
        ),
    ] = None,
    csv: Annotated[
        str | None,
        typer.Option("--csv", metavar="OUT", help="Of several photos a row for each: .csv, or .json with it all."),
    ] = None,
    seed: Seed = 0,
    json: Json = False,
) -> None:
    """Show which pixels count for what the network sees, by one method or several side by side."""
    if class_name is not None and at is not None:
        raise DreamscopeError("give either --class-name or --at: one target is explained at a time")
    listed = read_channels(channels, strongest, FEW, class_name=class_name, at=at)
    load = partial(model_of, listed, loader)
    chosen: dict[str, Any] = {"class_name": class_name, "at": at if listed is None else listed.total(), "seed": seed}
    if method or listed is not None:
        chosen["method"] = method or _OF_CHANNELS
    from dreamscope.photos import holds_several

    alone = len(image) == 1 and not holds_several(image[0])
    named = Path(image[0]).absolute().name if Path(image[0]).is_dir() else output.stem_of(image[0])
    target = Path(out) if out is not None else output.free_name(f"{named}-explained", ".png")
    if alone and masks is None and sort is None and csv is None:
        _one(image[0], load, target, save_array, json, **chosen, faithfulness=faithfulness, sanity=sanity)
        return
    if save_array is not None or faithfulness or sanity:
        raise DreamscopeError("--save-array, --faithfulness and --sanity are for one photo; give one, without --masks")
    _several(image, load, target, csv, json, **chosen, masks=masks, sort=sort or "mistakes")


def _one(
    image: str, loader: Callable[[], Classifier], target: Path, save_array: str | None, json: bool, **options: Any
) -> None:
    from dreamscope import files, images

    images.ensure_format(target)
    files.ensure_writable(target)
    output.input_picture(image, target)
    from dreamscope.attribution import explain as technique
    from dreamscope.attribution import result

    if save_array is not None:
        files.ensure_arrays(save_array)
    model = loader()
    with output.stages() as callback:
        found = technique.explain(model, image, **options, callback=callback)
    from dreamscope.figures import attribution_plots

    images.write(attribution_plots.drawn(found), target, note=found[0].recipe.to_json() if found[0].recipe else None)
    written = [str(target)]
    if save_array is not None:
        written.append(str(result.save_arrays(found, save_array)))
    if json:
        output.as_json(
            {
                "files": written,
                "explains": asdict(found[0].targets[0]),
                "methods": [_facts(each, found[0]) for each in found],
            }
        )
        return
    for explained in dict.fromkeys(each.targets[0] for each in found):
        methods = [each.method.name for each in found if each.targets[0] == explained]
        print(f"explains {explained}" + (f" ({', '.join(methods)})" if len(methods) < len(found) else ""))
    _tables(found)
    print("  ".join(written))


def _several(
    given: Sequence[str], loader: Callable[[], Classifier], target: Path, csv: str | None, json: bool, **options: Any
) -> None:
    from dreamscope import files, images
    from dreamscope import photos as sets
    from dreamscope.attribution.explain_photos import explain_photos as technique
    from dreamscope.dissection import tables
    from dreamscope.figures import answer_sheets
    from dreamscope.recipes import note_of

    photos = sets.find(list(given))
    images.ensure_format(target)
    if csv is not None:
        tables.ensure_table(csv)
    for each in (target, *([] if csv is None else [Path(csv)])):
        files.ensure_writable(each)
        files.ensure_no_input(each, [*given, *(photo.path for photo in photos)])
    model = loader()
    with output.stages() as callback:
        found = technique(model, photos, **options, callback=callback)
    images.write(answer_sheets.of_explanations(found), target, note=note_of(found.recipe))
    written = [str(target), *([] if csv is None else [str(found.save(csv))])]
    output.unreadable(found.unreadable)
    if json:
        output.as_json({"files": written, **found.to_dict()})
        return
    print(f"{len(found.photos)} photos, {model.name}, by {', '.join(map(str, found.methods))}")
    if found.outside:
        print("\nevidence outside the object; a map that is the same everywhere has as much as the area")
        output.table(
            ["method", "photos", "number", "evidence outside", "95 % interval", "area outside"],
            [
                [
                    each.method,
                    each.photos,
                    each.share.count,
                    f"{each.share.value:.0%}",
                    # Of very few photos it would be too narrow, of one no interval at all.
                    f"{each.share.low:.0%} to {each.share.high:.0%}" if each.share.count >= _ENOUGH else "",
                    f"{each.area:.0%}",
                ]
                for each in found.outside
            ],
        )
    _photos(found)
    print("  ".join(written))


def _photos(found: PhotoExplanations) -> None:
    shown = found.photos[:_LISTED]
    more = f", {_LISTED} of {len(found.photos)}; --csv OUT writes all" if len(shown) < len(found.photos) else ""
    print(f"\nphotos{more}")
    columns = ["file", "truth", "taken for", "confidence", "explains"]
    columns += [f"outside, {method.name}" for method in found.methods] if found.outside else []
    rows = []
    for each in shown:
        row = [each.photo.path.name, "", "", "", str(each.targets[0])]
        if each.answer is not None:
            truth, taken = each.answer.truth, each.answer.predicted
            row[1:4] = [truth.label if truth else "", taken.label, f"{taken.probability:.1%}"]
            row[4] = "" if each.targets[0].name == taken.label else row[4]
        shares = each.outside or (None,) * (len(columns) - len(row))
        rows.append([*row, *("" if share is None else f"{share:.0%}" for share in shares)])
    # What is known of no photo, or would say again what it is taken for, is left out.
    kept = [place for place in range(len(columns)) if any(row[place] for row in rows)]
    output.table([columns[place] for place in kept], [[row[place] for place in kept] for row in rows])


def _tables(found: Sequence[Explanation]) -> None:
    columns, rows = ["method", "seconds"], [[str(each.method), f"{each.seconds:.1f}"] for each in found]
    if found[0].faithfulness:
        columns += ["insertion", "deletion"]
        for row, each in zip(rows, found, strict=True):
            row += [f"{area:.3f}" for area in _areas(each).values()]
    output.table(columns, rows)
    for each in found:
        for windows in each.windows:
            if windows.predictions is not None:
                changes = ", ".join(f"{change.label} ({change.share:.1%})" for change in windows.changes[:5])
                print(f"{each.method.name}: with a part covered, it is taken for {changes or 'nothing else'}")
        if not bool(each.map.any()):
            output.note(f"{each.method.name}: the map is empty: no pixel counts for {each.targets[0].name}")
    if found[0].sanity:
        print("similarity to the map of a network whose weights are random down to a layer (1: unchanged)")
        layers = [each.layer for each in found[0].sanity[0]]
        values = [[_similarity(each.sanity[0][place].similarity) for each in found] for place in range(len(layers))]
        output.table(
            ["layer", *(each.method.name for each in found)],
            [[layer, *row] for layer, row in zip(layers, values, strict=True)],
        )


def _similarity(value: float) -> str:
    return "flat" if math.isnan(value) else f"{value:.2f}"


def _areas(each: Explanation) -> dict[str, float]:
    (curves,) = each.faithfulness
    return {"insertion": curves.insertion_area, "deletion": curves.deletion_area}


def _facts(each: Explanation, first: Explanation) -> dict[str, Any]:
    facts: dict[str, Any] = {"method": str(each.method), "seconds": round(each.seconds, 3)}
    if each.targets != first.targets:
        facts["explains"] = asdict(each.targets[0])
    if each.faithfulness:
        facts |= _areas(each)
    for windows in each.windows:
        if windows.predictions is not None:
            facts["changes"] = [{"label": change.label, "share": change.share} for change in windows.changes]
    for checkpoints in each.sanity:
        facts["sanity"] = [
            {"layer": at.layer, "similarity": None if math.isnan(at.similarity) else at.similarity}
            for at in checkpoints
        ]
    return facts
