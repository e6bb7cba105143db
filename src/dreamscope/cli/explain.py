"""``explain``: which pixels decided?"""

from __future__ import annotations

import math
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from dreamscope.cli import output
from dreamscope.cli.options import Json, Loader, with_model
from dreamscope.errors import DreamscopeError

if TYPE_CHECKING:
    from dreamscope.attribution.result import Explanation

_METHODS_HELP = (
    "gradcam (the default), layercam, guided, smoothgrad, occlusion, rise, lime; and saliency*, integrated*, deconv*: "
    "*their highest pixels told no more than an edge detector's (100 photos, insertion and deletion). With options if "
    "wanted: gradcam:LAYER, occlusion:WINDOW,STRIDE,FILL (fill: mean, blur, zero), rise:MASKS, lime:SAMPLES,SEGMENTS. "
    "May be repeated: several give a sheet."
)


@with_model()
def explain(
    image: Annotated[str, typer.Argument(metavar="IMAGE", help="A photo, sample:china or sample:flower.")],
    *,
    loader: Loader,
    class_: Annotated[
        str | None,
        typer.Option("--class", metavar="LABEL", help="What to explain; what the photo is taken for if not given."),
    ] = None,
    at: Annotated[
        str | None,
        typer.Option(metavar="ADDRESS", help="Explain a channel or neuron instead: LAYER:CHANNEL[@ROW,COL]."),
    ] = None,
    method: Annotated[list[str] | None, typer.Option(metavar="M", help=_METHODS_HELP)] = None,
    out: Annotated[
        str | None,
        typer.Option("-o", "--out", metavar="OUT", help=".png, .jpg or .webp; NAME-explained.png if not given."),
    ] = None,
    save_array: Annotated[
        str | None, typer.Option("--save-array", metavar="OUT", help="The numbers, too, as NumPy's .npz.")
    ] = None,
    faithful: Annotated[
        bool,
        typer.Option(
            "--faithful", help="Insertion and deletion, too: what do the highest pixels carry? Curves and areas."
        ),
    ] = False,
    sanity: Annotated[
        bool,
        typer.Option(
            "--sanity",
            help="Make the weights random from the top down, too: what stays of the map does not speak of them.",
        ),
    ] = False,
    seed: Annotated[int, typer.Option(metavar="N", help="Of all randomness.")] = 0,
    json: Json = False,
) -> None:
    """Show which pixels count for what the network sees, by one method or several beside each other."""
    from dreamscope import files, images

    if class_ is not None and at is not None:
        raise DreamscopeError("give either --class or --at: one thing is explained at a time")
    target = Path(out) if out is not None else output.free_name(f"{output.stem_of(image)}-explained", ".png")
    images.ensure_format(target)
    files.ensure_writable(target)
    output.input_picture(image, target)
    from dreamscope.attribution import explain as technique
    from dreamscope.attribution import result

    if save_array is not None:
        result.ensure_arrays(save_array)
    model = loader()
    with output.stages() as report:
        found = technique.explain(
            model,
            image,
            f"class:{class_}" if class_ is not None else at,
            methods=method or technique.DEFAULT_METHOD,
            faithful=faithful,
            sane=sanity,
            seed=seed,
            report=report,
        )
    from dreamscope.figures import attribution_plots

    images.write(attribution_plots.drawn(found), target, note=found[0].recipe.to_json())
    written = [str(target)]
    if save_array is not None:
        written.append(str(result.save_arrays(found, save_array)))
    if json:
        output.as_json({"files": written, "explains": _subject(found[0]), "methods": [_facts(each) for each in found]})
        return
    print(f"explains {found[0].title}")
    _tables(found)
    print("  ".join(written))


def _tables(found: Sequence[Explanation]) -> None:
    columns, rows = ["method", "seconds"], [[str(each.method), f"{each.seconds:.1f}"] for each in found]
    if found[0].faithfulness is not None:
        columns += ["insertion", "deletion"]
        for row, each in zip(rows, found, strict=True):
            if each.faithfulness is not None:
                row += [f"{each.faithfulness.insertion_area:.3f}", f"{each.faithfulness.deletion_area:.3f}"]
    output.table(columns, rows)
    for each in found:
        if each.windows is not None and each.windows.answers is not None:
            told = ", ".join(f"{change.label} ({change.share:.1%})" for change in each.changes[:5])
            print(f"{each.method.name}: covered somewhere, it is taken for {told or 'nothing else'}")
        if not bool(each.map.any()):
            output.note(f"{each.method.name}: the map is empty, nothing speaks for {each.subject}")
    if found[0].sanity:
        print("similarity to the map of a network whose weights are random down to a layer (1: unchanged)")
        layers = [each.layer for each in found[0].sanity]
        values = [[_similarity(each.sanity[place].similarity) for each in found] for place in range(len(layers))]
        output.table(
            ["layer", *(each.method.name for each in found)],
            [[layer, *row] for layer, row in zip(layers, values, strict=True)],
        )


def _similarity(value: float) -> str:
    return "flat" if math.isnan(value) else f"{value:.2f}"


def _subject(explanation: Explanation) -> dict[str, Any]:
    return {
        "subject": explanation.subject,
        "address": explanation.recipe.parameters["of"],
        "value": explanation.value,
    }


def _facts(each: Explanation) -> dict[str, Any]:
    facts: dict[str, Any] = {"method": str(each.method), "seconds": round(each.seconds, 3)}
    if each.faithfulness is not None:
        facts |= {"insertion": each.faithfulness.insertion_area, "deletion": each.faithfulness.deletion_area}
    if each.windows is not None and each.windows.answers is not None:
        facts["changes"] = [{"label": change.label, "share": change.share} for change in each.changes]
    if each.sanity:
        facts["sanity"] = [
            {"layer": kept.layer, "similarity": None if math.isnan(kept.similarity) else kept.similarity}
            for kept in each.sanity
        ]
    return facts
