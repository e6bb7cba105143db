"""``explain``: which pixels decided"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from dreamscope.cli import output
from dreamscope.cli.channel_options import FEW, ChannelsFile, model_of, read_channels, strongest_option
from dreamscope.cli.options import PICTURES, Json, Loader, Seed, out_option, with_model
from dreamscope.errors import DreamscopeError

if TYPE_CHECKING:
    from dreamscope.attribution.result import Explanation

# Grad-CAM averages gradients over positions, which says little at the layers that come before channels.
_OF_CHANNELS = "layercam"

_METHODS_HELP = (
    "gradcam (the default), layercam, guided, smoothgrad, occlusion, rise, lime; and saliency*, integrated*, deconv*: "
    "*their highest pixels carry no more than an edge detector's (100 photos, insertion and deletion). Options follow "
    "a colon: gradcam:LAYER, occlusion:WINDOW,STRIDE,FILL (fill: mean, blur, zero), rise:MASKS, lime:SAMPLES,SEGMENTS. "
    "May be repeated: several give a sheet."
)


@with_model()
def explain(
    image: Annotated[str, typer.Argument(metavar="IMAGE", help="A photo, sample:china or sample:flower.")],
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
    seed: Seed = 0,
    json: Json = False,
) -> None:
    """Show which pixels count for what the network sees, by one method or several side by side."""
    from dreamscope import files, images

    if class_name is not None and at is not None:
        raise DreamscopeError("give either --class-name or --at: one target is explained at a time")
    listed = read_channels(channels, strongest, FEW, class_name=class_name, at=at)
    target = Path(out) if out is not None else output.free_name(f"{output.stem_of(image)}-explained", ".png")
    images.ensure_format(target)
    files.ensure_writable(target)
    output.input_picture(image, target)
    from dreamscope.attribution import explain as technique
    from dreamscope.attribution import result

    if save_array is not None:
        files.ensure_arrays(save_array)
    model = model_of(listed, loader)
    with output.stages() as callback:
        found = technique.explain(
            model,
            image,
            class_name=class_name,
            at=at if listed is None else listed.total(),
            method=method or (technique.DEFAULT_METHOD if listed is None else _OF_CHANNELS),
            faithfulness=faithfulness,
            sanity=sanity,
            seed=seed,
            callback=callback,
        )
    from dreamscope.figures import attribution_plots

    images.write(attribution_plots.drawn(found), target, note=found[0].recipe.to_json() if found[0].recipe else None)
    written = [str(target)]
    if save_array is not None:
        written.append(str(result.save_arrays(found, save_array)))
    if json:
        output.as_json(
            {"files": written, "explains": asdict(found[0].targets[0]), "methods": [_facts(each) for each in found]}
        )
        return
    print(f"explains {found[0].targets[0]}")
    _tables(found)
    print("  ".join(written))


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


def _facts(each: Explanation) -> dict[str, Any]:
    facts: dict[str, Any] = {"method": str(each.method), "seconds": round(each.seconds, 3)}
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
