"""``dissect``: which channels carry a class?"""

from __future__ import annotations

from dataclasses import asdict
from typing import TYPE_CHECKING, Annotated, Any

import typer

from dreamscope.cli import output
from dreamscope.cli.options import Json, Loader, Seed, out_option, with_model
from dreamscope.cli.photo_options import (
    AtLeast,
    ClassName,
    Controls,
    EngineName,
    FromLayer,
    Layers,
    Loudest,
    PerLayer,
    Targets,
    frequency_rule,
    given_engine,
    paths,
    writable,
)

if TYPE_CHECKING:
    from dreamscope.dissection.scores import ChannelScores


@with_model()
def dissect(
    targets: Targets,
    *,
    loader: Loader,
    controls: Controls = None,
    class_name: ClassName = None,
    layers: Layers = None,
    from_layer: FromLayer = None,
    method: Annotated[
        list[str] | None,
        typer.Option(
            metavar="M",
            help="joint, contrast, attribution, frequency or single; may be repeated, the first ranks. All but single, "
            "which is slow, if not given. frequency alone needs no controls.",
        ),
    ] = None,
    loudest: Loudest = None,
    at_least: AtLeast = None,
    per_layer: PerLayer = None,
    out: Annotated[str | None, out_option("The scores, for blind --channels: a .json.")] = None,
    plot: Annotated[
        str | None,
        typer.Option(
            metavar="OUT", help="Plot of the ranking, of frequency layer by layer: .png, .svg, .pdf, .jpg or .webp."
        ),
    ] = None,
    top: Annotated[int, typer.Option(metavar="K", min=1, help="Number of channels to show.")] = 20,
    seed: Seed = 0,
    engine: EngineName = None,
    json: Json = False,
) -> None:
    """Find the channels that carry a class."""
    from dreamscope.dissection.dissect import DEFAULT_METHODS
    from dreamscope.dissection.dissect import dissect as technique
    from dreamscope.figures import frequency_plot, plots, style

    target = writable(out, ".json")
    picture = None if plot is None else style.ensure_format(plot)
    where = given_engine(engine)
    model = loader()
    with output.stages() as callback:
        scores = technique(
            model,
            paths(targets),
            paths(controls) if controls else None,
            class_name=class_name,
            layers=layers or None,
            from_layer=from_layer,
            method=method or DEFAULT_METHODS,
            seed=seed,
            engine=where,
            callback=callback,
            **frequency_rule(loudest, at_least, per_layer),
        )
    if target is not None:
        scores.save(target)
    if picture is not None:
        draw = frequency_plot.counts if scores.method == "frequency" else plots.ranking
        draw(scores, picture)
    output.unreadable(scores.unreadable)
    if json:
        output.as_json(_ranking(scores, top))
        return
    print(f"{scores.label}: {scores.photos()}")
    if scores.chosen_by_rule:
        print(f"{len(scores.ranking())} channels are {scores.rule}")
    rows = _ranking(scores, top)["channels"]
    columns = ["channel", *scores.shown()]
    output.table(columns, [[row["address"], *(f"{row[name]:.3g}" for name in columns[1:])] for row in rows])
    for (first, second), value in scores.agreement().items():
        print(f"{first} and {second} agree to {value:.2f} (rank correlation)")
    for written in (target, picture):
        if written is not None:
            print(written)


def _ranking(scores: ChannelScores, top: int) -> dict[str, Any]:
    rows = []
    for place in scores.ranking()[:top].tolist():
        row: dict[str, Any] = {"address": str(scores.address(place))}
        row |= {name: float(values[place]) for name, values in {**scores.scores, **scores.numbers}.items()}
        rows.append(row)
    return {
        "class": {"index": scores.class_index, "label": scores.label},
        "counts": dict(scores.counts),
        "rule": None if scores.rule is None else asdict(scores.rule),
        "channels": rows,
        "agreement": {f"{first} {second}": value for (first, second), value in scores.agreement().items()},
        "unreadable": dict(scores.unreadable),
        "recipe": None if scores.recipe is None else asdict(scores.recipe),
    }
